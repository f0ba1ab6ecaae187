"""Phase 1 of SONIQ: noise of the size of the rounding error at a precision that is learned.

s is one number for every input channel, shared by its weights and its activations. Its precision is
p = 1 - log2(sigma(s)) bits, sigma the logistic function, so that the rounding error of the p-bit grid of amplitude a
is sigma(s) * a at most. See docs/training.md for what is published and what is reconstruction.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .grid import bounded

POOL = 2**20


def bits_of(s: Tensor) -> Tensor:
    """p = 1 - log2(sigma(s))"""
    return 1 + functional.softplus(-s) / math.log(2)


def logit_of(bits: float) -> float:
    """The s of a precision above 1 bit: -ln(2^(p - 1) - 1)."""
    return -math.log(2 ** (bits - 1) - 1)


class _Held(torch.autograd.Function):
    """Clamp whose gradient passes where a step would lead back inside."""

    @staticmethod
    def forward(ctx: Any, x: Any, low: Any, high: Any) -> Any:
        ctx.save_for_backward(x)
        ctx.limits = (low, high)
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
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
    return torch.addcmul(bounded(x, low, high), uniform_like(x), half_step)


def settled(x: Tensor, half_step: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """`x` on the grid high, high - 2 half steps, ... down to low: what `noisy` imitates, without chance."""
    inside = bounded(x, low, high)
    with torch.no_grad():
        error = high - 2 * half_step * torch.round((high - inside) / (2 * half_step)) - inside
    return inside + error


@functools.cache
def _pool() -> Tensor:
    """Evenly spaced numbers between -1 and 1 in an order that is always the same, float32 [POOL]."""
    order = torch.randperm(POOL, generator=torch.Generator().manual_seed(1))
    return ((order + 0.5) * (2 / POOL) - 1).float()


def uniform_like(x: Tensor) -> Tensor:
    """Uniform noise between -1 and 1 of the shape of `x`; not to be written to.

    On a CPU a generator is slower than all the rest of a quantiser. There the numbers are a window of a pool, at a
    place that PyTorch's generator draws for every call; where a tensor is larger than the pool, every entry of its
    first axis has a window of its own, overlapping the next one's.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling() or x.ndim == 0 or 2 * x[:1].numel() > POOL:
        return 2 * torch.rand_like(x) - 1
    count, entry = x.shape[0], x[:1].numel()
    apart = entry
    if x.numel() > POOL:
        most = (POOL - entry) // (count - 1)
        apart = most - _drawn(most // 2)
    start = _drawn(POOL - (count - 1) * apart - entry) if count else 0
    channels_last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    inner = x.stride()[1:] if channels_last else torch.empty(x.shape, device="meta").stride()[1:]
    return _pool().as_strided(x.shape, (apart, *inner), start)


def _drawn(greatest: int) -> int:
    """A whole number of 0...greatest by PyTorch's generator."""
    return int(torch.randint(greatest + 1, ()))
