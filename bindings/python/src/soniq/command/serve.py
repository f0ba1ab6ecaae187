"""`soniq serve`: models behind HTTP."""

from __future__ import annotations

import argparse
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
    keys = [*options.api_key, *os.environ.get(KEYS, "").split()]
    settings = Settings(
        models=named(options.model),
        host=options.host,
        port=options.port,
        api_keys=tuple(keys),
        threads=options.threads,
        workers=options.workers,
        concurrency=options.concurrency,
        queue=options.queue,
        max_tokens=options.max_tokens,
        context=options.context,
        maximum_body=options.max_body,
        maximum_inputs=options.max_inputs,
        timeout=options.timeout,
        grace=options.grace,
        kept_texts=options.kept_texts,
        kept_tokens=options.kept_tokens,
        watch=options.watch,
    )
    return serve(settings)


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
