"""The command `soniq`: language models and embeddings from the shell, and what is wrong with an installation."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from ..errors import GrammarError, SoniqError
from ..library import LibraryNotFoundError
from .opening import CommandError
from .parser import parser

INTERRUPTED, BROKEN_PIPE = 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit status; an error is one line on standard error."""
    options = parser().parse_args(arguments)
    _take_any_text()
    try:
        return int(options.run(options))
    except BrokenPipeError:
        # Whoever read has gone; flushing at exit would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except (CommandError, GrammarError, SoniqError, LibraryNotFoundError, OSError) as error:
        print(f"soniq: {error}", file=sys.stderr)
        return 1


def _take_any_text() -> None:
    """Models write any character, and files hold any bytes, whatever the locale is."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
