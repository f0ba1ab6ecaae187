"""Plots of whole networks, as SVG files."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import plots  # noqa: E402 (the path is set before)
from model_rows import Report  # noqa: E402
from model_tables import TITLES, setting_name  # noqa: E402

GREYS = {"onnxruntime_int8": "#bbbbbb", "openvino_int8": "#888888", "onednn_conv_sum": "#555555"}


def write(report: Report, folder: Path) -> list[Path]:
    """One plot for each number of threads and batch; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    plots.plt.rcParams.update({
        "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
        "svg.fonttype": "none", "svg.hashsalt": "soniq",
    })
    paths = (bars(report, threads, batch, folder) for threads, batch in report.settings())
    return [path for path in paths if path is not None]


def bars(report: Report, threads: int, batch: int, folder: Path) -> Path | None:
    """Speed of every engine over that of the faster INT8 engine, network by network."""
    models = [model for model in report.models() if report.best_engine(model, threads, batch)]
    ours = [("soniq", scheme, f"soniq {scheme}", plots.COLOURS.get(scheme, plots.OTHER)) for scheme in report.schemes()]
    others = [(engine, "w8a8", TITLES[engine], colour) for engine, colour in GREYS.items()]
    contestants = others + ours
    if not models:
        return None
    figure, axes = plots.plt.subplots(figsize=(9.5, 4.2))
    width = 0.85 / len(contestants)
    for index, (engine, scheme, label, colour) in enumerate(contestants):
        found = [(place, report.ms(model, engine, scheme, threads, batch)) for place, model in enumerate(models)]
        heights = [(place, report.best_engine(models[place], threads, batch) / ms) for place, ms in found if ms]
        offset = (index - (len(contestants) - 1) / 2) * width
        drawn = axes.bar([place + offset for place, _ in heights], [height for _, height in heights], width,
                         color=colour, label=label)
        axes.bar_label(drawn, fmt="%.1f", fontsize=6.5)
    axes.axhline(1, color="#444444", linewidth=0.8)
    axes.set_xticks(range(len(models)), models)
    axes.set(ylabel="speed over the faster INT8 engine", title=f"Whole networks: {setting_name(threads, batch)}")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return plots.save(figure, folder / f"models-{threads}t-batch{batch}.svg")
