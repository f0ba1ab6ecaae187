"""Sums and means over positions, and the mean over those that a mask keeps, in the runtime's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from . import functions
from .rounding import with_gradient
from .written_out import is_square

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
    squared = is_square(x)
    if squared is not None and arithmetic.is_exact and _is_last_kept(x, *rest, **named):
        # Behind it stands a norm by the root of the mean square.
        return with_gradient(lambda: function(x, *rest, **named), lambda: functions.mean_of_squares(squared))
    axes = _axes(arithmetic, x, *rest, **named)
    if axes is None:
        return function(x, *rest, **named)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return with_gradient(
        lambda: function(x, *rest, **named), lambda: in_order(x, axes, *rest[1:], **named) / count
    )


def adaptive_pool(arithmetic: Arithmetic, function: Callable[..., Tensor], x: Any, size: Any) -> Tensor:
    """The mean of all pixels, or of a signal; other sizes are PyTorch's."""
    is_mean = size in (1, (1,), (1, 1), [1], [1, 1]) and x.ndim > 2
    if not arithmetic.is_exact or not is_mean or x.dtype != torch.float32:
        return function(x, size)
    axes = tuple(range(2, x.ndim))
    return with_gradient(lambda: function(x, size), lambda: _pixels(x, axes) / x[0, 0].numel())


def _pixels(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return in_order(x, axes).view(*x.shape[:2], *(1 for _ in axes))


def quotient(arithmetic: Arithmetic, function: Callable[..., Tensor], left: Tensor, right: Any) -> Tensor | None:
    """A sum of [batch, positions, channels] / the numbers of positions: the runtime multiplies by an inverse. None
    when it is something else."""
    if not arithmetic.is_exact or left.ndim != 2 or not isinstance(right, Tensor) or right.dtype != torch.float32:
        return None
    if not hasattr(left, MASKED_SUM) or not (right == right.round()).all():
        return None
    return with_gradient(lambda: function(left, right), lambda: left * (1 / right))


def in_order(x: Tensor, axes: tuple[int, ...], keepdim: bool = False, **named: Any) -> Tensor:
    """The sum of float32 over axes, element by element in their order, or over the last axis."""
    keepdim = named.get("keepdim", keepdim)
    if axes == (x.ndim - 1,) and keepdim:
        # For a norm; without the axis it is the mean of a signal, whose channels are the last axis inside.
        return functions.eight_lane_sum(x)
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    rows = x.permute(*axes, *kept).flatten(0, len(axes) - 1)
    result = torch.zeros_like(rows[0])
    for row in rows.unbind(0):
        result = result + row
    return result.view([1 if axis in axes else size for axis, size in enumerate(x.shape)]) if keepdim else result


def _is_last_kept(x: Tensor, dim: Any = None, keepdim: bool = False, **named: Any) -> bool:
    axes = [dim] if isinstance(dim, int) else list(dim or [])
    return keepdim and [axis % x.ndim for axis in axes] == [x.ndim - 1] and x.dtype == torch.float32


def _axes(arithmetic: Arithmetic, x: Any, dim: Any = None, *rest: Any, **named: Any) -> tuple[int, ...] | None:
    """The axes that go, where the runtime's order is known: the last one stays, or it alone goes from a value that is
    no image."""
    if dim is None:
        dim = named.get("axis")
    if not arithmetic.is_exact or dim is None or x.dtype != torch.float32 or named.get("dtype") is not None:
        return None
    axes = tuple(sorted(axis % x.ndim for axis in ([dim] if isinstance(dim, int) else dim)))
    is_row = axes == (x.ndim - 1,) and x.ndim <= 3
    # Pixels lie channel by channel, so that these are not the last axis.
    is_image = x.ndim == 4 and axes == (2, 3)
    return axes if axes and (is_row or is_image or x.ndim - 1 not in axes) else None
