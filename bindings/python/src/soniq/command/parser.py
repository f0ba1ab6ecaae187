"""What the command `soniq` takes."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

from ..generation import MOST_GUESSES
from . import bench, chat, generate, perplexity, serve

EXAMPLES = """examples:
  soniq generate model.soniq "The capital of France is" --max-tokens 40
  soniq chat model.soniq --system "You answer in one sentence."
  soniq perplexity model.soniq text.txt
  soniq bench model.soniq --threads 1
  soniq serve model.soniq --port 8000

A model is packed from a GGUF file: soniq-pack pack model.gguf -o model.soniq"""
GENERATE = """examples:
  soniq generate model.soniq "The capital of France is"
  soniq generate model.soniq "Once upon a time" --temperature 0.8 --top-p 0.95 --seed 7
  soniq generate model.soniq - --stop "\\n\\n" < prompt.txt
  soniq generate model.soniq "Alice is 31. The same as JSON: " --json-schema person.json
  soniq generate model.soniq "Berlin has how many letters? " --regex "[0-9]+"

The same model, text and options give the same tokens on every machine and with any number of threads."""
CHAT = """examples:
  soniq chat model.soniq
  soniq chat model.soniq --system "You answer in one sentence." --temperature 0
  echo "Who are you?" | soniq chat model.soniq
  echo "Is Paris in France?" | soniq chat model.soniq --regex "yes|no"

Each line is a message. Ctrl-C ends an answer, Ctrl-D the conversation. The chat template of the model's file is
rendered by the package jinja2."""
PERPLEXITY = """examples:
  soniq perplexity model.soniq text.txt
  soniq perplexity model.soniq text.txt --context 2048 --threads 4

The text is cut into pieces of --context tokens, and every token behind the first of its piece counts. Pieces begin with
the token that begins a text, where the model's file says that there is one."""
BENCH = """examples:
  soniq bench model.soniq
  soniq bench model.soniq --prompt 2048 --tokens 64 --threads 2
  soniq bench model.soniq --texts 8"""

SERVE = """examples:
  soniq serve model.soniq
  soniq serve chat=smollm2.soniq embeddings=minilm.soniq --port 8000 --watch 2
  SONIQ_API_KEYS="key-of-anna key-of-ben" soniq serve model.soniq --host 0.0.0.0 --workers 2

Limits are those of each worker."""


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="soniq",
        description="Runs language models that soniq-pack has packed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--version", action=_Version, nargs=0, help="show the versions of package and library")
    commands = result.add_subparsers(metavar="COMMAND", required=True)

    command = _command(commands, "generate", "go on with a text", GENERATE, generate.run)
    command.add_argument("text", metavar="TEXT", help="what to go on with; - reads it from standard input")
    command.add_argument("--parse-special", action="store_true", help="take names of control tokens in TEXT as these")
    _sampling(command, temperature=0.0, top_p=1.0)

    command = _command(commands, "chat", "talk with a model", CHAT, chat.run)
    command.add_argument("--system", metavar="TEXT", help="what the model is told before the conversation")
    command.add_argument("--template", metavar="FILE", help="chat template, in Jinja, in place of that of the model")
    command.add_argument(
        "--context", type=_count, default=0, metavar="N", help="the most tokens of a conversation (default: as packed)"
    )
    _sampling(command, temperature=0.7, top_p=0.9)

    command = _command(commands, "perplexity", "see how well a model predicts a text", PERPLEXITY, perplexity.run)
    command.add_argument("file", metavar="TEXTFILE", help="text in UTF-8")
    command.add_argument("--context", type=_length, default=512, metavar="N", help="tokens of a piece (%(default)s)")

    command = _command(commands, "bench", "measure tokens per second", BENCH, bench.run)
    command.add_argument("--prompt", type=_count, default=512, metavar="N", help="tokens of the prompt (%(default)s)")
    command.add_argument("--tokens", type=_count, default=64, metavar="N", help="tokens behind it (%(default)s)")
    command.add_argument(
        "--texts", type=_count, default=1, metavar="N", help="texts that these are written in at once (%(default)s)"
    )
    command.add_argument("--repetitions", type=_count, default=3, metavar="N", help="the median counts (%(default)s)")

    command = _command(commands, "serve", "serve models by HTTP, as OpenAI's interface has it", SERVE, serve.run, "+")
    _serving(command)
    return result


