"""Reports of whole networks: what bench/models/measure.py measured."""

from __future__ import annotations

from reports.kind import Kind
from reports.models import tables
from reports.models.rows import Report, load, merge
from reports.sections import Sections


def everything(report: Report) -> str:
    return f"# {KIND.title} on {report.machine.title}\n\n{tables.summary(report, level=2)}"


KIND = Kind(
    load=load, merge=merge, everything=everything, summary=tables.summary, targets=tables.targets,
    plots="reports.models.plots", title="Networks", sections=Sections("networks", "bench-models-document"),
)  # fmt: skip
