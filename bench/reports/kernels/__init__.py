"""Reports of the kernels: what matmul_bench measured."""

from __future__ import annotations

from pathlib import Path

from reports.kernels import tables
from reports.kernels.rows import Report, load, merge
from reports.kernels.targets import all_targets, outcome, soniq
from reports.kind import Kind
from reports.markdown import threads_text
from reports.outcome import EQUAL
from reports.sections import Sections

DEMO = Path("build/demo.json")


def summary(report: Report, level: int = 3) -> str:
    """The tables that a reader wants, without the list of all rows."""
    mark = "#" * level
    parts = [f"{mark} Machine\n\n{tables.machine(report)}",
             f"{mark} What arithmetic allows\n\n{tables.ceilings(report)}",
             f"{mark} Targets\n\n{tables.outcomes(all_targets(report, DEMO))}"]
    for isa, threads in sorted({(r.isa, r.threads) for r in report.rows}, key=lambda s: (s[0] != "avx512", s[1])):
        setting = f"{isa}, {threads_text(threads)}"
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


def everything(report: Report) -> str:
    title = f"# {KIND.title} on {report.machine.title}"
    return f"{title}\n\n{summary(report, level=2)}\n## All rows\n\n{tables.every_row(report.rows)}"


def targets(report: Report) -> str:
    return tables.outcomes(all_targets(report, DEMO), details=8)


def sweep(report: Report) -> tuple[str, bool]:
    """How the rows compare with our own 8 bits, and whether none is slower."""
    rows = [r for r in soniq(report) if r.to_w8a8 is not None and r.scheme != "w8a8"]
    result = outcome("every scheme to our w8a8 of the same shape", EQUAL, rows, lambda r: r.to_w8a8)
    text = tables.outcomes([result], details=len(rows))
    slower = len(result.failures)
    text += f"{len(rows)} rows, {len({r.shape for r in rows})} shapes, {slower} below {EQUAL}\n"
    return text, bool(rows) and not slower


KIND = Kind(
    load=load, merge=merge, everything=everything, summary=summary, targets=targets, plots="reports.kernels.plots",
    title="Matrix products", sections=Sections("measured", "bench-document"), plots_title="### Plots\n\n",
)  # fmt: skip
