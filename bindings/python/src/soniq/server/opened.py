"""A model that is served: its file, what it can do, and the thread that runs it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from .. import _abi
from ..command.opening import CommandError
from ..command.template import ChatTemplate
from ..errors import SoniqError
from ..generation import ENDS, free_positions, vocabulary_size
from ..model import Model, load
from ..tokenizer import Tokenizer
from .embedding_queue import EmbeddingQueue
from .meter import Meter
from .scheduler import Limits, Scheduler
from .settings import Settings
from .worker import Worker

# Texts of a run, by soniq.h.
MOST_TEXTS = 1024


class OpenError(Exception):
    """Why a file cannot be served, in one line that names it."""


@dataclass(frozen=True)
class Decoding:
    """What answers of a decoder are made with; `template_error` says why there is no chat template."""

    scheduler: Scheduler
    capacity: int
    vocabulary: int
    ends: frozenset[int]
    template: ChatTemplate | None
    template_error: str


@dataclass(eq=False)
class Opened:
    """A file as it was when it was opened. Belongs to the thread of the event loop, but for its parts.

    Attributes:
        identity: of the file: a file in its place has another one.
        users: requests that were given it, and have not handed their work to its thread yet.
    """

    name: str
    identity: tuple[int, ...]
    model: Model
    tokenizer: Tokenizer | None
    worker: Worker
    decoding: Decoding | None
    created: int
    users: int = 0
    is_replaced: bool = False

    def release(self) -> None:
        """A request has handed on its work, or given up."""
        self.users -= 1
        self._retire_unused()

    def replace(self) -> None:
        """New requests get another: it ends when it has done what it was given."""
        self.is_replaced = True
        self._retire_unused()

    def _retire_unused(self) -> None:
        if self.is_replaced and self.users == 0:
            self.worker.retire()


def identity(path: str) -> tuple[int, ...]:
    """What tells a file from another of the same name. Raises OSError."""
    status = os.stat(path)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def open_file(name: str, path: str, settings: Settings, meter: Meter) -> Opened:
    """Opens a file, checks all of its bytes, and runs it once. Raises OpenError."""
    try:
        # Before the file is opened: one that takes its place meanwhile is seen as another.
        known = identity(path)
        model = load(path, threads=settings.threads, verify=True)
        tokenizer = _tokenizer(model)
        decoding = None
        worker: Worker
        if _is_decoder(model):
            decoding = _decoding(name, model, tokenizer, settings, meter)
            worker = decoding.scheduler
        else:
            worker = queue = EmbeddingQueue(model, settings.queue, meter, name)
            queue.model.embed([np.ones(1, np.int32)])
    except (SoniqError, OSError, TypeError, ValueError) as error:
        raise OpenError(f"{path}: {error}") from error
    return Opened(name, known, model, tokenizer, worker, decoding, int(time.time()))


def _is_decoder(model: Model) -> bool:
    try:
        vocabulary_size(model)
    except TypeError:
        return False
    return True


def _tokenizer(model: Model) -> Tokenizer | None:
    """That of the file, or None where it has none: then clients send ids of tokens."""
    try:
        return model.tokenizer
    except SoniqError as error:
        if error.code == _abi.ERROR_NOT_FOUND:
            return None
        raise


def _decoding(name: str, model: Model, tokenizer: Tokenizer | None, settings: Settings, meter: Meter) -> Decoding:
    if tokenizer is None:
        raise TypeError("it is a language model without a tokenizer, which answers need")
    capacity = free_positions(model.session(maximums={"batch": 1, "sequence": 1, "logits": 1}))
    if settings.context > capacity:
        raise ValueError(f"--context {settings.context} is more than the {capacity} positions that it has room for")
    if settings.concurrency > MOST_TEXTS:
        raise ValueError(f"--concurrency {settings.concurrency} is more than {MOST_TEXTS}")
    template, reason = None, ""
    try:
        template = ChatTemplate(model)
    except CommandError as error:
        reason = str(error)
    model.decoder(maximum_tokens=1)(model.sequence(1), [0])
    limits = Limits(settings.concurrency, settings.queue, settings.kept_texts, settings.kept_tokens)
    return Decoding(
        Scheduler(model, limits, meter, name),
        settings.context or capacity,
        vocabulary_size(model),
        frozenset(int(model.metadata[key]) for key in ENDS if key in model.metadata),
        template,
        reason,
    )
