"""PyTorch's functions inside a prepared model, as the runtime computes them.

Attention has the runtime's integers in training too. In evaluation mode functions and norms have the runtime's bits,
so that the codes that follow are the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from . import attention_calls as calls
from . import functions, pooling_calls
from .rounding import with_gradient

Handler = Callable[..., Any]


def _exactly(runtime: Callable[[Tensor], Tensor]) -> Handler:
    """Of a function of one float; `named` are ways to save memory."""

    def handler(arithmetic: RuntimeArithmetic, function: Any, x: Tensor, *rest: Any, **named: Any) -> Any:
        if not arithmetic.is_exact or x.dtype != torch.float32:
            return function(x, *rest, **named)
        return with_gradient(lambda: function(x, *rest, **named), lambda: runtime(x))

    return handler


def _gelu(arithmetic: RuntimeArithmetic, function: Any, x: Tensor, *rest: Any, **named: Any) -> Any:
    form = functions.gelu_tanh if named.get("approximate", "none") == "tanh" else functions.gelu
    return _exactly(form)(arithmetic, function, x, *rest, **named)


def _softmax(arithmetic: RuntimeArithmetic, function: Any, x: Tensor, *rest: Any, **named: Any) -> Any:
    axis = named["dim"] if "dim" in named else rest[0] if rest else None
    is_last = axis in (-1, x.ndim - 1) and named.get("dtype") in (None, torch.float32) and x.ndim > 0
    scores = calls.scores_of(x)
    if scores is not None and is_last and not scores.is_softmax:
        return calls.noted(function(x, *rest, **named), replace(scores, is_softmax=True))
    if not (arithmetic.is_exact and is_last and x.dtype == torch.float32):
        return function(x, *rest, **named)
    return with_gradient(lambda: function(x, *rest, **named), lambda: functions.softmax(x))


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


def _table() -> dict[Any, Handler]:
    one = {
        functions.sigmoid: [torch.sigmoid, Tensor.sigmoid, torch.special.expit],
        functions.tanh: [torch.tanh, Tensor.tanh],
        functions.silu: [functional.silu],
        functions.exponential: [torch.exp, Tensor.exp],
    }
    table: dict[Any, Handler] = {name: _exactly(runtime) for runtime, names in one.items() for name in names}
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
                return super().forward(*arguments, **named)

        def __reduce_ex__(self, protocol: Any) -> Any:
            return _rebuilt, (kind,), self.__dict__

    Arithmetic.__name__, Arithmetic.__qualname__ = kind.__name__, kind.__qualname__
    Arithmetic.__module__ = kind.__module__
    return Arithmetic


def _rebuilt(kind: Any) -> Any:
    arithmetic = _with_arithmetic(kind)
    return arithmetic.__new__(arithmetic)
