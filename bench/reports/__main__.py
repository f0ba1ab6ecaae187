"""Turns what was measured into tables, plots and verdicts.

usage: python -m reports machine ISA NEWEST
       what reports of matrix products keep about this machine, as text for --benchmark_context.
       ISA: the newest that may be used; NEWEST: that the CPU has

       python -m reports KIND COMMAND ...      (KIND: kernels or models; PYTHONPATH holds bench/)
       merge OUT.json IN.json...     one report of several
       table REPORT.json             every table, as Markdown
       plots REPORT.json FOLDER      SVG files
       targets REPORT.json           the project's targets and what was measured
       document REPORT.json FILE.md  refreshes the tables and plots of this class of machine in a document
       sweep REPORT.json             of kernels: every row slower than 8 bits; fails when there is one
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from reports import kernels, models
from reports.kind import Kind
from reports.machine import this_machine

KINDS = {"kernels": kernels.KIND, "models": models.KIND}


def main(arguments: list[str]) -> int:
    match arguments:
        case ["machine", isa, newest]:
            print(this_machine(isa, newest, Path("/proc/cpuinfo").read_text()).benchmark_context())
            return 0
        case [kind, *_] if kind in KINDS:
            return run(KINDS[kind], arguments[1:])
    return usage()


def run(kind: Kind, arguments: list[str]) -> int:
    match arguments:
        case ["merge", out, *paths] if paths:
            Path(out).write_text(json.dumps(kind.merge([Path(path) for path in paths]), indent=1) + "\n")
        case ["table", path]:
            print(kind.everything(kind.load(Path(path))), end="")
        case ["plots", path, folder]:
            for plot in kind.write_plots(kind.load(Path(path)), Path(folder)):
                print(plot)
        case ["targets", path]:
            print(kind.targets(kind.load(Path(path))), end="")
        case ["document", path, target]:
            kind.refresh(kind.load(Path(path)), Path(target))
        case ["sweep", path] if kind is kernels.KIND:
            text, good = kernels.sweep(kind.load(Path(path)))
            print(text, end="")
            return 0 if good else 1
        case _:
            return usage()
    return 0


def usage() -> int:
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"reports: {error}")
