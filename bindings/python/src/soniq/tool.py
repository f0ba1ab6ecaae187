"""Where `soniq-pack` is."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from .library import CHECKOUT

ENVIRONMENT_VARIABLE = "SONIQ_PACK"
NAME = "soniq-pack"


class ToolNotFoundError(Exception):
    """There is no such command. One line, which says where it was looked for."""


def find(tool: str | os.PathLike[str] | None = None) -> str:
    """The path of the command: `tool`, or what SONIQ_PACK names, or the first of PATH, the folder of this Python (pip
    puts it there, where PATH need not lead) and the build of the checkout. Raises ToolNotFoundError.
    """
    named = os.fspath(tool) if tool is not None else os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise ToolNotFoundError(f"{named} is no command")
        return found
    beside, built = Path(sys.executable).parent, CHECKOUT / "build/bin"
    found = shutil.which(NAME) or shutil.which(NAME, path=os.pathsep.join(map(str, (beside, built))))
    if found is None:
        raise ToolNotFoundError(f"{NAME} is not on PATH, in {beside} or in {built}")
    return found