def _serving(command: argparse.ArgumentParser) -> None:
    def option(name: str, kind: Callable[[str], float], default: float, text: str) -> None:
        command.add_argument(name, type=kind, default=default, metavar="N", help=f"{text} (%(default)s)")

    command.add_argument("--host", default="127.0.0.1", help="address to listen at (%(default)s: this machine only)")
    option("--port", _whole, 8000, "port; 0: one that is free")
    command.add_argument(
        "--api-key", action="append", default=[], type=_text, metavar="KEY",
        help=f"who knows it may ask, and nobody else; also {serve.KEYS}, with spaces between",
    )  # fmt: skip
    option("--workers", _count, 1, "processes that share the file")
    option("--concurrency", _count, 8, "texts that are written at once")
    option("--queue", _whole, 64, "requests of a model that may wait; more are told to come later")
    option("--max-tokens", _count, 1024, "the most tokens of an answer")
    option("--context", _whole, 0, "the most tokens of a text with its answer; 0: as packed")
    option("--max-body", _count, 4 << 20, "the most bytes of a request")
    option("--max-inputs", _count, 2048, "the most texts of a request for embeddings")
    option("--timeout", _part_or_more, 300.0, "the most seconds of a request")
    option("--grace", _whole, 30, "seconds for running requests when the server is to end")
    option("--kept-texts", _whole, 8, "finished texts whose beginnings are used again; 0: none")
    option("--kept-tokens", _whole, 16384, "the most tokens of all of these")
    option("--watch", _number, 0.0, "look every N seconds whether a file was replaced; 0: after SIGHUP only")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from .. import __version__, library_version

        print(f"soniq {__version__}, library {library_version()}")
        parser.exit()


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    description: str,
    epilog: str,
    run: Callable[[argparse.Namespace], int],
    models: str | None = None,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=description,
        description=f"{description[0].upper()}{description[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    text = "the .soniq file" if models is None else "a .soniq file, or NAME=FILE"
    command.add_argument("model", metavar="MODEL", nargs=models, help=text)
    command.add_argument("--threads", type=_whole, default=0, metavar="N", help="threads; 0, the default: all")
    return command


def _sampling(command: argparse.ArgumentParser, *, temperature: float, top_p: float) -> None:
    def option(name: str, kind: Callable[[str], float], default: float, text: str) -> None:
        command.add_argument(name, type=kind, default=default, metavar="N", help=f"{text} (%(default)s)")

    option("--max-tokens", _count, 512, "the most tokens of an answer")
    option("--temperature", _number, temperature, "divides the logits; 0: always the most likely token")
    option("--top-p", _part, top_p, "only the most likely tokens that together have this probability")
    option("--top-k", _whole, 0, "only so many of the most likely tokens; 0: all")
    option("--min-p", _number, 0.0, "only tokens with this part of the greatest probability")
    option("--repetition-penalty", _part_or_more, 1.0, "makes recent tokens less likely; 1: not")
    option("--seed", _whole, 0, "of the random numbers")
    option(
        "--lookup",
        _guesses,
        0,
        "guess up to so many tokens by what followed before: the same text, sooner where it repeats",
    )
    command.add_argument("--stop", type=_text, action="append", default=[], metavar="TEXT", help="text that ends it")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json-schema", metavar="FILE", help="each answer is JSON that this JSON schema describes")
    form.add_argument("--regex", metavar="PATTERN", help="this regular expression matches all of each answer")


def _guesses(text: str) -> int:
    if _whole(text) > MOST_GUESSES:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {MOST_GUESSES}")
    return int(text)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 to 2147483647")
    return int(text)


def _count(text: str) -> int:
    if _whole(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count of 1 or more")
    return int(text)


def _length(text: str) -> int:
    if _whole(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of 2 or more")
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < 1e30:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 0 or more")
    return number


def _part_or_more(text: str) -> float:
    number = _number(text)
    if number == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def _part(text: str) -> float:
    number = _part_or_more(text)
    if number > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is above 1")
    return number


def _text(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("an empty text is everywhere")
    return text
