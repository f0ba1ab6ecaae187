"""Models as ONNX Runtime's quantisation tools write them: their codes are kept, their answers stay."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from exact_session import exact_session
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from small_graphs import real

import soniq

Arrays = dict[str, np.ndarray]


def save(path: Path, nodes: list, inputs: dict[str, tuple], outputs: dict[str, int], constants: Arrays) -> None:
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def perceptron(path: Path, random: np.random.Generator) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], name="first"), helper.make_node("Add", ["a", "b1"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]), helper.make_node("MatMul", ["c", "w2"], ["y"], name="second"),
    ]
    constants = {"w1": real(random, 40, 48), "b1": real(random, 48), "w2": real(random, 48, 12)}
    save(path, nodes, {"x": (TensorProto.FLOAT, ["rows", 40])}, {"y": TensorProto.FLOAT}, constants)


def images(path: Path, random: np.random.Generator) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]), helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2]),
        helper.make_node("Conv", ["c", "w2", "b2"], ["d"], name="second"),
        helper.make_node("LeakyRelu", ["d"], ["f"], alpha=0.1),
        helper.make_node("Conv", ["f", "w3"], ["g"], name="third"), helper.make_node("Add", ["f", "g"], ["h"]),
        helper.make_node("GlobalAveragePool", ["h"], ["i"]), helper.make_node("Flatten", ["i"], ["j"]),
        helper.make_node("Gemm", ["j", "w4", "b4"], ["y"], name="last"),
    ]
    constants = {
        "w1": real(random, 16, 3, 3, 3) / 5, "b1": real(random, 16), "w2": real(random, 24, 16, 3, 3) / 12,
        "b2": real(random, 24), "w3": real(random, 24, 24, 1, 1) / 5, "w4": real(random, 24, 10),
        "b4": real(random, 10),
    }
    save(path, nodes, {"x": (TensorProto.FLOAT, [2, 3, 12, 12])}, {"y": TensorProto.FLOAT}, constants)


def pack(source: Path, *options: str) -> Path:
    output = source.with_suffix(".soniq")
    command = [os.environ["SONIQ_PACK"], "pack", source, "-o", output, *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return output


def refusal(source: Path) -> str:
    command = [os.environ["SONIQ_PACK"], "pack", source, "-o", source.with_suffix(".soniq"), "--palette", "f32"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 65, result.stderr
    return result.stderr


def answers(source: Path, inputs: Arrays) -> list[np.ndarray]:
    return exact_session(source).run(None, inputs)


def ours(packed: Path, inputs: Arrays) -> list[np.ndarray]:
    return [np.array(value) for value in soniq.load(packed)(**inputs).values()]


def difference(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.abs(left - right).max() / np.abs(right).max())


@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("kind", [QuantType.QInt8, QuantType.QUInt8])
def test_dynamic_products(tmp_path: Path, random: np.random.Generator, kind: QuantType, by_channel: bool) -> None:
    perceptron(tmp_path / "plain.onnx", random)
    source = tmp_path / "dynamic.onnx"
    quantize_dynamic(tmp_path / "plain.onnx", source, weight_type=kind, per_channel=by_channel)
    assert "MatMulInteger" in {node.op_type for node in onnx.load(source).graph.node}
    inputs = {"x": real(random, 7, 40)}
    expected = answers(source, inputs)[0]
    # Of the same codes: what is left is the rounding of ONNX Runtime's activations.
    floats = ours(pack(source, "--palette", "f32"), inputs)[0]
    assert difference(floats, expected) < 0.02
    coded = ours(pack(source, "--palette", "8"), inputs)[0]
    assert difference(coded, expected) < 0.02
    assert difference(coded, floats) < 0.02


def test_dynamic_codes_are_kept(tmp_path: Path, random: np.random.Generator) -> None:
    """A packed layer answers as its codes do when its input has no rounding: one element a row."""
    perceptron(tmp_path / "plain.onnx", random)
    source = tmp_path / "dynamic.onnx"
    quantize_dynamic(tmp_path / "plain.onnx", source, weight_type=QuantType.QInt8)
    model = onnx.load(source)
    codes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    first = (codes["w1_quantized"].astype(np.float32) - codes["w1_zero_point"]) * codes["w1_scale"]
    x = np.zeros((40, 40), np.float32)
    np.fill_diagonal(x, 1.0)
    hidden = np.maximum(first + codes["b1"], 0)
    second = (codes["w2_quantized"].astype(np.float32) - codes["w2_zero_point"]) * codes["w2_scale"]
    del model.graph.output[:]
    add = next(node for node in model.graph.node if node.op_type == "Add")
    model.graph.output.append(helper.make_tensor_value_info(add.output[0], TensorProto.FLOAT, None))
    onnx.save(model, tmp_path / "half.onnx")
    packed = pack(tmp_path / "half.onnx", "--palette", "8")
    np.testing.assert_allclose(ours(packed, {"x": x})[0], first + codes["b1"], rtol=1e-5, atol=1e-5)
    whole = ours(pack(source, "--palette", "8"), {"x": x})[0]
    assert difference(whole, hidden @ second) < 0.01
    text = subprocess.run(
        [os.environ["SONIQ_PACK"], "inspect", "--json", packed], capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(text)


@pytest.mark.parametrize("by_channel", [False, True])
def test_dynamic_images(tmp_path: Path, random: np.random.Generator, by_channel: bool) -> None:
    images(tmp_path / "plain.onnx", random)
    source = tmp_path / "dynamic.onnx"
    quantize_dynamic(tmp_path / "plain.onnx", source, per_channel=by_channel)
    assert "ConvInteger" in {node.op_type for node in onnx.load(source).graph.node}
    inputs = {"x": real(random, 2, 3, 12, 12)}
    expected = answers(source, inputs)[0]
    assert difference(ours(pack(source, "--palette", "f32"), inputs)[0], expected) < 0.04
    np.savez(tmp_path / "samples.npz", **inputs)
    packed = pack(source, "--palette", "8", "--calibrate", str(tmp_path / "samples.npz"))
    assert difference(ours(packed, inputs)[0], expected) < 0.05


def coded_bias(source: Path, random: np.random.Generator, kind: str, turn: str = "") -> Arrays:
    """A product whose bias is rounded to codes when the model runs, as early quantisers of ONNX Runtime wrote it."""
    is_image = kind == "Conv"
    x = real(random, 2, 3, 8, 9) if is_image else real(random, 5, 12)
    w = random.integers(0, 256, (6, 3, 3, 3) if is_image else (12, 6)).astype(np.uint8)
    constants = {
        "w": w, "wz": np.uint8(121), "ws": np.float32(0.004), "other": np.float32(0.007), "b": real(random, 6),
        "shape": np.int64([1, 1, 1, 6] if turn == "axis" else [1, -1, 1, 1] if is_image else [1, 6]),
    }  # fmt: skip
    product = "ConvInteger" if is_image else "MatMulInteger"
    attributes = {"pads": [1, 1, 1, 0], "strides": [1, 2]} if is_image else {}
    if turn == "axis":
        attributes = {"pads": [1, 1, 1, 1], "strides": [1, 2], "dilations": [1, 1]}
        x = real(random, 2, 3, 8, 12)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("Mul", ["s", "other" if turn == "scale" else "ws"], ["bs"]),
        helper.make_node("Div", ["b", "bs"], ["quotient"]),
        helper.make_node("Ceil" if turn == "rounding" else "Floor", ["quotient"], ["steps"]),
        helper.make_node("Cast", ["steps"], ["codes"], to=TensorProto.INT32),
        helper.make_node(product, ["q", "w", "z", "wz"], ["sums"], **attributes),
        helper.make_node("Reshape", ["codes", "shape"], ["row"]),
        helper.make_node("Add", ["sums", "row"], ["total"]),
        helper.make_node("Cast", ["total"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["s", "ws"], ["factor"]),
        helper.make_node("Mul", ["number", "factor"], ["y"]),
    ]
    if turn == "used":
        nodes.append(helper.make_node("Identity", ["total"], ["t"]))
    outputs = {"y": TensorProto.FLOAT, **({"t": TensorProto.INT32} if turn == "used" else {})}
    save(source, nodes, {"x": (TensorProto.FLOAT, list(x.shape))}, outputs, constants)
    return {"x": x}


@pytest.mark.parametrize("kind", ["Conv", "MatMul"])
def test_coded_biases_are_part_of_the_layer(tmp_path: Path, random: np.random.Generator, kind: str) -> None:
    source = tmp_path / "old.onnx"
    inputs = coded_bias(source, random, kind)
    expected = answers(source, inputs)[0]
    np.savez(tmp_path / "samples.npz", x=inputs["x"][None])
    for palette, options in (("f32", []), ("8", ["--calibrate", str(tmp_path / "samples.npz")])):
        model = soniq.load(pack(source, "--palette", palette, *options))
        assert difference(np.array(model(**inputs)["y"]), expected) < 0.02
        # Nothing of the codes' arithmetic is left.
        operations = {step.operation for step in model.profile()} - {"tensor.transpose"}
        assert not {name for name in operations if name.startswith("tensor.")}, operations


@pytest.mark.parametrize("turn", ["scale", "rounding", "used", "axis"])
def test_other_biases_are_added_to_the_sums(tmp_path: Path, random: np.random.Generator, turn: str) -> None:
    """What is not the pattern, in one place each, computes as the file says."""
    source = tmp_path / "other.onnx"
    inputs = coded_bias(source, random, "Conv", turn)
    for got, expected in zip(ours(pack(source, "--palette", "f32"), inputs), answers(source, inputs), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


class Samples(CalibrationDataReader):
    def __init__(self, inputs: Arrays) -> None:
        self.left = [inputs]

    def get_next(self) -> Arrays | None:
        return self.left.pop() if self.left else None


@pytest.mark.parametrize("layout", [QuantFormat.QOperator, QuantFormat.QDQ])
@pytest.mark.parametrize("by_channel", [False, True])
def test_static_images(
    tmp_path: Path, random: np.random.Generator, layout: QuantFormat, by_channel: bool
) -> None:
    images(tmp_path / "plain.onnx", random)
    source = tmp_path / "static.onnx"
    inputs = {"x": real(random, 2, 3, 12, 12)}
    quantize_static(
        tmp_path / "plain.onnx", source, Samples(inputs), quant_format=layout, per_channel=by_channel,
        weight_type=QuantType.QInt8,
    )
    expected = answers(source, inputs)[0]
    assert difference(ours(pack(source, "--palette", "f32"), inputs)[0], expected) < 0.04
    np.savez(tmp_path / "samples.npz", **inputs)
    packed = pack(source, "--palette", "8", "--calibrate", str(tmp_path / "samples.npz"))
    assert difference(ours(packed, inputs)[0], expected) < 0.05


@pytest.mark.parametrize("terms", [5, 259, 5000])
def test_integer_products_are_exact(tmp_path: Path, random: np.random.Generator, terms: int) -> None:
    source = tmp_path / "integer.onnx"
    left = random.integers(0, 256, (3, terms)).astype(np.uint8)
    right = random.integers(-128, 128, (terms, 6)).astype(np.int8)
    left[0], right[:, 0] = 255, -128
    zeros = random.integers(-128, 128, 6).astype(np.int8)
    nodes = [helper.make_node("MatMulInteger", ["x", "w", "xz", "wz"], ["y"])]
    save(
        source, nodes, {"x": (TensorProto.UINT8, [3, terms])}, {"y": TensorProto.INT32},
        {"w": right, "xz": np.uint8(7), "wz": zeros},
    )
    expected = (left.astype(np.int64) - 7) @ (right.astype(np.int64) - zeros)
    for palette in ("f32", "8"):
        np.testing.assert_array_equal(ours(pack(source, "--palette", palette), {"x": left})[0], expected)


@pytest.mark.parametrize("palette", ["f32", "8"])
@pytest.mark.parametrize("channels", [3, 40])
def test_integer_convolutions_are_exact(
    tmp_path: Path, random: np.random.Generator, channels: int, palette: str
) -> None:
    source = tmp_path / "integer.onnx"
    x = random.integers(0, 256, (1, channels, 6, 6)).astype(np.uint8)
    w = random.integers(0, 256, (5, channels, 3, 3)).astype(np.uint8)
    nodes = [helper.make_node("ConvInteger", ["x", "w", "xz", "wz"], ["y"], pads=[1, 1, 1, 1])]
    save(
        source, nodes, {"x": (TensorProto.UINT8, [1, channels, 6, 6])}, {"y": TensorProto.INT32},
        {"w": w, "xz": np.uint8(100), "wz": np.uint8(131)},
    )
    np.testing.assert_array_equal(ours(pack(source, "--palette", palette), {"x": x})[0], answers(source, {"x": x})[0])


@pytest.mark.parametrize("numbers", [None, 0.0])
def test_dynamic_quantisation_itself(tmp_path: Path, random: np.random.Generator, numbers: float | None) -> None:
    source = tmp_path / "codes.onnx"
    nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"])]
    kinds = {"q": TensorProto.UINT8, "s": TensorProto.FLOAT, "z": TensorProto.UINT8}
    save(source, nodes, {"x": (TensorProto.FLOAT, ["rows", 9])}, kinds, {})
    x = real(random, 4, 9) if numbers is None else np.full((4, 9), numbers, np.float32)
    for got, expected in zip(ours(pack(source, "--palette", "f32"), {"x": x}), answers(source, {"x": x}), strict=True):
        np.testing.assert_array_equal(got.reshape(expected.shape), expected)
        assert got.dtype == expected.dtype


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ({"w": np.ones((4, 3), np.int8), "ws": np.float32([-1.0]), "wz": np.int8([0])}, "not above 0"),
        ({"w": np.ones((4, 3), np.int8), "ws": np.float32([1, 1]), "wz": np.int8([0])}, "2 scales"),
        ({"w": np.ones((4, 3), np.float32), "ws": np.float32([1]), "wz": np.int8([0])}, "not bytes"),
    ],
)
def test_odd_weights_are_refused(tmp_path: Path, constants: Arrays, words: str) -> None:
    source = tmp_path / "odd.onnx"
    nodes = [helper.make_node("DynamicQuantizeMatMul", ["x", "w", "ws", "wz"], ["y"], domain="com.microsoft")]
    save(source, nodes, {"x": (TensorProto.FLOAT, [2, 4])}, {"y": TensorProto.FLOAT}, constants)
    assert words in refusal(source)


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_lstm_of_codes(
    direction: str, by_row: bool, kind: type, tmp_path: Path, random: np.random.Generator
) -> None:
    """The codes' real numbers in ONNX's own LSTM: ONNX Runtime rounds the activations of its operator besides."""
    directions, hidden, inputs, steps = 1 + (direction == "bidirectional"), 12, 7, 5
    rows = 4 * hidden
    scales_shape = [directions, rows] if by_row else [directions]
    coded, exact = {}, {}
    for name, columns in (("W", inputs), ("R", hidden)):
        codes = random.integers(np.iinfo(kind).min, np.iinfo(kind).max, [directions, columns, rows], endpoint=True)
        scale = random.uniform(0.002, 0.004, scales_shape).astype(np.float32)
        # One for all: what rows of the recurrent matrix must share.
        zero = np.full(scales_shape, random.integers(-3, 4) + (128 if kind is np.uint8 else 0))
        coded |= {name: codes.astype(kind), f"{name}_scale": scale, f"{name}_zero": zero.astype(kind)}
        wide = [directions, 1, -1]
        real_weights = (codes - zero.reshape(wide)).astype(np.float32) * scale.reshape(wide)
        exact[name] = np.ascontiguousarray(real_weights.transpose(0, 2, 1))
    bias = {"B": real(random, directions, 2 * rows)}
    x = real(random, steps, 2, inputs)
    ports = ({"x": (TensorProto.FLOAT, [steps, 2, inputs])}, {"y": TensorProto.FLOAT, "h": TensorProto.FLOAT})
    attributes = {"hidden_size": hidden, "direction": direction}
    reference, source = tmp_path / "exact.onnx", tmp_path / "coded.onnx"
    save(reference, [helper.make_node("LSTM", ["x", "W", "R", "B"], ["y", "h"], **attributes)], *ports, exact | bias)
    names = ["x", "W", "R", "B", "", "", "", "", "W_scale", "W_zero", "R_scale", "R_zero"]
    lstm = helper.make_node("DynamicQuantizeLSTM", names, ["y", "h"], domain="com.microsoft", **attributes)
    save(source, [lstm], *ports, coded | bias)
    packed = soniq.load(pack(source, "--palette", "f32"))
    for actual, expected in zip(packed(x=x).values(), answers(reference, {"x": x}), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5)
    # At 8 bits its weights stay as they are: only activations round.
    coarse = soniq.load(pack(source))
    for actual, expected in zip(coarse(x=x).values(), answers(reference, {"x": x}), strict=True):
        np.testing.assert_allclose(actual, expected, atol=0.02)


def test_lstm_of_codes_without_scales_is_refused(tmp_path: Path, random: np.random.Generator) -> None:
    constants = {
        "W": random.integers(-9, 9, [1, 7, 48]).astype(np.int8),
        "R": random.integers(-9, 9, [1, 12, 48]).astype(np.int8), "three": real(random, 3),
    }  # fmt: skip
    lstm = helper.make_node("DynamicQuantizeLSTM", ["x", "W", "R", "", "", "", "", "", "three", "", "three"], ["y"],
                            domain="com.microsoft", hidden_size=12)  # fmt: skip
    source = tmp_path / "broken.onnx"
    save(source, [lstm], {"x": (TensorProto.FLOAT, [5, 2, 7])}, {"y": TensorProto.FLOAT}, constants)
    assert "the scales of its weights W are missing, or not one a direction" in refusal(source)
