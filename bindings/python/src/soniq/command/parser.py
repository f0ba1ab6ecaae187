"""What the command `soniq` takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Literal

from ..server.settings import Settings
from . import bench, chat, doctor, embed, generate, perplexity, report, serve
from .values import above_zero, count, guesses, length, nonempty, real, share, size, whole

EXAMPLES = """examples:
  soniq generate model.soniq "The capital of France is" --max-tokens 40
  soniq chat model.soniq --system "You answer in one sentence."
  soniq perplexity model.soniq text.txt
  soniq bench model.soniq --threads 1
  soniq embed minilm.soniq "The cat sits outside"
  soniq report model.soniq
  soniq serve model.soniq --port 8000
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

SERVE = """examples:
  soniq serve model.soniq
  soniq serve chat=smollm2.soniq embeddings=minilm.soniq --port 8000 --watch 2
  SONIQ_API_KEYS="key-of-anna key-of-ben" soniq serve model.soniq --host 0.0.0.0 --workers 2

Limits are those of each worker."""


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
        "--context", type=count, default=0, metavar="N", help="the most tokens of a conversation (default: as packed)"
    )
    _sampling(command, temperature=0.7, top_p=0.9)

    command = _command(commands, "perplexity", "see how well a model predicts a text", PERPLEXITY, perplexity.run)
    command.add_argument("file", metavar="TEXTFILE", help="text in UTF-8")
    command.add_argument("--context", type=length, default=512, metavar="N", help="tokens of a piece (%(default)s)")

    command = _command(commands, "bench", "measure tokens per second", BENCH, bench.run)
    command.add_argument("--prompt", type=count, default=512, metavar="N", help="tokens of the prompt (%(default)s)")
    command.add_argument("--tokens", type=count, default=64, metavar="N", help="tokens behind it (%(default)s)")
    command.add_argument(
        "--texts", type=count, default=1, metavar="N", help="texts that these are written in at once (%(default)s)"
    )
    command.add_argument("--repetitions", type=count, default=3, metavar="N", help="the median counts (%(default)s)")

    _embed(commands)
    command = _command(commands, "report", "make a page that shows a model", REPORT, report.run, has_threads=False)
    command.add_argument("-o", "--output", metavar="FILE", help="the page (default: the model's name with .html)")
    command.add_argument(
        "--size", type=size, action="append", default=[], metavar="NAME=NUMBER", help="a dynamic size of the run"
    )
    command.add_argument("--no-run", action="store_true", help="show what the file holds, and measure nothing")
    command = _command(
        commands, "serve", "serve models by HTTP, as OpenAI's interface has it", SERVE, serve.run, model="many"
    )
    _serving(command)
    command = _command(commands, "doctor", "find out what is wrong", DOCTOR, doctor.run, model="none")
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
        "--max-length", type=count, metavar="N", help="cut texts to so many tokens (default: what the model takes)"
    )
    command.add_argument("--batch-size", type=count, default=32, metavar="N", help="texts at a time (%(default)s)")


def _serving(command: argparse.ArgumentParser) -> None:
    def option(name: str, kind: Callable[[str], float], default: float, text: str) -> None:
        command.add_argument(name, type=kind, default=default, metavar="N", help=f"{text} (%(default)s)")

    command.add_argument("--host", default=Settings.host, help="address to listen at (%(default)s: this machine only)")
    option("--port", whole, Settings.port, "port; 0: one that is free")
    command.add_argument(
        "--api-key", action="append", default=[], type=nonempty, metavar="KEY",
        help=f"who knows it may ask, and nobody else; also {serve.KEYS}, with spaces between",
    )  # fmt: skip
    option("--workers", count, Settings.workers, "processes that share the file")
    option("--concurrency", count, Settings.concurrency, "texts that are written at once")
    option("--queue", whole, Settings.queue, "requests of a model that may wait; more are told to come later")
    option("--max-tokens", count, Settings.max_tokens, "the most tokens of an answer")
    option("--context", whole, Settings.context, "the most tokens of a text with its answer; 0: as packed")
    option("--max-body", count, Settings.max_body, "the most bytes of a request")
    option("--max-inputs", count, Settings.max_inputs, "the most texts of a request for embeddings")
    option("--timeout", above_zero, Settings.timeout, "the most seconds of a request")
    option("--grace", whole, Settings.grace, "seconds for running requests when the server is to end")
    option("--kept-texts", whole, Settings.kept_texts, "finished texts whose beginnings are used again; 0: none")
    option("--kept-tokens", whole, Settings.kept_tokens, "the most tokens of all of these")
    option("--watch", real, Settings.watch, "look every N seconds whether a file was replaced; 0: after SIGHUP only")


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
    model: Literal["one", "many", "none"] = "one",
    has_threads: bool = True,
) -> _Command:
    command = commands.add_parser(
        name,
        help=description,
        description=f"{description[0].upper()}{description[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    if model == "one":
        command.add_argument("model", metavar="MODEL", help="the .soniq file")
    elif model == "many":
        command.add_argument("model", metavar="MODEL", nargs="+", help="a .soniq file, or NAME=FILE")
    if model != "none" and has_threads:
        command.add_argument("--threads", type=whole, default=0, metavar="N", help="threads; 0, the default: all")
    return command


def _sampling(command: argparse.ArgumentParser, *, temperature: float, top_p: float) -> None:
    def option(name: str, kind: Callable[[str], float], default: float, text: str) -> None:
        command.add_argument(name, type=kind, default=default, metavar="N", help=f"{text} (%(default)s)")

    option("--max-tokens", count, 512, "the most tokens of an answer")
    option("--temperature", real, temperature, "divides the logits; 0: always the most likely token")
    option("--top-p", share, top_p, "only the most likely tokens that together have this probability")
    option("--top-k", whole, 0, "only so many of the most likely tokens; 0: all")
    option("--min-p", real, 0.0, "only tokens with this part of the greatest probability")
    option("--repetition-penalty", above_zero, 1.0, "makes recent tokens less likely; 1: not")
    option("--seed", whole, 0, "of the random numbers")
    option(
        "--lookup",
        guesses,
        0,
        "guess up to so many tokens by what followed before: the same text, sooner where it repeats",
    )
    command.add_argument("--stop", type=nonempty, action="append", default=[], metavar="TEXT", help="text that ends it")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json-schema", metavar="FILE", help="each answer is JSON that this JSON schema describes")
    form.add_argument("--regex", metavar="PATTERN", help="this regular expression matches all of each answer")
