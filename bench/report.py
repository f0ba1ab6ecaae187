"""Turns what matmul_bench measured into tables, plots and verdicts.

usage: report.py merge OUT.json IN.json...     one report of several
       report.py table REPORT.json             every table, as Markdown
       report.py plots REPORT.json FOLDER      SVG files
       report.py targets REPORT.json           the project's targets and what was measured
       report.py sweep REPORT.json             every row slower than 8 bits; fails when there is one
       report.py document REPORT.json FILE.md  refreshes the tables and plots of a document, between its marks
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tables
from rows import Report, load, merge
from targets import all_targets, outcome, soniq

DEMO = Path("build/demo.json")
BEGIN = "<!-- measured: begin (make bench-document) -->"
END = "<!-- measured: end -->"


def summary(report: Report, level: int = 2) -> str:
    """The tables that a reader wants, without the list of all rows."""
    mark = "#" * level
    parts = [f"{mark} Machine\n\n{tables.machine(report)}",
             f"{mark} What arithmetic allows\n\n{tables.ceilings(report)}",
             f"{mark} Targets\n\n{tables.outcomes(all_targets(report, DEMO))}"]
    for isa, threads in sorted({(r.isa, r.threads) for r in report.rows}, key=lambda s: (s[0] != "avx512", s[1])):
        setting = f"{isa}, {threads} thread{'s' * (threads > 1)}"
        if report.disturbed(isa, threads):
            busy = report.busy_cores(isa, threads)
            parts.append(f"{mark} {setting}\n\nNot shown: others kept {busy:.1f} cores busy.\n")
            continue
        for boundary, name in (("codes", "codes to sums"), ("f32", "float to float")):
            if text := tables.ratios(report, isa, threads, boundary):
                parts.append(f"{mark} Ratio to oneDNN INT8: {setting}, {name}\n\n{text}")
        if threads == 1 and (text := tables.rooflines(report, isa, threads)):
            parts.append(f"{mark} Per cent of the roofline: {setting}, codes to sums\n\n{text}")
    if text := tables.scaling(report):
        parts.append(f"{mark} Two threads\n\n{text}")
    parts.append(f"{mark} Where it loses\n\n{tables.losses(report)}")
    return "\n".join(parts)


def document(report: Report, path: Path) -> None:
    """Replaces what is between the marks, and writes the plots beside the document."""
    import plots  # matplotlib takes a second to load

    text = path.read_text()
    head, found, rest = text.partition(BEGIN)
    old, ends, tail = rest.partition(END)
    if not found or not ends:
        raise ValueError(f"{path} has no marks {BEGIN} and {END}")
    images = plots.write(report, path.parent / "performance")
    links = "\n\n".join(f"![{image.stem}](performance/{image.name})" for image in images)
    path.write_text(f"{head}{BEGIN}\n\n{summary(report)}\n## Plots\n\n{links}\n\n{END}{tail}")


def sweep(report: Report) -> bool:
    """Prints how the rows compare with our own 8 bits. False when one is slower."""
    rows = [r for r in soniq(report) if r.to_w8a8 is not None and r.scheme != "w8a8"]
    result = outcome("every scheme to our w8a8 of the same shape", tables.EQUAL, rows, lambda r: r.to_w8a8)
    print(tables.outcomes([result], details=len(rows)), end="")
    print(f"{len(rows)} rows, {len({r.shape for r in rows})} shapes, {len(result.below)} below {tables.EQUAL}")
    return bool(rows) and not result.below


def main(arguments: list[str]) -> int:
    match arguments:
        case ["merge", out, *paths] if paths:
            Path(out).write_text(json.dumps(merge([Path(path) for path in paths]), indent=1) + "\n")
        case ["table", path]:
            report = load(Path(path))
            print(f"# Benchmark\n\n{summary(report)}\n## All rows\n\n{tables.every_row(report.rows)}", end="")
        case ["plots", path, folder]:
            import plots

            for plot in plots.write(load(Path(path)), Path(folder)):
                print(plot)
        case ["targets", path]:
            print(tables.outcomes(all_targets(load(Path(path)), DEMO), details=8), end="")
        case ["sweep", path]:
            return 0 if sweep(load(Path(path))) else 1
        case ["document", path, target]:
            document(load(Path(path)), Path(target))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"report.py: {error}")
