"""Reports of the kernels: what matmul_bench measured."""

from __future__ import annotations

from pathlib import Path

from reports.kernels import tables
from reports.kernels.rows import Report, load, merge
from reports.kernels.targets import all_targets, outcome, soniq
from reports.kind import Kind
from reports.markdown import threads_text

DEMO = Path("build/demo.json")


def summary(report: Report) -> str:
    """The tables that a reader wants, without the list of all rows."""
    parts = [f"## Machine\n\n{tables.machine(report)}",
             f"## What arithmetic allows\n\n{tables.ceilings(report)}",
             f"## Targets\n\n{tables.outcomes(all_targets(report, DEMO))}"]
    for isa, threads in sorted({(r.isa, r.threads) for r in report.rows}, key=lambda s: (s[0] != "avx512", s[1])):
        setting = f"{isa}, {threads_text(threads)}"
        if report.disturbed(isa, threads):
            busy = report.busy_cores(isa, threads)
            parts.append(f"## {setting}\n\nNot shown: others kept {busy:.1f} cores busy.\n")
            continue
        for boundary, name in (("codes", "codes to sums"), ("f32", "float to float")):
            if text := tables.ratios(report, isa, threads, boundary):
                parts.append(f"## Ratio to oneDNN INT8: {setting}, {name}\n\n{text}")
        if threads == 1 and (text := tables.rooflines(report, isa, threads)):
            parts.append(f"## Per cent of the roofline: {setting}, codes to sums\n\n{text}")
    if text := tables.scaling(report):
        parts.append(f"## Two threads\n\n{text}")
    parts.append(f"## Where it loses\n\n{tables.losses(report)}")
    return "\n".join(parts)


def everything(report: Report) -> str:
    return f"# Benchmark\n\n{summary(report)}\n## All rows\n\n{tables.every_row(report.rows)}"


def targets(report: Report) -> str:
    return tables.outcomes(all_targets(report, DEMO), details=8)


def sweep(report: Report) -> tuple[str, bool]:
    """How the rows compare with our own 8 bits, and whether none is slower."""
    rows = [r for r in soniq(report) if r.to_w8a8 is not None and r.scheme != "w8a8"]
    result = outcome("every scheme to our w8a8 of the same shape", tables.EQUAL, rows, lambda r: r.to_w8a8)
    text = tables.outcomes([result], details=len(rows))
    slower = len(result.failures)
    text += f"{len(rows)} rows, {len({r.shape for r in rows})} shapes, {slower} below {tables.EQUAL}\n"
    return text, bool(rows) and not slower


KIND = Kind(
    load=load, merge=merge, everything=everything, summary=summary, targets=targets, plots="reports.kernels.plots",
    marks=("<!-- measured: begin (make bench-document) -->", "<!-- measured: end -->"), plots_title="## Plots\n\n",
)  # fmt: skip
