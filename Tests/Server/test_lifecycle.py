"""How a server starts and ends, takes new files and replaces its workers."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from packing import pack, write_model
from running import PATIENCE, Answer, Server
from test_limits import ENDLESS, begin

import soniq
from soniq.command.opening import CommandError
from soniq.command.serve import named

ASKED = {"model": "chat", "prompt": "Once upon", "temperature": 0, "max_tokens": 12}


@pytest.fixture(scope="module")
def other_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says something else."""
    folder = tmp_path_factory.mktemp("other")
    return pack(write_model(folder / "chat.gguf", {"llama.rope.freq_base": 3.0}), folder / "chat.soniq")


def said(path: Path) -> str:
    return "".join(soniq.load(path, threads=1).generate("Once upon", max_tokens=12))


def answer(server: Server) -> str:
    result = server.post("/v1/completions", ASKED)
    assert result.status == 200, result
    return str(result.body["choices"][0]["text"])


def text_of(stream: http.client.HTTPResponse) -> str:
    """All of an answer; its first event, which was read, has no text."""
    events = [part.removeprefix("data: ") for part in stream.read().decode().strip().split("\n\n")]
    assert events.pop() == "[DONE]"
    return "".join(json.loads(event)["choices"][0]["delta"].get("content", "") for event in events)


def replace(target: Path, source: Path) -> None:
    """As files are to be replaced: another one takes the name."""
    shutil.copy(source, target.with_suffix(".new"))
    os.replace(target.with_suffix(".new"), target)


def test_running_requests_end_before_the_server(start: Callable[..., Server], chat_path: Path) -> None:
    server = start(chat_path)
    asked = ENDLESS | {"max_tokens": 500, "n": 4}
    stream = begin(server, asked)
    result: list[Answer] = []
    asking = threading.Thread(target=lambda: result.append(server.post("/v1/chat/completions", asked)))
    asking.start()
    server.wait(lambda: server.metric("soniq_running_texts") > 4)
    server.signal(signal.SIGTERM)
    assert stream.read().decode().endswith("data: [DONE]\n\n")
    asking.join()
    assert result[0].status == 200 and result[0].body["usage"]["completion_tokens"] == 2000
    assert server.process.wait(PATIENCE) == 0, server.log()
    with pytest.raises(OSError):
        server.get("/health")


def test_the_grace_is_over(start: Callable[..., Server], chat_path: Path) -> None:
    server = start(chat_path, "--max-tokens", 2000, "--grace", 0)
    stream = begin(server, ENDLESS | {"n": 8})
    server.signal(signal.SIGTERM)
    last = stream.read().decode().split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "shutting_down"
    assert server.process.wait(PATIENCE) == 0, server.log()


def test_a_new_file(start: Callable[..., Server], chat_path: Path, other_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "chat.soniq"
    shutil.copy(chat_path, path)
    server = start(path, "--max-tokens", 1900, "--watch", 0.05)
    assert answer(server) == said(chat_path) != said(other_path)
    asked = ENDLESS | {"temperature": 0}
    whole = server.post("/v1/chat/completions", asked).body["choices"][0]["message"]["content"]
    old = begin(server, asked)
    replace(path, other_path)
    server.wait(lambda: server.metric("soniq_reloads_total", result="opened") == 1)
    assert answer(server) == said(other_path)
    # What began with the old file ends with it.
    assert text_of(old) == whole
    # And then the old file is closed.
    maps = Path(f"/proc/{server.process.pid}/maps")
    server.wait(lambda: "chat.soniq (deleted)" not in maps.read_text())
    assert "chat.soniq" in maps.read_text()

    broken = tmp_path / "broken"
    data = bytearray(chat_path.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    replace(path, broken)
    server.wait(lambda: server.metric("soniq_reloads_total", result="refused") == 1)
    assert "the new file is not served, the old one is" in server.log()
    assert answer(server) == said(other_path)
    path.unlink()
    assert answer(server) == said(other_path)
    replace(path, chat_path)
    server.wait(lambda: server.metric("soniq_reloads_total", result="opened") == 2)
    assert answer(server) == said(chat_path)


def test_workers(start: Callable[..., Server], chat_path: Path, other_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "chat.soniq"
    shutil.copy(chat_path, path)
    server = start(path, "--workers", 2)

    def workers() -> set[int]:
        return {int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", server.log())}

    server.wait(lambda: len(workers()) == 2)
    assert answer(server) == said(chat_path)
    (killed, *_) = workers()
    os.kill(killed, signal.SIGKILL)
    server.wait(lambda: len(workers()) == 3)
    server.wait(lambda: server.log().count("Application startup complete") == 3)
    assert f"worker {killed} has ended" in server.log()
    assert answer(server) == said(chat_path)
    # Counts are those of all of them, of the one that was killed too.
    assert server.metric("soniq_requests_total", endpoint="/v1/completions") == 2
    replace(path, other_path)
    server.signal(signal.SIGHUP)
    server.wait(lambda: server.metric("soniq_reloads_total", result="opened") == 2)
    assert answer(server) == said(other_path)
    assert server.stop() == 0, server.log()


def test_what_cannot_start(chat_path: Path, tmp_path: Path) -> None:
    def refused(*options: object, environment: dict[str, str] | None = None) -> tuple[int, str]:
        command = [sys.executable, "-m", "soniq", "serve", *map(str, options), "--port", "0"]
        environment = os.environ | (environment or {})
        result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment)
        assert "Traceback" not in result.stderr, result.stderr
        return result.returncode, result.stderr

    status, text = refused("no-such.soniq")
    assert status == 3 and "no-such.soniq" in text
    with pytest.raises(CommandError, match="'chat' is taken"):
        named([str(chat_path), f"chat={chat_path}"])
    (tmp_path / "fastapi.py").write_text("raise ImportError('not here')")
    (tmp_path / "uvicorn.py").write_text("raise ImportError('not here')")
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    status, text = refused(chat_path, environment={"PYTHONPATH": path})
    assert status == 1 and "pip install 'soniq[server]'" in text


def test_the_package_does_not_import_the_server() -> None:
    code = "import sys, soniq, soniq.command; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"soniq.server.application", "fastapi", "pydantic", "uvicorn"} & set(result.stdout.split())
