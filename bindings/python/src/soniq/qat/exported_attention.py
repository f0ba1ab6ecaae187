"""Attention in exported files: one node while the model is traced, then nodes that the packer knows as attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

OPERATOR = "Attention"


def exported_attention(query: Tensor, key: Tensor, value: Tensor, scale: float, bias: Tensor | None) -> Tensor:
    """softmax(q k^T scale + bias) v of [batch, heads, positions, size] as a node of the exported graph."""
    attributes = {"scale_f": float(scale), "heads_i": int(query.shape[1]), "size_i": int(query.shape[3])}
    operands = (query, key, value) if bias is None else (query, key, value, bias)
    result: Tensor = _node(attributes).apply(*operands)
    return result


def _node(attributes: dict[str, Any]) -> Any:
    class Node(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, query: Any, *others: Any) -> Any:
            # What follows needs the shape alone.
            return torch.zeros_like(query)

        @staticmethod
        def symbolic(g: Any, query: Any, *others: Any) -> Any:
            output = g.op(f"soniq::{OPERATOR}", query, *others, **attributes)
            sizes = [None, attributes["heads_i"], None, attributes["size_i"]]
            output.setType(torch._C.TensorType.get().with_dtype(torch.float32).with_sizes(sizes))
            return output

    return Node


def write_out_attention(document: Any) -> None:
    """Puts products, a scale, a softmax into the place of every such node."""
    graph = document.graph
    makers = {name: node for node in graph.node for name in node.output}
    for place, node in reversed(list(enumerate(graph.node))):
        if node.domain == "soniq" and node.op_type == OPERATOR:
            written = _Written(graph, makers, f"attention.{place}")
            written.add(node)
            graph.node.remove(node)
            for offset, new in enumerate(written.nodes):
                graph.node.insert(place + offset, new)


class _Written:
    """The nodes of one attention."""

    def __init__(self, graph: Any, makers: dict[str, Any], name: str) -> None:
        self.graph, self.makers, self.name = graph, makers, name
        self.nodes: list[Any] = []

    def add(self, node: Any) -> None:
        import onnx

        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        heads, size = attributes["heads"], attributes["size"]
        operands = list(node.input[:3])
        is_plain = not self._turns_batches() and all(self._is_heads(name) for name in operands)
        query, key, value = operands if is_plain else [self._heads(name, heads, size) for name in operands]
        turned = self._node("Transpose", [key], perm=[0, 1, 3, 2])
        scores = self._node("MatMul", [query, turned])
        if attributes["scale"] != 1:
            scores = self._node("Mul", [scores, self._constant("scale", attributes["scale"], "float32")])
        if len(node.input) > 3:
            scores = self._node("Add", [scores, node.input[3]])
        weights = self._node("Softmax", [scores], axis=-1)
        context = self._node("MatMul", [weights, value])
        self.nodes.append(onnx.helper.make_node(
            "Identity", [context if is_plain else self._joined(context, heads, size)], [node.output[0]]
        ))  # fmt: skip

    def _node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        import onnx

        name = f"{self.name}.{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def _constant(self, name: str, value: Any, kind: str) -> str:
        import numpy as np
        import onnx

        whole = f"{self.name}.{name}"
        if all(tensor.name != whole for tensor in self.graph.initializer):
            self.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, kind), whole))
        return whole

    def _heads(self, name: str, heads: int, size: int) -> str:
        """The same heads as the packer knows them: channels side by side, taken apart again. Flat rows between keep
        it from moving transposes of before to behind."""
        turned = self._node("Transpose", [name], perm=[0, 2, 1, 3])
        flat = self._node("Reshape", [turned, self._constant("flat", [0, -1], "int64")])
        joined = self._node("Reshape", [flat, self._constant("rows", [0, -1, heads * size], "int64")])
        return self._apart(joined, heads, size)

    def _joined(self, name: str, heads: int, size: int) -> str:
        """Heads side by side, as the packer wants them behind attention, taken apart again."""
        turned = self._node("Transpose", [name], perm=[0, 2, 1, 3])
        joined = self._node("Reshape", [turned, self._constant("joined", [0, 0, heads * size], "int64")])
        return self._apart(joined, heads, size)

    def _apart(self, joined: str, heads: int, size: int) -> str:
        split = self._node("Reshape", [joined, self._constant("split", [0, 0, heads, size], "int64")])
        return self._node("Transpose", [split], perm=[0, 2, 1, 3])

    def _turns_batches(self) -> bool:
        """Whether positions come before the batch somewhere: the packer may move that turn into the attention."""
        return any(
            node.op_type == "Transpose" and any(list(item.ints) == [1, 0, 2] for item in node.attribute)
            for node in self.graph.node
        )

    def _is_heads(self, name: str) -> bool:
        """Whether it is the heads of a matrix already: a transpose of what was taken apart, or a part of one."""
        node = self.makers.get(name)
        while node is not None and node.op_type in ("Gather", "Split", "Squeeze", "Identity"):
            node = self.makers.get(node.input[0])
        if node is None or node.op_type != "Transpose":
            return False
        maker = self.makers.get(node.input[0])
        return maker is not None and maker.op_type == "Reshape"
