"""Nodes of the domain "soniq" that break docs/training.md: soniq-pack refuses each and names the node in one line."""

from __future__ import annotations

import copy
import math
import os
import subprocess

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

TOOL = os.environ.get("SONIQ_PACK")
pytestmark = pytest.mark.skipif(not TOOL, reason="SONIQ_PACK does not name the packer")

LISTS = {
    "weight_code": [1, 2], "weight_bits": [1, 4], "weight_zero": [0, 8], "activation_code": [2, 2],
    "activation_bits": [1, 4], "activation_zero": [0, 7], "activation_scale": [0.5, 0.1], "activation_fixed": 1,
}  # fmt: skip
LINEAR = {
    "operator": "QuantLinear",
    "x": [None, 6],
    "operands": {
        "codes": np.array([[0, 1, 15, 0, 9, 1]] * 3, np.uint8),
        "channel_levels": np.array([0, 0, 1, 1, 1, 0], np.uint8),
        "scales": np.full((2, 3), 0.25, np.float32),
        "offsets": np.zeros((2, 3), np.float32),
        "bias": np.zeros(3, np.float32),
    },
    "attributes": {"layer": "body", **LISTS},
}
WINDOW = {"kernel_shape": [3, 3], "strides": [1, 1], "dilations": [1, 1], "pads": [1, 1, 1, 1], "group": 1}
CONVOLUTION = {
    "operator": "QuantConv",
    "x": [None, 6, 5, 5],
    "operands": LINEAR["operands"] | {"codes": np.tile(LINEAR["operands"]["codes"][:, :, None, None], (1, 1, 3, 3))},
    "attributes": LINEAR["attributes"] | WINDOW,
}
EMBEDDING = {
    "operator": "QuantEmbedding",
    "x": [None, 4],
    "operands": {"codes": np.array([[0, 15, 7, 8]] * 5, np.uint8), "scales": np.full(5, 0.5, np.float16)},
    "attributes": {"layer": "table", "weight_code": [2], "weight_bits": [4], "weight_zero": [8]},
}


