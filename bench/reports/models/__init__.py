"""Reports of whole networks: what bench/models/measure.py measured."""

from __future__ import annotations

from reports.kind import Kind
from reports.models import tables
from reports.models.rows import Report, load, merge


def everything(report: Report) -> str:
    return f"# Whole networks\n\n{tables.summary(report, level=2)}"


KIND = Kind(
    load=load, merge=merge, everything=everything, summary=tables.summary, targets=tables.targets,
    plots="reports.models.plots",
    marks=("<!-- networks: begin (make bench-models-document) -->", "<!-- networks: end -->"),
)  # fmt: skip
