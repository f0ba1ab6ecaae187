"""`soniq report`: one page about a model, for a browser."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from ..files import replacing
from ..report.contents import contents
from ..report.page import page
from ..tool import ENVIRONMENT_VARIABLE, ToolNotFoundError, find
from .opening import CommandError


def run(options: argparse.Namespace) -> int:
    """Writes the page and says where."""
    path = Path(options.model)
    output = Path(options.output or f"{path.stem}.html")
    try:
        text = page(contents(path, _inspected(path), None if options.no_run else dict(options.size)))
    except ValueError as error:
        raise CommandError(str(error)) from None
    with replacing(output) as unfinished:
        unfinished.write_text(text, "utf-8")
    print(output)
    return 0


def _inspected(path: Path) -> str:
    try:
        tool = find()
    except ToolNotFoundError as error:
        raise CommandError(f"{error}; set {ENVIRONMENT_VARIABLE} to its path") from None
    result = subprocess.run([tool, "inspect", path, "--json"], capture_output=True, text=True, check=False)
    if result.returncode:
        raise CommandError(result.stderr.strip() or f"soniq-pack ended with {result.returncode}")
    return result.stdout
