"""Batch norms behind quantised layers, which the file has folded into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from .layer_codes import Fold
from .layers import source_of
from .rounding import with_gradient


class Arithmetic(Protocol):
    """Whether values have the runtime's bits."""

    is_exact: bool


def batch_norm(
    arithmetic: Arithmetic, function: Callable[..., Tensor], x: Tensor, running_mean: Any, running_var: Any,
    weight: Any = None, bias: Any = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    def plain() -> Tensor:
        return function(x, running_mean, running_var, weight, bias, training, momentum, eps)

    source = source_of(x)
    if not arithmetic.is_exact or training or source is None:
        return plain()
    layer, given = source
    with torch.no_grad():
        ones = torch.ones_like(running_var)
        factor = (ones if weight is None else weight).double() / (running_var.double() + _binary32(eps)).sqrt()
        offset = torch.zeros_like(running_var) if bias is None else bias
        fold = Fold(factor, offset.double() - running_mean.double() * factor)
    return with_gradient(plain, lambda: layer.integer_forward(given, fold))


def _binary32(number: float) -> float:
    """As the file has it."""
    return float(torch.tensor(number, dtype=torch.float32))
