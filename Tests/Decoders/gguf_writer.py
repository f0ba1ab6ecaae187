"""GGUF files for tests: float32 tensors, and keys of the types that Python's values call for."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

Key = str | int | float | bool | list[bool] | list[str] | list[int] | list[float]
ALIGNMENT = 32


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Key) -> bytes:
    if isinstance(value, list):
        items = [_value(item) for item in value]
        kind = items[0][:4] if items else struct.pack("<I", 8)
        return struct.pack("<I", 9) + kind + struct.pack("<Q", len(value)) + b"".join(item[4:] for item in items)
    if isinstance(value, bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return struct.pack("<Ii", 5, value) if value < 0 else struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    return struct.pack("<I", 8) + _text(value)


def _padding(count: int) -> bytes:
    return bytes(-count % ALIGNMENT)


def write(path: Path, keys: dict[str, Key], tensors: dict[str, np.ndarray]) -> None:
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(keys))]
    head += [_text(key) + _value(value) for key, value in keys.items()]
    data: list[bytes] = []
    offset = 0
    for name, array in tensors.items():
        sizes = [struct.pack("<Q", size) for size in reversed(array.shape)]
        head.append(_text(name) + struct.pack("<I", array.ndim) + b"".join(sizes) + struct.pack("<IQ", 0, offset))
        stored = np.ascontiguousarray(array, dtype="<f4").tobytes()
        data.append(stored + _padding(len(stored)))
        offset += len(data[-1])
    whole = b"".join(head)
    path.write_bytes(whole + _padding(len(whole)) + b"".join(data))
