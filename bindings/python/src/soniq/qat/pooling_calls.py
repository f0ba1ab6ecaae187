"""Sums and means over positions, and the mean over those that a mask keeps, in the runtime's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from .rounding import with_gradient

MASKED_SUM = "_soniq_masked_sum"


class Arithmetic(Protocol):
    """Whether values have the runtime's bits."""

    is_exact: bool


def total(arithmetic: Arithmetic, function: Callable[..., Tensor], x: Any, *rest: Any, **named: Any) -> Tensor:
    """x.sum(1), and the like."""
    axes = _axes(arithmetic, x, *rest, **named)
    if axes is None:
        return function(x, *rest, **named)
    result = with_gradient(lambda: function(x, *rest, **named), lambda: in_order(x, axes, *rest[1:], **named))
    setattr(result, MASKED_SUM, True)
    return result


def mean(arithmetic: Arithmetic, function: Callable[..., Tensor], x: Any, *rest: Any, **named: Any) -> Tensor:
    axes = _axes(arithmetic, x, *rest, **named)
    if axes is None:
        return function(x, *rest, **named)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return with_gradient(
        lambda: function(x, *rest, **named), lambda: in_order(x, axes, *rest[1:], **named) / count
    )


def quotient(arithmetic: Arithmetic, function: Callable[..., Tensor], left: Tensor, right: Any) -> Tensor | None:
    """A sum of [batch, positions, channels] / the numbers of positions: the runtime multiplies by an inverse. None
    when it is something else."""
    if not arithmetic.is_exact or left.ndim != 2 or not isinstance(right, Tensor) or right.dtype != torch.float32:
        return None
    if not hasattr(left, MASKED_SUM) or not (right == right.round()).all():
        return None
    return with_gradient(lambda: function(left, right), lambda: left * (1 / right))


def in_order(x: Tensor, axes: tuple[int, ...], keepdim: bool = False, **named: Any) -> Tensor:
    """The sum of float32 over axes, element by element in their order."""
    keepdim = named.get("keepdim", keepdim)
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    rows = x.permute(*axes, *kept).flatten(0, len(axes) - 1)
    result = torch.zeros_like(rows[0])
    for row in rows.unbind(0):
        result = result + row
    return result.view([1 if axis in axes else size for axis, size in enumerate(x.shape)]) if keepdim else result


def _axes(arithmetic: Arithmetic, x: Any, dim: Any = None, *rest: Any, **named: Any) -> tuple[int, ...] | None:
    """The axes that go, where the last one stays and the runtime's order is known."""
    if dim is None:
        dim = named.get("axis")
    if not arithmetic.is_exact or dim is None or x.dtype != torch.float32 or named.get("dtype") is not None:
        return None
    axes = tuple(sorted(axis % x.ndim for axis in ([dim] if isinstance(dim, int) else dim)))
    return axes if axes and x.ndim - 1 not in axes and not torch.onnx.is_in_onnx_export() else None
