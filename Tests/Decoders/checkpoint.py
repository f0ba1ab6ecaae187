"""Folders of checkpoints for tests, taken apart and changed: safetensors of any type, fields of config.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TENSORS = "model.safetensors"


def read(folder: Path) -> dict[str, np.ndarray]:
    """All tensors of a folder, which must be F32."""
    tensors: dict[str, np.ndarray] = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        end = 8 + int.from_bytes(data[:8], "little")
        for name, info in json.loads(data[8:end]).items():
            if name == "__metadata__":
                continue
            assert info["dtype"] == "F32"
            first, last = (end + offset for offset in info["data_offsets"])
            tensors[name] = np.frombuffer(data[first:last], "<f4").reshape(info["shape"])
    return tensors


def write(path: Path, tensors: dict[str, tuple[str, np.ndarray]]) -> None:
    """* tensors: by name, how safetensors calls the type and the stored numbers."""
    header: dict[str, Any] = {}
    data = b""
    for name, (kind, array) in tensors.items():
        stored = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(stored)]}
        data += stored
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def bfloat16(array: np.ndarray) -> np.ndarray:
    """The upper halves, rounded to nearest even."""
    bits = array.astype("<f4").view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


def copied(
    source: Path,
    folder: Path,
    change: Callable[[dict[str, Any]], Any] | None = None,
    store: Callable[[str, np.ndarray], tuple[str, np.ndarray]] | None = None,
) -> Path:
    """A folder in one file, with other fields in config.json or tensors of another type."""
    folder.mkdir(parents=True)
    config = json.loads((source / "config.json").read_text())
    if change:
        change(config)
    (folder / "config.json").write_text(json.dumps(config))
    tensors = read(source)
    write(folder / TENSORS, {name: store(name, array) if store else ("F32", array) for name, array in tensors.items()})
    return folder
