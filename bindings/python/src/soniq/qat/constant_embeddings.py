"""Embeddings of ids that no input decides, on the finished ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from .export_graph import BIPOLAR, remove_unused


def look_up_constants(document: Any) -> None:
    """Embeddings of constant ids, such as those of positions 0, 1, 2, ..., become constants."""
    graph = document.graph
    _fix_sizes(graph)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in [node for node in graph.node if node.domain == "soniq" and node.op_type == "QuantEmbedding"]:
        ids = _constant(document, node.input[0], arrays)
        if ids is None:
            continue
        rows = _rows(node, arrays[node.input[1]][ids], arrays[node.input[2]][ids])
        graph.initializer.append(numpy_helper.from_array(rows, node.output[0]))
        graph.node.remove(node)
    remove_unused(graph)


def _fix_sizes(graph: Any) -> None:
    """Sizes of inputs that never vary become constants; the exporter asks for them at run time."""
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.input}
    makers = {name: node for node in graph.node for name in node.output}
    constants = {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    constants |= {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer if len(tensor.dims) < 2}
    for node in graph.node:
        maker = makers.get(node.input[0]) if node.op_type == "Gather" else None
        place = constants.get(node.input[1]) if maker is not None and maker.op_type == "Shape" else None
        if maker is None or place is None or place.size != 1:
            continue
        source, axis = maker.input[0], int(place.flat[0])
        if source in makers and makers[source].op_type == "QuantEmbedding":
            # The axes of the ids come first.
            source = makers[source].input[0]
        if source not in shapes or not -len(shapes[source]) <= axis < len(shapes[source]):
            continue
        size = shapes[source][axis]
        if not size.HasField("dim_value") or (axis < 0 and source != maker.input[0]):
            continue
        array = np.full(place.shape, size.dim_value, np.int64)
        node.op_type = "Constant"
        del node.input[:]
        del node.attribute[:]
        node.attribute.append(onnx.helper.make_attribute("value", numpy_helper.from_array(array)))


def _rows(node: Any, codes: np.ndarray, scales: np.ndarray) -> np.ndarray:
    lists = {item.name: list(item.ints) for item in node.attribute if item.ints}
    (code,), (bits,), (zero,) = lists["weight_code"], lists["weight_bits"], lists["weight_zero"]
    chosen = codes.astype(np.float32)
    integers = 2 * chosen - (2**bits - 1) if code == BIPOLAR else chosen - zero
    rows: np.ndarray = integers * scales.astype(np.float32)[..., None]
    return rows.astype(np.float32)


def _constant(document: Any, name: str, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    """The value, or None when an input of the model decides it."""
    if name in arrays:
        return arrays[name]
    inputs = {value.name for value in document.graph.input}
    nodes = None if name in inputs else _ancestors(document.graph, name, inputs)
    if nodes is None:
        return None
    needed = {name for node in nodes for name in node.input}
    constants = [tensor for tensor in document.graph.initializer if tensor.name in needed]
    output = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None)
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "ids", [], [output], constants), opset_imports=document.opset_import
    )
    ids: np.ndarray = np.asarray(ReferenceEvaluator(model).run(None, {})[0])
    return ids


def _ancestors(graph: Any, name: str, inputs: set[str]) -> list[Any] | None:
    """The nodes that a value is computed by, in order; None when one reads an input, or a quantised layer."""
    wanted, nodes = {name}, []
    for node in reversed(graph.node):
        if wanted.isdisjoint(node.output):
            continue
        if node.domain or not inputs.isdisjoint(node.input):
            return None
        nodes.append(node)
        wanted.update(node.input)
    return nodes[::-1]
