"""Turns what measure.py wrote into tables, plots and verdicts.

usage: report.py table REPORT.json               every table, as Markdown
       report.py targets REPORT.json             the targets and what was measured
       report.py plots REPORT.json FOLDER        SVG files
       report.py document REPORT.json FILE.md    refreshes the tables and plots of a document, between its marks
"""

from __future__ import annotations

import sys
from pathlib import Path

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


def main(arguments: list[str]) -> int:
    match arguments:
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
