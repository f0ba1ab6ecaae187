"""Packs the tiny models with the tool that .ci/with-library names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Decoders"))
from chat_model import write_model  # noqa: E402

__all__ = ["pack", "write_model"]


def pack(source: Path, target: Path, *options: str) -> Path:
    command = [os.environ["SONIQ_PACK"], "pack", source, "-o", target, *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return target
