"""What the inputs of layers look like on examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .costs import Shape
from .errors import NotFiniteError, QatError

SAMPLE = 4096


@dataclass
class Observation:
    """Of one layer: least and greatest input, a sample of inputs, and its shape with the first example's rows."""

    shape: Shape
    low: float
    high: float
    sample: Tensor


@torch.no_grad()
def observe(model: nn.Module, names: list[str], examples: Iterable[Any]) -> dict[str, Observation]:
    """Runs the examples in evaluation mode; observations by name, in the order in which layers first ran."""
    seen: dict[str, Observation] = {}
    generator = torch.Generator().manual_seed(0)
    hooks = []
    for name in names:
        module = model.get_submodule(name)

        def record(module: Any, inputs: Any, output: Any, name: str = name) -> None:
            _record(seen, name, module, inputs[0], output, generator)

        hooks.append(module.register_forward_hook(record))
    training = [module for module in model.modules() if module.training]
    model.eval()
    count = 0
    try:
        for example in examples:
            call(model, example)
            count += 1
    finally:
        for hook in hooks:
            hook.remove()
        for module in training:
            module.training = True
    if not count:
        raise QatError("examples is empty: give a few batches of inputs")
    unused = [name for name in names if name not in seen]
    if unused:
        raise QatError(f"the examples never ran {', '.join(unused)}: give examples that do, or put them into skip")
    return seen


def call(model: nn.Module, example: Any) -> Any:
    """The model on a tensor, a tuple of positional arguments or a dict of named ones."""
    if isinstance(example, dict):
        return model(**example)
    return model(*example) if isinstance(example, (tuple, list)) else model(example)


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
