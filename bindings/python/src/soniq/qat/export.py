"""ONNX files whose quantised layers carry their codes: the operators of the domain "soniq", see docs/training.md."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..files import replacing
from .errors import QatError
from .layers import QuantLayer
from .modules import QuantEmbedding, QuantLinear, _QuantConv
from .observation import bind
from .palette import AFFINE
from .selection import names_of_modules

DOMAIN = "soniq"
DOMAIN_VERSION = 1
OPSET = 17
CODES = {"bipolar": 1, "affine": 2}


class _Exported(nn.Module):
    """A quantised layer that computes in PyTorch and traces as one node."""

    def __init__(self, layer: nn.Module, name: str) -> None:
        super().__init__()
        # The layer itself is no submodule: the tracer would take its phase for a tensor.
        operator, constants, attributes = _description(layer)
        for operand, value in constants.items():
            self.register_buffer(operand, value)
        self.operands = tuple(constants)
        self.node = _node(operator, {"layer_s": name, **attributes}, layer)
        self._weights = (layer.weight,)

    @property
    def weight(self) -> Any:
        """For models that ask for its type or shape; no parameter of what is exported."""
        return self._weights[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.node.apply(x, *(getattr(self, operand) for operand in self.operands))


def _node(operator: str, attributes: dict[str, Any], layer: nn.Module) -> Any:
    """A function that runs `layer` and exports as `soniq::operator`."""

    shape: list[int | None] = []
    channel_axis = getattr(layer, "channel_axis", -1)

    class Node(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, *operands: Any) -> Any:
            output = layer(x)
            shape[:] = [None] * output.ndim
            shape[channel_axis] = output.shape[channel_axis]
            return output

        @staticmethod
        def symbolic(g: Any, x: Any, *operands: Any) -> Any:
            output = g.op(f"{DOMAIN}::{operator}", x, *operands, **attributes)
            output.setType(torch._C.TensorType.get().with_dtype(torch.float32).with_sizes(shape))
            return output

    return Node


def _description(layer: nn.Module) -> tuple[str, dict[str, Tensor], dict[str, Any]]:
    if isinstance(layer, QuantEmbedding):
        level = layer.level
        zero = 2 ** (level.weight_bits - 1) if level.weight_code == AFFINE else 0
        attributes = {
            "weight_code_i": [CODES[level.weight_code]], "weight_bits_i": [level.weight_bits], "weight_zero_i": [zero],
        }  # fmt: skip
        return "QuantEmbedding", {"codes": layer.weight_codes(), "scales": layer.row_scales()}, attributes
    constants, attributes = _matrix(layer)
    if isinstance(layer, QuantLinear):
        return "QuantLinear", constants, attributes
    attributes.update(
        kernel_shape_i=list(layer.kernel_size), strides_i=list(layer.stride), dilations_i=list(layer.dilation),
        pads_i=_padding(layer), group_i=layer.groups,
    )  # fmt: skip
    return "QuantConv", constants, attributes


def _matrix(layer: QuantLayer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    levels = layer.levels
    count, outputs = len(levels), layer.weight.shape[0]
    offsets = torch.zeros(count, outputs) if layer.weight_shift is None else layer.offsets_of_weights().detach().cpu()
    bias = torch.zeros(outputs) if layer.bias is None else layer.bias.detach().cpu()
    fixed = not layer.dynamic
    scales = layer.scales_of_activations().tolist() if fixed else [0.0] * count
    constants = {
        "codes": layer.weight_codes().cpu(),
        "channel_levels": layer.channel_levels.cpu(),
        "scales": layer.scales_of_weights().detach().cpu(),
        "offsets": offsets.float(),
        "bias": bias.float(),
    }
    attributes = {
        "weight_code_i": [CODES[level.weight_code] for level in levels],
        "weight_bits_i": [level.weight_bits for level in levels],
        "weight_zero_i": [int(zero) for zero in layer.weight_zero.tolist()],
        "activation_code_i": [CODES[level.activation_code] for level in levels],
        "activation_bits_i": [level.activation_bits for level in levels],
        "activation_fixed_i": int(fixed),
        "activation_scale_f": scales,
        "activation_zero_i": [int(zero) for zero in layer.activation_zero.tolist()],
    }
    return {name: value.contiguous() for name, value in constants.items()}, attributes


def _padding(layer: _QuantConv) -> list[int]:
    """As ONNX orders it: before every axis, then after."""
    if layer.padding == "valid":
        return [0] * (2 * len(layer.kernel_size))
    if layer.padding == "same":
        totals = [
            dilation * (size - 1) for dilation, size in zip(layer.dilation, layer.kernel_size, strict=True)
        ]
        before = [total // 2 for total in totals]
        return before + [total - first for total, first in zip(totals, before, strict=True)]
    return list(layer.padding) * 2


def export(
    model: nn.Module, path: str | Path, example: Any, inputs: list[str], outputs: list[str],
    dynamic: dict[str, dict[int, str]], metadata: dict[str, str | int | float],
) -> None:  # fmt: skip
    """Writes `model`, whose precisions are fixed and which may be changed; see `Quantization.export`."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError("export needs the package onnx: pip install 'soniq[train]'") from error
    from .constant_embeddings import look_up_constants
    from .export_graph import drop_zeros, fold_batch_norms, name_operands
    from .exported_attention import write_out_attention

    places = [(model.get_submodule(names[0]), names) for names in names_of_modules(model).values()]
    for module, names in places:
        if isinstance(module, QuantLayer | QuantEmbedding):
            exported = _Exported(module.cpu().requires_grad_(False), names[0])
            for name in names:
                model.set_submodule(name, exported)
    model.cpu().eval()
    model, arguments = _called(model, example)
    _check_names(arguments, inputs, outputs, dynamic)
    stated = {key: _text(key, value) for key, value in metadata.items()}
    with replacing(path) as unfinished:
        with torch.no_grad(), warnings.catch_warnings():
            # That values become constants is what an export is for.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, arguments, str(unfinished), opset_version=OPSET, dynamo=False, input_names=inputs,
                output_names=outputs, dynamic_axes=dynamic, custom_opsets={DOMAIN: DOMAIN_VERSION},
                autograd_inlining=False,
            )  # fmt: skip
        document = onnx.load(str(unfinished))
        write_out_attention(document)
        name_operands(document)
        look_up_constants(document)
        fold_batch_norms(document)
        drop_zeros(document)
        document.producer_name = "soniq.qat"
        onnx.helper.set_model_props(document, stated)
        onnx.save(document, str(unfinished))


