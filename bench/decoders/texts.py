"""Texts to calibrate on and others to evaluate with, from Debian packages: prose, encyclopaedias, manuals.

Nothing is installed: `apt-get download` fetches the packages, which are unpacked beside the texts. Passages of about
2 kB are dealt out by a hash of theirs, so that no passage is in both, and the kinds take turns.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import re
import subprocess
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

PACKAGES = {
    "prose": ["dict-devil", "jargon-text", "fortunes"],
    "encyclopaedia": ["dict-foldoc", "dict-gcide"],
    "manual": ["debian-reference-en", "developers-reference", "python3-doc|python3.11-doc"],
}
PASSAGE = 2000
EVALUATION, CALIBRATION = 250_000, 700_000


def texts(folder: Path) -> tuple[Path, Path]:
    """The files of both: calibration, evaluation."""
    calibration, evaluation = folder / "calibration.txt", folder / "evaluation.txt"
    if not (calibration.exists() and evaluation.exists()):
        kinds = [list(_passages(_unpacked(folder, packages))) for packages in PACKAGES.values()]
        dealt: dict[Path, list[str]] = {calibration: [], evaluation: []}
        for passage in (p for turn in zip_longest(*kinds) for p in turn if p):
            isolated = hashlib.sha256(passage.encode()).digest()[0] < 32
            dealt[evaluation if isolated else calibration].append(passage)
        for path, most in ((calibration, CALIBRATION), (evaluation, EVALUATION)):
            path.write_text("\n\n".join(dealt[path])[:most])
    return calibration, evaluation


def _unpacked(folder: Path, packages: list[str]) -> Path:
    target = folder / packages[0]
    target.mkdir(parents=True, exist_ok=True)
    for alternatives in packages:
        for name in alternatives.split("|"):
            command = ["apt-get", "download", name]
            done = subprocess.run(command, cwd=target, capture_output=True, text=True)
            if done.returncode == 0:
                break
        else:
            raise SystemExit(f"{alternatives}: {done.stderr.strip()} (has apt-get update been run?)")
    for package in sorted(target.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(target / "files")], check=True)
    return target / "files"


def _passages(folder: Path) -> Iterator[str]:
    """Of all its texts, in an order that looks like none and is always the same."""
    found = {passage for path in sorted(folder.rglob("*")) if path.is_file() for passage in _cut(_text(path))}
    yield from sorted(found, key=lambda passage: hashlib.sha256(passage.encode()).digest())


def _text(path: Path) -> str:
    if path.is_symlink() or path.name.startswith(("changelog", "copyright", "README", "NEWS")):
        return ""
    suffixes = "".join(path.suffixes[-2:])
    if not re.search(r"\.(txt|dict|html|dz)(\.gz)?$", suffixes) and "fortunes" not in path.parts:
        return ""
    data = gzip.decompress(path.read_bytes()) if path.suffix in (".gz", ".dz") else path.read_bytes()
    if b"\0" in data[:4096]:
        return ""
    text = data.decode("utf-8", "replace").replace("\r", "")
    return _plain(text) if ".html" in suffixes else text


def _plain(page: str) -> str:
    page = re.sub(r"(?s)<(script|style|head|nav)\b.*?</\1>", "", page)
    page = re.sub(r"</(p|div|h\d|li|tr|pre|dt|dd)>", "\n\n", page)
    return re.sub(r"\n\s*\n+", "\n\n", html.unescape(re.sub(r"<[^>]*>", "", page)))


def _cut(text: str) -> Iterator[str]:
    """Pieces of whole paragraphs."""
    piece = ""
    for paragraph in text.split("\n\n"):
        piece += paragraph.strip("\n") + "\n\n"
        if len(piece) >= PASSAGE:
            # One of a table or of names is no text.
            if sum(letter.islower() for letter in piece) > len(piece) / 2:
                yield piece.strip()[: 2 * PASSAGE]
            piece = ""
