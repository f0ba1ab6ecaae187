"""`prepare`: a model of PyTorch with quantised layers in place of its own."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .costs import KernelCosts
from .errors import BudgetError, QatError
from .gdnsq import AEWGS, ESTIMATORS
from .interception import give_arithmetic
from .modules import QuantConv1d, QuantConv2d, QuantEmbedding, QuantLinear
from .multihead import open_attention, without_shortcuts
from .observation import Observation, observe
from .palette import AFFINE, Precision, parse_palette
from .quantization import Quantization, Target
from .selection import QUANTIZABLE, UNSUPPORTED, Selection, plain_model, without_compilers

WEIGHTED = (*QUANTIZABLE, *UNSUPPORTED, nn.MultiheadAttention)
METHODS = ("soniq", "gdnsq")


def prepare(
    model: nn.Module,
    examples: Iterable[Any],
    *,
    method: str = "soniq",
    palette: Sequence[Precision | tuple[int, int] | int] = ((1, 1), (4, 4)),
    target_bits: float | None = None,
    target_latency_ms: float | None = None,
    kernel_profile: str | Path | None = None,
    skip: Sequence[str] = (),
    end_bits: int | None = 8,
    embedding_bits: int | None = None,
    static_linear: bool = False,
    estimator: str = AEWGS,
    steps: int = 1000,
    search_part: float = 0.4,
) -> Quantization:
    """A copy of `model` that trains at low precision; the original is not touched and can teach it.

    Args:
        model: linear layers, convolutions with zero padding and embeddings are quantised.
        examples: batches of inputs to measure activations with, each a tensor, a tuple of positional arguments or
            a dict of named ones. A few hundred rows are enough.
        method: "soniq" learns the precision of every input channel (with a palette of one precision: trains at
            that one), "gdnsq" learns scales whose widths shrink to the one precision of the palette.
        palette: one or two precisions, (weight bits, activation bits) each.
        target_bits: average stored bits of a weight over all quantised layers: codes with their padding, scales,
            sums and maps. Needed with two precisions, unless there is a target in milliseconds.
        target_latency_ms: time of the quantised layers for the first example, by `kernel_profile`, the path of a
            file that `soniq-pack calibrate-cost` wrote on the target machine.
        skip: names of modules that stay in float, with shell wildcards: "classifier", "encoder.*.attention*".
        end_bits: bits of the first and the last layer that run, of depthwise convolutions and of embeddings; None
            treats them as all others, but that embeddings and depthwise convolutions take the finest precision.
        embedding_bits: bits of embeddings, where they shall differ from that.
        static_linear: linear layers get fixed scales of activations, too. Otherwise they are measured row by row.
        estimator: of GDNSQ: "ste", "lsq", "ewgs" or "aewgs".
        steps: batches that the training will have; `search_part` of them learn precisions.

    Raises:
        PaletteError, UnsupportedModuleError, BudgetError: what to change is in the message.
    """
    levels = parse_palette(palette)
    _check(method, levels, estimator, steps, search_part)
    target = _target(levels, target_bits, target_latency_ms, kernel_profile)
    prepared = _copied(model)
    names, observations = _observed(prepared, _batches(examples), skip)
    for index, (name, seen) in enumerate(observations.items()):
        source = prepared.get_submodule(name)
        is_end = index in (0, len(observations) - 1) or _is_end_like(source)
        layer = _replacement(
            source, seen, levels, estimator if method == "gdnsq" else None,
            _bits_of_its_own(source, is_end, end_bits, embedding_bits), static_linear,
        )  # fmt: skip
        layer.train(source.training)
        for place in names[name]:
            prepared.set_submodule(place, layer)
    # The packer gives attention integers when it has layers of its own to quantise, and floats when it has none.
    give_arithmetic(prepared, any(isinstance(module, WEIGHTED) for module in prepared.modules()))
    shapes = {name: observation.shape for name, observation in observations.items()}
    return Quantization(prepared, shapes, method, target, round(steps * search_part))


def _copied(model: nn.Module) -> nn.Module:
    """A copy whose layers are called by what computes with them."""
    copied = copy.deepcopy(plain_model(model))
    without_compilers(copied)
    without_shortcuts(copied)
    return copied


def _observed(
    prepared: nn.Module, batches: list[Any], skip: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, Observation]]:
    """All names of every layer that is quantised, by the first; what was observed of each, in the order of running."""
    selection = Selection(prepared, skip)
    if attention := selection.attention(prepared):
        open_attention(prepared, attention, batches)
        selection = Selection(prepared, skip)
    names = selection.layers(prepared)
    return names, observe(prepared, list(names), batches, _left_out(prepared, selection))


def _batches(examples: Iterable[Any]) -> list[Any]:
    """All examples: they run more than once."""
    if isinstance(examples, Tensor | dict):
        raise QatError("examples is one batch: give a list of batches, such as [images[:256]]")
    batches = list(examples)
    if not batches:
        raise QatError("examples is empty: give a few batches of inputs")
    return batches


def _left_out(model: nn.Module, selection: Selection) -> list[nn.Module]:
    """Modules in skip."""
    kept = {id(model.get_submodule(name)) for name in selection.names}
    return [module for module in model.modules() if id(module) not in kept]


def _check(method: str, levels: tuple[Precision, ...], estimator: str, steps: int, search_part: float) -> None:
    if not 0 < search_part < 1 or steps < 1:
        raise QatError("steps must be 1 or more, and search_part between 0 and 1")
    if method not in METHODS:
        raise QatError(f"unknown method {method!r}: use one of {', '.join(METHODS)}")
    if estimator not in ESTIMATORS:
        raise QatError(f"unknown estimator {estimator!r}: use one of {', '.join(ESTIMATORS)}")
    if method == "gdnsq" and len(levels) != 1:
        raise QatError("gdnsq takes one precision, for example palette=[(2, 2)]: two are for method='soniq'")


def _target(
    levels: tuple[Precision, ...], bits: float | None, milliseconds: float | None, profile: str | Path | None
) -> Target | None:
    if bits is not None and milliseconds is not None:
        raise BudgetError("give target_bits or target_latency_ms, not both")
    value = bits if milliseconds is None else milliseconds
    if value is not None and not (math.isfinite(value) and value > 0):
        raise BudgetError(f"a target of {value}: give a number above 0")
    if value is not None and len(levels) == 1:
        raise BudgetError(
            f"a palette of one precision, {levels[0].label}, leaves nothing to choose: leave the target out, or give "
            "two precisions (method='soniq')"
        )
    if milliseconds is not None:
        if profile is None:
            raise BudgetError("target_latency_ms needs kernel_profile: the file of `soniq-pack calibrate-cost`")
        return Target(milliseconds, KernelCosts.read(profile))
    if bits is not None:
        return Target(bits, None)
    if len(levels) == 2:
        raise BudgetError("two precisions need a target: target_bits=..., or target_latency_ms=... with kernel_profile")
    return None


def _is_end_like(source: nn.Module) -> bool:
    return isinstance(source, nn.Embedding) or getattr(source, "groups", 1) > 1


def _bits_of_its_own(source: nn.Module, is_end: bool, end_bits: int | None, embedding_bits: int | None) -> int | None:
    """Those of a module that does not take the palette's."""
    if isinstance(source, nn.Embedding) and embedding_bits is not None:
        return embedding_bits
    return end_bits if is_end else None


