"""Attention as models write it: `scaled_dot_product_attention`, or products, scales, masks and a softmax of their own.

Scores and weights carry where they come from as an attribute, from the product of queries and keys to that with the
values; what is done to them that is no part of attention loses it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from . import functions, written_out
from .attention import float_attention, integer_attention, is_self_attention
from .exported_attention import exported_attention
from .pooling_calls import quotient
from .rounding import chained_product, with_gradient

# A score that is set to this or less hides its key.
HIDDEN_SCORE = -1e4
ATTRIBUTE = "_soniq_scores"
SCALED = "_soniq_scaled"


class Arithmetic(Protocol):
    """How attention is computed."""

    is_exact: bool
    has_integer_attention: bool


@dataclass(frozen=True)
class Scores:
    """What a tensor is: (q k^T scale + bias), or the softmax of it, of which dropout kept some."""

    query: Tensor
    key: Tensor
    scale: float
    bias: Tensor | None = None
    is_softmax: bool = False
    kept: Tensor | None = None
    version: int = 0


def scores_of(value: Any) -> Scores | None:
    """None when it is something else, or was written to since."""
    scores: Scores | None = getattr(value, ATTRIBUTE, None)
    return scores if scores is not None and scores.version == _version(value) else None


def noted(value: Tensor, scores: Scores | None) -> Tensor:
    if scores is not None:
        setattr(value, ATTRIBUTE, replace(scores, version=_version(value)))
    return value


def _version(value: Tensor) -> int:
    """How often it was written to."""
    return 0 if value.is_inference() else value._version


def unscaled(value: Tensor) -> tuple[Tensor, float]:
    """What a value is a number times, and the number: the runtime scales scores, not queries or keys."""
    origin = getattr(value, SCALED, None)
    if origin is None or origin[2] != _version(value):
        return value, 1.0
    return origin[0], origin[1]


def attention(arithmetic: Arithmetic, plain: Callable[[], Tensor], scores: Scores, value: Tensor) -> Tensor:
    """The product of weights and values as the runtime has it; `plain` computes it as PyTorch does."""
    operands = (scores.query, scores.key, value, scores.scale, scores.bias)
    if torch.onnx.is_in_onnx_export():
        return exported_attention(*operands)
    if arithmetic.has_integer_attention:
        return integer_attention(*operands, kept=scores.kept, exact=arithmetic.is_exact).to(value.dtype)
    if scores.kept is not None or value.dtype != torch.float32:
        return plain()
    return with_gradient(plain, lambda: float_attention(*operands))


def scaled_dot_product_attention(
    arithmetic: Arithmetic, function: Callable[..., Tensor], query: Tensor, key: Tensor, value: Tensor,
    attn_mask: Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    if enable_gqa and query.ndim == key.ndim == 4:
        shared = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)

    def plain() -> Tensor:
        return function(query, key, value, attn_mask, dropout_p, is_causal, scale=scale)

    number = int(query.shape[-1]) ** -0.5 if scale is None else scale
    bias = causal_bias(query, key) if is_causal else additive(attn_mask)
    if not is_self_attention(query, key, value) or not fits(bias, query):
        if torch.onnx.is_in_onnx_export():
            return in_parts(query, key, value, number, bias, torch.matmul, lambda scores: scores.softmax(-1))
        if not arithmetic.is_exact or query.dtype != torch.float32 or dropout_p > 0:
            return plain()
        parts = (query, key, value, number, bias)
        return with_gradient(plain, lambda: in_parts(*parts, chained_product, functions.softmax))
    kept = None
    if dropout_p > 0:
        kept = functional.dropout(query.new_ones(*query.shape[:-1], key.shape[-2]), dropout_p)
    return attention(arithmetic, plain, replace(_scores(query, key, number, bias), kept=kept), value)


def in_parts(
    query: Tensor, key: Tensor, value: Tensor, scale: float, bias: Tensor | None,
    product: Callable[[Tensor, Tensor], Tensor], softmax: Callable[[Tensor], Tensor],
) -> Tensor:  # fmt: skip
    """Attention that is no operation of the runtime's own."""
    scores = product(query, key.transpose(-1, -2)) * scale
    return product(softmax(scores if bias is None else scores + bias), value)


def causal_bias(query: Tensor, key: Tensor) -> Tensor:
    queries = torch.arange(query.shape[-2], device=query.device)
    keys = torch.arange(key.shape[-2], device=query.device)
    return additive(queries[:, None] >= keys[None, :])


