"""Phase 1 of SONIQ: noise of the size of the rounding error at a precision that is learned.

s is one number for every input channel, shared by its weights and its activations. Its precision is
p = 1 - log2(sigma(s)) bits, sigma the logistic function, so that the rounding error of the p-bit grid of amplitude a
is sigma(s) * a at most. See docs/training.md for what is published and what is reconstruction.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def bits_of(s: Tensor) -> Tensor:
    """p = 1 - log2(sigma(s))"""
    return 1 + functional.softplus(-s) / math.log(2)


def logit_of(bits: float) -> float:
    """The s of a precision above 1 bit: -ln(2^(p - 1) - 1)."""
    return -math.log(2 ** (bits - 1) - 1)


class _Held(torch.autograd.Function):
    """Clamp whose gradient passes where a step would lead back inside."""

    @staticmethod
    def forward(ctx, x, low, high):
        ctx.save_for_backward(x)
        ctx.limits = (low, high)
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        low, high = ctx.limits
        outward = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        return torch.where(outward, 0, gradient), None, None


def held(x: Tensor, low: float, high: float) -> Tensor:
    return _Held.apply(x, low, high)


def noisy(x: Tensor, half_step: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """`x` clipped to low...high plus uniform noise of at most `half_step` either way.

    With half_step = a * sigma(s), low = -a * (2 - sigma(s)) and high = -low this is
    w + sigma(s) * U(-1, 1) clipped to 2 - sigma(s), for the amplitude a.
    """
    clipped = torch.minimum(torch.maximum(x, low), high)
    return clipped + half_step * (2 * torch.rand_like(x) - 1)
