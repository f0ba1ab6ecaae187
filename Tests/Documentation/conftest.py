"""A folder as readers have it, with models of random weights in the place of the real ones, under their names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "bindings/python/tests"))


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file of a language model with a tokenizer and a chat template."""
    path = tmp_path_factory.mktemp("chat") / "chat.gguf"
    subprocess.run([sys.executable, "-B", REPOSITORY / "Tests/Decoders/chat_model.py", path], check=True)
    return path


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Library, tool and command of the prefix under test."""
    prefix = Path(os.environ["SONIQ_LIBRARY"]).parents[1]
    # As pip would write it.
    command = tmp_path_factory.mktemp("bin") / "soniq"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m soniq "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY / "bindings/python/src"),
        "PATH": f"{command.parent}:{prefix / 'bin'}:{os.environ['PATH']}",
    }
