"""Attention as the runtime computes it, in floats and in integers: see docs/numerics.md, "Attention"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .arithmetic import SMALLEST, guarded, lane_sum
from .functions import exponential_of_kernels
from .rounding import chained_product, exact_product, fma, lane_fma_sum, polynomial, with_exponent

REACH = 127.0
WEIGHT_REACH = 255.0
LOG2_E = 1.442695
POWER = (14.068775, 61.865837, 176.78156, 254.98166)
LOGARITHM = (
    -0.1457431, 0.23689002, -0.25006935, 0.28670752, -0.3600872, 0.48093945, -0.72135717, 1.4426948,
)  # fmt: skip
HIDDEN = -1e30
OVERWHELMING = 1e30


def row_codes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Codes of rows of queries or keys and their steps [..., 1]."""
    step = guarded(_greatest(x) / REACH)
    return _codes(x, step), step


def value_codes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Codes of rows [..., keys, size] of values and their steps: of a head none is below 2^-24 of the greatest."""
    step = _greatest(x) / REACH
    greatest = guarded(step.amax(-2, keepdim=True))
    least = (greatest * 2.0**-24).clamp(min=SMALLEST)
    step = torch.minimum(torch.maximum(step, least), greatest)
    return _codes(x, step), step


def _greatest(x: Tensor) -> Tensor:
    return torch.nan_to_num(x.abs(), nan=0.0, posinf=torch.inf).amax(-1, keepdim=True)


def _codes(x: Tensor, step: Tensor) -> Tensor:
    places = x * (1 / step)
    return torch.round(torch.where(places.isnan(), -REACH, places).clamp(-REACH, REACH))


def logarithm(x: Tensor) -> Tensor:
    """log2 of positive normal numbers"""
    k = (x.view(torch.int32) - 0x3F3504F3) >> 23
    f = (x.view(torch.int32) - (k << 23)).view(torch.float32) - 1
    return fma(polynomial(f, LOGARITHM), f, k.float())


def weight_numbers(scores: Tensor) -> Tensor:
    """255 * 2^(score - the row's greatest score)"""
    x = (scores - scores.amax(-1, keepdim=True)).clamp(min=-126)
    n = torch.round(x)
    return with_exponent(polynomial(x - n, POWER), n)


def _biased(scores: Tensor, logs: Tensor, bias: Tensor) -> Tensor:
    """Scores with a bias; where the greatest bias of a row leaves nothing of them, its keys share evenly."""
    moved = fma(bias, LOG2_E, scores)
    moved = torch.where(moved > HIDDEN, moved, HIDDEN)
    top = torch.nan_to_num(bias, nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf).amax(-1, keepdim=True)
    is_usual = (top > -OVERWHELMING) & (top < OVERWHELMING)
    return torch.where(is_usual, moved, torch.where(bias == top, logs, HIDDEN))


def _codes_of_scores(scores: Tensor, inverse: Tensor, exact: bool) -> tuple[Tensor, Tensor]:
    """Weights before they are rounded, and 1 / the sum of the softmax in the same unit."""
    if exact:
        weights = weight_numbers(scores)
        return weights, 1 / lane_fma_sum(weights, inverse)
    # As close as the roundings that follow can see, in a quarter of the time.
    weights = torch.exp2(scores - scores.amax(-1, keepdim=True)) * WEIGHT_REACH
    return weights, 1 / (weights * inverse).sum(-1, keepdim=True)


class _IntegerAttention(torch.autograd.Function):
    """softmax(q k^T scale + bias) kept v; gradients are those of the softmax of the codes' scores and of its
    products."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, scale: Any, bias: Any, kept: Any, exact: Any) -> Any:
        with torch.autocast(query.device.type, enabled=False):
            query_codes, query_step = row_codes(query)
            key_codes, key_step = row_codes(key)
            codes, step = value_codes(value)
            products = exact_product(query_codes, key_codes.transpose(-1, -2), REACH * REACH)
            products = products * (query_step * torch.tensor(scale, dtype=torch.float32) * LOG2_E)
            key_step, logs, inverse = (x.transpose(-1, -2) for x in (key_step, logarithm(step), 1 / step))
            scores = fma(products, key_step, logs) if exact else products * key_step + logs
            if bias is not None:
                scores = _biased(scores, logs, bias)
            weights, total = _codes_of_scores(scores, inverse, exact)
            shares = torch.round(weights) if kept is None else torch.round(weights) * kept
            output = exact_product(shares, codes, WEIGHT_REACH * REACH) * total
            if bias is not None:
                output = torch.where((bias == -torch.inf).all(-1, keepdim=True), 0.0, output)
        ctx.scale = scale
        if any(ctx.needs_input_grad):
            rows = query_codes * query_step, key_codes * key_step.transpose(-1, -2), codes * step
            ctx.save_for_backward(*rows, weights * inverse * total, bias, kept)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        query, key, value, weights, bias, kept = ctx.saved_tensors
        of_weights = gradient @ value.transpose(-1, -2)
        seen = weights
        if kept is not None:
            of_weights, seen = of_weights * kept, weights * kept
        of_scores = weights * (of_weights - (of_weights * weights).sum(-1, keepdim=True))
        of_value = seen.transpose(-1, -2) @ gradient
        of_bias = of_scores.sum_to_size(bias.shape) if ctx.needs_input_grad[4] else None
        of_query = of_scores @ key * ctx.scale
        of_key = of_scores.transpose(-1, -2) @ query * ctx.scale
        return of_query, of_key, of_value, None, of_bias, None, None


def integer_attention(
    query: Tensor, key: Tensor, value: Tensor, scale: float, bias: Tensor | None = None,
    *, kept: Tensor | None = None, exact: bool = True,
) -> Tensor:  # fmt: skip
    """softmax(q k^T scale + bias) v of [batch, heads, positions, size], as the runtime computes it; float32.

    * bias: broadcasts to [batch, heads, positions, keys]; a key whose bias is -infinity is hidden, and a query that
      sees none gives zeros
    * kept: what the weights are multiplied with behind the softmax, of their shape (dropout), or None
    * exact: every bit is that of the runtime, else the codes, but for ties

    Gradients are straight-through.
    """
    result: Tensor = _IntegerAttention.apply(
        query.float(), key.float(), value.float(), scale, bias, kept, exact
    )
    return result


def float_attention(query: Tensor, key: Tensor, value: Tensor, scale: float, bias: Tensor | None = None) -> Tensor:
    """softmax(q k^T scale + bias) v of [batch, heads, positions, size] in binary32, with the runtime's bits. No
    gradients."""
    scores = chained_product(query, key.transpose(-1, -2)) * torch.tensor(scale, dtype=torch.float32)
    if bias is not None:
        scores = scores + bias
    top = scores.amax(-1, keepdim=True)
    weights = exponential_of_kernels(scores - top)
    output = chained_product(weights * (1 / lane_sum(weights)), value)
    return torch.where(top == -torch.inf, 0.0, output)


def is_self_attention(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether attention of these heads is one operation of the runtime: as many queries as keys, of a size that the
    kernels take."""
    if query.ndim != 4 or not query.shape == key.shape == value.shape:
        return False
    return int(query.shape[-1]) in range(4, 257, 4)
