"""Puts the rows of build/corpus.json into docs/corpus.md, between the marks of this class of machine.

usage: document.py [ROWS [DOCUMENT]]      (default: build/corpus.json docs/corpus.md)

What other classes measured stays as it is.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))
from reports.machine import Machine, machine_of  # noqa: E402

Row = dict[str, Any]
HEAD = ["file", "float: error", "8 bits: error", "cosine", "ONNX Runtime INT8", "size", "ms", "times as fast"]


def by_file(rows: Iterable[Row]) -> dict[tuple[str, str], dict[str, Row]]:
    """The rows of each file, by palette."""
    files: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        files.setdefault((row["package"], row["file"]), {})[row.get("palette") or ""] = row
    return files


def speed(row: Row) -> float | None:
    """The better of ONNX Runtime's two over soniq's time."""
    times = [row[key] for key in ("ms_onnxruntime_f32", "ms_onnxruntime_int8") if row.get(key)]
    return min(times) / row["ms"] if row.get("ms") and times else None


def number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def cells(name: str, rows: dict[str, Row]) -> list[str]:
    exact, eight = rows.get("f32", {}), rows.get("8", {})
    if exact.get("max_relative_error") is None:
        return [name, "refused", *[""] * (len(HEAD) - 2)]
    part = eight["bytes"] / eight["file_bytes"] if eight.get("bytes") else None
    return [
        name, number(exact["max_relative_error"], ".1e"), number(eight.get("max_relative_error"), ".1e"),
        number(eight.get("cosine_min"), ".5f"), number(eight.get("cosine_min_onnxruntime_int8"), ".5f"),
        number(part, ".2f"), number(eight.get("ms"), ".2f"), number(speed(eight), ".2f"),
    ]  # fmt: skip


def table(rows: list[Row]) -> str:
    """One line a file under its package, then what was refused and why."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" + "|---:" * (len(HEAD) - 1) + "|"]
    package = None
    refusals = []
    for (owner, file), found in by_file(rows).items():
        if owner != package:
            lines.append(f"| **{owner}** |" + " |" * (len(HEAD) - 1))
            package = owner
        lines.append("| " + " | ".join(cells(Path(file).name, found)) + " |")
        reasons = list(dict.fromkeys(row["reason"] for row in found.values() if row.get("reason")))
        refusals += [f"* {owner}, {Path(file).name}: {reason}" for reason in reasons]
    return "\n".join(lines + (["", "Refused:", "", *refusals] if refusals else [])) + "\n"


def summary(rows: list[Row], machine: Machine, context: dict[str, Any]) -> str:
    files = by_file(rows)
    exact = [found["f32"]["max_relative_error"] for found in files.values()
             if found.get("f32", {}).get("max_relative_error") is not None]  # fmt: skip
    ratios = [ratio for found in files.values() if (ratio := speed(found.get("8", {})))]
    capped = " (not capped, as soniq was)" if machine.capped else ""
    words = [
        f"{machine.cpu}, ONNX Runtime {context['onnxruntime']}{capped}. "
        f"{len(exact)} of {len(files)} files pack and run; "
        f"{sum(error <= 1e-3 for error in exact)} of them within 1e-3 in float, "
        f"{sum(error <= 1e-4 for error in exact)} within 1e-4."
    ]
    if ratios:
        words.append(
            f"At 8 bits soniq is {statistics.geometric_mean(ratios):.2f} times as fast as the better of ONNX Runtime "
            f"INT8 and float32 (geometric mean of {len(ratios)}; lowest {min(ratios):.2f}, below 0.9 for "
            f"{sum(ratio < 0.9 for ratio in ratios)})."
        )
    return "\n".join(words) + "\n"


def refresh(document: str, part: str, name: str) -> str:
    """The document with this part between the marks of its name, which are added at the end where there are none."""
    begin, end = f"<!-- corpus {name}: begin (make corpus-document) -->", f"<!-- corpus {name}: end -->"
    if begin not in document:
        document = document.rstrip() + f"\n\n## {name}\n\n{begin}\n{end}\n"
    head, _, rest = document.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n\n{part}\n{end}{tail}"


def main() -> int:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "build/corpus.json")
    document = Path(sys.argv[2] if len(sys.argv) > 2 else "docs/corpus.md")
    try:
        rows, context = json.loads(path.read_text()), json.loads(path.with_suffix(".context.json").read_text())
    except OSError as error:
        print(f"{error.filename}: {error.strerror}: run make corpus first", file=sys.stderr)
        return 1
    try:
        machine = machine_of(context, path.with_suffix(".context.json"))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    part = summary(rows, machine, context) + "\n" + table(rows)
    document.write_text(refresh(document.read_text(), part, machine.section))
    return 0


if __name__ == "__main__":
    sys.exit(main())
