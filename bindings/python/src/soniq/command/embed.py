"""`soniq embed`: embeddings of texts."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator

import numpy as np

from ..embedding_model import Embeddings
from ..encoder import Encoder
from ..errors import SoniqError
from ..files import replacing
from .opening import CommandError


def run(options: argparse.Namespace) -> int:
    """Writes a line of numbers for each text, or JSON, or a file for numpy."""
    encoder = _open(options)
    texts = _texts(options.text)
    settings = {
        "batch_size": options.batch_size, "prompt": options.prompt, "normalize_embeddings": options.normalize,
    }  # fmt: skip
    if options.npy is not None:
        _write(options.npy, encoder.encode(list(texts), **settings))
        return 0
    kept: list[str] = []
    for row in encoder.encode_stream(_remembered(texts, kept), **settings):
        # As many digits as float32 needs, and no more.
        numbers = [float(str(number)) for number in row]
        if options.json:
            print(json.dumps({"text": kept.pop(0), "embedding": numbers}, ensure_ascii=False))
        else:
            print(*numbers)
    return 0


def _open(options: argparse.Namespace) -> Encoder:
    try:
        return Encoder(options.model, threads=options.threads, max_length=options.max_length)
    except SoniqError as error:
        place = "" if error.status == "IO" else f"{options.model}: "
        raise CommandError(f"{place}{error}") from None
    except (TypeError, ValueError) as error:
        raise CommandError(f"{options.model}: {error}") from None


def _texts(given: list[str]) -> Iterator[str]:
    """The arguments, of which - stands for the lines of standard input, as it does alone where there are none."""
    for text in given or ["-"]:
        if text == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin)
        else:
            # Arguments of the shell are bytes, which are UTF-8 or not.
            yield os.fsencode(text).decode("utf-8", "replace")


def _remembered(texts: Iterator[str], kept: list[str]) -> Iterator[str]:
    for text in texts:
        kept.append(text)
        yield text


def _write(path: str, rows: Embeddings) -> None:
    # A file of any name: np.save of a path would add a suffix.
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, rows)
