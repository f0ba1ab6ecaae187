"""Plots of whole networks, as SVG files."""

from __future__ import annotations

from pathlib import Path

from reports import svg
from reports.models.rows import Report
from reports.models.tables import TITLES, setting_name
from reports.svg import COLOURS, OTHER, plt

GREYS = {"onnxruntime_int8": "#bbbbbb", "openvino_int8": "#888888", "onednn_conv_sum": "#555555"}


def write(report: Report, folder: Path) -> list[Path]:
    """One plot for each number of threads and batch; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    svg.set_style(grid=False)
    paths = (bars(report, threads, batch, folder) for threads, batch in report.settings())
    return [path for path in paths if path is not None]


def bars(report: Report, threads: int, batch: int, folder: Path) -> Path | None:
    """Speed of every engine over that of the faster INT8 engine, network by network."""
    models = [model for model in report.models() if report.best_engine(model, threads, batch)]
    ours = [("soniq", scheme, f"soniq {scheme}", COLOURS.get(scheme, OTHER)) for scheme in report.schemes()]
    others = [(engine, "w8a8", TITLES[engine], colour) for engine, colour in GREYS.items()]
    contestants = others + ours
    if not models:
        return None
    figure, axes = plt.subplots(figsize=(9.5, 4.2))
    width = 0.85 / len(contestants)
    for index, (engine, scheme, label, colour) in enumerate(contestants):
        found = [(place, report.ms(model, engine, scheme, threads, batch)) for place, model in enumerate(models)]
        heights = [(place, best / ms) for place, ms in found
                   if ms and (best := report.best_engine(models[place], threads, batch))]
        offset = (index - (len(contestants) - 1) / 2) * width
        drawn = axes.bar([place + offset for place, _ in heights], [height for _, height in heights], width,
                         color=colour, label=label)
        axes.bar_label(drawn, fmt="%.1f", fontsize=6.5)
    axes.axhline(1, color="#444444", linewidth=0.8)
    axes.set_xticks(range(len(models)), models)
    axes.set(ylabel="speed over the faster INT8 engine",
             title=f"Whole networks on {report.machine.title}: {setting_name(threads, batch)}")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return svg.save(figure, folder / f"{report.machine.section}-models-{threads}t-batch{batch}.svg")
