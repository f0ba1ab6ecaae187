"""Sentences from WordNet 3.0 (Debian's wordnet-base): what 117 thousand meanings are, and examples of their use."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

PARTS = ("noun", "verb", "adj", "adv")
# One meaning in so many is held out, by its place in the files: neighbours are alike, so that whole runs are.
HELD_OUT = 40
RUN = 25


@dataclass(frozen=True)
class Meaning:
    """A gloss, and sentences that use the word."""

    gloss: str
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Corpus:
    train: list[Meaning]
    held_out: list[Meaning]


def load(folder: Path) -> Corpus:
    """Reads data.noun, data.verb, data.adj and data.adv; exits with what to do where they are missing."""
    train, held_out = [], []
    for part in PARTS:
        path = folder / f"data.{part}"
        if not path.exists():
            sys.exit(f"{path} is not there: apt-get install wordnet-base, or name its folder with --wordnet")
        meanings = [meaning for line in path.read_text().splitlines() if (meaning := _meaning(line))]
        for place, meaning in enumerate(meanings):
            (held_out if place // RUN % HELD_OUT == 0 else train).append(meaning)
    return Corpus(train, held_out)


def _meaning(line: str) -> Meaning | None:
    if line.startswith("  ") or " | " not in line:  # the licence
        return None
    text = line.split(" | ", 1)[1].strip()
    examples = tuple(example for example in re.findall(r'"([^"]+)"', text) if " " in example)
    gloss = re.sub(r'[;,]?\s*"[^"]*"(\s*-\s*[^;"]*)?', "", text).strip(" ;")
    return Meaning(gloss, examples) if gloss else None
