"""What measure.py wrote, read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.disturbance import is_disturbed
from reports.kind import refuse_repeated
from reports.machine import Machine, machine_of, refuse_mixed

# Whole networks at 8 bits by others, and the convolutions alone by the fastest kernels that we know of.
ENGINES = ("onnxruntime_int8", "openvino_int8")
CONVOLUTIONS = "onednn_conv_sum"


@dataclass(frozen=True)
class Row:
    model: str
    engine: str
    scheme: str
    threads: int
    batch: int
    ms_median: float


@dataclass(frozen=True)
class Report:
    """Rows, memory, steps and convolutions of one run; the last three as measure.py wrote them."""

    context: dict[str, Any]
    machine: Machine
    rows: list[Row]
    memory: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    convolutions: list[dict[str, Any]]

    def ms(self, model: str, engine: str, scheme: str, threads: int, batch: int) -> float | None:
        wanted = (model, engine, scheme, threads, batch)
        return next((row.ms_median for row in self.rows
                     if (row.model, row.engine, row.scheme, row.threads, row.batch) == wanted), None)

    def best_engine(self, model: str, threads: int, batch: int) -> float | None:
        """Milliseconds of the faster of the other whole-network INT8 engines."""
        times = [self.ms(model, engine, "w8a8", threads, batch) for engine in ENGINES]
        return min((value for value in times if value is not None), default=None)

    def convolutions_alone(self, model: str, threads: int, batch: int) -> float | None:
        return self.ms(model, CONVOLUTIONS, "w8a8", threads, batch)

    def settings(self) -> list[tuple[int, int]]:
        """Threads and batch of the rows that say something, one thread first."""
        return sorted({(row.threads, row.batch) for row in self.rows if not self.disturbed(row.threads)})

    def disturbed(self, threads: int) -> bool:
        """Whether others were working when rows of several threads were measured."""
        return is_disturbed(threads, self.busy_cores(threads))

    def busy_cores(self, threads: int) -> float:
        return float(self.context["busy_cores"].get(str(threads), 0))

    def models(self) -> list[str]:
        return list(dict.fromkeys(row.model for row in self.rows))

    def schemes(self) -> list[str]:
        return list(dict.fromkeys(row.scheme for row in self.rows if row.engine == "soniq"))


def load(path: Path) -> Report:
    """Raises KeyError or TypeError for a file of another form, ValueError where it does not say of what machine."""
    report = json.loads(path.read_text())
    rows = [Row(**row) for row in report["rows"]]
    machine = machine_of(report["context"], path)
    return Report(report["context"], machine, rows, report["memory"], report["steps"], report["convolutions"])


def merge(paths: list[Path]) -> dict[str, Any]:
    """Runs of different rows as one: of the contexts the fewest rounds and the busiest neighbours are kept.

    Raises ValueError when two runs have the same row or are of different revisions or machines.
    """
    reports = [json.loads(path.read_text()) for path in paths]
    contexts = [report["context"] for report in reports]
    if len({context["revision"] for context in contexts}) > 1:
        raise ValueError("the runs are of different revisions")
    refuse_mixed(contexts)
    result: dict[str, Any] = {"context": dict(contexts[0])}
    for key in ("rounds", "seconds"):
        result["context"][key] = min(context[key] for context in contexts)
    result["context"]["engines"] = {name: text for context in contexts for name, text in context["engines"].items()}
    busy: dict[str, float] = {}
    for threads, cores in (item for context in contexts for item in context["busy_cores"].items()):
        busy[threads] = max(cores, busy.get(threads, 0))
    result["context"]["busy_cores"] = busy
    for part in ("rows", "memory", "steps", "convolutions"):
        result[part] = [entry for report in reports for entry in report[part]]
    keys = ("model", "engine", "scheme", "threads", "batch")
    refuse_repeated("/".join(str(row[key]) for key in keys) for row in result["rows"])
    return result
