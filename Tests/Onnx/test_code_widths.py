"""Codes of other widths than 8 bits between layers, and with scales by block, against ONNX Runtime or ONNX itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from small_graphs import real
from test_quantised_dialects import answers, difference, ours, pack, refusal

WIDTHS = {
    "uint16": TensorProto.UINT16, "int16": TensorProto.INT16, "uint4": TensorProto.UINT4, "int4": TensorProto.INT4,
}  # fmt: skip


def save(path: Path, nodes: list, shape: list, tensors: list, opset: int = 21) -> None:
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)


def marked(source: str, target: str, suffix: str = "") -> list:
    codes = f"{target}_codes"
    return [
        helper.make_node("QuantizeLinear", [source, f"scale{suffix}", f"zero{suffix}"], [codes]),
        helper.make_node("DequantizeLinear", [codes, f"scale{suffix}", f"zero{suffix}"], [target]),
    ]


@pytest.mark.parametrize("kind", WIDTHS)
def test_activations(tmp_path: Path, random: np.random.Generator, kind: str) -> None:
    """Rounded as the file says, where 8 bits are left to the layer behind."""
    source = tmp_path / "wide.onnx"
    zero = {"uint16": 32768, "int16": -7, "uint4": 8, "int4": -1}[kind]
    scale = 0.35 if kind.endswith("4") else 0.0001
    tensors = [
        numpy_helper.from_array(np.float32(scale), "scale"), helper.make_tensor("zero", WIDTHS[kind], [], [zero]),
        numpy_helper.from_array(real(random, 12, 6), "w"),
    ]
    nodes = [*marked("x", "a"), helper.make_node("MatMul", ["a", "w"], ["b"]), *marked("b", "y")]
    save(source, nodes, ["rows", 12], tensors)
    x = {"x": real(random, 5, 12)}
    got, expected = ours(pack(source, "--palette", "f32"), x)[0], answers(source, x)[0]
    # A product beside the middle of two codes may be rounded to the other.
    assert np.abs(got - expected).max() <= 1.001 * scale
    assert (np.abs(got - expected) < scale / 2).mean() > 0.9
    if kind.endswith("4"):
        assert len(np.unique(got)) <= 16


def test_codes_saturate_and_keep_their_zero(tmp_path: Path) -> None:
    source = tmp_path / "ends.onnx"
    tensors = [
        numpy_helper.from_array(np.float32(0.5), "scale"), helper.make_tensor("zero", TensorProto.INT16, [], [100]),
    ]
    save(source, marked("x", "y"), ["n"], tensors)
    x = np.array([0, 0.25, 0.75, -0.25, 1e9, -1e9, 3.3, np.inf, -np.inf], np.float32)
    np.testing.assert_array_equal(ours(pack(source, "--palette", "f32"), {"x": x})[0], answers(source, {"x": x})[0])


@pytest.mark.parametrize("kind", [TensorProto.INT16, TensorProto.UINT8, TensorProto.INT4])
@pytest.mark.parametrize(("axis", "length"), [(1, 4), (1, 5), (2, 3)])
def test_scales_by_block(tmp_path: Path, random: np.random.Generator, axis: int, length: int, kind: int) -> None:
    source = tmp_path / "blocks.onnx"
    blocks = [2, 12, 6]
    blocks[axis] = -(-blocks[axis] // length)
    scales = random.uniform(0.01, 0.2, blocks).astype(np.float32)
    zeros = random.integers(0, 5, blocks)
    tensors = [
        numpy_helper.from_array(scales, "scale"), helper.make_tensor("zero", kind, blocks, zeros.ravel().tolist()),
    ]
    nodes = marked("x", "y")
    for step in nodes:
        step.attribute.extend([helper.make_attribute("axis", axis), helper.make_attribute("block_size", length)])
    save(source, nodes, [2, 12, 6], tensors)
    x = {"x": real(random, 2, 12, 6)}
    expected = ReferenceEvaluator(onnx.load(source)).run(None, x)[0]
    assert difference(ours(pack(source, "--palette", "f32"), x)[0], expected) < 1e-6


def test_whole_numbers_of_a_product_as_real_ones(tmp_path: Path, random: np.random.Generator) -> None:
    """DequantizeLinear of int32 that a run computes."""
    source = tmp_path / "sums.onnx"
    tensors = [numpy_helper.from_array(np.float32(0.25), "scale")]
    nodes = [
        helper.make_node("Cast", ["x"], ["codes"], to=TensorProto.INT32),
        helper.make_node("DequantizeLinear", ["codes", "scale"], ["y"]),
    ]
    save(source, nodes, ["n"], tensors)
    x = {"x": random.integers(-9999, 9999, 40).astype(np.float32)}
    np.testing.assert_array_equal(ours(pack(source, "--palette", "f32"), x)[0], answers(source, x)[0])


def test_refusals(tmp_path: Path, random: np.random.Generator) -> None:
    source = tmp_path / "odd.onnx"
    nodes = marked("x", "y")
    tensors = [
        numpy_helper.from_array(np.float32(0.25), "scale"), helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
    ]
    save(source, nodes, ["n"], tensors)
    assert "codes of type float32" in refusal(source)
    for step in nodes:
        step.attribute.append(helper.make_attribute("block_size", 4))
    save(source, nodes, ["rows", "n"], [numpy_helper.from_array(real(random, 2, 3) ** 2 + 1, "scale"),
                                        helper.make_tensor("zero", TensorProto.INT16, [2, 3], [0] * 6)])  # fmt: skip
    assert "blocks of 4 along a dynamic axis" in refusal(source)


@pytest.mark.parametrize("kind", ["QuantizeLinear", "DequantizeLinear"])
def test_one_block_of_two_thousand_million_is_refused(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "long.onnx"
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "one"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "scale"], ["y"], block_size=2**31),
    ] if kind == "DequantizeLinear" else [helper.make_node(kind, ["x", "scale"], ["y"], block_size=2**31)]  # fmt: skip
    save(source, nodes, [1, 2**31 - 2], [
        numpy_helper.from_array(np.float32(1), "one"), numpy_helper.from_array(np.ones((1, 1), np.float32), "scale"),
    ])  # fmt: skip
    refusal(source)
