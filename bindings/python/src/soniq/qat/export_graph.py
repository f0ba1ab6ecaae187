"""Batch norms taken into the layers before them, on the finished ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

QUANTIZED = ("QuantLinear", "QuantConv")
BIPOLAR = 1


OPERANDS = {
    "QuantLinear": ("codes", "channel_levels", "scales", "offsets", "bias"),
    "QuantConv": ("codes", "channel_levels", "scales", "offsets", "bias"),
    "QuantEmbedding": ("codes", "scales"),
}
OPTIONAL = ("offsets", "bias")


def name_operands(document: Any) -> None:
    """Gives every quantised node initializers of its own, named after its layer; the exporter shares those that are
    equal."""
    graph = document.graph
    _resolve_copies(graph)
    shared = {tensor.name: tensor for tensor in graph.initializer}
    own: dict[str, Any] = {}
    for node in graph.node:
        if node.domain != "soniq":
            continue
        prefix = layer = next(attribute.s.decode() for attribute in node.attribute if attribute.name == "layer")
        while f"{prefix}.codes" in own:
            prefix += "+"
        for place, operand in enumerate(OPERANDS[node.op_type], 1):
            tensor = onnx.TensorProto()
            tensor.CopyFrom(shared[node.input[place]])
            tensor.name = node.input[place] = f"{prefix}.{operand}"
            own[tensor.name] = tensor
        node.name = prefix if layer else node.op_type
    _rename_readers(graph, set(own))
    remove_unused(graph)
    graph.initializer.extend(own.values())


def _resolve_copies(graph: Any) -> None:
    """Readers of an Identity of an initializer read the initializer."""
    constants = {tensor.name: tensor.name for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Identity" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
            graph.node.remove(node)
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = constants.get(name, name)


def _rename_readers(graph: Any, taken: set[str]) -> None:
    """Initializers whose names now belong to layers get others, for the nodes that still read them."""
    for tensor in graph.initializer:
        if tensor.name in taken:
            old, tensor.name = tensor.name, f"shared.{tensor.name}"
            for node in graph.node:
                if node.domain != "soniq":
                    for place, name in enumerate(node.input):
                        node.input[place] = tensor.name if name == old else name


def remove_unused(graph: Any) -> None:
    used = {value.name for value in graph.output} | {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def drop_zeros(document: Any) -> None:
    """Leaves out offsets and biases that are 0 everywhere: they are optional inputs."""
    arrays = {tensor.name: tensor for tensor in document.graph.initializer}
    for node in document.graph.node:
        if node.domain != "soniq":
            continue
        for place, operand in enumerate(OPERANDS[node.op_type], 1):
            if operand in OPTIONAL and not numpy_helper.to_array(arrays[node.input[place]]).any():
                node.input[place] = ""
        while node.input and not node.input[-1]:
            del node.input[-1]
    remove_unused(document.graph)


def fold_batch_norms(document: Any) -> None:
    """Turns every QuantConv or QuantLinear whose only reader is a BatchNormalization into one layer.

    y = a * conv + b for each output: scales and offsets are multiplied by |a|; where a < 0 the integers of the
    output turn their signs, which every code used here can do exactly (bipolar q -> 2^p - 1 - q, affine q -> 2 zero -
    q; with an offset, q -> 2^p - 1 - q and the offset takes the rest).
    """
    graph = document.graph
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    for node in list(graph.node):
        following = readers.get(node.output[0], [])
        if node.domain != "soniq" or node.op_type not in QUANTIZED or node.output[0] in outputs:
            continue
        if len(following) != 1 or following[0].op_type != "BatchNormalization":
            continue
        norm = following[0]
        values = [numpy_helper.to_array(arrays[name]).astype(np.float64) for name in norm.input[1:5]]
        epsilon = next((attribute.f for attribute in norm.attribute if attribute.name == "epsilon"), 1e-5)
        gamma, beta, mean, variance = values
        factor = gamma / np.sqrt(variance + epsilon)
        layer = {place: numpy_helper.to_array(arrays[node.input[place]]) for place in range(1, 6)}
        folded = _scaled(layer, node, factor, beta - mean * factor)
        for place, array in folded.items():
            arrays[node.input[place]].CopyFrom(numpy_helper.from_array(array, node.input[place]))
        node.output[0] = norm.output[0]
        graph.node.remove(norm)
    remove_unused(graph)


def _scaled(layer: dict[int, np.ndarray], node: Any, factor: np.ndarray, shift: np.ndarray) -> dict[int, np.ndarray]:
    codes, levels, scales, offsets, bias = (layer[place] for place in range(1, 6))
    attributes = {attribute.name: list(attribute.ints) for attribute in node.attribute if attribute.ints}
    negative = factor < 0
    magnitude = np.maximum(np.abs(factor), 1e-30)
    codes, offsets = codes.astype(np.int64), offsets.astype(np.float64)
    column = (slice(None), *(None,) * (codes.ndim - 1))
    turned = np.empty_like(codes)
    new_offsets = offsets * factor
    for index, bits in enumerate(attributes["weight_bits"]):
        zero, top = attributes["weight_zero"][index], 2**bits - 1
        chosen = levels == index
        if attributes["weight_code"][index] == BIPOLAR or zero == 0:
            turned[:, chosen] = top - codes[:, chosen]
        else:
            turned[:, chosen] = 2 * zero - codes[:, chosen]
        if attributes["weight_code"][index] != BIPOLAR and zero == 0:
            # -(s q + z) = s (top - q) - (s top + z)
            extra = scales[index].astype(np.float64) * top * factor
            new_offsets[index] += np.where(negative, extra, 0)
    return {
        1: np.where(negative[column], turned, codes).astype(np.uint8),
        3: (scales * magnitude).astype(np.float32),
        4: new_offsets.astype(np.float32),
        5: (bias * factor + shift).astype(np.float32),
    }
