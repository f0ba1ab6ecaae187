"""Models of a worker process: opened once each, whoever asks."""

from __future__ import annotations

import functools
import os

from .encoder import Encoder
from .model import Model, load


@functools.lru_cache(maxsize=8)
def model(path: str, threads: int) -> Model:
    """The model of a file. Workers of one machine share its bytes in memory."""
    return load(path, threads=threads)


@functools.lru_cache(maxsize=8)
def encoder(path: str, threads: int, max_length: int | None) -> Encoder:
    """The encoder of a file."""
    return Encoder(model(path, threads), max_length=max_length)


def absolute(path: str | os.PathLike[str]) -> str:
    """A path for workers that stand in another folder."""
    return os.path.abspath(os.fsdecode(path))
