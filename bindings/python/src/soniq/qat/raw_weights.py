"""Finds parameters that a model multiplies by itself, past the layers that can be quantised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .errors import UnsupportedModuleError

# What the packer makes layers with weights of, with the places of their operands.
PRODUCTS: dict[Any, tuple[int, ...]] = {
    functional.linear: (1,), functional.conv1d: (1,), functional.conv2d: (1,), functional.embedding: (1,),
    torch.matmul: (0, 1), Tensor.matmul: (0, 1), Tensor.__matmul__: (0, 1), Tensor.__rmatmul__: (0, 1),
    torch.mm: (0, 1), Tensor.mm: (0, 1), torch.einsum: (1, 2), torch.addmm: (1, 2), torch.bmm: (0, 1),
}  # fmt: skip


class RawWeights(TorchFunctionMode):
    """Inside, a product with a parameter that no layer of `layers` multiplies by raises UnsupportedModuleError.

    * layers: modules that multiply by their own weights, or that are left to the packer
    """

    def __init__(self, model: nn.Module, layers: list[nn.Module]) -> None:
        super().__init__()
        own = {id(module) for layer in layers for module in layer.modules()}
        self._names = {parameter.untyped_storage().data_ptr(): name for name, parameter in model.named_parameters()}
        self._layers = [module for module in model.modules() if id(module) in own]
        self._depth = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Products are watched but for those that the layers themselves compute."""
        hooks = [layer.register_forward_pre_hook(self._enter) for layer in self._layers]
        hooks += [layer.register_forward_hook(self._leave, always_call=True) for layer in self._layers]
        try:
            with self:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def _enter(self, module: Any, inputs: Any) -> None:
        self._depth += 1

    def _leave(self, module: Any, inputs: Any, output: Any) -> None:
        self._depth -= 1

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self._depth == 0:
            for place in PRODUCTS.get(func, ()):
                self._check(args[place] if place < len(args) else (kwargs or {}).get("weight"), func)
        return func(*args, **(kwargs or {}))

    def _check(self, operand: Any, func: Any) -> None:
        if not isinstance(operand, Tensor) or operand.ndim < 2:
            return
        name = self._names.get(operand.untyped_storage().data_ptr())
        if name is not None:
            kind = "nn.Embedding" if func is functional.embedding else "nn.Linear or a convolution"
            raise UnsupportedModuleError(
                f"the model multiplies by {name} itself ({func.__name__}), which would stay in float: make it the "
                f"weight of an {kind} and call that, or put the module that holds it into skip"
            )
