"""The text of the character language model: the New Testament in the King James Version of 1611, in the public domain.

    python examples/charlm/text.py             writes build/charlm/text.txt and prints what is in it

It comes from Debian's package bible-kjv-text, which is installed, or else downloaded (2.4 MB, no root needed). Every
tenth chapter is held out; a chapter is its verses, one a line.
"""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

PACKAGE = "bible-kjv-text"
INSTALLED = Path("/usr/lib/bible.data")
FIRST_BOOK = "Mat"
SHA256 = "cf480abe320a5bead34c1577cc7e7cd691fae76dd70896c117105b30fdfae020"
HELD_OUT_EVERY = 10


class TextError(Exception):
    """The text cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Corpus:
    """Ids of characters, int64 [length]; `characters[id]` is the character."""

    characters: str
    train: Tensor
    held_out: Tensor

    def ids(self, text: str) -> Tensor:
        places = {character: place for place, character in enumerate(self.characters)}
        if unknown := sorted(set(text) - set(places)):
            raise TextError(f"characters that the text does not have: {''.join(unknown)!r}")
        return torch.tensor([places[character] for character in text])

    def text(self, ids: list[int]) -> str:
        return "".join(self.characters[place] for place in ids)


def load(folder: Path) -> Corpus:
    """The corpus; `folder` keeps the text. Raises TextError."""
    kept = folder / "text.txt"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".part")
        unfinished.write_text(_chapters_text(_whole_text(folder)))
        unfinished.replace(kept)
    text = kept.read_text()
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != SHA256:
        raise TextError(f"{kept} has the SHA-256 {found}, not {SHA256}: delete it, or take {PACKAGE} of Debian 12")
    chapters = text.split("\n\n")
    parts = {True: [], False: []}
    for place, chapter in enumerate(chapters):
        parts[place % HELD_OUT_EVERY == HELD_OUT_EVERY // 2].append(chapter)
    corpus = Corpus("".join(sorted(set(text))), torch.empty(0), torch.empty(0))
    train, held_out = (corpus.ids("\n\n".join(parts[is_held_out])) for is_held_out in (False, True))
    return Corpus(corpus.characters, train, held_out)


def _chapters_text(whole: str) -> str:
    """Verses are lines such as "Mat1:2 Abraham begat Isaac"; chapters come apart by an empty line."""
    chapters: dict[str, list[str]] = {}
    is_wanted = False
    for line in whole.splitlines():
        if verse := re.fullmatch(r"(\d?[A-Za-z]+)(\d+):\d+ (.*)", line):
            book, chapter, words = verse.groups()
            is_wanted = is_wanted or book == FIRST_BOOK
            if is_wanted:
                chapters.setdefault(f"{book}{chapter}", []).append(words)
    return "\n\n".join("\n".join(verses) for verses in chapters.values())


def _whole_text(folder: Path) -> str:
    if INSTALLED.exists():
        return _decoded(INSTALLED.read_bytes())
    with tempfile.TemporaryDirectory(dir=folder) as work:
        try:
            _download(work)
            (package,) = Path(work).glob("*.deb")
            _run(["dpkg-deb", "-x", package.name, "."], work)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            reason = (getattr(error, "stderr", None) or str(error)).strip()
            todo = f"apt-get update && apt-get install {PACKAGE}"
            raise TextError(f"cannot download {PACKAGE} ({reason}); try as root: {todo}") from error
        return _decoded((Path(work) / INSTALLED.relative_to("/")).read_bytes())


def _download(folder: str) -> None:
    """By the machine's lists of packages, or, where it has none, by lists of our own: no root is needed."""
    try:
        _run(["apt-get", "-qq", "download", PACKAGE], folder)
    except subprocess.CalledProcessError:
        lists, cache = Path(folder) / "lists/partial", Path(folder) / "cache/archives/partial"
        for own in (lists, cache):
            own.mkdir(parents=True)
        options = ["-o", f"Dir::State::Lists={lists.parent}", "-o", f"Dir::Cache={cache.parents[1]}"]
        _run(["apt-get", "-qq", *options, "update"], folder)
        _run(["apt-get", "-qq", *options, "download", PACKAGE], folder)


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)


def _decoded(data: bytes) -> str:
    """The file of the Bible Retrieval System: at 84 the size of a window and their number, then where each begins
    and the last one ends, big-endian; windows are output of compress(1) without its three bytes of header."""
    _, count = struct.unpack_from(">II", data, 84)
    places = struct.unpack_from(f">{count + 1}I", data, 92)
    windows = [b"\x1f\x9d\x90" + data[start:end] for start, end in zip(places, places[1:], strict=False)]
    return b"".join(
        subprocess.run(["gzip", "-dc"], input=window, check=True, capture_output=True).stdout for window in windows
    ).decode("ascii")


if __name__ == "__main__":
    try:
        corpus = load(Path("build/charlm"))
    except TextError as error:
        sys.exit(f"text: {error}")
    print(f"{len(corpus.train)} characters to train on, {len(corpus.held_out)} held out, "
          f"{len(corpus.characters)} different: {corpus.characters!r}")
