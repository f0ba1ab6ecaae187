"""The rows of a report: Google Benchmark's JSON, read and merged."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.disturbance import is_disturbed
from reports.kind import refuse_repeated
from reports.machine import Machine, machine_of, refuse_mixed

NAME = re.compile(
    r"(?P<engine>\w+)/(?P<scheme>[^/]+)/(?P<rows>\d+)x(?P<channels>\d+)x(?P<outputs>\d+)"
    r"/threads:(?P<threads>\d+)/boundary:(?P<boundary>\w+)/isa:(?P<isa>\w+)"
)


@dataclass(frozen=True)
class Row:
    """One engine and scheme at one shape. Ratios are times of the other over the time of this row, or None."""

    engine: str
    scheme: str
    rows: int
    channels: int
    outputs: int
    threads: int
    boundary: str
    isa: str
    microseconds: float
    gmacs: float
    weight_bytes: float
    roofline_percent: float
    spread: float
    to_onednn: float | None
    to_w8a8: float | None
    to_one_thread: float | None
    kernel: str

    @property
    def shape(self) -> str:
        return f"{self.rows}x{self.channels}x{self.outputs}"

    @property
    def label(self) -> str:
        return f"{self.scheme} {self.shape}"


@dataclass(frozen=True)
class Report:
    """The context of a run, or of several merged ones, and their rows."""

    context: dict[str, Any]
    machine: Machine
    rows: list[Row]

    def peak(self, name: str, threads: int = 1, isa: str = "avx512") -> float | None:
        """What was measured before the rows: "peak_bytes_gmacs", ...; None when no run had these settings."""
        value = self.context.get(f"threads:{threads}/isa:{isa}/{name}")
        return None if value is None else float(value)

    def disturbed(self, isa: str, threads: int) -> bool:
        """Whether others were working when rows of several threads were measured: such rows mean nothing."""
        return is_disturbed(threads, self.busy_cores(isa, threads))

    def busy_cores(self, isa: str, threads: int) -> float:
        """Cores that others kept busy before the rows were measured."""
        return float(self.context.get(f"threads:{threads}/isa:{isa}/busy_cores", 0))

    def bandwidths(self, threads: int = 1, isa: str = "avx512") -> list[tuple[int, float]]:
        """Bytes read again and again, and GB/s; smallest first."""
        pattern = re.compile(rf"threads:{threads}/isa:{isa}/read_gbs_0*(\d+)KiB")
        found = [(match, value) for key, value in self.context.items() if (match := pattern.fullmatch(key))]
        return sorted((int(match[1]) << 10, float(value)) for match, value in found)

    def cache_bytes(self, level: int) -> int:
        """Size of the data cache of a level; 0 when the machine does not say."""
        caches = [c for c in self.context.get("caches", []) if c["level"] == level and c["type"] != "Instruction"]
        return max((cache["size"] for cache in caches), default=0)


def undisturbed(report: Report) -> list[Row]:
    """The rows that say something."""
    return [row for row in report.rows if not report.disturbed(row.isa, row.threads)]


def merge(paths: list[Path]) -> dict[str, Any]:
    """One report of several: contexts joined, rows one after the other.

    Raises ValueError when two files have a row of the same name or are of different machines.
    """
    context: dict[str, Any] = {}
    benchmarks: list[dict[str, Any]] = []
    reports = [json.loads(path.read_text()) for path in paths]
    refuse_mixed(report["context"] for report in reports)
    for report in reports:
        context = report["context"] | context
        benchmarks += report["benchmarks"]
    refuse_repeated(benchmark["name"] for benchmark in benchmarks)
    return {"context": context, "benchmarks": benchmarks}


def load(path: Path) -> Report:
    """Raises ValueError for a name of another form, and for a report that does not say of what machine it is."""
    report = json.loads(path.read_text())
    machine = machine_of(report["context"], path)
    return Report(report["context"], machine, [parse(benchmark) for benchmark in report["benchmarks"]])


def parse(benchmark: dict[str, Any]) -> Row:
    match = NAME.fullmatch(benchmark["name"])
    if match is None:
        raise ValueError(f"not the name of a row: {benchmark['name']}")
    return Row(
        engine=match["engine"],
        scheme=match["scheme"],
        rows=int(match["rows"]),
        channels=int(match["channels"]),
        outputs=int(match["outputs"]),
        threads=int(match["threads"]),
        boundary=match["boundary"],
        isa=match["isa"],
        microseconds=benchmark["real_time"],
        gmacs=benchmark["GMAC/s"],
        weight_bytes=benchmark["weight_bytes"],
        roofline_percent=benchmark["roofline_percent"],
        spread=benchmark["spread"],
        to_onednn=benchmark.get("ratio_to_onednn_int8"),
        to_w8a8=benchmark.get("ratio_to_w8a8"),
        to_one_thread=benchmark.get("ratio_to_one_thread"),
        kernel=benchmark.get("label", ""),
    )
