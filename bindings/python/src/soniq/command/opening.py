"""Opening a language model for a command, with errors that say what to do."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

from .. import _abi
from ..errors import SoniqError
from ..generation import vocabulary_size
from ..grammar import Grammar
from ..model import Model, load
from ..tokenizer import Tokenizer


class CommandError(Exception):
    """Why a command cannot go on and what to do about it, in one line."""


def open_model(path: str | os.PathLike[str], threads: int) -> Model:
    """A model that takes tokens and gives logits; raises CommandError for another."""
    try:
        model = load(path, threads=threads)
    except SoniqError as error:
        # Errors of the system name the file themselves.
        place = "" if error.status == "IO" else f"{path}: "
        raise CommandError(f"{place}{error}") from None
    try:
        vocabulary_size(model)
    except TypeError:
        names = ", ".join(info.name for info in model.inputs)
        raise CommandError(
            f"{path}: this is no language model: it takes {names}. Such models run by soniq.load in Python, or in C"
        ) from None
    return model


def open_tokenizer(path: str | os.PathLike[str], model: Model) -> Tokenizer:
    """The tokenizer of the model's file; raises CommandError where it has none."""
    try:
        return model.tokenizer
    except SoniqError as error:
        if error.code != _abi.ERROR_NOT_FOUND:
            raise
        raise CommandError(
            f"{path}: {error}. Text needs one: pack a GGUF file of this model, which has its tokenizer, or give token "
            "ids to Model.generate in Python"
        ) from None


def open_grammar(options: argparse.Namespace) -> Grammar | None:
    """What answers must look like, or None; raises CommandError where that cannot be done."""
    try:
        if options.regex is not None:
            return Grammar.regex(options.regex)
        if options.json_schema is not None:
            return Grammar.json_schema(read_text(options.json_schema))
    except (ImportError, TypeError, ValueError) as error:
        place = "--regex" if options.json_schema is None else f"--json-schema {options.json_schema}"
        raise CommandError(f"{place}: {error}") from None
    return None


def read_text(path: str) -> str:
    """A file of text, whose bytes that are no UTF-8 become U+FFFD."""
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        return file.read()


@contextmanager
def asked_by(options: str) -> Iterator[None]:
    """Names the options of the command that a size which the library refuses comes from."""
    try:
        yield
    except SoniqError as error:
        if error.status not in ("INVALID_ARGUMENT", "SHAPE", "OUT_OF_MEMORY"):
            raise
        raise CommandError(f"{options}: {error}") from None
