"""Activation functions that a model writes out as arithmetic, found as the packer finds them: by their values at a few
points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from . import functions

EXPRESSION = "_soniq_expression"
POINTS = np.array([-6, -4.5, -3.2, -2.5, -1.5, -1, -0.5, -0.1, 0, 0.2, 0.7, 1.3, 2.2, 2.9, 3.5, 5])
TOLERANCE = 2e-5
ERF = np.vectorize(math.erf, otypes=[float])

KNOWN: list[tuple[np.ndarray, Callable[[Tensor], Tensor]]] = [
    (POINTS * 0.5 * (1 + ERF(POINTS / math.sqrt(2))), functions.gelu),
    (POINTS * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (POINTS + 0.044715 * POINTS**3))), functions.gelu_tanh),
    (POINTS / (1 + np.exp(-POINTS)), functions.silu),
    (POINTS * np.clip(POINTS / 6 + 0.5, 0, 1), functions.hard_swish),
    (POINTS * np.tanh(np.log1p(np.exp(POINTS))), functions.mish),
]


@dataclass(frozen=True)
class Expression:
    """A value as a function of one tensor, element by element: its numbers where that tensor's are POINTS."""

    root: Tensor
    numbers: np.ndarray


def expression(value: Any) -> Expression | float | None:
    """Of a tensor, or a number; a tensor that is none of another is that of itself."""
    if not isinstance(value, Tensor):
        return float(value) if isinstance(value, (int, float)) else None
    if value.ndim == 0 or not value.is_floating_point():
        return None
    found: Expression | None = getattr(value, EXPRESSION, None)
    return Expression(value, POINTS) if found is None else found


def noted(result: Tensor, of: Any, numbers: Callable[..., np.ndarray], *others: Any) -> Tensor:
    """`result`, with what it is of the tensor that `of` and `others` are of, where that is one."""
    operands = [expression(value) for value in (of, *others)]
    roots = [operand.root for operand in operands if isinstance(operand, Expression)]
    if None in operands or any(root is not roots[0] for root in roots) or roots[0].shape != result.shape:
        return result
    values = [operand.numbers if isinstance(operand, Expression) else operand for operand in operands]
    with np.errstate(all="ignore"):
        setattr(result, EXPRESSION, Expression(roots[0], numbers(*values)))
    return result


def recognized(value: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]] | None:
    """The tensor and the function of the runtime that a product or quotient is."""
    found: Expression | None = getattr(value, EXPRESSION, None)
    if found is None:
        return None
    for numbers, function in KNOWN:
        if np.all(np.abs(found.numbers - numbers) <= TOLERANCE):
            return found.root, function
    return None


def is_square(value: Tensor) -> Tensor | None:
    """What it is the square of."""
    found: Expression | None = getattr(value, EXPRESSION, None)
    if found is None or not np.allclose(found.numbers, POINTS**2, rtol=1e-9):
        return None
    return found.root
