"""Values of the options: each function takes what was typed, or raises ArgumentTypeError."""

from __future__ import annotations

import argparse
import math

from ..generation import MOST_GUESSES


def guesses(text: str) -> int:
    """How many tokens may be guessed."""
    if whole(text) > MOST_GUESSES:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {MOST_GUESSES}")
    return int(text)


def whole(text: str) -> int:
    """0 or more."""
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 to 2147483647")
    return int(text)


def count(text: str) -> int:
    """1 or more."""
    if whole(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count of 1 or more")
    return int(text)


def size(text: str) -> tuple[str, int]:
    """A size by its name: NAME=NUMBER."""
    name, _, number = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=NUMBER")
    return name, count(number)


def length(text: str) -> int:
    """2 or more: one token has nothing before it."""
    if whole(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of 2 or more")
    return int(text)


def real(text: str) -> float:
    """A number of 0 or more."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < 1e30:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 0 or more")
    return number


def above_zero(text: str) -> float:
    """A number above 0."""
    number = real(text)
    if number == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def share(text: str) -> float:
    """A number above 0, and at most 1."""
    number = above_zero(text)
    if number > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is above 1")
    return number


def nonempty(text: str) -> str:
    """Any text but the empty one."""
    if not text:
        raise argparse.ArgumentTypeError("an empty text is everywhere")
    return text