class _Named(nn.Module):
    """A model whose inputs are keyword-only, with positional ones, which the exporter needs."""

    def __init__(self, model: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *values: Any) -> Any:
        return self.model(**dict(zip(self.names, values, strict=True)))


def _called(model: nn.Module, example: Any) -> tuple[nn.Module, tuple[Any, ...]]:
    """What is exported, and its positional arguments on the CPU, in the order of the model's parameters."""
    if isinstance(example, dict):
        bound = bind(model, (), example)
        bound.apply_defaults()
        if bound.kwargs:
            names = [name for name in bound.signature.parameters if name in example]
            model, example = _Named(model, names), tuple(example[name] for name in names)
        else:
            example = bound.args
    elif not isinstance(example, (tuple, list)):
        example = (example,)
    if not isinstance(model, _Named):
        bind(model, tuple(example), {})
    return model, tuple(value.cpu() if isinstance(value, Tensor) else value for value in example)


def _check_names(
    arguments: tuple[Any, ...], inputs: list[str], outputs: list[str], dynamic: dict[str, dict[int, str]]
) -> None:
    count = sum(isinstance(value, Tensor) for value in arguments)
    if len(inputs) > count:
        raise QatError(f"inputs names {len(inputs)} values, and the example has {count}: {', '.join(inputs)}")
    for name, axes in dynamic.items():
        if name not in [*inputs, *outputs]:
            raise QatError(
                f"dynamic names {name!r}, which is none of the inputs ({', '.join(inputs)}) and outputs "
                f"({', '.join(outputs)}): give it the names that inputs=... and outputs=... have"
            )
        if not isinstance(axes, dict):
            raise QatError(f'dynamic[{name!r}] is {axes!r}: give the names of axes by number, such as {{0: "batch"}}')


def _text(key: str, value: Any) -> str:
    """What the file says under a key."""
    if not isinstance(value, (str, int, float)):
        raise QatError(f"metadata {key!r} is {value!r}: give text or a number")
    return str(value)
