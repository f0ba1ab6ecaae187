"""Turns what measure.py wrote into tables, plots and verdicts.

usage: report.py merge OUT.json IN.json...       one report of several runs
       report.py table REPORT.json               every table, as Markdown
       report.py targets REPORT.json             the targets and what was measured
       report.py plots REPORT.json FOLDER        SVG files
       report.py document REPORT.json FILE.md    refreshes the tables and plots of a document, between its marks
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import model_tables
from model_rows import Report, load

BEGIN = "<!-- networks: begin (make bench-models-document) -->"
END = "<!-- networks: end -->"


def document(report: Report, path: Path) -> None:
    """Replaces what is between the marks, and writes the plots beside the document."""
    import model_plots  # matplotlib takes a second to load

    text = path.read_text()
    head, found, rest = text.partition(BEGIN)
    _, ends, tail = rest.partition(END)
    if not found or not ends:
        raise ValueError(f"{path} has no marks {BEGIN} and {END}")
    images = model_plots.write(report, path.parent / "performance")
    links = "\n\n".join(f"![{image.stem}](performance/{image.name})" for image in images)
    path.write_text(f"{head}{BEGIN}\n\n{model_tables.summary(report)}\n{links}\n\n{END}{tail}")


def merge(paths: list[Path]) -> dict[str, Any]:
    """Runs of different rows as one: of the contexts the fewest rounds and the busiest neighbours are kept.

    Raises ValueError when two runs have the same row or are of different revisions.
    """
    reports = [json.loads(path.read_text()) for path in paths]
    contexts = [report["context"] for report in reports]
    if len({context["revision"] for context in contexts}) > 1:
        raise ValueError("the runs are of different revisions")
    result = {"context": dict(contexts[0])}
    for key in ("rounds", "seconds"):
        result["context"][key] = min(context[key] for context in contexts)
    result["context"]["engines"] = {name: text for context in contexts for name, text in context["engines"].items()}
    busy: dict[str, float] = {}
    for threads, cores in (item for context in contexts for item in context["busy_cores"].items()):
        busy[threads] = max(cores, busy.get(threads, 0))
    result["context"]["busy_cores"] = busy
    for part in ("rows", "memory", "steps", "convolutions"):
        result[part] = [entry for report in reports for entry in report[part]]
    names = [tuple(row[key] for key in ("model", "engine", "scheme", "threads", "batch")) for row in result["rows"]]
    if len(names) != len(set(names)):
        raise ValueError("a row was measured twice")
    return result


def main(arguments: list[str]) -> int:
    match arguments:
        case ["merge", out, *paths] if paths:
            Path(out).write_text(json.dumps(merge([Path(path) for path in paths]), indent=1) + "\n")
        case ["table", path]:
            print(f"# Whole networks\n\n{model_tables.summary(load(Path(path)), level=2)}", end="")
        case ["targets", path]:
            print(model_tables.targets(load(Path(path))), end="")
        case ["plots", path, folder]:
            import model_plots

            for plot in model_plots.write(load(Path(path)), Path(folder)):
                print(plot)
        case ["document", path, target]:
            document(load(Path(path)), Path(target))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"report.py: {error}")
