"""Tokens per second as bars: a panel for each file, a pair of bars for each test, one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from reports import svg


def label(row: dict[str, Any]) -> str:
    return f"decode\nat {row['depth']}" if row["test"] == "decode" else f"prompt\nof {row['test'][7:]}"


def plot(rows: list[dict[str, Any]], folder: Path) -> Path:
    threads = min(row["threads"] for row in rows)
    rows = [row for row in rows if row["threads"] == threads]
    names = list(dict.fromkeys(row["file"] for row in rows))
    svg.set_style(grid=False)
    figure, panels = plt.subplots(len(names), 1, figsize=(7, 2.3 * len(names)), squeeze=False)
    for name, panel in zip(names, panels[:, 0], strict=True):
        for index, (engine, colour) in enumerate((("soniq", svg.COLOURS["w4a8"]), ("llama.cpp", svg.OTHER))):
            own = [row for row in rows if row["file"] == name and row["engine"] == engine]
            places = [place + 0.4 * index for place in range(len(own))]
            speeds = [row["tokens_per_second"] for row in own]
            panel.bar(places, speeds, 0.38, color=colour, label=engine)
            for place, speed in zip(places, speeds, strict=True):
                panel.text(place, speed, f"{speed:.0f}", ha="center", va="bottom", fontsize=7)
            panel.set_xticks([place + 0.2 for place in range(len(own))], [label(row) for row in own])
        panel.set_title(f"{name}, {threads} thread{'s' * (threads > 1)}", fontsize=9, loc="left")
        panel.set_ylabel("tokens a second")
    panels[0, 0].legend()
    folder.mkdir(parents=True, exist_ok=True)
    return svg.save(figure, folder / "llm.svg")
