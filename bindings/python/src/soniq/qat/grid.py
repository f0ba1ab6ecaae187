"""Fake quantisers: the real values of the runtime's codes forward, straight-through estimates backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .arithmetic import affine_codes, bipolar_codes
from .palette import AFFINE, BIPOLAR

# Of a step, for the rounding of x / scale.
TOLERANCE = 1e-4


def code_integers(x: Tensor, code: str, scale: Tensor, zero: Tensor | float, top: Tensor | float) -> Tensor:
    """The integers that the codes of `x` stand for: q - zero or 2q - top, as float32."""
    if code == AFFINE:
        return affine_codes(x, scale, zero, top) - zero
    return 2 * bipolar_codes(x, scale, top) - top


class _Grid(torch.autograd.Function):
    """scale * integers(x). A value inside the grid passes its gradient on, one outside stops it. The scale gets
    the gradient of learned step sizes (LSQ, Esser et al. 2020): the rounding error inside, the end outside.

    A value is inside when rounding moved it by half a step of codes at most. Unlike in codes NaN stays NaN, for the
    loss to show it.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, scale: Any, zero: Any, top: Any, code: Any, scale_gradient: Any) -> Any:
        if code == AFFINE:
            steps = x * scale.reciprocal()
            integers = steps.clamp(-zero, top - zero).round_()
            ctx.reach = 0.5 + TOLERANCE
        else:
            # Rounded twice, in a fraction of the time: another code than the runtime's at ties alone.
            steps = x / scale
            places = torch.add(_middle(top), steps, alpha=0.5)
            integers = _clamped(places, top).floor_().mul_(2).sub_(top)
            ctx.reach = 1 + TOLERANCE
        error = integers - steps
        of_scale = None
        if ctx.needs_input_grad[1]:
            of_scale = integers - only_within(steps, error, ctx.reach)
        ctx.save_for_backward(error, scale, of_scale)
        ctx.scale_gradient = scale_gradient
        return integers.mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        error, scale, of_scale = ctx.saved_tensors
        x_gradient = only_within(gradient, error, ctx.reach)
        if of_scale is None:
            return x_gradient, None, None, None, None, None
        scale_gradient = _summed_to(of_scale * gradient, scale) * ctx.scale_gradient
        return x_gradient, scale_gradient, None, None, None, None


def _middle(top: Any) -> Any:
    return torch.full((), (top + 1) * 0.5) if isinstance(top, float) else (top + 1) * 0.5


def _clamped(places: Any, top: Any) -> Any:
    return places.clamp_(0, top) if isinstance(top, float) else places.clamp_(torch.zeros_like(top), top)


class _Bounded(torch.autograd.Function):
    """Clamp, whose bounds get the gradients of what they cut off."""

    @staticmethod
    def forward(ctx: Any, x: Any, low: Any, high: Any) -> Any:
        clipped = x.clamp(low, high)
        ctx.save_for_backward(x - clipped, low, high)
        return clipped

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        excess, low, high = ctx.saved_tensors
        x_gradient = only_within(gradient, excess, torch.finfo(excess.dtype).tiny)
        _, of_low, of_high = ctx.needs_input_grad
        if not (of_low or of_high):
            return x_gradient, None, None
        outside = gradient - x_gradient
        if not of_low:
            return x_gradient, None, _summed_to(outside, high)
        above = outside * (excess > 0)
        of_high = _summed_to(above, high) if of_high else None
        return x_gradient, _summed_to(outside.sub_(above), low), of_high


def bounded(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """`x` clipped to low...high, which broadcast to its shape; a value that is not cut passes its gradient on."""
    return _Bounded.apply(x, low, high)


def only_within(values: Tensor, distance: Tensor, reach: float) -> Tensor:
    """`values` where |distance| < reach, else 0: the one selection by a number that PyTorch does in one fast pass."""
    return torch.ops.aten.hardtanh_backward(values, distance, -reach, reach)


def as_entry(values: Tensor, x: Tensor) -> Tensor:
    """`values`, which broadcast to `x`, as one whole entry of the first axis of `x` and laid out as `x` is.

    Operations of the two, and sums of gradients, then run over long stretches of memory also where the channels of
    an image lie side by side.
    """
    if not 1 < values.ndim < x.ndim:
        return values
    layout = torch.contiguous_format
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        layout = torch.channels_last
    return values.expand(1, *x.shape[1:]).contiguous(memory_format=layout)


def _summed_to(values: Tensor, target: Tensor) -> Tensor:
    """`values` summed over the axes along which `target` was broadcast."""
    return values.sum_to_size(target.shape)


def fake_quantize(
    x: Tensor, code: str, scale: Tensor, zero: Tensor | float, top: Tensor | float, scale_gradient: float = 1.0
) -> Tensor:
    """`x` on the grid of `scale`, `zero` and `top`, each of a shape that broadcasts to that of `x`.

    `scale_gradient` multiplies the gradient of the scale.
    """
    return _Grid.apply(x, scale, zero, top, code, scale_gradient)


def search_scales(rows: Tensor, code: str, bits: int, zero: int = 0, importance: Tensor | None = None) -> Tensor:
    """The scale of every row of [rows, values] with the least squared error, of those that reach 1/24 ... 24/24
    of the row's greatest magnitude. `importance` [values] weighs the columns. Rows of zeros get 1."""
    top = float(2**bits - 1)
    reach = max(top - zero, zero) if code == AFFINE else top
    greatest = rows.abs().amax(1, keepdim=True) / max(reach, 1.0)
    zeros = torch.full_like(greatest, float(zero))
    tops = torch.full_like(greatest, top)
    best = torch.ones_like(greatest)
    least = torch.full_like(greatest, torch.inf)
    for part in range(1, 25):
        scale = torch.where(greatest > 0, greatest * (part / 24), 1.0)
        squares = (code_integers(rows, code, scale, zeros, tops) * scale - rows).square()
        error = (squares if importance is None else squares * importance).sum(1, keepdim=True)
        best = torch.where(error < least, scale, best)
        least = torch.minimum(error, least)
    return best.squeeze(1)


__all__ = ["AFFINE", "BIPOLAR", "as_entry", "bounded", "code_integers", "fake_quantize", "search_scales"]