def _replacement(
    source: nn.Module, seen: Observation, levels: tuple[Precision, ...], estimator: str | None,
    fixed_bits: int | None, static_linear: bool,
) -> nn.Module:  # fmt: skip
    grouped = getattr(source, "groups", 1) > 1
    if fixed_bits is not None:
        levels, estimator = parse_palette([fixed_bits]), None
    elif grouped or isinstance(source, nn.Embedding):
        levels = levels[-1:]
    if isinstance(source, nn.Embedding):
        return QuantEmbedding(source, levels[0].resolved(False))
    levels = tuple(level.resolved(seen.low >= 0) for level in levels)
    if estimator is not None:
        bits = levels[0]
        levels = (Precision(bits.weight_bits, bits.activation_bits, AFFINE, AFFINE),)
    if isinstance(source, nn.Linear):
        layer = QuantLinear(source, levels, dynamic=estimator is None and not static_linear, estimator=estimator)
    elif isinstance(source, nn.Conv2d):
        layer = QuantConv2d(source, levels, estimator=estimator)
    else:
        layer = QuantConv1d(source, levels, estimator=estimator)
    layer.calibrate(seen.low, seen.high, _on(source, seen.sample))
    seen.shape = seen.shape.with_offsets(estimator is not None)
    return layer


def _on(source: nn.Module, sample: Tensor) -> Tensor:
    return sample.to(next(source.parameters()).device, torch.float32)
