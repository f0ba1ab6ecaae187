"""The learned precision map as a picture."""

from __future__ import annotations

from pathlib import Path


def draw_precision_map(levels: dict[str, list[int]], path: str | Path) -> None:
    """One row for each layer, one cell for each input channel, coloured by its bits. Needs matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.colors import BoundaryNorm
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("the precision map needs matplotlib: pip install 'soniq[train]'") from error
    import numpy as np

    widest = max(len(row) for row in levels.values())
    table = np.full((len(levels), widest), np.nan)
    for index, row in enumerate(levels.values()):
        table[index, : len(row)] = row
    figure = Figure(figsize=(9, 1 + 0.24 * len(levels)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    bounds = [bits + 0.5 for bits in range(9)]
    image = axes.imshow(table, aspect="auto", interpolation="nearest", cmap="viridis", norm=BoundaryNorm(bounds, 256))
    axes.set_yticks(range(len(levels)), list(levels), fontsize=7)
    axes.set_xlabel("input channel")
    figure.colorbar(image, ax=axes, ticks=range(1, 9), label="bits of weights")
    figure.savefig(path, format="png", dpi=150)
