"""Which channels get the fine precision under a budget."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .costs import Cost, Shape, tile_channels
from .errors import BudgetError
from .palette import Precision

# Worth of a channel that asked for nothing: a budget that is left over is spent.
LEAST_WORTH = 1e-3


@dataclass
class Candidate:
    """A layer of two precisions. `wishes` [channels]: 0 for the coarse precision to 1 for the fine one."""

    name: str
    shape: Shape
    levels: tuple[Precision, ...]
    wishes: Tensor

    def options(self) -> list[int]:
        """Numbers of fine channels that fill the tiles of one of the two levels."""
        channels = self.shape.channels
        tile = tile_channels(self.levels[1].weight_bits)
        coarse = tile_channels(self.levels[0].weight_bits)
        counts = set(range(0, channels, tile)) | {channels}
        counts |= {channels - count for count in range(0, channels, coarse)}
        return sorted(counts)

    def channel_levels(self, fine: int) -> Tensor:
        """uint8 [channels]: 1 for the `fine` channels with the greatest wishes; of equals, the first."""
        chosen = torch.argsort(self.wishes, descending=True, stable=True)[:fine]
        levels = torch.zeros(len(self.wishes), dtype=torch.uint8)
        levels[chosen.cpu()] = 1
        return levels


@dataclass(frozen=True)
class Budget:
    """What all layers may cost, in the unit of the cost; `fixed` of it is taken by layers of one precision.
    `divisor` and `unit` turn costs into what the user gave."""

    total: float
    fixed: float = 0.0
    divisor: float = 1.0
    unit: str = "bits"


def allocate(candidates: list[Candidate], budget: Budget, cost: Cost) -> dict[str, Tensor]:
    """Channel levels of every candidate, by name, with which the costs stay within the budget.

    Starts with everything coarse and takes, again and again, the step of a layer to more fine channels that has the
    most worth for its cost: worth is the sum of the wishes times the weights that a channel has.

    Raises BudgetError when even the cheapest choice costs more.
    """
    tables = [_Table(candidate, cost) for candidate in candidates]
    spent = budget.fixed + sum(table.cost for table in tables)
    if spent > budget.total:
        least, fixed = spent / budget.divisor, budget.fixed / budget.divisor
        raise BudgetError(
            f"a target of {budget.total / budget.divisor:.4g} {budget.unit} cannot be met: with every channel at its "
            f"coarsest the layers take {least:.4g}, {fixed:.4g} of it in layers of one precision. Raise the target, "
            "take a palette with a coarser precision, or lower end_bits: end_bits=None gives the first and the last "
            "layer the palette too, which small models need"
        )
    while True:
        moves = [(table, *move) for table in tables for move in table.moves(budget.total - spent)]
        if not moves:
            break
        table, place, _ = max(moves, key=lambda move: move[2])
        spent += table.costs[place] - table.cost
        table.place = place
    return {table.candidate.name: table.candidate.channel_levels(table.counts[table.place]) for table in tables}


class _Table:
    """Costs and worths of a layer's options."""

    def __init__(self, candidate: Candidate, cost: Cost) -> None:
        self.candidate = candidate
        self.counts = candidate.options()
        shape = candidate.shape
        self.costs = [cost(shape, candidate.levels, (shape.channels - count, count)) for count in self.counts]
        per_channel = shape.weights / shape.channels
        sums = torch.cumsum(candidate.wishes.double().sort(descending=True).values + LEAST_WORTH, 0)
        worth_of = [0.0, *sums.tolist()]
        self.worths = [per_channel * worth_of[count] for count in self.counts]
        self.place = min(range(len(self.counts)), key=lambda index: self.costs[index])

    @property
    def cost(self) -> float:
        return self.costs[self.place]

    def moves(self, room: float) -> list[tuple[int, float]]:
        """Places that fit, with the worth gained for each unit of cost."""
        result = []
        for place in range(self.place + 1, len(self.counts)):
            extra = self.costs[place] - self.cost
            if extra <= room:
                gain = self.worths[place] - self.worths[self.place]
                result.append((place, gain / extra if extra > 0 else float("inf")))
        return result
