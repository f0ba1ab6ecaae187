"""Which modules of a model `prepare` quantises, and which models it refuses."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.weight_norm import WeightNorm

from . import multihead
from .errors import QatError, UnsupportedModuleError
from .layers import QuantLayer
from .modules import QuantEmbedding

QUANTIZABLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding)
# Weights that there is no trained low-bit layer for, so that leaving them to the packer must be the caller's decision.
UNSUPPORTED = (
    nn.Bilinear, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.EmbeddingBag,
    nn.RNNBase, nn.RNNCellBase,
)  # fmt: skip
LEFT_OUT = "soniq-pack then rounds it to 8 bits and needs --calibrate with samples"


def plain_model(model: nn.Module) -> nn.Module:
    """The model without `torch.compile` around it. Raises QatError for models that cannot be copied and trained."""
    while isinstance(model, torch._dynamo.OptimizedModule):
        model = model._orig_mod
    if isinstance(model, torch.jit.ScriptModule):
        raise QatError("the model is a TorchScript module: prepare the model of Python that it was made from")
    for name, module in model.named_modules():
        if any(isinstance(hook, WeightNorm) for hook in module._forward_pre_hooks.values()):
            raise UnsupportedModuleError(
                f"{name or 'the model'} has a weight norm of the old kind: call torch.nn.utils.remove_weight_norm on "
                "it first"
            )
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and parameter.dtype != torch.float32:
            raise QatError(
                f"{name} is {str(parameter.dtype).removeprefix('torch.')}: call model.float() before prepare; "
                "torch.autocast makes products of a float32 model bfloat16"
            )
    return model


def without_compilers(model: nn.Module) -> None:
    """Takes `torch.compile` from around the modules inside."""
    for name, module in list(model.named_modules()):
        if isinstance(module, torch._dynamo.OptimizedModule):
            model.set_submodule(name, module._orig_mod)


def names_of_modules(model: nn.Module) -> dict[int, list[str]]:
    """All names of every module, by its id, the first one first."""
    names: dict[int, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(name)
    return names


class Selection:
    """The modules that are not in `skip`, by the first of their names."""

    def __init__(self, model: nn.Module, skip: Sequence[str]) -> None:
        """Raises QatError when a pattern matches nothing."""
        if isinstance(model, (*QUANTIZABLE, nn.MultiheadAttention, *UNSUPPORTED)):
            raise QatError("the model is a single layer: put it into nn.Sequential")
        patterns = [skip] if isinstance(skip, str) else list(skip)
        used: set[str] = set()
        self.names: dict[str, list[str]] = {}
        for names in names_of_modules(model).values():
            matching = {pattern for pattern in patterns if any(_matches(name, pattern) for name in names)}
            used |= matching
            if not matching:
                self.names[names[0]] = names
        if unused := [pattern for pattern in patterns if pattern not in used]:
            raise QatError(f"skip names no module: {', '.join(unused)}; {_advice(unused)}")

    def attention(self, model: nn.Module) -> dict[int, list[str]]:
        """All names of every `nn.MultiheadAttention`, by its id."""
        found = {}
        for name, names in self.names.items():
            module = model.get_submodule(name)
            if isinstance(module, nn.MultiheadAttention):
                if reason := multihead.refusal(module):
                    raise _refused(name, module, reason)
                found[id(module)] = names
        return found

    def layers(self, model: nn.Module) -> dict[str, list[str]]:
        """What is quantised. Raises UnsupportedModuleError, which says what to do instead."""
        found = {}
        for name, names in self.names.items():
            module = model.get_submodule(name)
            if isinstance(module, QuantLayer | QuantEmbedding):
                raise QatError(f"{name} is quantised already: prepare the float model")
            if reason := _refusal(module):
                raise _refused(name, module, reason)
            if isinstance(module, QUANTIZABLE):
                found[name] = names
        if not found:
            raise UnsupportedModuleError("nothing to quantise: the model has no Linear, Conv1d, Conv2d or Embedding")
        return found


def _matches(name: str, pattern: str) -> bool:
    """Whether a pattern is that of the module, or of one that it is in."""
    ends = [end for end, character in enumerate(name) if character == "."] + [len(name)]
    return any(name[:end] == pattern or fnmatch.fnmatchcase(name[:end], pattern) for end in ends)


def _advice(patterns: Sequence[str]) -> str:
    if any("[" in pattern for pattern in patterns):
        return "modules of lists are named with dots, layers.0 for layers[0]; [..] is a set of characters"
    return "names are those of model.named_modules()"


def _refused(name: str, module: nn.Module, reason: str) -> UnsupportedModuleError:
    return UnsupportedModuleError(
        f"{name or 'the model'} ({type(module).__name__}) {reason}: put {name!r} into skip to train it in float "
        f"({LEFT_OUT}), or build it from Linear, Conv1d, Conv2d and Embedding"
    )


def _refusal(module: nn.Module) -> str | None:
    if isinstance(module, UNSUPPORTED):
        return "has weights that cannot be quantised"
    if isinstance(module, QUANTIZABLE) and parametrize.is_parametrized(module):
        return "has a parametrised weight, which torch.nn.utils.parametrize.remove_parametrizations makes a plain one"
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        if module.padding_mode != "zeros":
            return f"pads with {module.padding_mode}, and only zeros can be"
        if module.padding == "same" and any(stride != 1 for stride in module.stride):
            return "has padding 'same' and a stride"
    if isinstance(module, nn.Embedding) and (module.max_norm is not None or module.scale_grad_by_freq):
        return "changes its table or gradients while it looks up"
    return None
