"""The quantiser of the runtime in PyTorch, bit for bit: see docs/numerics.md, "Quantiser".

Every function takes and returns float32 (codes as float32 whole numbers, so that they stay on the device and can be
multiplied) and computes in the order of the kernels. `top` is 2^bits - 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = torch.finfo(torch.float32).tiny
GREATEST = torch.finfo(torch.float32).max
LANES = 16


def guarded(scale: Tensor) -> Tensor:
    """`scale` where it is a normal positive number, else 1."""
    return torch.where((scale >= SMALLEST) & (scale <= GREATEST), scale, torch.ones_like(scale))


def affine_codes(x: Tensor, scale: Tensor, zero: Tensor | float, top: Tensor | float) -> Tensor:
    """rne(min(max(x * (1 / scale), -zero), top - zero)) + zero. NaN gives 0."""
    inverse = scale.reciprocal()
    steps = _without_nan(x * inverse)
    return torch.round(_clipped(steps, -zero, top - zero)) + zero


def bipolar_codes(x: Tensor, step: Tensor, top: Tensor | float) -> Tensor:
    """floor(min(max(fma(x, 0.5 / step, (top + 1) / 2), 0), top)). NaN gives 0."""
    return torch.floor(_clipped(_without_nan(bipolar_place(x, step, top)), 0.0, top))


def bipolar_place(x: Tensor, step: Tensor, top: Tensor | float) -> Tensor:
    """fma(x, 0.5 / step, (top + 1) / 2), rounded once.

    The product of two binary32 numbers is exact in binary64. Adding the middle and rounding to binary32 is then one
    fused multiply-add, except where the binary64 sum falls on a tie that the exact sum is below; that happens only
    just below the middle, for |x| near 2^-25 steps, and is put right.
    """
    inverse = 0.5 / step
    middle = (top + 1) * 0.5
    product = x.double() * inverse.double()
    place = (product + middle).float()
    gap = middle * 2.0**-25
    return torch.where((place == middle) & (product < -gap), middle * (1 - 2.0**-24), place)


def dynamic_affine(x: Tensor, top: float) -> tuple[Tensor, Tensor]:
    """Scale and zero of every row (the last axis), each [..., 1]."""
    finite_or_infinite = torch.nan_to_num(x, nan=0.0, posinf=torch.inf, neginf=-torch.inf)
    low = finite_or_infinite.amin(-1, keepdim=True).clamp(max=0)
    high = finite_or_infinite.amax(-1, keepdim=True).clamp(min=0)
    scale = guarded((high - low) / top)
    zero = torch.round(_clipped(_without_nan(-low * scale.reciprocal()), 0.0, top))
    return scale, zero


def dynamic_bipolar(x: Tensor, top: float) -> Tensor:
    """The step of every row (the last axis), [..., 1]: its greatest magnitude / top, or with one bit its mean."""
    if top > 1:
        return guarded(torch.nan_to_num(x.abs(), nan=0.0, posinf=torch.inf).amax(-1, keepdim=True) / top)
    return guarded(lane_sum(x.abs()) / x.shape[-1])


def lane_sum(x: Tensor) -> Tensor:
    """The sum over the last axis in the order of the 16-lane rule, [..., 1]."""
    missing = -x.shape[-1] % LANES
    blocks = torch.nn.functional.pad(x, (0, missing)).unflatten(-1, (-1, LANES))
    lanes = blocks[..., 0, :]
    for index in range(1, blocks.shape[-2]):
        lanes = lanes + blocks[..., index, :]
    for half in (8, 4, 2, 1):
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes


def nearest_weight_steps(weights: Tensor, scale: Tensor, low: float, high: float) -> Tensor:
    """Affine weights: the nearest whole number of steps in low...high."""
    return torch.round(_clipped(weights / scale, low, high))


def _clipped(x: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        low = torch.as_tensor(low, dtype=x.dtype, device=x.device)
        high = torch.as_tensor(high, dtype=x.dtype, device=x.device)
        return torch.minimum(torch.maximum(x, low), high)
    return x.clamp(low, high)


def _without_nan(x: Tensor) -> Tensor:
    """NaN goes where minus infinity goes: to code 0."""
    return torch.where(x.isnan(), -torch.inf, x)
