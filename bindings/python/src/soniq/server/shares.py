"""How the tokens of a run are divided among prompts."""

from __future__ import annotations

# Tokens of prompts in a run: many where nobody is writing, few where texts wait for their next token meanwhile.
ALONE, BESIDE = 256, 64


def shares(lengths: list[int], budget: int) -> list[int]:
    """So much of each prompt goes into a run: equal parts, and what short ones leave goes to the others.

    Each gets at least 1, so that no text waits for another.
    """
    result = [0] * len(lengths)
    left = budget
    by_length = sorted(range(len(lengths)), key=lengths.__getitem__)
    for place, index in enumerate(by_length):
        result[index] = max(1, min(lengths[index], left // (len(lengths) - place)))
        left = max(0, left - result[index])
    return result
