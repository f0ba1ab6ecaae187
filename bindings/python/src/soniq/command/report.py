"""`soniq report`: one page about a model, for a browser."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from ..packer import Packer
from ..report.contents import contents
from ..report.page import page
from .opening import CommandError


def run(options: argparse.Namespace) -> int:
    """Writes the page and says where."""
    path = Path(options.model)
    output = Path(options.output or f"{path.stem}.html")
    with tempfile.TemporaryDirectory() as folder:
        inspected = Packer(None, Path(folder)).inspected(path)
    try:
        text = page(contents(path, inspected, None if options.no_run else dict(options.size)))
    except ValueError as error:
        raise CommandError(str(error)) from None
    # The page is whole or not there.
    part = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        part.write_text(text, "utf-8")
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    print(output)
    return 0
