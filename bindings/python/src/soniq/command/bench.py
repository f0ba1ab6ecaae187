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
        sequence, decoder = model.sequence(capacity), model.decoder(capacity=capacity)
    threads = options.threads or "all"
    print(f"{options.model}: soniq {library_version()}, {cpu_isa()}, {threads} thread{'' if threads == 1 else 's'}")
    # The first run reads the file from the disk.
    _measure(decoder, sequence, prompt[: min(len(prompt), 16)], 2, vocabulary)
    times = [_measure(decoder, sequence, prompt, options.tokens, vocabulary) for _ in range(options.repetitions)]
    for place, (name, count) in enumerate((("prompt", options.prompt), ("decode", options.tokens))):
        rates = sorted(count / seconds[place] for seconds in times)
        spread = f"{rates[0]:.1f} to {rates[-1]:.1f} in {len(rates)} runs"
        print(f"{name} {count:6} tokens {statistics.median(rates):9.1f} tokens/s ({spread})")
    return 0


def _measure(
    decoder: Decoder, sequence: Sequence, prompt: np.ndarray, tokens: int, vocabulary: int
) -> tuple[float, float]:
    """Seconds of a prompt, and of tokens behind it, each the most likely one after the last."""
    sequence.truncate(0)
    sampler = Sampler(vocabulary)
    begin = time.perf_counter()
    logits = decoder(sequence, prompt)
    read = time.perf_counter()
    for _ in range(tokens):
        assert logits is not None
        logits = decoder(sequence, [sampler.sample(logits[-1]).token])
    return read - begin, time.perf_counter() - read