def additive(mask: Tensor | None) -> Any:
    """A mask of truth values as what is added to scores."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.where(mask, 0.0, -torch.inf)


def fits(bias: Tensor | None, query: Tensor) -> bool:
    """Whether every axis of what is added to the scores is theirs, or 1, and that of the keys is there."""
    if bias is None:
        return True
    batch, heads, positions, _ = query.shape
    sizes = (1,) * (4 - bias.ndim) + tuple(bias.shape)
    whole = (batch, heads, positions, positions)
    return len(sizes) == 4 and sizes[3] == positions and all(
        size in (1, full) for size, full in zip(sizes, whole, strict=True)
    )


def product(arithmetic: Arithmetic, function: Callable[..., Tensor], left: Any, right: Any) -> Tensor:
    weights = scores_of(left)
    if weights is not None and weights.is_softmax and is_self_attention(weights.query, weights.key, right):
        return attention(arithmetic, lambda: function(left, right), weights, right)
    result = _product(arithmetic, function, left, right)
    if isinstance(right, Tensor) and isinstance(left, Tensor) and right.ndim == 4:
        (right, factor) = unscaled(right)
        key = right.transpose(-1, -2)
        if is_self_attention(left, key, key):
            return noted(result, _scores(left, key, factor))
    return result


def _product(arithmetic: Arithmetic, function: Callable[..., Tensor], left: Any, right: Any) -> Tensor:
    """The product of two values of the model."""
    tensors = [value for value in (left, right) if isinstance(value, Tensor) and value.ndim > 1]
    if not arithmetic.is_exact or len(tensors) < 2 or any(value.dtype != torch.float32 for value in tensors):
        return function(left, right)
    return with_gradient(lambda: function(left, right), lambda: chained_product(left, right))


def _scores(query: Tensor, key: Tensor, scale: float, bias: Tensor | None = None) -> Scores:
    (query, query_factor), (key, key_factor) = unscaled(query), unscaled(key)
    return Scores(query, key, scale * query_factor * key_factor, bias)


def scaling(arithmetic: Arithmetic, function: Callable[..., Tensor], value: Any, number: Any, **named: Any) -> Tensor:
    """value * number, or value / number"""
    is_division = function in DIVISIONS
    if is_division and not named and (pooled := quotient(arithmetic, function, value, number)) is not None:
        return pooled
    scaled, by = (value, number) if isinstance(value, Tensor) or is_division else (number, value)
    # Before it is written to.
    scores = scores_of(scaled)
    result = function(value, number, **named)
    if arithmetic.is_exact and not named:
        result = _written_out(result, np.divide if is_division else np.multiply, value, number)
    factor = None if named or result.ndim != 4 else _number(arithmetic, by)
    if factor is None or factor <= 0:
        return result
    factor = 1 / factor if is_division else factor
    if scores is None and result is not scaled:
        setattr(result, SCALED, (scaled, factor, _version(result)))
    if scores is None or scores.is_softmax:
        return result
    bias = None if scores.bias is None else scores.bias * factor
    return noted(result, replace(scores, scale=scores.scale * factor, bias=bias))


def _written_out(result: Tensor, operation: Any, left: Any, right: Any) -> Tensor:
    """A product or quotient, which may be the last step of a function that the runtime has."""
    if result is left or result is right or result.dtype != torch.float32:
        return result
    found = written_out.recognized(written_out.noted(result, left, operation, right))
    if found is None:
        return result
    root, runtime = found
    return with_gradient(lambda: result, lambda: runtime(root))


def _number(arithmetic: Arithmetic, value: Any) -> float | None:
    """None when it is no constant; what is learned is one where nothing is trained."""
    if not isinstance(value, Tensor):
        return float(value) if isinstance(value, (int, float)) else None
    is_learned = value.requires_grad and not (arithmetic.is_exact or torch.onnx.is_in_onnx_export())
    return float(value) if value.numel() == 1 and value.ndim <= 1 and not is_learned else None


def addition(arithmetic: Arithmetic, function: Callable[..., Tensor], value: Any, term: Any, **named: Any) -> Tensor:
    scores = scores_of(value)
    result = function(value, term, **named)
    if arithmetic.is_exact and not named and result is not value:
        result = written_out.noted(result, value, np.add, term)
    if scores is None:
        scores, term = scores_of(term), value
    if scores is None or scores.is_softmax or named or not isinstance(term, Tensor) or not fits(term, scores.query):
        return result
    return noted(result, replace(scores, bias=_sum(scores.bias, term)))


def _sum(bias: Tensor | None, term: Tensor) -> Tensor:
    term = term.float()
    return term if bias is None else bias + term


def hiding(arithmetic: Arithmetic, function: Callable[..., Tensor], value: Any, mask: Any, number: Any) -> Tensor:
    """value.masked_fill(mask, number)"""
    scores = scores_of(value)
    return _hidden(arithmetic, function(value, mask, number), scores, mask, number)


def choice(arithmetic: Arithmetic, function: Callable[..., Tensor], condition: Any, *branches: Any) -> Tensor:
    """torch.where(condition, scores, number), or the other way round"""
    result = function(condition, *branches)
    if len(branches) != 2:
        return result
    if scores := scores_of(branches[0]):
        return _hidden(arithmetic, result, scores, ~condition, branches[1])
    return _hidden(arithmetic, result, scores_of(branches[1]), condition, branches[0])


def _hidden(arithmetic: Arithmetic, result: Tensor, scores: Scores | None, mask: Any, number: Any) -> Tensor:
    lowest = _number(arithmetic, number)
    if scores is None or scores.is_softmax or lowest is None or lowest > HIDDEN_SCORE:
        return result
    term = torch.where(mask, lowest, 0.0)
    if not fits(term, scores.query):
        return result
    return noted(result, replace(scores, bias=_sum(scores.bias, term)))


def dropout(
    arithmetic: Arithmetic, function: Callable[..., Tensor], value: Any, p: float = 0.5, training: bool = True,
    inplace: bool = False,
) -> Tensor:  # fmt: skip
    scores = scores_of(value)
    if scores is None or not training or p == 0:
        return noted(function(value, p, training), scores)
    kept = function(torch.ones_like(value), p, training)
    return noted(value * kept, replace(scores, kept=kept if scores.kept is None else scores.kept * kept))


COMMUTATIVE = (
    torch.mul, torch.multiply, Tensor.mul, Tensor.multiply, Tensor.__mul__, Tensor.__rmul__, Tensor.mul_,
    Tensor.__imul__,
)  # fmt: skip
DIVISIONS = (
    torch.div, Tensor.div, Tensor.__truediv__, torch.true_divide, Tensor.true_divide, Tensor.div_, Tensor.__itruediv__,
)  # fmt: skip
