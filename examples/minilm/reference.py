"""The baseline of the demo: MiniLM as an ONNX file, in float32 and in ONNX Runtime's dynamic INT8.

The graph is written operator by operator from the checkpoint, the way PyTorch exports it (no fused
nodes: measured on this model, ONNX Runtime runs the plain graph at least as fast as its fused one).
"""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


class GraphBuilder:
    """Collects nodes and weights of an ONNX graph; names are made as needed."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._names = 0

    def weight(self, array: np.ndarray, name: str | None = None) -> str:
        name = name or self._fresh("constant")
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes) -> str:
        output = output or self._fresh(kind)
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"node_{output}", **attributes))
        return output

    def scalar(self, value: float) -> str:
        return self.weight(np.array(value, np.float32))

    def integers(self, values: list[int]) -> str:
        return self.weight(np.array(values, np.int64))

    def _fresh(self, kind: str) -> str:
        self._names += 1
        return f"{kind.lower()}_{self._names}"


class BertExporter:
    """Writes a BERT sentence encoder (mean pooling, unit length) as an ONNX model, opset 17."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.tensors = load_file(folder / "model.safetensors")
        self.graph = GraphBuilder()
        self.hidden: int = self.config["hidden_size"]
        self.heads: int = self.config["num_attention_heads"]

    def export(self) -> onnx.ModelProto:
        state = self._embeddings()
        mask = self._additive_mask()
        for layer in range(self.config["num_hidden_layers"]):
            state = self._layer(state, mask, f"encoder.layer.{layer}")
        self.graph.node("Identity", [state], "last_hidden_state")
        self._pool("last_hidden_state")
        return self._model()

    def _linear(self, value: str, prefix: str) -> str:
        weight = self.graph.weight(self.tensors[f"{prefix}.weight"].T, f"{prefix}.weight")
        bias = self.graph.weight(self.tensors[f"{prefix}.bias"], f"{prefix}.bias")
        return self.graph.node("Add", [self.graph.node("MatMul", [value, weight]), bias])

    def _norm(self, value: str, prefix: str) -> str:
        gamma = self.graph.weight(self.tensors[f"{prefix}.weight"], f"{prefix}.weight")
        beta = self.graph.weight(self.tensors[f"{prefix}.bias"], f"{prefix}.bias")
        epsilon = self.config["layer_norm_eps"]
        return self.graph.node("LayerNormalization", [value, gamma, beta], axis=-1, epsilon=epsilon)

    def _embeddings(self) -> str:
        graph, prefix = self.graph, "embeddings"
        table = {
            name: graph.weight(self.tensors[f"{prefix}.{name}_embeddings.weight"], f"{prefix}.{name}")
            for name in ("word", "position", "token_type")
        }
        words = graph.node("Gather", [table["word"], "input_ids"])
        types = graph.node("Gather", [table["token_type"], "token_type_ids"])
        shape = graph.node("Shape", ["input_ids"])
        length = graph.node("Gather", [shape, graph.integers([1])])
        every = graph.weight(np.arange(self.config["max_position_embeddings"], dtype=np.int64)[None])
        ids = graph.node("Slice", [every, graph.integers([0]), length, graph.integers([1])])
        positions = graph.node("Gather", [table["position"], ids])
        total = graph.node("Add", [graph.node("Add", [words, types]), positions])
        return self._norm(total, f"{prefix}.LayerNorm")

    def _additive_mask(self) -> str:
        graph = self.graph
        mask = graph.node("Unsqueeze", ["attention_mask", graph.integers([1, 2])])
        mask = graph.node("Cast", [mask], to=TensorProto.FLOAT)
        inverted = graph.node("Sub", [graph.scalar(1.0), mask])
        return graph.node("Mul", [inverted, graph.scalar(float(np.finfo(np.float32).min))])

    def _split_heads(self, value: str, order: list[int]) -> str:
        shape = self.graph.integers([0, 0, self.heads, self.hidden // self.heads])
        return self.graph.node("Transpose", [self.graph.node("Reshape", [value, shape])], perm=order)

    def _attention(self, state: str, mask: str, prefix: str) -> str:
        graph = self.graph
        query = self._split_heads(self._linear(state, f"{prefix}.self.query"), [0, 2, 1, 3])
        key = self._split_heads(self._linear(state, f"{prefix}.self.key"), [0, 2, 3, 1])
        value = self._split_heads(self._linear(state, f"{prefix}.self.value"), [0, 2, 1, 3])
        scale = graph.scalar(math.sqrt(self.hidden // self.heads))
        scores = graph.node("Div", [graph.node("MatMul", [query, key]), scale])
        weights = graph.node("Softmax", [graph.node("Add", [scores, mask])], axis=-1)
        context = graph.node("Transpose", [graph.node("MatMul", [weights, value])], perm=[0, 2, 1, 3])
        context = graph.node("Reshape", [context, graph.integers([0, 0, self.hidden])])
        return self._linear(context, f"{prefix}.output.dense")

    def _gelu(self, value: str) -> str:
        graph = self.graph
        error = graph.node("Erf", [graph.node("Div", [value, graph.scalar(math.sqrt(2.0))])])
        product = graph.node("Mul", [value, graph.node("Add", [error, graph.scalar(1.0)])])
        return graph.node("Mul", [product, graph.scalar(0.5)])

    def _layer(self, state: str, mask: str, prefix: str) -> str:
        graph = self.graph
        attended = graph.node("Add", [self._attention(state, mask, f"{prefix}.attention"), state])
        attended = self._norm(attended, f"{prefix}.attention.output.LayerNorm")
        inner = self._gelu(self._linear(attended, f"{prefix}.intermediate.dense"))
        outer = graph.node("Add", [self._linear(inner, f"{prefix}.output.dense"), attended])
        return self._norm(outer, f"{prefix}.output.LayerNorm")

    def _pool(self, state: str) -> None:
        graph = self.graph
        mask = graph.node("Unsqueeze", ["attention_mask", graph.integers([2])])
        mask = graph.node("Cast", [mask], to=TensorProto.FLOAT)
        axis = graph.integers([1])
        total = graph.node("ReduceSum", [graph.node("Mul", [state, mask]), axis], keepdims=0)
        count = graph.node("ReduceSum", [mask, axis], keepdims=0)
        mean = graph.node("Div", [total, count])
        norm = graph.node("ReduceL2", [mean], axes=[1], keepdims=1)
        graph.node("Div", [mean, norm], "sentence_embedding")

    def _model(self) -> onnx.ModelProto:
        names = ("input_ids", "attention_mask", "token_type_ids")
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in names]
        shapes = {"last_hidden_state": ["batch", "sequence", self.hidden], "sentence_embedding": ["batch", self.hidden]}
        outputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
        ]
        graph = helper.make_graph(self.graph.nodes, "bert", inputs, outputs, self.graph.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        return model


def build(folder: Path, output: Path) -> tuple[Path, Path]:
    """Writes `minilm-fp32.onnx` and `minilm-int8.onnx` into `output` unless they are there already."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    output.mkdir(parents=True, exist_ok=True)
    fp32, int8 = output / "minilm-fp32.onnx", output / "minilm-int8.onnx"
    if not fp32.exists():
        onnx.save(BertExporter(folder).export(), fp32)
    if not int8.exists():
        # It recommends a preparation that is for models of another origin.
        logging.disable(logging.WARNING)
        quantize_dynamic(fp32, int8, per_channel=True, weight_type=QuantType.QInt8)
        logging.disable(logging.NOTSET)
    return fp32, int8
