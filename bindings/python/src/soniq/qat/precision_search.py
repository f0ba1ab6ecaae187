"""The two sides of a layer while SONIQ learns its precisions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .arithmetic import dynamic_affine, dynamic_bipolar
from .grid import as_entry, only_within
from .noise import noisy, settled, uniform_like
from .palette import AFFINE, Precision


def noisy_weight(
    weight: Tensor, scales: Tensor, levels: tuple[Precision, ...], fraction: Tensor, is_noisy: bool = True
) -> Tensor:
    """Weights [outputs, channels, ...] with the noise of each channel's precision, or rounded to it.

    * scales: [2, outputs, 1, ...], the real value of one weight integer at each level
    * fraction: [channels, 1, ...], 0 at the coarse level's precision and 1 at the fine one's

    Half a step runs geometrically from the coarse level's to the fine level's. Where both scales belong to one
    amplitude a that is a * 2^(1 - p), the published form.
    """
    low, high = levels
    coarse, fine = torch.log(scales[0] * _half(low)), torch.log(scales[1] * _half(high))
    if is_noisy:
        result: Tensor = _NoisyWeight.apply(weight, coarse, fine, fraction, low.weight_bits, high.weight_bits)
        return result
    half_step = torch.exp(coarse + (fine - coarse) * fraction)
    limit = half_step * (_levels_between(low.weight_bits, high.weight_bits, fraction) - 1)
    return settled(weight, half_step, -limit, limit)


class _NoisyWeight(torch.autograd.Function):
    """`noisy` between -limit and limit, with its gradients in half of the passes over the weights; see
    `noisy_weight`. `coarse` and `fine` are logarithms of half a step, [outputs, 1, ...]."""

    @staticmethod
    def forward(ctx: Any, weight: Any, coarse: Any, fine: Any, fraction: Any, low: Any, high: Any) -> Any:
        half_step = torch.lerp(coarse, fine, fraction).exp_()
        limit = half_step * (_levels_between(low, high, fraction) - 1)
        clipped = weight.clamp(-limit, limit)
        noise = uniform_like(weight)
        ctx.save_for_backward(weight - clipped, half_step, noise, coarse, fine, fraction)
        ctx.bits = (low, high)
        return torch.addcmul(clipped, noise, half_step)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        excess, half_step, noise, coarse, fine, fraction = ctx.saved_tensors
        low, high = ctx.bits
        of_weight = only_within(gradient, excess, torch.finfo(excess.dtype).tiny)
        levels = _levels_between(low, high, fraction)
        # Of what is cut off the gradient goes to the limit, half_step * (levels - 1) of its sign.
        cut = (gradient - of_weight).mul_(excess.sign())
        of_logarithm = (gradient * noise).addcmul_(cut, levels - 1).mul_(half_step)
        of_fine = (of_logarithm * fraction).sum_to_size(fine.shape)
        of_coarse = of_logarithm.sum_to_size(coarse.shape) - of_fine
        of_levels = cut.mul_(half_step).sum_to_size(fraction.shape) * levels * (math.log(2) * (high - low))
        of_fraction = of_logarithm.mul_(fine - coarse).sum_to_size(fraction.shape) + of_levels
        return of_weight, of_coarse, of_fine, of_fraction, None, None


def _half(level: Precision) -> float:
    """Half a step in units of the scale: a step of bipolar codes is two integers."""
    return 0.5 if level.weight_code == AFFINE else 1.0


def _levels_between(low: int, high: int, fraction: Tensor) -> Tensor:
    """2^p for p between the bits of the two levels."""
    return torch.exp2(low + (high - low) * fraction)


def noisy_activation(
    x: Tensor, scales: Tensor, zeros: Tensor | None, levels: tuple[Precision, ...], fraction: Tensor,
    is_noisy: bool = True,
) -> Tensor:  # fmt: skip
    """Activations with the noise of each channel's precision, or rounded to it; `fraction` broadcasts to the shape of
    `x`.

    * scales: [2] fixed, or [2, ..., 1] measured for every row
    * zeros: of the same shape, the codes of 0 of affine levels; None where inputs are never negative and both
      levels affine with 0 as the code of 0
    """
    half_steps, lows, highs = [], [], []
    for index, level in enumerate(levels):
        scale, top = scales[index], 2.0**level.activation_bits - 1
        affine = level.activation_code == AFFINE
        half_steps.append(scale * (0.5 if affine else 1.0))
        zero = 0.0 if zeros is None else zeros[index]
        lows.append(-scale * zero if affine else -scale * top)
        highs.append(scale * (top - zero) if affine else scale * top)
    half_step = torch.exp(torch.lerp(half_steps[0].log(), half_steps[1].log(), fraction))
    high = torch.lerp(highs[0], highs[1], fraction)
    low = torch.zeros_like(high, requires_grad=False) if zeros is None else torch.lerp(lows[0], lows[1], fraction)
    return (noisy if is_noisy else settled)(x, as_entry(half_step, x), as_entry(low, x), as_entry(high, x))


@torch.no_grad()
def row_scales(x: Tensor, levels: tuple[Precision, ...]) -> tuple[Tensor, Tensor]:
    """Scales and zeros that the runtime measures for whole rows, [levels, ..., 1] each."""
    scales, zeros = [], []
    for level in levels:
        top = 2.0**level.activation_bits - 1
        if level.activation_code == AFFINE:
            scale, zero = dynamic_affine(x, top)
        else:
            scale = dynamic_bipolar(x, top)
            zero = torch.zeros_like(scale)
        scales.append(scale)
        zeros.append(zero)
    return torch.stack(scales), torch.stack(zeros)
