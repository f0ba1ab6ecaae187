"""The targets of the project and what was measured of each. docs/performance.md says what they mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from reports.kernels.rows import Report, Row, undisturbed
from reports.outcome import EQUAL, Outcome

# Of each class with many rows: the least ratio to oneDNN INT8 of the 8-bit class and of w4a8. Where there are VNNI's
# instructions, products of 4 bits cost what those of 8 do.
MANY_ROWS_LEASTS = {"avx512": (0.97, 1.0), "avx_vnni": (0.97, 1.0), "avx2": (1.0, 1.5)}
EIGHT_BITS = ("w8a8", "w7a8")
ONE_ROW_ROOFLINE = 60
# The first stage's, on AVX-512: groups of shapes, and the least ratio to oneDNN INT8 for each group of schemes.
LARGE = {(4096, 4096), (4096, 11008)}
SMALL = {(384, 1536), (1536, 384), (768, 3072)}
SCHEMES = [("w1a1",), ("w1a4",), ("w2a2", "w2a4"), ("w4a4", "w4a8"), ("w1a1+w4a4@87.5",)]
ONE_ROW_LARGE = "M=1, 4096x4096 and 4096x11008"
ONE_ROW_SMALL = "M=1, 384x1536, 1536x384, 768x3072"
MANY_ROWS = "M>=64, all shapes"
RATIOS = {
    ONE_ROW_LARGE: [9, 8, 4, 2, 6],
    ONE_ROW_SMALL: [6, 4.5, 2.5, 1.5, 4],
    MANY_ROWS: [4.5, 2.3, 1.25, 0.95, 2.8],
}
# GMAC/s of the best peers over the 8-bit peak of the core that they were measured on.
FOUR_BIT_PEER = 186 / 522
TWO_BIT_PEER = 131 / 522
DRAM, L3 = "memory", "L3"


def number(value: float, least: float, unit: str) -> str:
    """With as many digits as it takes to see on which side of the target the value lies."""
    digits = 0 if unit == "%" else 2
    while value < least and round(value, digits) >= least:
        digits += 1
    return f"{value:.{digits}f}{' %' if unit == '%' else unit}"


def outcome(
    target: str, least: float, rows: Iterable[Row], value: Callable[[Row], float | None], unit: str = "x"
) -> Outcome:
    """The worst of the rows against the least that is wanted."""
    found = sorted(
        ((ratio, row) for row in rows if (ratio := value(row)) is not None), key=lambda pair: pair[0]
    )
    wanted = f">= {number(least, least, unit)}"
    if not found:
        return Outcome(target, wanted, "", None)
    worst, where = found[0]
    failures = [f"{row.label} {row.boundary} {number(ratio, least, unit)}" for ratio, row in found if ratio < least]
    return Outcome(target, wanted, number(worst, least, unit), worst >= least, where.label, failures)


def to_onednn(row: Row) -> float | None:
    return row.to_onednn


def in_group(row: Row, group: str) -> bool:
    if group == MANY_ROWS:
        return row.rows >= 64
    return row.rows == 1 and (row.channels, row.outputs) in (LARGE if group == ONE_ROW_LARGE else SMALL)


def source(report: Report, row: Row) -> str | None:
    """Where the weights of a row come from when they are read again and again; None for the inner caches."""
    if row.weight_bytes > report.cache_bytes(3):
        return DRAM
    return L3 if row.weight_bytes > report.cache_bytes(2) else None


def best_eight_bits(rows: Iterable[Row]) -> list[Row]:
    """Of each shape the faster row of the 8-bit class: weights of 7 bits are the fast bytes where there is no VNNI."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.scheme in EIGHT_BITS:
            best[row.shape] = min(row, best.get(row.shape, row), key=lambda r: r.microseconds)
    return list(best.values())


def class_targets(report: Report) -> list[Outcome]:
    """Of this class of machine: one thread, from codes to sums."""
    if report.machine.name not in MANY_ROWS_LEASTS:
        return []
    eight, four = MANY_ROWS_LEASTS[report.machine.name]
    rows = [r for r in soniq(report, isa=report.machine.isa, threads=1) if r.boundary == "codes"]
    many = [r for r in rows if r.rows >= 64]
    square = [r for r in rows if r.shape == "1x4096x4096"]
    return [
        outcome("M>=64: 8-bit class, the better of w8a8 and w7a8", eight, best_eight_bits(many), to_onednn),
        outcome("M>=64: w4a8", four, [r for r in many if r.scheme == "w4a8"], to_onednn),
        *(outcome(f"M=1, 4096x4096: {scheme}, roofline", ONE_ROW_ROOFLINE, [r for r in square if r.scheme == scheme],
                  lambda r: r.roofline_percent, "%") for scheme in ("w2a4", "w1a4")),
    ]


def first_stage(report: Report) -> list[Outcome]:
    """What was wanted first, of machines with AVX-512 only; others do not list it."""
    if report.machine.name != "avx512":
        return []
    results = ratio_targets(report) + roofline_targets(report)
    return [replace(result, target=f"first stage: {result.target}") for result in results]


