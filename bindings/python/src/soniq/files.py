"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name in the folder of `path` to write to, with its suffix. It becomes `path` unless the block raises."""
    target = Path(path)
    unfinished = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        yield unfinished
        unfinished.replace(target)
    except OSError as error:
        # Whoever reads it knows the file by the other name.
        if error.filename in (unfinished, os.fspath(unfinished)):
            error.filename = os.fspath(target)
        raise
    finally:
        unfinished.unlink(missing_ok=True)
