"""Writes ONNX graphs of convolutional networks operator by operator, the way PyTorch exports them.

Batch norm is folded into the convolutions, as the exporter does it for a network in evaluation mode. Weights are
random with a fixed seed, scaled so that activations keep their size from layer to layer (He et al. 2015): the
time of a layer does not depend on its weights, and calibration meets no overflow.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class GraphBuilder:
    """Collects nodes and weights. Values are handed on by name; `channels` and `sizes` know their shapes."""

    def __init__(self, name: str, seed: int = 1) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.channels: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._random = np.random.default_rng(seed)

    def image(self, channels: int, size: int) -> str:
        """The input "image", float32 [batch, channels, size, size]."""
        shape = ["batch", channels, size, size]
        self._inputs.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, shape))
        self.channels["image"], self.sizes["image"] = channels, size
        return "image"

    def convolution(
        self, value: str, outputs: int, kernel: int, stride: int = 1, groups: int = 1, gain: float = math.sqrt(2)
    ) -> str:
        """With bias and half the kernel of padding. `gain` is the size of the results for inputs of size 1."""
        inputs = self.channels[value] // groups
        deviation = gain / math.sqrt(inputs * kernel * kernel)
        weights = self._normal((outputs, inputs, kernel, kernel), deviation)
        padding = kernel // 2
        result = self._node(
            "Conv", [value, weights, self._normal((outputs,), 0.1)], kernel_shape=[kernel] * 2, strides=[stride] * 2,
            pads=[padding] * 4, dilations=[1, 1], group=groups,
        )
        self.channels[result] = outputs
        self.sizes[result] = (self.sizes[value] + 2 * padding - kernel) // stride + 1
        return result

    def relu(self, value: str) -> str:
        return self._like(value, self._node("Relu", [value]))

    def relu6(self, value: str) -> str:
        limits = [self._weight(np.array(limit, np.float32)) for limit in (0, 6)]
        return self._like(value, self._node("Clip", [value, *limits]))

    def add(self, left: str, right: str) -> str:
        return self._like(left, self._node("Add", [left, right]))

    def maximum_pool(self, value: str) -> str:
        """3 x 3, stride 2."""
        result = self._node("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=0)
        self.channels[result], self.sizes[result] = self.channels[value], (self.sizes[value] - 1) // 2 + 1
        return result

    def classifier(self, value: str, classes: int) -> None:
        """Mean over the image and one linear layer, to the output "logits" [batch, classes]."""
        features = self._node("Flatten", [self._node("GlobalAveragePool", [value])], axis=1)
        channels = self.channels[value]
        weights = self._normal((classes, channels), 1 / math.sqrt(channels))
        self._node("Gemm", [features, weights, self._normal((classes,), 0.1)], "logits", alpha=1.0, beta=1.0, transB=1)
        self._output("logits", ["batch", classes])

    def enlarge(self, value: str, factor: int) -> None:
        """Channels to pixels, as PyTorch's pixel shuffle, to the output "enlarged"."""
        self._node("DepthToSpace", [value], "enlarged", blocksize=factor, mode="CRD")
        size = self.sizes[value] * factor
        self._output("enlarged", ["batch", self.channels[value] // factor**2, size, size])

    def output(self, value: str) -> None:
        """Makes a value the output "features"."""
        self._node("Identity", [value], "features")
        self._output("features", ["batch", self.channels[value], self.sizes[value], self.sizes[value]])

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, self.name, self._inputs, self._outputs, self.weights)
        # The oldest ir_version of the opset: every reader takes it.
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        model.producer_name = "soniq bench/models, random weights"
        onnx.checker.check_model(model, full_check=True)
        return model

    def _output(self, name: str, shape: list[str | int]) -> None:
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def _normal(self, shape: tuple[int, ...], deviation: float) -> str:
        values = self._random.standard_normal(shape, np.float32)
        return self._weight(values * np.float32(deviation))

    def _weight(self, array: np.ndarray) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str | None = None, **attributes) -> str:
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind}_{len(self.nodes)}", **attributes))
        return output

    def _like(self, value: str, result: str) -> str:
        self.channels[result], self.sizes[result] = self.channels[value], self.sizes[value]
        return result
