"""What all plots share: style, colours, and how they are written."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt  # noqa: E402 (the backend is chosen before)

# Fewer bits, warmer; two levels in green; the baseline in grey.
COLOURS = {
    "w1a1": "#b2182b", "w1a4": "#e0603f", "w1a8": "#f4a261", "w2a2": "#c2a000", "w2a4": "#9a7d0a", "w2a8": "#6b5900",
    "w3a3": "#8e5ea2", "w4a4": "#5e3c99", "w4a8": "#2c7fb8", "w7a8": "#5a8fc4", "w8a8": "#08306b",
    "w8a8-half": "#5a8fc4", "w1a1+w4a4@75": "#1b7837", "w1a1+w4a4@87.5": "#5aae61",
}
OTHER = "#777777"


def set_style(grid: bool) -> None:
    plt.rcParams.update({
        "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
        "axes.grid": grid, "grid.color": "#dddddd", "grid.linewidth": 0.6, "svg.fonttype": "none",
        # The same figures give the same bytes.
        "svg.hashsalt": "soniq",
    })


def save(figure: plt.Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
    # matplotlib leaves blanks at the ends of lines.
    path.write_text("".join(f"{line.rstrip()}\n" for line in path.read_text().splitlines()))
    return path
