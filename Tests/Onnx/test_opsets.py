"""Operators as opsets before 11 wrote them, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper
from small_graphs import Make, node, real

PICTURE = [1, 3, 4, 6]
LINE = [2, 3, 8]
CASES = {
    "clip": (7, [node("Clip", "x", "y", min=-0.5, max=0.25)], LINE, {}),
    "clip below only": (7, [node("Clip", "x", "y", min=0.0)], LINE, {}),
    "slice": (9, [node("Slice", "x", "y", starts=[1, -5], ends=[3, 9999], axes=[1, 2])], LINE, {}),
    "slice of all axes": (9, [node("Slice", "x", "y", starts=[0, 1, 2], ends=[1, 2, -1])], LINE, {}),
    "pad": (10, [node("Pad", "x", "y", pads=[0, 1, 0, 0, 0, 2], value=0.5)], LINE, {}),
    "pad by reflection": (7, [node("Pad", "x", "y", pads=[0, 0, 2, 0, 0, 1], mode="reflect")], LINE, {}),
    "upsample 7": (7, [node("Upsample", "x", "y", scales=[1.0, 1.0, 2.0, 3.0])], PICTURE, {}),
    "upsample 9": (9, [node("Upsample", "x s", "y", mode="linear")], PICTURE, {"s": [1, 1, 2, 2]}),
    "resize 10": (10, [node("Resize", "x s", "y", mode="nearest")], PICTURE, {"s": [1, 1, 1.5, 2]}),
    "resize 10, linear": (10, [node("Resize", "x s", "y", mode="linear")], PICTURE, {"s": [1, 1, 2, 0.5]}),
    "softmax of all behind an axis": (8, [node("Softmax", "x", "y", axis=1)], LINE, {}),
    "squeeze": (7, [node("Unsqueeze", "x", "u", axes=[0]), node("Squeeze", "u", "y", axes=[0])], LINE, {}),
    "split": (7, [node("Split", "x", "a b", axis=2, split=[3, 5]), node("Concat", "b a", "y", axis=2)], LINE, {}),
    "dropout": (7, [node("Dropout", "x", "y", ratio=0.3)], LINE, {}),
    "batch norm": (8, [node("BatchNormalization", "x g g g v", "y")], PICTURE,
                   {"g": [0.5, 2.0, -1.0], "v": [1.0, 0.25, 4.0]}),
    "sums": (7, [node("ReduceSum", "x", "y", axes=[1], keepdims=0)], LINE, {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_older_opsets(kind: str, make: Make, random: np.random.Generator) -> None:
    opset, nodes, shape, constants = CASES[kind]
    model = make(nodes, {"x": shape}, {name: np.array(numbers, np.float32) for name, numbers in constants.items()})
    file = onnx.load(model.source)
    file.opset_import[0].CopyFrom(helper.make_opsetid("", opset))
    onnx.save(file, model.source)
    model.expect({"x": real(random, *shape)})
