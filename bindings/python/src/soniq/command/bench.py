"""`soniq bench`: how fast a model reads a prompt and writes tokens."""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from ..decoder import Decoder, Sequence
from ..generation import vocabulary_size
from ..library import cpu_isa, library_version
from ..sampler import Sampler
from .opening import asked_by, open_model


def run(options: argparse.Namespace) -> int:
    """Writes a line for the prompt and one for the tokens behind it."""
    model = open_model(options.model, options.threads)
    vocabulary = vocabulary_size(model)
    prompt = np.random.default_rng(0).integers(0, vocabulary, options.prompt).astype(np.int32)
    capacity = options.prompt + options.tokens
    with asked_by("--prompt and --tokens"):
        sequence = model.sequence(capacity)
        decoder = model.decoder(capacity=capacity, maximum_outputs=max(16, options.texts))
    threads = options.threads or "all"
    print(f"{options.model}: soniq {library_version()}, {cpu_isa()}, {threads} thread{'' if threads == 1 else 's'}")
    # The first run reads the file from the disk.
    _measure(decoder, sequence, prompt[:16], min(2, options.tokens), options.texts, vocabulary)
    times = [
        _measure(decoder, sequence, prompt, options.tokens, options.texts, vocabulary)
        for _ in range(options.repetitions)
    ]
    _print(f"prompt {options.prompt:6} tokens", options.prompt, [prompt for prompt, _ in times])
    texts = f" of each of {options.texts} texts" if options.texts > 1 else ""
    _print(f"decode {options.tokens:6} tokens{texts}", options.tokens * options.texts, [decode for _, decode in times])
    return 0


def _print(what: str, tokens: int, seconds: list[float]) -> None:
    rates = sorted(tokens / each for each in seconds)
    spread = f"{rates[0]:.1f} to {rates[-1]:.1f} in {len(rates)} runs"
    print(f"{what} {statistics.median(rates):9.1f} tokens/s ({spread})")


def _measure(
    decoder: Decoder, sequence: Sequence, prompt: np.ndarray, tokens: int, texts: int, vocabulary: int
) -> tuple[float, float]:
    """Seconds of a prompt, and of tokens behind it in so many texts, each the most likely one after the last."""
    sequence.truncate(0)
    sampler = Sampler(vocabulary)
    begin = time.perf_counter()
    logits = decoder(sequence, prompt)
    read = time.perf_counter()
    sequences = [sequence, *(sequence.copy() for _ in range(texts - 1))]
    rows = [logits] * texts
    start = time.perf_counter()
    for _ in range(tokens):
        items = [
            (each, [sampler.sample(row[-1]).token])
            for each, row in zip(sequences, rows, strict=True)
            if row is not None
        ]
        rows = decoder.run(items)
    return read - begin, time.perf_counter() - start
