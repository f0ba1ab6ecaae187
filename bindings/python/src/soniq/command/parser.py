"""What the command `soniq` takes."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

from ..generation import MOST_GUESSES
from . import bench, chat, doctor, embed, generate, perplexity, report

EXAMPLES = """examples:
  soniq generate model.soniq "The capital of France is" --max-tokens 40
  soniq chat model.soniq --system "You answer in one sentence."
  soniq perplexity model.soniq text.txt
  soniq bench model.soniq --threads 1
  soniq embed minilm.soniq "The cat sits outside"
  soniq report model.soniq
  soniq doctor

A model is packed from a GGUF file or a folder: soniq-pack pack model.gguf -o model.soniq"""
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


EMBED = """examples:
  soniq embed minilm.soniq "The cat sits outside" "A dog barks"
  soniq embed minilm.soniq --normalize --npy embeddings.npy - < sentences.txt
  soniq embed minilm.soniq --json "The cat sits outside"

Writes a line of numbers for each text; of standard input each line is a text. An embedding does not depend on the texts
beside it."""
REPORT = """examples:
  soniq report model.soniq
  soniq report minilm.soniq -o minilm.html --size sequence=128
  soniq report model.soniq --no-run

Writes one page that a browser shows without a network: where the bits and the time are, the kernel of each step, what
the file says. Times are of this machine, with one thread and made-up inputs."""
DOCTOR = """Tells which library and which soniq-pack are used and where they were found, what the machine has, which
optional packages are installed, and how fast a small matrix product is. The exit status is 1 where something keeps
soniq from working; a line that begins with "problem:" then says what to do. Put all of it into a bug report."""


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="soniq",
        description="Runs language models and encoders of texts that soniq-pack has packed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--version", action=_Version, nargs=0, help="show the versions of package and library")
    commands = result.add_subparsers(metavar="COMMAND", required=True, parser_class=_Command)

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

    _embed(commands)
    command = _command(commands, "report", "make a page that shows a model", REPORT, report.run, has_threads=False)
    command.add_argument("-o", "--output", metavar="FILE", help="the page (default: the model's name with .html)")
    command.add_argument(
        "--size", type=_size, action="append", default=[], metavar="NAME=NUMBER", help="a dynamic size of the run"
    )
    command.add_argument("--no-run", action="store_true", help="show what the file holds, and measure nothing")
    command = _command(commands, "doctor", "find out what is wrong", DOCTOR, doctor.run, takes_model=False)
    command.add_argument("--json", action="store_true", help="write a JSON object")
    return result


def _embed(commands: argparse._SubParsersAction[_Command]) -> None:
    command = _command(commands, "embed", "make embeddings of texts", EMBED, embed.run)
    command.takes_many = True
    command.add_argument("text", metavar="TEXT", nargs="*", help="texts; - or none: each line of standard input")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="write a JSON object for each text, a line each")
    form.add_argument("--npy", metavar="FILE", help="write float32 [texts, size] as a file of numpy")
    command.add_argument("--normalize", action="store_true", help="divide each embedding by its length")
    command.add_argument("--prompt", metavar="TEXT", help="text that is set before each of them")
    command.add_argument(
        "--max-length", type=_count, metavar="N", help="cut texts to so many tokens (default: what the model takes)"
    )
    command.add_argument("--batch-size", type=_count, default=32, metavar="N", help="texts at a time (%(default)s)")


class _Command(argparse.ArgumentParser):
    """The parser of a command. With `takes_many` any number of texts may stand behind options too, which argparse does
    only when it is asked twice.
    """

    takes_many = False

    # The base has two signatures for what is one here.
    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> Any:
        if not self.takes_many:
            return super().parse_known_args(args, namespace)
        # Which calls this method in turn.
        self.takes_many = False
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.takes_many = True


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from .. import __version__, library_version

        print(f"soniq {__version__}, library {library_version()}")
        parser.exit()


def _command(
    commands: argparse._SubParsersAction[_Command],
    name: str,
    description: str,
    epilog: str,
    run: Callable[[argparse.Namespace], int],
    takes_model: bool = True,
    has_threads: bool = True,
) -> _Command:
    command = commands.add_parser(
        name,
        help=description,
        description=description.capitalize() + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    if takes_model:
        command.add_argument("model", metavar="MODEL", help="the .soniq file")
    if takes_model and has_threads:
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


def _size(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=NUMBER")
    return name, _count(number)


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