def pack(parts: dict, folder) -> subprocess.CompletedProcess:
    """soniq-pack on a model of the one node "the_node"."""
    from onnx import TensorProto, helper, numpy_helper

    operands = [numpy_helper.from_array(array, name) for name, array in parts["operands"].items()]
    node = helper.make_node(
        parts["operator"], ["x", *parts["operands"]], ["y"], name="the_node", domain="soniq", **parts["attributes"]
    )
    kind = TensorProto.INT64 if parts["operator"] == "QuantEmbedding" else TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("x", kind, ["batch", *parts["x"][1:]])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([node], "graph", inputs, outputs, operands)
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("soniq", 1)]
    onnx.save(helper.make_model(graph, opset_imports=versions), folder / "model.onnx")
    command = [TOOL, "pack", folder / "model.onnx", "-o", folder / "model.soniq"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("parts", [LINEAR, CONVOLUTION, EMBEDDING], ids=lambda parts: parts["operator"])
def test_the_node_itself_is_right(tmp_path, parts: dict) -> None:
    result = pack(parts, tmp_path)
    assert result.returncode == 0, result.stderr


def operand(name: str, place: tuple | None, value) -> tuple:
    """The operand with `value` in that place, or in its own place."""
    return "operands", name, place, value


LAYER = [
    operand("codes", (0, 0), 2), operand("codes", (2, 3), 16), operand("codes", (1, 2), 255),
    operand("codes", None, np.zeros(18, np.uint8)), operand("codes", None, np.zeros((3, 6), np.float32)),
    operand("codes", None, np.zeros((0, 6), np.uint8)), operand("codes", None, np.zeros((3, 7), np.uint8)),
    operand("channel_levels", (1,), 2), operand("channel_levels", None, np.zeros(5, np.uint8)),
    operand("channel_levels", None, np.zeros(6, np.float32)),
    operand("scales", (1, 2), -0.25), operand("scales", (0, 0), math.nan), operand("scales", (0, 1), math.inf),
    operand("scales", None, np.ones(3, np.float32)), operand("scales", None, np.ones((2, 3), np.int32)),
    operand("offsets", (1, 0), math.nan), operand("offsets", None, np.zeros((1, 3), np.float32)),
    operand("bias", (0,), math.inf), operand("bias", None, np.zeros(4, np.float32)),
    ("attributes", "weight_code", None, [1, 3]), ("attributes", "weight_code", None, [1, -1]),
    ("attributes", "weight_bits", None, [0, 4]), ("attributes", "weight_bits", None, [1, 9]),
    ("attributes", "weight_bits", None, [1, 2**40]), ("attributes", "weight_zero", None, [0, 16]),
    ("attributes", "weight_zero", None, [0, -1]), ("attributes", "activation_code", None, [0, 2]),
    ("attributes", "activation_bits", None, [1, 9]), ("attributes", "activation_bits", None, [-4, 4]),
    ("attributes", "activation_zero", None, [0, 16]), ("attributes", "activation_zero", None, [0, -(2**62)]),
    ("attributes", "activation_scale", None, [0.5, 0.0]), ("attributes", "activation_scale", None, [-0.5, 0.1]),
    ("attributes", "activation_scale", None, [0.5, math.nan]),
    ("attributes", "activation_scale", None, [math.inf, 1.0]),
    *[("attributes", name, None, [values[0]]) for name, values in LISTS.items() if isinstance(values, list)],
    *[("attributes", name, None, None) for name, values in LISTS.items() if isinstance(values, list)],
    ("attributes", "weight_code", None, [1, 2, 1]),
]  # fmt: skip
OF_CONVOLUTION = [
    ("attributes", "kernel_shape", None, None), ("attributes", "kernel_shape", None, [3]),
    ("attributes", "kernel_shape", None, [3, 0]), ("attributes", "kernel_shape", None, [3, 4]),
    ("attributes", "kernel_shape", None, [2**31, 2**31]), ("attributes", "group", None, 2),
    ("attributes", "group", None, 0), ("attributes", "group", None, -1), ("attributes", "strides", None, [0, 1]),
    ("attributes", "pads", None, [-1, 0, 0, 0]), ("attributes", "dilations", None, [9, 9]),
    ("attributes", "activation_fixed", None, 0),
]  # fmt: skip
OF_EMBEDDING = [
    operand("codes", (0, 0), 16), operand("codes", None, np.zeros(20, np.uint8)),
    operand("codes", None, np.zeros((5, 4), np.float32)), operand("codes", None, np.zeros((0, 4), np.uint8)),
    operand("scales", (0,), math.nan), operand("scales", (1,), -1.0), operand("scales", (1,), math.inf),
    operand("scales", None, np.ones(4, np.float16)), ("attributes", "weight_code", None, [7]),
    ("attributes", "weight_bits", None, [9]), ("attributes", "weight_bits", None, [4, 4]),
    ("attributes", "weight_zero", None, [99]), ("attributes", "weight_zero", None, None),
]  # fmt: skip
CASES = [
    (parts, change)
    for parts, changes in ((LINEAR, LAYER), (CONVOLUTION, LAYER + OF_CONVOLUTION), (EMBEDDING, OF_EMBEDDING))
    for change in changes
]


def changed(parts: dict, change: tuple) -> dict:
    kind, name, place, value = change
    result = copy.deepcopy(parts)
    if place is not None:
        result[kind][name][place] = value
    elif value is None:
        del result[kind][name]
    else:
        result[kind][name] = value
    return result


def shown(value: dict | tuple) -> str:
    if isinstance(value, dict):
        return value["operator"]
    _, name, place, new = value
    of = f"{new.dtype}{list(new.shape)}" if isinstance(new, np.ndarray) else new
    return f"{name}{'' if place is None else list(place)}={of}"


@pytest.mark.parametrize(("parts", "change"), CASES, ids=shown)
def test_every_broken_node_is_named(tmp_path, parts: dict, change: tuple) -> None:
    result = pack(changed(parts, change), tmp_path)
    assert result.returncode == 65, f"{result.returncode}: {result.stderr}"
    assert "the_node" in result.stderr and len(result.stderr.splitlines()) == 1, result.stderr
    assert not (tmp_path / "model.soniq").exists()


@pytest.mark.parametrize("parts", [LINEAR, CONVOLUTION, EMBEDDING], ids=lambda parts: parts["operator"])
def test_operands_that_are_missing_are_named(tmp_path, parts: dict) -> None:
    for name in ("codes", "scales"):
        without = changed(parts, operand(name, None, None))
        result = pack(without, tmp_path)
        assert result.returncode == 65 and "the_node" in result.stderr, (name, result.stderr)
