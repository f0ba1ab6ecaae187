"""Fake quantisers: the real values of the runtime's codes forward, straight-through estimates backward."""

from __future__ import annotations

import torch
from torch import Tensor

from .arithmetic import affine_codes, bipolar_codes
from .palette import AFFINE, BIPOLAR


def code_integers(x: Tensor, code: str, scale: Tensor, zero: Tensor | float, top: Tensor | float) -> Tensor:
    """The integers that the codes of `x` stand for: q - zero or 2q - top, as float32."""
    if code == AFFINE:
        return affine_codes(x, scale, zero, top) - zero
    return 2 * bipolar_codes(x, scale, top) - top


class _Grid(torch.autograd.Function):
    """scale * integers(x). A value inside the grid passes its gradient on, one outside stops it. The scale gets
    the gradient of learned step sizes (LSQ, Esser et al. 2020): the rounding error inside, the end outside."""

    @staticmethod
    def forward(ctx, x, scale, zero, top, code, scale_gradient):
        integers = code_integers(x, code, scale, zero, top)
        ctx.save_for_backward(x, scale, zero, top, integers)
        ctx.code = code
        ctx.scale_gradient = scale_gradient
        return integers * scale

    @staticmethod
    def backward(ctx, gradient):
        x, scale, zero, top, integers = ctx.saved_tensors
        steps = x / scale
        if ctx.code == AFFINE:
            inside = (steps >= -zero - 0.5) & (steps <= top - zero + 0.5)
        else:
            inside = steps.abs() <= top + 1
        x_gradient = torch.where(inside, gradient, 0)
        if not ctx.needs_input_grad[1]:
            return x_gradient, None, None, None, None, None
        of_scale = gradient * (integers - torch.where(inside, steps, 0))
        return x_gradient, _summed_to(of_scale, scale) * ctx.scale_gradient, None, None, None, None


def _summed_to(values: Tensor, target: Tensor) -> Tensor:
    """`values` summed over the axes along which `target` was broadcast."""
    return values.sum_to_size(target.shape)


def fake_quantize(
    x: Tensor, code: str, scale: Tensor, zero: Tensor, top: Tensor, scale_gradient: float = 1.0
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


__all__ = ["AFFINE", "BIPOLAR", "code_integers", "fake_quantize", "search_scales"]
