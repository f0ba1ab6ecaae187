"""PyTorch's functions inside a prepared model, as the runtime computes them.

In evaluation mode functions, norms and attention have the runtime's bits, so that the codes that follow are the same.
Attention that the runtime computes in integers has them in training too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from . import attention_calls as calls
from . import functions, pooling_calls, written_out
from .batch_norm_calls import batch_norm
from .einsum_calls import einsum
from .layers import SOURCE
from .rounding import with_gradient

Handler = Callable[..., Any]


def _exactly(runtime: Callable[[Tensor], Tensor], numbers: Callable[..., Any] | None = None) -> Handler:
    """Of a function of one float; `named` are ways to save memory, `numbers` the same in numpy."""

    def handler(arithmetic: RuntimeArithmetic, function: Any, x: Tensor, *rest: Any, **named: Any) -> Any:
        if not arithmetic.is_exact or x.dtype != torch.float32:
            return function(x, *rest, **named)
        result = with_gradient(lambda: function(x, *rest, **named), lambda: runtime(x))
        return result if numbers is None else written_out.noted(result, x, numbers)

    return handler


def _glu(arithmetic: RuntimeArithmetic, function: Any, x: Tensor, dim: int = -1) -> Any:
    if not arithmetic.is_exact or x.dtype != torch.float32:
        return function(x, dim)
    left, right = x.chunk(2, dim)
    return with_gradient(lambda: function(x, dim), lambda: left * functions.sigmoid(right))


def _elu(arithmetic: RuntimeArithmetic, function: Any, x: Tensor, alpha: float = 1.0, *rest: Any, **named: Any) -> Any:
    own = _exactly(lambda x: functions.elu(x, alpha))
    return own(arithmetic, lambda x: function(x, alpha, *rest, **named), x)


def _softplus(arithmetic: RuntimeArithmetic, function: Any, x: Tensor, *rest: Any, **named: Any) -> Any:
    if rest or named:
        return function(x, *rest, **named)
    return _exactly(functions.softplus)(arithmetic, function, x)


def _power(arithmetic: RuntimeArithmetic, function: Any, x: Any, exponent: Any, *rest: Any, **named: Any) -> Any:
    result = function(x, exponent, *rest, **named)
    if not arithmetic.is_exact or isinstance(exponent, Tensor) or result is x:
        return result
    return written_out.noted(result, x, np.power, exponent)


def _square(arithmetic: RuntimeArithmetic, function: Any, x: Any, *rest: Any, **named: Any) -> Any:
    result = function(x, *rest, **named)
    return written_out.noted(result, x, np.square) if arithmetic.is_exact else result


def _gelu(arithmetic: RuntimeArithmetic, function: Any, x: Tensor, *rest: Any, **named: Any) -> Any:
    form = functions.gelu_tanh if named.get("approximate", "none") == "tanh" else functions.gelu
    return _exactly(form)(arithmetic, function, x, *rest, **named)


def _softmax(arithmetic: RuntimeArithmetic, function: Any, x: Tensor, *rest: Any, **named: Any) -> Any:
    axis = named["dim"] if "dim" in named else rest[0] if rest else None
    is_usual = isinstance(axis, int) and named.get("dtype") in (None, torch.float32) and x.ndim > 0
    is_last = is_usual and axis in (-1, x.ndim - 1)
    scores = calls.scores_of(x)
    if scores is not None and is_last and not scores.is_softmax:
        return calls.noted(function(x, *rest, **named), replace(scores, is_softmax=True))
    if not (arithmetic.is_exact and is_usual and x.dtype == torch.float32):
        return function(x, *rest, **named)
    other = 0 if axis is None else axis
    runtime = functions.softmax if is_last else lambda x: functions.softmax_in_order(x, other)
    return with_gradient(lambda: function(x, *rest, **named), lambda: runtime(x))


def _layer_norm(
    arithmetic: RuntimeArithmetic, function: Any, x: Tensor, shape: Any, weight: Any = None, bias: Any = None,
    eps: float = 1e-5, *rest: Any,
) -> Any:  # fmt: skip
    def plain() -> Tensor:
        return function(x, shape, weight, bias, eps, *rest)

    if not arithmetic.is_exact or len(shape) != 1 or x.dtype != torch.float32:
        return plain()
    gamma = torch.ones_like(x[..., :1]) if weight is None else weight
    return with_gradient(plain, lambda: functions.layer_norm(x, gamma, bias, eps))


def _rms_norm(
    arithmetic: RuntimeArithmetic, function: Any, x: Tensor, shape: Any, weight: Any = None, eps: float | None = None
) -> Any:  # fmt: skip
    number = torch.finfo(x.dtype).eps if eps is None else eps
    if torch.onnx.is_in_onnx_export():
        # Opset 17 has none: the arithmetic that the packer knows.
        axes = list(range(-len(shape), 0))
        normal = x / (x.pow(2).mean(axes, keepdim=True) + number).sqrt()
        return normal if weight is None else normal * weight
    if not arithmetic.is_exact or len(shape) != 1 or x.dtype != torch.float32:
        return function(x, shape, weight, eps)
    return with_gradient(lambda: function(x, shape, weight, eps), lambda: functions.rms_norm(x, weight, number))


def _normalize(
    arithmetic: RuntimeArithmetic, function: Any, x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12,
    **named: Any,
) -> Any:  # fmt: skip
    is_norm = p == 2 and dim in (-1, x.ndim - 1) and x.ndim <= 3
    if not arithmetic.is_exact or not is_norm or x.dtype != torch.float32 or named:
        return function(x, p, dim, eps, **named)
    return with_gradient(lambda: function(x, p, dim, eps), lambda: functions.unit_rows(x, eps))


def _table() -> dict[Any, Handler]:
    one: list[tuple[Any, Any, list[Any]]] = [
        (functions.sigmoid, lambda x: 1 / (1 + np.exp(-x)), [torch.sigmoid, Tensor.sigmoid, torch.special.expit]),
        (functions.tanh, np.tanh, [torch.tanh, Tensor.tanh]),
        (functions.error_function, written_out.ERF, [torch.erf, Tensor.erf, torch.special.erf]),
        (functions.exponential, np.exp, [torch.exp, Tensor.exp]),
        (functions.silu, None, [functional.silu]),
        (functions.mish, None, [functional.mish]),
        (functions.hard_swish, None, [functional.hardswish]),
        (functions.square_root, None, [torch.sqrt, Tensor.sqrt]),
        (functions.inverse_square_root, None, [torch.rsqrt, Tensor.rsqrt]),
    ]
    table: dict[Any, Handler] = {
        name: _exactly(runtime, numbers) for runtime, numbers, names in one for name in names
    }  # fmt: skip
    table[functional.elu], table[functional.softplus], table[functional.glu] = _elu, _softplus, _glu
    table.update(dict.fromkeys([torch.pow, Tensor.pow, Tensor.__pow__], _power))
    table.update(dict.fromkeys([torch.square, Tensor.square], _square))
    table[functional.rms_norm], table[functional.normalize] = _rms_norm, _normalize
    table[torch.einsum] = einsum
    table[functional.batch_norm] = batch_norm
    pools = [functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d]
    table.update(dict.fromkeys(pools, pooling_calls.adaptive_pool))
    table[functional.gelu] = _gelu
    table[functional.layer_norm] = _layer_norm
    table[functional.scaled_dot_product_attention] = calls.scaled_dot_product_attention
    table.update(dict.fromkeys([functional.softmax, torch.softmax, Tensor.softmax], _softmax))
    table.update(dict.fromkeys([torch.matmul, Tensor.matmul, Tensor.__matmul__], calls.product))
    table.update(dict.fromkeys(calls.COMMUTATIVE + calls.DIVISIONS, calls.scaling))
    sums = [torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__, Tensor.__iadd__, Tensor.add_]
    table.update(dict.fromkeys(sums, calls.addition))
    fills = [torch.masked_fill, Tensor.masked_fill, Tensor.masked_fill_]
    table.update(dict.fromkeys(fills, calls.hiding))
    table.update(dict.fromkeys([torch.sum, Tensor.sum], pooling_calls.total))
    table.update(dict.fromkeys([torch.mean, Tensor.mean], pooling_calls.mean))
    table[torch.where] = calls.choice
    table.update(dict.fromkeys([functional.dropout, torch.dropout], calls.dropout))
    return table


HANDLERS = _table()


class RuntimeArithmetic(TorchFunctionMode):
    """Inside, PyTorch's functions are those of the runtime."""

    def __init__(self, is_exact: bool, has_integer_attention: bool) -> None:
        super().__init__()
        self.is_exact = is_exact
        self.has_integer_attention = has_integer_attention

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        handler = HANDLERS.get(func)
        if handler is None:
            return func(*args, **(kwargs or {}))
        return handler(self, func, *args, **(kwargs or {}))


