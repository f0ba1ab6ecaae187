"""Operations of binary32 in the runtime's order: see docs/numerics.md, "Rules" and "Functions".

Every function takes and returns float32 and has the bits of the kernels, but for results that binary64 rounds twice,
about one in 2^29.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .arithmetic import LANES

# Whole numbers up to this are binary32.
EXACT = 2**24
CHAINED = 2**26


def fma(a: Tensor | float, b: Tensor | float, c: Tensor | float) -> Tensor:
    """a * b + c, rounded once: the product of two binary32 numbers is exact in binary64."""
    return (_wide(a) * _wide(b) + _wide(c)).float()


def _wide(value: Tensor | float) -> Tensor:
    return torch.tensor(value, dtype=torch.float32).double() if isinstance(value, float | int) else value.double()


def polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """fma(... fma(fma(c0, x, c1), x, c2) ..., x, c_n)"""
    result = fma(coefficients[0], x, coefficients[1])
    for coefficient in coefficients[2:]:
        result = fma(result, x, coefficient)
    return result


def with_exponent(x: Tensor, n: Tensor) -> Tensor:
    """`x` with the whole numbers `n` added to its exponents."""
    return (x.view(torch.int32) + (n.to(torch.int32) << 23)).view(torch.float32)


def lanes_of(x: Tensor) -> Tensor:
    """[..., blocks, lanes] of the last axis, filled up with zeros."""
    return torch.nn.functional.pad(x, (0, -x.shape[-1] % LANES)).unflatten(-1, (-1, LANES))


def folded_lanes(lanes: Tensor) -> Tensor:
    """The sum of sixteen lanes, [..., 1]."""
    for half in (8, 4, 2, 1):
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes


def lane_fma_sum(a: Tensor, b: Tensor) -> Tensor:
    """The 16-lane sum acc = fma(a, b, acc) over the last axis, [..., 1]."""
    left, right = torch.broadcast_tensors(lanes_of(a), lanes_of(b))
    total = torch.zeros_like(left[..., 0, :])
    for block in range(left.shape[-2]):
        total = fma(left[..., block, :], right[..., block, :], total)
    return folded_lanes(total)


def exact_product(left: Tensor, right: Tensor, greatest: float) -> Tensor:
    """left @ right of whole numbers, the exact sums rounded to binary32; `greatest`: the largest magnitude of a
    product of two of them."""
    return exact_sums(torch.matmul, left, right, greatest * left.shape[-1])


def exact_sums(product: Callable[[Tensor, Tensor], Tensor], left: Tensor, right: Tensor, greatest: float) -> Tensor:
    """product(left, right) of whole numbers whose sums reach `greatest`: in binary32 where that holds them."""
    with torch.autocast(left.device.type, enabled=False):
        if greatest < EXACT:
            # Some algorithms of convolutions multiply by fractions.
            return torch.round(product(left.float(), right.float()))
        return product(left.double(), right.double()).float()


def chained_product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right, y = fma(left, right, y) in the order of the common dimension, from 0.

    Above CHAINED multiply-adds, which would take seconds, sums are exact and rounded once: up to some last bits.
    """
    length = left.shape[-1]
    if left.numel() * right.shape[-1] > CHAINED:
        return (left.double() @ right.double()).float()
    wide_left, wide_right = left.double(), right.double()
    total = left.new_zeros(())
    for place in range(length):
        part = wide_left[..., place : place + 1] * wide_right[..., place : place + 1, :]
        total = (part + total).float()
    return total


class _Instead(torch.autograd.Function):
    """The second value, with the gradients of the first."""

    @staticmethod
    def forward(ctx: Any, differentiable: Any, value: Any) -> Any:
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return gradient, None


def instead(differentiable: Tensor, value: Tensor) -> Tensor:
    """`value` forward; its gradient goes to `differentiable`."""
    result: Tensor = _Instead.apply(differentiable, value)
    return result


def with_gradient(plain: Callable[[], Tensor], runtime: Callable[[], Tensor]) -> Tensor:
    """What `runtime` computes, with the gradients of `plain`."""
    differentiable = plain() if torch.is_grad_enabled() else None
    with torch.no_grad():
        value = runtime()
    if differentiable is None or not differentiable.requires_grad:
        return value
    return instead(differentiable, value)
