"""`soniq serve`: models behind HTTP."""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

from .opening import CommandError

KEYS = "SONIQ_API_KEYS"


def run(options: argparse.Namespace) -> int:
    """Serves until a signal ends it."""
    from ..server.settings import Settings

    try:
        from ..server.processes import serve
    except ImportError as error:
        raise CommandError(f"the server needs more packages: pip install 'soniq[server]' ({error})") from None
    # Options and settings have the same names.
    fields = {field.name for field in dataclasses.fields(Settings)}
    given = {name: value for name, value in vars(options).items() if name in fields}
    given["models"] = named(options.model)
    given["api_keys"] = (*options.api_key, *os.environ.get(KEYS, "").split())
    return serve(Settings(**given))


def named(models: list[str]) -> tuple[tuple[str, str], ...]:
    """Name and path of each: NAME=PATH, or a path whose file names it. Raises CommandError for a name twice."""
    result: dict[str, str] = {}
    for entry in models:
        name, separator, path = entry.partition("=")
        if not separator or os.path.exists(entry):
            name, path = Path(entry).stem, entry
        if not name or name in result:
            raise CommandError(f"{entry}: the name {name!r} is {'taken' if name else 'empty'}: give NAME={path}")
        # The processes of --workers begin where this one does, whatever changes its folder later.
        result[name] = os.path.abspath(path)
    return tuple(result.items())