def ratio_targets(report: Report) -> list[Outcome]:
    """The table: one thread, AVX-512, from codes to sums."""
    rows = [r for r in soniq(report, isa="avx512", threads=1) if r.boundary == "codes"]
    outcomes = []
    for group, leasts in RATIOS.items():
        for schemes, least in zip(SCHEMES, leasts, strict=True):
            chosen = [r for r in rows if r.scheme in schemes and in_group(r, group)]
            outcomes.append(outcome(f"{group}: {', '.join(schemes)}", least, chosen, to_onednn))
    eight = [r for r in rows if r.scheme == "w8a8"]
    outcomes.append(outcome("M=1: w8a8", 1.2, [r for r in eight if r.rows == 1], to_onednn))
    outcomes.append(outcome("M>=16: w8a8", 0.95, [r for r in eight if r.rows >= 16], to_onednn))
    return outcomes


def roofline_targets(report: Report) -> list[Outcome]:
    rows = [r for r in soniq(report, isa="avx512", threads=1) if r.boundary == "codes"]
    peak = report.peak("peak_bytes_gmacs")
    square = [r for r in rows if r.shape == "1x4096x4096"]
    memory = [r for r in rows if r.rows == 1 and source(report, r) == DRAM]
    many = [r for r in rows if r.rows >= 64 and r.scheme == "w1a1"]

    def of_peak(row: Row) -> float | None:
        return row.gmacs / peak if peak else None

    return [
        outcome("M=1, 4096x4096: w4a8, share of the 8-bit peak (best 4-bit peer)", FOUR_BIT_PEER,
                [r for r in square if r.scheme == "w4a8"], of_peak),
        outcome("M=1, 4096x4096: w2a2, w2a4, share of the 8-bit peak (2.5 times the best 2-bit peer)",
                2.5 * TWO_BIT_PEER, [r for r in square if r.scheme in ("w2a2", "w2a4")], of_peak),
        outcome("M=1 from memory: all schemes, roofline", 90, memory, lambda r: r.roofline_percent, "%"),
        outcome("M>=64: w1a1, roofline", 90, many, lambda r: r.roofline_percent, "%"),
    ]


def other_targets(report: Report) -> list[Outcome]:
    avx2 = [r for r in soniq(report, isa="avx2", threads=1) if r.rows == 1 and r.boundary == "codes"]
    two = soniq(report, threads=2)

    def worst_int8(row: Row) -> float | None:
        ratios = [ratio for ratio in (row.to_onednn, row.to_w8a8) if ratio is not None]
        return min(ratios, default=None)

    return [
        outcome("no row slower than our w8a8 of the same shape", EQUAL, soniq(report), lambda r: r.to_w8a8),
        outcome("AVX2, M=1: w1a1, w1a4, to the better INT8 of oneDNN and ours", 2,
                [r for r in avx2 if r.scheme in ("w1a1", "w1a4")], worst_int8),
        outcome("two threads, M>=64, to one thread", 1.85, [r for r in two if r.rows >= 64],
                lambda r: r.to_one_thread),
        outcome("two threads, M=1 from the third-level cache, to one thread", 1.6,
                [r for r in two if r.rows == 1 and source(report, r) == L3], lambda r: r.to_one_thread),
    ]


def demo_targets(demo: Path) -> list[Outcome]:
    """From the figures that `make demo` leaves: MiniLM packed at 4,8 against ONNX Runtime INT8, one thread. Of the
    newest instruction set, whose rows come first: ONNX Runtime cannot be kept to an older one."""
    target, least = "MiniLM at 4,8, one thread, to ONNX Runtime INT8, 16 / 64 / 256 tokens", 2
    wanted = f">= {number(least, least, 'x')}"
    cases = json.loads(demo.read_text())["cases"] if demo.exists() else []
    case = next((case for case in cases if case["palette"] == "4,8"), None)
    if case is None:
        return [Outcome(target, wanted, "", None, "make demo")]
    baseline = case["onnxruntime_int8_ms"]
    ratios = {tokens: baseline[tokens] / milliseconds for tokens, milliseconds in case["latency_ms"].items()}
    worst = min(ratios, key=lambda tokens: ratios[tokens])
    failures = [f"{tokens} tokens {ratio:.2f}x" for tokens, ratio in ratios.items() if ratio < least]
    measured = number(ratios[worst], least, "x")
    return [Outcome(target, wanted, measured, ratios[worst] >= least, f"{worst} tokens", failures)]


def soniq(report: Report, isa: str | None = None, threads: int | None = None) -> list[Row]:
    return [
        r for r in undisturbed(report)
        if r.engine == "soniq" and isa in (None, r.isa) and threads in (None, r.threads)
    ]


def all_targets(report: Report, demo: Path) -> list[Outcome]:
    return class_targets(report) + other_targets(report) + demo_targets(demo) + first_stage(report)
