"""Finished texts whose beginnings are used again: a conversation goes on where it was, and is not read anew."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from ..decoder import Sequence
from ..model import Model

Ids = npt.NDArray[np.int32]
# A shorter beginning is read as fast as it is copied.
LEAST = 8


class Prefixes:
    """A few finished sequences of a model. One thread at a time.

    A sequence touches memory only as far as it is written, so tokens are a measure of it.
    """

    def __init__(self, model: Model, texts: int, tokens: int) -> None:
        """Keeps at most so many texts, and tokens of all together; 0 of either: none."""
        self._model = model
        self._texts, self._tokens = texts, tokens
        # The least recently used first.
        self._kept: OrderedDict[int, tuple[Ids, Sequence]] = OrderedDict()
        self._next = 0

    @property
    def tokens(self) -> int:
        """Of all that are kept."""
        return sum(len(ids) for ids, _ in self._kept.values())

    def begin(self, ids: Ids, capacity: int) -> tuple[Sequence, int]:
        """A sequence for a text, and how many of its tokens are in it already: never all, as the last gives logits.

        Raises SoniqError where there is no memory.
        """
        best, length = None, 0
        for key, (held, _) in self._kept.items():
            common = min(common_length(held, ids), len(ids) - 1)
            if common > length:
                best, length = key, common
        if best is None or length < LEAST:
            return self._model.sequence(capacity), 0
        self._kept.move_to_end(best)
        return self._kept[best][1].copy(length, capacity=capacity), length

    def keep(self, ids: Ids, sequence: Sequence) -> None:
        """Takes a finished text, which nobody else goes on with."""
        if len(ids) > self._tokens or not self._texts:
            return
        for key, (held, _) in list(self._kept.items()):
            # What it began with is of no more use.
            if common_length(held, ids) == len(held):
                del self._kept[key]
        self._kept[self._next] = (ids, sequence)
        self._next += 1
        while len(self._kept) > self._texts or self.tokens > self._tokens:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forgets all of them."""
        self._kept.clear()


def common_length(first: Ids, second: Ids) -> int:
    """How many tokens both begin with."""
    length = min(len(first), len(second))
    differ = np.flatnonzero(first[:length] != second[:length])
    return int(differ[0]) if len(differ) else length
