"""Models that are not packed yet, where a packed one was expected."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import SoniqError

KINDS = {".onnx": "an ONNX file", ".gguf": "a GGUF file", ".safetensors": "a file of weights"}


def advised(error: SoniqError, path: str | bytes | os.PathLike[str]) -> SoniqError:
    """The error that opening this path made, which says how to pack the path where it is a model to pack."""
    found = Path(os.fsdecode(path))
    kind = KINDS.get(found.suffix.lower())
    if error.status not in ("IO", "FORMAT") or not found.exists():
        return error
    if found.is_dir() and (found / "config.json").exists():
        kind = "a Hugging Face folder"
    if kind is None:
        return error
    # Weights alone are no model: config.json beside them says what they are.
    source = found.parent if found.suffix.lower() == ".safetensors" else found
    packed = f"{found.stem}.soniq" if found.is_file() else f"{found.resolve().name}.soniq"
    message = str(error).removeprefix(f"{error.status}: ")
    advice = f"soniq-pack pack {source} -o {packed}, or soniq.pack({str(source)!r}, {packed!r}) in Python"
    return SoniqError(
        f"{message}. {found} is {kind}. Pack it first: {advice}",
        error.code, error.status, error.node, error.field, error.offset,
    )  # fmt: skip
