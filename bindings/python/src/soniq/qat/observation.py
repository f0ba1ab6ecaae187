"""What the inputs of layers look like on examples."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .costs import Shape
from .errors import NotFiniteError, QatError
from .raw_weights import RawWeights

SAMPLE = 4096


@dataclass
class Observation:
    """Of one layer: least and greatest input, a sample of inputs, and its shape with the first example's rows."""

    shape: Shape
    low: float
    high: float
    sample: Tensor


@torch.no_grad()
def observe(
    model: nn.Module, names: list[str], examples: Iterable[Any], left_out: list[nn.Module]
) -> dict[str, Observation]:
    """Runs the examples in evaluation mode; observations by name, in the order in which layers first ran.

    Raises UnsupportedModuleError when the model multiplies by a parameter of neither these layers nor modules that
    are left out.
    """
    seen: dict[str, Observation] = {}
    generator = torch.Generator().manual_seed(0)
    hooks = []
    layers = [model.get_submodule(name) for name in names]
    for name, layer in zip(names, layers, strict=True):

        def record(module: Any, inputs: Any, named: Any, output: Any, name: str = name) -> None:
            _record(seen, name, module, next(iter((*inputs, *named.values()))), output, generator)

        hooks.append(layer.register_forward_hook(record, with_kwargs=True))
    try:
        with evaluating(model), RawWeights(model, layers + left_out).watching():
            for example in examples:
                call(model, example)
    finally:
        for hook in hooks:
            hook.remove()
    unused = [name for name in names if name not in seen]
    if unused:
        raise QatError(f"the examples never ran {', '.join(unused)}: give examples that do, or put them into skip")
    return seen


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; afterwards its modules are as before."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def call(model: nn.Module, example: Any) -> Any:
    """The model on a tensor, a tuple of positional arguments or a dict of named ones."""
    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    if isinstance(example, dict):
        named = example
    else:
        positional = tuple(example) if isinstance(example, (tuple, list)) else (example,)
    bind(model, positional, named)
    return model(*positional, **named)


def bind(model: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> inspect.BoundArguments:
    """An example as the model's forward takes it. Raises QatError when it does not fit."""
    try:
        return inspect.signature(model.forward).bind(*positional, **named)
    except TypeError as error:
        raise QatError(
            f"an example does not fit the model's forward ({error}): give its inputs alone, without labels, such as "
            "[x for x, _ in loader]; inputs that are keyword-only as a dict"
        ) from error


def _record(
    seen: dict[str, Observation], name: str, module: nn.Module, x: Tensor, output: Tensor, generator: torch.Generator
) -> None:
    if isinstance(module, nn.Embedding):
        seen.setdefault(name, Observation(Shape(module.embedding_dim, module.num_embeddings, rows=x.numel()), 0, 0, x))
        return
    low, high = float(x.min()), float(x.max())
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        raise NotFiniteError(f"the input of {name} is NaN or infinite on the examples: check the model and its inputs")
    values = x.detach().float().flatten().cpu()
    if len(values) > SAMPLE:
        values = values[torch.randint(len(values), (SAMPLE,), generator=generator)]
    if name not in seen:
        seen[name] = Observation(_shape(module, output), low, high, values)
        return
    before = seen[name]
    before.low, before.high = min(before.low, low), max(before.high, high)
    before.sample = torch.cat([before.sample, values])[-16 * SAMPLE :]


def _shape(module: nn.Module, output: Tensor) -> Shape:
    weight = module.weight
    groups = getattr(module, "groups", 1)
    outputs = weight.shape[0]
    taps = weight[0, 0].numel()
    return Shape(weight.shape[1], outputs // groups, taps, groups, rows=output.numel() // outputs)
