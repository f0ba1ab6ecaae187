"""The pictures of a report, as SVG."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..model import StepProfile
from .contents import Part, Weight

WIDTH = 900
# Colours of 1 to 8 bits, from warm to cold, distinguishable with most kinds of colour blindness; floats are grey.
COLOURS = {
    1: "#7a0403", 2: "#d23105", 3: "#fb8022", 4: "#e1b01e", 5: "#9bb83a", 6: "#3aa873", 7: "#2a86b8", 8: "#3b4c9b",
}  # fmt: skip
FLOATS = "#8a8f98"


def colour(bits: int) -> str:
    """Of a width in bits."""
    return COLOURS.get(bits, FLOATS)


def legend(weights: Iterable[Weight]) -> str:
    """The widths that these weights have."""
    widths = sorted({part.bits for weight in weights for part in weight.parts})
    shown = [
        f'<span class="key"><i style="background:{colour(bits)}"></i>{bits if bits < 32 else "float"}'
        f"{' bit' if bits == 1 else ' bits' if bits < 32 else ''}</span>"
        for bits in widths
    ]
    return f'<p class="legend">{"".join(shown)}</p>'


def channels_bar(parts: Sequence[Part]) -> str:
    """The shares of channels with each precision, side by side."""
    total = sum(part.channels for part in parts)
    cells, left = [], 0.0
    for part in parts:
        width = 100 * part.channels / total
        title = f"{part.channels} channels, {part.bits} bits" + (f" by {part.activations}" if part.activations else "")
        cells.append(
            f'<rect x="{left:.3f}%" width="{width:.3f}%" height="100%" fill="{colour(part.bits)}">'
            f"<title>{title}</title></rect>"
        )
        left += width
    return f'<svg class="bar" role="img" aria-label="{_spoken(parts)}">{"".join(cells)}</svg>'


def _spoken(parts: Sequence[Part]) -> str:
    return "; ".join(f"{part.channels} channels of {part.bits} bits" for part in parts)


def whole_bar(weights: Sequence[Weight]) -> str:
    """The shares of all numbers with each width."""
    numbers: dict[int, int] = {}
    for weight in weights:
        channels = sum(part.channels for part in weight.parts)
        for part in weight.parts:
            numbers[part.bits] = numbers.get(part.bits, 0) + weight.count * part.channels // channels
    total = max(1, sum(numbers.values()))
    cells, left = [], 0.0
    for bits, count in sorted(numbers.items()):
        width = 100 * count / total
        name = "floats" if bits == 32 else f"{bits} bits"
        cells.append(
            f'<rect x="{left:.3f}%" width="{width:.3f}%" height="100%" fill="{colour(bits)}">'
            f"<title>{name}: {width:.1f} % of all weights</title></rect>"
        )
        left += width
    spoken = "; ".join(f"{count} weights of {bits} bits" for bits, count in sorted(numbers.items()))
    return f'<svg class="bar whole" role="img" aria-label="{spoken}">{"".join(cells)}</svg>'


def size_bar(count: int, largest: int) -> str:
    """A length for a number of bytes."""
    width = 100 * count / max(1, largest)
    return (
        f'<svg class="bar" role="img" aria-label="{count} bytes">'
        f'<rect width="{width:.2f}%" height="100%" fill="var(--accent)"/></svg>'
    )


@dataclass
class Branch:
    """A part of a network and what it costs; its parts by name."""

    milliseconds: float = 0.0
    parts: dict[str, Branch] = field(default_factory=dict)
    kernel: str = ""


def tree(steps: Iterable[StepProfile]) -> Branch:
    """Steps by the parts of their names: "layers.0/attention/output" is three levels deep."""
    root = Branch()
    for step in steps:
        branch = root
        branch.milliseconds += step.milliseconds
        # Of steps that run as one, the first names the place.
        name = step.name.split(" + ")[0]
        for word in [*filter(None, re.split(r"[/.](?!\d)", name)), step.operation]:
            branch = branch.parts.setdefault(word, Branch())
            branch.milliseconds += step.milliseconds
        branch.kernel = step.kernel
    return root


def icicle(root: Branch) -> str:
    """Time from left to right, parts below what they are parts of."""
    rows: list[str] = []
    depth = _draw(root, 0.0, float(WIDTH), 0, rows)
    height = 22 * depth
    return (
        f'<svg class="icicle" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="time by parts of the network">{"".join(rows)}</svg>'
    )


def _draw(branch: Branch, left: float, width: float, level: int, rows: list[str]) -> int:
    deepest = level
    for place, (name, part) in enumerate(branch.parts.items()):
        share = part.milliseconds / branch.milliseconds if branch.milliseconds else 0
        wide = width * share
        if wide >= 0.5:
            label = html.escape(name)
            title = f"{label}: {part.milliseconds:.3f} ms" + (f", {html.escape(part.kernel)}" if part.kernel else "")
            rows.append(
                f'<g><title>{title}</title><rect x="{left:.2f}" y="{22 * level}" width="{wide:.2f}" height="21" '
                f'class="{"odd" if (place + level) % 2 else "even"}"/>{_label(label, left, wide, level)}</g>'
            )
            deepest = max(deepest, level + 1, _draw(part, left, wide, level + 1, rows))
        left += wide
    return deepest


def _label(label: str, left: float, wide: float, level: int) -> str:
    room = int((wide - 6) / 6.6)
    if room < 3:
        return ""
    shown = label if len(label) <= room else label[: room - 1] + "…"
    return f'<text x="{left + 4:.2f}" y="{22 * level + 15}">{shown}</text>'
