"""Pictures of a training: the learned precision map, and the curves of loss and metric. They need matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .trainer import EpochReport


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'soniq[train]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_training(history: Sequence[EpochReport], path: str | Path) -> None:
    """Loss (on a scale of powers of ten) and metric of every epoch as PNG; the phase in which precisions are learned
    is shaded."""
    figure = _figure(8, 3.5)
    loss_axes = figure.subplots()
    epochs = [report.epoch for report in history]
    loss_axes.plot(epochs, [report.loss for report in history], color="tab:blue", marker=".")
    loss_axes.set_xlabel("epoch")
    loss_axes.set_ylabel("loss", color="tab:blue")
    if all(report.loss > 0 for report in history):
        loss_axes.set_yscale("log")
    searched = [report.epoch for report in history if report.phase == "search"]
    if searched:
        loss_axes.axvspan(min(searched) - 0.5, max(searched) + 0.5, alpha=0.15, label="precisions are learned")
        figure.legend(loc="outside upper center")
    if any(report.metric is not None for report in history):
        metric_axes = loss_axes.twinx()
        metric_axes.plot(epochs, [report.metric for report in history], color="tab:orange", marker=".")
        metric_axes.set_ylabel("metric", color="tab:orange")
    figure.savefig(path, format="png", dpi=110)


def draw_precision_map(levels: dict[str, list[int]], path: str | Path) -> None:
    """One row for each layer, one cell for each input channel, coloured by its bits; PNG."""
    figure = _figure(9, 1 + 0.24 * len(levels))
    import numpy as np
    from matplotlib.colors import BoundaryNorm

    widest = max(len(row) for row in levels.values())
    table = np.full((len(levels), widest), np.nan)
    for index, row in enumerate(levels.values()):
        table[index, : len(row)] = row
    axes = figure.subplots()
    bounds = [bits + 0.5 for bits in range(9)]
    image = axes.imshow(table, aspect="auto", interpolation="nearest", cmap="viridis", norm=BoundaryNorm(bounds, 256))
    axes.set_yticks(range(len(levels)), list(levels), fontsize=7)
    axes.set_xlabel("input channel")
    figure.colorbar(image, ax=axes, ticks=range(1, 9), label="bits of weights")
    figure.savefig(path, format="png", dpi=150)
