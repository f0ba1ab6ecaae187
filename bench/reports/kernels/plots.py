"""The plots of a report, as SVG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports import svg
from reports.kernels.rows import Report, Row, undisturbed
from reports.markdown import threads_text
from reports.svg import COLOURS, OTHER, plt


def write(report: Report, folder: Path) -> list[Path]:
    """Writes the plots that the report has rows for and returns their paths."""
    svg.set_style(grid=True)
    folder.mkdir(parents=True, exist_ok=True)
    settings = sorted({(r.isa, r.threads) for r in undisturbed(report)})
    paths = []
    for isa, threads in settings:
        rows = [r for r in report.rows if (r.isa, r.threads, r.boundary) == (isa, threads, "codes")]
        if not rows:
            continue
        prefix, suffix = report.machine.section, f"{isa}-{threads}t"
        paths.append(roofline(report, rows, isa, threads, folder / f"{prefix}-roofline-{suffix}.svg"))
        if any(r.engine == "onednn_int8" for r in rows):
            paths.append(ratio_by_shape(rows, isa, threads, folder / f"{prefix}-ratio-{suffix}.svg"))
    return paths


def schemes_of(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(r.scheme for r in rows if r.engine == "soniq"))


def roofline(report: Report, rows: Sequence[Row], isa: str, threads: int, path: Path) -> Path:
    """Speed over products per byte of weights, under the roofs that were measured."""
    figure, axes = plt.subplots(figsize=(8.5, 5))
    low, high = 0.7, 3000.0
    roofs = {"8-bit peak": "bytes", "popcount peak": "popcount", "table peak": "table"}
    peaks = {name: report.peak(f"peak_{kind}_gmacs", threads, isa) for name, kind in roofs.items()}
    top = max((peak for peak in peaks.values() if peak), default=1000.0)
    for name, peak in peaks.items():
        if peak:
            axes.axhline(peak, color="#444444", linewidth=0.8)
            axes.text(high, peak * 1.04, f"{name} {peak:.0f}", ha="right", fontsize=8)
    bandwidths = dict(report.bandwidths(threads, isa))
    for name, size in {"L1": 16 << 10, "L2": 512 << 10, "L3": 8 << 20, "memory": 256 << 20}.items():
        if size in bandwidths:
            end = top / bandwidths[size]
            axes.plot([low, end], [low * bandwidths[size], top], color="#999999", linewidth=0.8)
            axes.annotate(f"{name} {bandwidths[size]:.0f} GB/s", (end, top), fontsize=7.5, xytext=(0, 2),
                          textcoords="offset points", rotation=55, color="#555555")
    for scheme in schemes_of(rows):
        ours = [r for r in rows if r.engine == "soniq" and r.scheme == scheme]
        axes.scatter([intensity(r) for r in ours], [r.gmacs for r in ours], s=16, label=scheme,
                     color=COLOURS.get(scheme, OTHER), zorder=3)
    baseline = [r for r in rows if r.engine == "onednn_int8"]
    axes.scatter([intensity(r) for r in baseline], [r.gmacs for r in baseline], s=22, marker="x", label="oneDNN INT8",
                 color=OTHER, zorder=3)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(None, top * 2.5), ylabel="GMAC/s",
             xlabel="multiply-accumulates per byte of weights",
             title=f"Roofline: {isa}, {threads_text(threads)}, codes to sums")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return svg.save(figure, path)


def intensity(row: Row) -> float:
    return row.rows * row.channels * row.outputs / row.weight_bytes


def ratio_by_shape(rows: Sequence[Row], isa: str, threads: int, path: Path) -> Path:
    """How many times faster than oneDNN INT8, for each shape and scheme."""
    shapes = list(dict.fromkeys(r.shape for r in sorted(rows, key=lambda r: (r.rows, r.channels * r.outputs))))
    figure, axes = plt.subplots(figsize=(10, 5))
    for scheme in schemes_of(rows):
        ours = {r.shape: r.to_onednn for r in rows if r.engine == "soniq" and r.scheme == scheme}
        axes.plot([shapes.index(shape) for shape in ours], list(ours.values()), linestyle="none", marker="o",
                  markersize=4.5, label=scheme, color=COLOURS.get(scheme, OTHER))
    axes.axhline(1, color="#444444", linewidth=1)
    axes.set(yscale="log", ylabel="time of oneDNN INT8 / time of soniq",
             title=f"Against oneDNN INT8: {isa}, {threads_text(threads)}, codes to sums")
    axes.set_xticks(range(len(shapes)), shapes, rotation=60, ha="right", fontsize=8)
    axes.set_yticks([0.25, 0.5, 1, 2, 4, 8, 16], ["0.25", "0.5", "1", "2", "4", "8", "16"])
    axes.minorticks_off()
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return svg.save(figure, path)