def arithmetic(model: Any) -> AbstractContextManager[Any]:
    """Within it functions are computed as the forward of a model of `give_arithmetic` has them."""
    is_exported = torch.onnx.is_in_onnx_export()
    is_exact = not model.training and not is_exported
    if is_exact or is_exported or model.has_integer_attention:
        return RuntimeArithmetic(is_exact, model.has_integer_attention)
    return nullcontext()


def give_arithmetic(model: nn.Module, has_integer_attention: bool) -> None:
    """From now on the model's forward has the runtime's arithmetic: see `RuntimeArithmetic`."""
    kind: Any = type(model)
    model.__class__ = _with_arithmetic(kind)
    model.has_integer_attention = has_integer_attention


@functools.cache
def _with_arithmetic(kind: Any) -> Any:
    class Arithmetic(kind):
        @functools.wraps(kind.forward)
        def forward(self, *arguments: Any, **named: Any) -> Any:
            # What a compiler makes of a model has sums in an order of its own.
            if torch.compiler.is_compiling():
                return super().forward(*arguments, **named)
            with arithmetic(self):
                result = super().forward(*arguments, **named)
            return tree_map_only(Tensor, _forgetful, result)

        def __reduce_ex__(self, protocol: Any) -> Any:
            return _rebuilt, (kind,), self.__dict__

    Arithmetic.__name__, Arithmetic.__qualname__ = kind.__name__, kind.__qualname__
    Arithmetic.__module__ = kind.__module__
    return Arithmetic


def _forgetful(value: Tensor) -> Tensor:
    """The value without what it is made of, which would be saved and copied with it."""
    for name in (calls.ATTRIBUTE, calls.SCALED, written_out.EXPRESSION, pooling_calls.MASKED_SUM, SOURCE):
        if hasattr(value, name):
            delattr(value, name)
    return value


def _rebuilt(kind: Any) -> Any:
    arithmetic = _with_arithmetic(kind)
    return arithmetic.__new__(arithmetic)
