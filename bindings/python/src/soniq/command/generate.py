"""`soniq generate`: goes on with a text."""

from __future__ import annotations

import argparse
import os
import sys

from ..generation import SamplingOptions, session_limits, vocabulary_size
from ..sampler import Sampler
from .answer import Answer
from .opening import CommandError, open_grammar, open_model, open_tokenizer

STOPPED = {
    "length": "stopped after --max-tokens",
    "capacity": "stopped: the model has no room for more tokens",
}


def run(options: argparse.Namespace) -> int:
    """Writes what follows the text to standard output, and its speed to standard error."""
    grammar = open_grammar(options)
    model = open_model(options.model, options.threads)
    tokenizer = open_tokenizer(options.model, model)
    # Arguments of the shell are bytes, which are UTF-8 or not.
    text = sys.stdin.read() if options.text == "-" else os.fsencode(options.text).decode("utf-8", "replace")
    ids = tokenizer.encode(text, parse_special=options.parse_special)
    if len(ids) == 0:
        raise CommandError("the text is empty: give one that the model is to go on with")
    sampler = Sampler(vocabulary_size(model), **sampling(options))
    session = model.session(maximums=session_limits(model, len(ids), None, options.lookup))
    answer = Answer(
        model,
        ids,
        sampler,
        session,
        max_tokens=options.max_tokens,
        stops=tuple(options.stop),
        lookup=options.lookup,
        grammar=grammar,
    )
    try:
        show(answer)
    finally:
        print(flush=True)
        print(speed(answer), file=sys.stderr)
    return 0


def sampling(options: argparse.Namespace) -> SamplingOptions:
    """What the options of the command say of `Sampler`."""
    return {
        "temperature": options.temperature,
        "top_k": options.top_k,
        "top_p": options.top_p,
        "min_p": options.min_p,
        "repetition_penalty": options.repetition_penalty,
        "seed": options.seed,
    }


def show(answer: Answer) -> None:
    """Writes each piece as it comes."""
    for piece in answer:
        print(piece, end="", flush=True)


def speed(answer: Answer) -> str:
    """The line behind an answer."""
    stopped = STOPPED.get(answer.stop_reason or "")
    return f"[{answer.speed()}{'; ' + stopped if stopped else ''}]"
