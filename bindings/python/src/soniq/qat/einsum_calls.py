"""`torch.einsum` of heads as products of matrices, which attention is found by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .attention_calls import Arithmetic, product


def einsum(arithmetic: Arithmetic, function: Callable[..., Tensor], equation: Any, *operands: Any) -> Tensor:
    """Such as bqhd,bkhd->bhqk and bhqk,bkhd->bqhd, whatever the letters; other equations are PyTorch's."""
    letters = _letters(equation, operands)
    if letters is None:
        return function(equation, *operands)
    left, right, result = letters
    both = [letter for letter in result if letter in left and letter in right]
    (row,) = (letter for letter in left if letter not in right)
    (column,) = (letter for letter in right if letter not in left)
    (common,) = (letter for letter in left if letter in right and letter not in result)
    first = _ordered(operands[0], left, [*both, row, common])
    second = _ordered(operands[1], right, [*both, common, column])
    return _ordered(product(arithmetic, torch.matmul, first, second), [*both, row, column], result)


def _letters(equation: Any, operands: tuple[Any, ...]) -> tuple[list[str], list[str], list[str]] | None:
    """Those of two operands and the result, where it is a product of matrices for each of two shared axes."""
    if not isinstance(equation, str) or len(operands) != 2:
        return None
    terms = equation.replace(" ", "").replace("->", ",").split(",")
    if len(terms) != 3 or any(len(set(term)) != 4 or not term.isalpha() or len(term) != 4 for term in terms):
        return None
    left, right, result = (set(term) for term in terms)
    shared = left & right
    counts = (len(shared & result), len(shared - result), len(left & result - right), len(right & result - left))
    return (list(terms[0]), list(terms[1]), list(terms[2])) if counts == (2, 1, 1, 1) else None


def _ordered(value: Tensor, letters: list[str], wanted: list[str]) -> Tensor:
    if letters == wanted:
        return value
    return value.permute([letters.index(letter) for letter in wanted])
