"""What a layer costs: stored bits, and milliseconds by a kernel profile."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import BudgetError
from .palette import Precision

ROW_CLASSES = (1, 2, 4, 8, 16, 32)
PANEL = 16


@dataclass(frozen=True)
class Shape:
    """A matrix of the runtime: `taps` weights for each of `channels` and `outputs`, `groups` such matrices.
    `rows`: products of a run of the model on the examples (tokens, or pixels of the output)."""

    channels: int
    outputs: int
    taps: int = 1
    groups: int = 1
    rows: int = 1
    has_offsets: bool = False

    @property
    def is_depthwise(self) -> bool:
        """Stored as signed bytes, 16 channels together."""
        return self.groups > 1 and self.channels == self.outputs == 1

    def with_offsets(self, has_offsets: bool) -> Shape:
        return replace(self, has_offsets=has_offsets)

    @property
    def weights(self) -> int:
        return self.groups * self.channels * self.outputs * self.taps


def tile_channels(weight_bits: int) -> int:
    """Channels that are stored together; a level's are padded to a multiple."""
    return {8: 4, 4: 8}.get(weight_bits, 32)


def stored_bits(shape: Shape, levels: tuple[Precision, ...], counts: tuple[int, ...]) -> int:
    """Bits of everything that is stored for the weights: codes with their padding, scales, sums, offsets and the
    map of channels. `counts`: channels of each level."""
    if shape.is_depthwise:
        return math.ceil(shape.groups / PANEL) * PANEL * (8 * shape.taps + 32)
    panels = math.ceil(shape.outputs / PANEL)
    total = 0
    for level, count in zip(levels, counts, strict=True):
        if count:
            tile = tile_channels(level.weight_bits)
            padded = math.ceil(count / tile) * tile * shape.taps
            total += panels * PANEL * (padded * level.weight_bits + (96 if shape.has_offsets else 64))
    if sum(1 for count in counts if count) > 1:
        total += 32 * shape.channels
    return total * shape.groups


class KernelCosts:
    """The profile of a machine, as `soniq-pack calibrate-cost` writes it."""

    def __init__(self, text: str) -> None:
        """Raises BudgetError when `text` is no profile."""
        try:
            document = json.loads(text)
            if document["version"] != 1:
                raise ValueError(f"version {document['version']}, not 1")
            self._sizes = [(int(channels), int(outputs)) for channels, outputs in document["sizes"]]
            self._costs: dict[tuple[int, int], list[list[int]]] = {}
            for entry in document["costs"]:
                if entry["kernel"].startswith("prepare "):
                    continue
                costs = [int(cost) for cost in entry["picoseconds"]]
                if len(costs) != len(ROW_CLASSES) * len(self._sizes):
                    raise ValueError(f"{entry['kernel']} has {len(costs)} costs")
                self._costs.setdefault((entry["weightBits"], entry["activationBits"]), []).append(costs)
            if not self._sizes:
                raise ValueError("it has no sizes")
        except (ValueError, KeyError, TypeError) as error:
            raise BudgetError(
                f"this is no kernel profile ({error}): write one with `soniq-pack calibrate-cost -o profile.json`"
            ) from error

    @classmethod
    def read(cls, path: str | Path) -> KernelCosts:
        return cls(Path(path).read_text())

    def milliseconds(self, shape: Shape, levels: tuple[Precision, ...], counts: tuple[int, ...]) -> float:
        """The cheapest kernel of every level, at the number of rows and the nearest measured size."""
        total = 0.0
        for level, count in zip(levels, counts, strict=True):
            if count:
                tile = tile_channels(level.weight_bits)
                padded = math.ceil(count / tile) * tile * shape.taps
                thousands = shape.rows * padded * shape.outputs * shape.groups / 1000
                total += self._cheapest(level, padded, shape) * thousands
        return total * 1e-9

    def _cheapest(self, level: Precision, channels: int, shape: Shape) -> int:
        """Picoseconds for 1000 multiply-accumulates. Kernels that read whole codes are listed with 8 bits of
        activations, those that read tables of up to 5 bits with 4."""
        listed = {level.activation_bits, 8} | ({4} if level.activation_bits <= 5 else set())
        row_class = max(index for index, least in enumerate(ROW_CLASSES) if shape.rows >= least)
        nearest = min(range(len(self._sizes)), key=lambda index: _distance(self._sizes[index], channels, shape.outputs))
        place = row_class * len(self._sizes) + nearest
        costs = [costs[place] for bits in listed for costs in self._costs.get((level.weight_bits, bits), [])]
        if not costs:
            raise BudgetError(
                f"the profile has no kernel for {level.label}: measure this machine again with "
                "`soniq-pack calibrate-cost`, or take another palette"
            )
        return min(costs)


def _distance(size: tuple[int, int], channels: int, outputs: int) -> float:
    return abs(math.log2(size[0] / channels)) + abs(math.log2(size[1] / outputs))


Cost = Callable[[Shape, tuple[Precision, ...], tuple[int, ...]], float]
