"""Reads text in pictures with two networks of any size: one finds lines, one reads them (PP-OCRv4, by RapidOCR)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import soniq

# Sizes that the networks halve five times.
STEP, LONGEST_SIDE = 32, 960
LINE_HEIGHT, LONGEST_LINE = 48, 960
# Of the map of probabilities: what belongs to a line, and the mean of a line that is one.
PIXEL_THRESHOLD, LINE_THRESHOLD = 0.3, 0.5
# The network marks the core of a line; the line is larger by this much of its area over its perimeter.
GROWTH = 1.6


@dataclass(frozen=True)
class Line:
    """Where text is (left, top, right, bottom in pixels), what it says, and how sure that is (0 to 1)."""

    box: tuple[int, int, int, int]
    text: str
    confidence: float


def normalized(picture: Image.Image) -> np.ndarray:
    """float32 [1, 3, height, width], blue first, -1 to 1: as both networks were trained."""
    pixels = np.asarray(picture.convert("RGB"), np.float32)[:, :, ::-1] / 127.5 - 1
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def line_array(picture: Image.Image) -> np.ndarray:
    """A line at the height that the reading network wants, its width in proportion."""
    width = max(STEP, min(LONGEST_LINE, round(picture.width * LINE_HEIGHT / picture.height)))
    return normalized(picture.resize((width, LINE_HEIGHT), Image.Resampling.BILINEAR))


class Reader:
    """Both networks and the characters that they know."""

    def __init__(self, detector: Path, recognizer: Path, characters: list[str]) -> None:
        self._detector = soniq.load(detector)
        self._recognizer = soniq.load(recognizer)
        # Class 0 is "nothing here"; the last one is the space.
        self._characters = ["", *characters, " "]

    def read(self, picture: Image.Image) -> list[Line]:
        """The lines of a picture, from top to bottom."""
        lines = []
        for box in self.find(picture):
            text, confidence = self.decode(picture.crop(box))
            if text.strip():
                lines.append(Line(box, text, confidence))
        return lines

    def find(self, picture: Image.Image) -> list[tuple[int, int, int, int]]:
        """Boxes of lines, from top to bottom and left to right."""
        scale = min(1.0, LONGEST_SIDE / max(picture.size))
        width, height = (max(STEP, round(side * scale / STEP) * STEP) for side in picture.size)
        resized = picture.resize((width, height), Image.Resampling.BILINEAR)
        (probabilities,) = self._detector(x=normalized(resized)).values()
        boxes = []
        for left, top, right, bottom in components(probabilities[0, 0] > PIXEL_THRESHOLD):
            if probabilities[0, 0, top:bottom, left:right].mean() < LINE_THRESHOLD or bottom - top < 3:
                continue
            grow = GROWTH * (right - left) * (bottom - top) / (2 * (right - left + bottom - top))
            edges = np.array([left - grow, top - grow, right + grow, bottom + grow])
            edges *= np.array([picture.width / width, picture.height / height] * 2)
            edges = np.clip(edges.round().astype(int), 0, [picture.width, picture.height] * 2)
            boxes.append(tuple(int(edge) for edge in edges))
        return sorted(boxes, key=lambda box: (round((box[1] + box[3]) / 24), box[0]))

    def decode(self, line: Image.Image) -> tuple[str, float]:
        """The text of a line: the likeliest class of every column, repeats and "nothing" left out."""
        (columns,) = self._recognizer(x=line_array(line)).values()
        classes, sure = columns[0].argmax(-1), columns[0].max(-1)
        kept = [place for place, label in enumerate(classes) if label and (place == 0 or label != classes[place - 1])]
        text = "".join(self._characters[classes[place]] for place in kept)
        return text, float(np.mean(sure[kept])) if kept else 0.0


def components(mask: np.ndarray) -> list[tuple[int, int, int, int]]:
    """The boxes of connected parts of a bool [height, width]: runs of rows that touch, joined."""
    parents: list[int] = []
    boxes: list[list[int]] = []

    def root(part: int) -> int:
        while parents[part] != part:
            part = parents[part]
        return part

    above: list[tuple[int, int, int]] = []
    for top, row in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
        runs = []
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            part = len(parents)
            parents.append(part)
            boxes.append([int(left), top, int(right), top + 1])
            for other_left, other_right, other in above:
                # Corners that touch are connected.
                if other_left <= right and left <= other_right:
                    first, second = sorted((root(other), root(part)))
                    parents[second] = first
                    if first != second:
                        boxes[first] = [*map(min, boxes[first][:2], boxes[second][:2]),
                                        *map(max, boxes[first][2:], boxes[second][2:])]  # fmt: skip
            runs.append((int(left), int(right), part))
        above = runs
    return [tuple(boxes[part]) for part in range(len(parents)) if parents[part] == part]  # type: ignore[misc]
