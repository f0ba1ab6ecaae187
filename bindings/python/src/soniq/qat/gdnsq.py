"""GDNSQ (Salishev and Akhremchik, arXiv 2508.14004): quantisers whose scales, hence bit widths, are learned.

All scales are log2. A width is not chosen: it follows from the learned scale and the range, and the exterior-point
penalty of `WidthPenalty` drives it below its target.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .grid import bounded
from .noise import uniform_like

PLAIN = "ste"
LSQ = "lsq"
EWGS = "ewgs"
AEWGS = "aewgs"
ESTIMATORS = (PLAIN, LSQ, EWGS, AEWGS)
CALIBRATED_BITS = 10


def aewgs_gradient(gradient: Tensor, error: Tensor, axes: tuple[int, ...]) -> Tensor:
    """g - g * min(delta * sign(g) * e, 0.99), delta = mean(sign(g) * e) / max(var(e), 1e-3) over `axes`."""
    signed = gradient.sign() * error
    variance = error.var(axes, unbiased=False, keepdim=True).clamp(min=1e-3)
    delta = signed.mean(axes, keepdim=True) / variance
    return gradient - gradient * (delta * signed).clamp(max=0.99)


class _RoundingNoise(torch.autograd.Function):
    """n = round(v) - v. Nothing flows to v, so that v + n is rounding with a straight-through gradient; what the
    estimators add goes to v. The scale receives g * r / sqrt(3), r the fair coin of -1/2 and 1/2, whose variance
    after the division is that of uniform rounding noise, 1/12; LSQ takes r = n instead."""

    @staticmethod
    def forward(ctx: Any, v: Any, scale: Any, estimator: Any, axes: Any) -> Any:
        noise = torch.round(v) - v
        ctx.save_for_backward(noise, scale)
        ctx.estimator = estimator
        ctx.axes = axes
        return noise

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        noise, scale = ctx.saved_tensors
        v_gradient = None
        if ctx.estimator == EWGS:
            v_gradient = -0.01 * gradient.abs() * noise
        elif ctx.estimator == AEWGS:
            v_gradient = aewgs_gradient(gradient, noise, ctx.axes) - gradient
        if ctx.estimator == LSQ:
            of_scale = gradient * noise
        else:
            coin = uniform_like(gradient).sign()
            of_scale = gradient * coin * (0.5 / math.sqrt(3))
        return v_gradient, of_scale.sum_to_size(scale.shape), None, None


def rounded(x: Tensor, scale: Tensor, lower: Tensor, estimator: str, axes: tuple[int, ...]) -> Tensor:
    """scale * round((x - lower) / scale) + lower. `axes` are those over which one scale group extends."""
    v = (x - lower) / scale
    return scale * (v + _RoundingNoise.apply(v, scale, estimator, axes)) + lower


class GdnsqWeights(nn.Module):
    """Weights [outputs, ...]: s = 2^log_scale and z = min for every output; no clamp."""

    def __init__(self, outputs: int, estimator: str) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.full((outputs,), -12.0))
        self.estimator = estimator

    @torch.no_grad()
    def calibrate(self, weight: Tensor) -> None:
        span = _span(weight.flatten(1)).clamp(min=2.0**-20)
        self.log_scale.copy_(torch.log2(span / (2**CALIBRATED_BITS - 1)))

    def forward(self, weight: Tensor) -> Tensor:
        flat = weight.flatten(1)
        scale = torch.exp2(self.log_scale)[:, None]
        lower = flat.amin(1, keepdim=True)
        return rounded(flat, scale, lower, self.estimator, (1,)).view_as(weight)

    def widths(self, weight: Tensor) -> Tensor:
        """log2(max - min + s) - log2(s), per output."""
        return torch.log2(_span(weight.flatten(1)) + torch.exp2(self.log_scale)) - self.log_scale

    @torch.no_grad()
    def actual_widths(self, weight: Tensor) -> Tensor:
        """log2(greatest code - least code + 1), per output."""
        steps = torch.round(_span(weight.flatten(1)) / torch.exp2(self.log_scale))
        return torch.log2(steps + 1)


class GdnsqActivations(nn.Module):
    """Activations: s = 2^log_scale, range Q = 2^log_range, lower bound, for the whole tensor."""

    def __init__(self, estimator: str) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-10.0))
        self.log_range = nn.Parameter(torch.tensor(10.0))
        self.lower = nn.Parameter(torch.tensor(0.0))
        self.estimator = estimator

    @torch.no_grad()
    def calibrate(self, low: float, high: float) -> None:
        """`low` and `high` were the least and the greatest value. A lower bound of 0 (after ReLU) stays."""
        span = max(high - low, 2.0**-20)
        self.log_scale.fill_(math.log2(span / (2**CALIBRATED_BITS - 1)))
        self.log_range.copy_(self.log_scale + CALIBRATED_BITS)
        self.lower.fill_(min(low, 0.0))
        self.lower.requires_grad_(low < 0)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.exp2(self.log_scale)
        top = self.lower + torch.exp2(self.log_range) - scale
        clamped = bounded(x, self.lower, top)
        return rounded(clamped, scale, self.lower, self.estimator, tuple(range(x.ndim)))

    def width(self) -> Tensor:
        return self.log_range - self.log_scale

    @torch.no_grad()
    def actual_width(self) -> Tensor:
        steps = torch.round((torch.exp2(self.log_range) - torch.exp2(self.log_scale)) / torch.exp2(self.log_scale))
        return torch.log2(steps.clamp(min=0) + 1)


class WidthPenalty(nn.Module):
    """L = lbar * t * (m_w * P_w + m_a * P_a), lbar the running mean of the distillation loss.

    P is the mean of max(0, width - (target - 1e-3)); m_w and m_a divide the weight by the numbers of violated
    constraints. `lossless` turns the roles round: lbar * (...) + t * D.
    """

    def __init__(self, lossless: bool = False) -> None:
        super().__init__()
        self.lossless = lossless
        for name in ("strength", "mean_loss", "seen"):
            self.register_buffer(name, torch.tensor(0.0))

    def forward(self, loss: Tensor, weights: tuple[Tensor, Tensor], activations: tuple[Tensor, Tensor]) -> Tensor:
        """What to add to `loss`, the distillation loss. Each pair is (widths, targets)."""
        with torch.no_grad():
            self.seen += 1
            self.mean_loss += (loss.detach() - self.mean_loss) / self.seen
        penalties = weighted_penalties(weights, activations)
        if self.lossless:
            return self.mean_loss * penalties + (self.strength - 1) * loss
        return self.mean_loss * self.strength * penalties

    def advance(self, learning_rate: float) -> None:
        """t grows by twice the learning rate for each batch after the warm-up."""
        self.strength += 2 * learning_rate


def weighted_penalties(weights: tuple[Tensor, Tensor], activations: tuple[Tensor, Tensor]) -> Tensor:
    """m_w * P_w + m_a * P_a."""
    epsilon = 1e-3
    of_weights = (weights[0] - (weights[1] - epsilon)).clamp(min=0)
    of_activations = (activations[0] - (activations[1] - epsilon)).clamp(min=0)
    weight_count = (of_weights > 0).sum()
    activation_count = (of_activations > 0).sum()
    total = weight_count + activation_count + epsilon
    return (weight_count + epsilon) / total * of_weights.mean() + (
        activation_count + epsilon
    ) / total * of_activations.mean()


def _span(rows: Tensor) -> Tensor:
    return rows.amax(1) - rows.amin(1)
