"""Guesses of the next tokens by what followed the same tokens before: prompt lookup."""

from __future__ import annotations

from collections.abc import Iterable

# A guess follows the last place of as many tokens, or of fewer.
LONGEST, SHORTEST = 3, 2


class Lookup:
    """What a text says so far, and what may come next by it.

    It guesses few tokens first, and more while it is right.

    Args:
        most: how many tokens it guesses at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = min(2, most)
        self._tokens: list[int] = []
        self._places: dict[tuple[int, ...], int] = {}

    def push(self, tokens: Iterable[int]) -> None:
        """Tokens that were said."""
        for token in tokens:
            # What ends before this token is what it follows.
            for length in range(SHORTEST, LONGEST + 1):
                if len(self._tokens) >= length:
                    self._places[tuple(self._tokens[-length:])] = len(self._tokens)
            self._tokens.append(token)

    def guess(self, most: int) -> list[int]:
        """At most `most` tokens that may follow; none where nothing is known."""
        count = min(most, self._count)
        for length in range(LONGEST, SHORTEST - 1, -1):
            place = self._places.get(tuple(self._tokens[-length:])) if len(self._tokens) >= length else None
            if place is not None and count > 0:
                return self._tokens[place : place + count]
        return []

    def learn(self, guessed: int, right: int) -> None:
        """How many of the last guesses were right."""
        self._count = min(self._most, 2 * self._count if right == guessed else right + 1)
