"""Sets of images on disk: written completely or not at all, and named by what is in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(unfinished, **arrays)
    unfinished.replace(path)


def load_or_make(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of the file, made when it is not there yet."""
    if not path.exists():
        save(path, make())
    with np.load(path) as archive:
        return dict(archive)


def description(name: str, arrays: dict[str, np.ndarray]) -> str:
    """Sizes and hash of a set."""
    return (f"{name}: {len(arrays['train_labels'])} to train on, {len(arrays['test_labels'])} held out, "
            f"sha256 {digest(arrays)}")


def digest(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 of names, types, shapes and values."""
    result = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        result.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        result.update(array.tobytes())
    return result.hexdigest()
