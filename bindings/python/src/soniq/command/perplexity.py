"""`soniq perplexity`: how well a model predicts a text."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..model import Model
from .opening import CommandError, asked_by, open_model, open_tokenizer, read_text

# Rows of logits that are held at a time.
ROWS = 32
Ids = npt.NDArray[np.int32]


def run(options: argparse.Namespace) -> int:
    """Writes the perplexity of a file to standard output, the speed to standard error."""
    model = open_model(options.model, options.threads)
    open_tokenizer(options.model, model)
    chunks = chunks_of(model, read_text(options.file), options.context)
    begin = time.perf_counter()
    total, count = surprise(model, chunks, options.context, _show if sys.stderr.isatty() else None)
    seconds = time.perf_counter() - begin
    print(f"perplexity {perplexity(total, count):.4f} of {count} tokens in {len(chunks)} pieces of {options.context}")
    print(f"[{sum(map(len, chunks)) / seconds:.1f} tokens/s]", file=sys.stderr)
    return 0


def chunks_of(model: Model, text: str, context: int) -> list[Ids]:
    """The tokens of a text in pieces of `context`, each behind the token that begins a text where the file has one."""
    tokenizer = model.tokenizer
    ids = tokenizer.encode(text, add_special=False)
    start = model.metadata.get("tokenizer.bos_token_id")
    begun = tokenizer.encode("a")
    head = begun[:1] if len(begun) and begun[0] == start else begun[:0]
    size = context - len(head)
    if size < 1:
        raise CommandError(f"--context {context} has room for the token that begins a text only: give a larger one")
    chunks = [np.concatenate([head, ids[first : first + size]]) for first in range(0, len(ids), size)]
    # Nothing is predicted in a single token.
    chunks = [chunk for chunk in chunks if len(chunk) > 1]
    if not chunks:
        raise CommandError(f"the text makes {len(ids)} tokens, of which nothing is predicted: give a longer one")
    return chunks


def surprise(
    model: Model, chunks: list[Ids], context: int, progress: Callable[[int, int, float], None] | None = None
) -> tuple[float, int]:
    """The sum of -log(probability), and the number of tokens: all but the first of each chunk."""
    with asked_by("--context"):
        sequence = model.sequence(capacity=context)
        decoder = model.decoder(capacity=context, maximum_tokens=ROWS, maximum_outputs=ROWS)
    total, count, everything = 0.0, 0, sum(len(chunk) - 1 for chunk in chunks)
    for chunk in chunks:
        sequence.truncate(0)
        for first in range(0, len(chunk) - 1, ROWS):
            last = min(first + ROWS, len(chunk) - 1)
            logits = decoder(sequence, chunk[first:last], "all")
            assert logits is not None
            total += surprise_of(logits, chunk[first + 1 : last + 1])
            count += last - first
            if progress:
                progress(count, everything, perplexity(total, count))
    return total, count


def surprise_of(logits: npt.NDArray[np.float32], tokens: Ids) -> float:
    """-log(probability) of the tokens, each by its row of logits, summed."""
    logits = logits - logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(tokens)), tokens].astype(np.float64)
    return float((np.log(np.exp(logits).sum(axis=1, dtype=np.float64)) - chosen).sum())


def perplexity(total: float, count: int) -> float:
    mean = total / count
    # e^709 is about the largest double.
    return math.exp(mean) if mean < 709 else math.inf


def _show(done: int, total: int, so_far: float) -> None:
    end = "\n" if done == total else ""
    print(f"\r{done}/{total} tokens, perplexity {so_far:.3f} ", end=end, file=sys.stderr, flush=True)
