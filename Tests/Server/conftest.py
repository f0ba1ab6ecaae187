"""Tiny models, and a server that serves them. Library and tool are those that .ci/with-library names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packing import pack, write_model
from running import Server
from tiny_encoder import write_folder

import soniq


@pytest.fixture(scope="session")
def chat_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    return pack(write_model(folder / "chat.gguf"), folder / "chat.soniq")


@pytest.fixture(scope="session")
def encoder_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    return pack(write_folder(folder / "encoder"), folder / "encoder.soniq", "--palette", "f32")


@pytest.fixture(scope="session")
def chat_model(chat_path: Path) -> soniq.Model:
    return soniq.load(chat_path, threads=1)


@pytest.fixture(scope="session")
def encoder_model(encoder_path: Path) -> soniq.Model:
    return soniq.load(encoder_path, threads=1)


@pytest.fixture(scope="session")
def server(
    chat_path: Path, encoder_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One for all tests that leave it as it was."""
    log = tmp_path_factory.mktemp("server") / "log"
    running = Server(log, chat_path, f"letters={encoder_path}")
    yield running
    assert running.stop() == 0, running.log()
    assert "Traceback" not in running.log() and " ERROR " not in running.log(), running.log()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of a test's own."""
    servers: list[Server] = []

    def begin(*options: object, environment: dict[str, str] | None = None) -> Server:
        servers.append(Server(tmp_path / f"log-{len(servers)}", *options, environment=environment))
        return servers[-1]

    yield begin
    for each in servers:
        each.stop()
        assert "Traceback" not in each.log(), each.log()
