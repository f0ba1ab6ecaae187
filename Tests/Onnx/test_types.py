"""Models whose inputs, outputs and constants are float16, int8 and uint8: their types stay, and so do their bits."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from exact_session import exact_session
from onnx import TensorProto, helper, numpy_helper
from small_graphs import Arrays, Nodes, node

import soniq

TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float16): TensorProto.FLOAT16,
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(np.int64): TensorProto.INT64,
}
NARROW = [np.float16, np.int8, np.uint8]


class Typed:
    """A model of inputs given as arrays, and of one output y."""

    def __init__(
        self, folder: Path, nodes: Nodes, inputs: Arrays, output: type, constants: Arrays | None = None
    ) -> None:
        self.inputs, self.output_type = inputs, np.dtype(output)
        described = [
            helper.make_tensor_value_info(name, TYPES[array.dtype], array.shape) for name, array in inputs.items()
        ]
        graph = helper.make_graph(
            list(nodes), "graph", described, [helper.make_tensor_value_info("y", TYPES[self.output_type], None)],
            [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        self.source, self.packed = folder / "model.onnx", folder / "model.soniq"
        onnx.save(model, self.source)

    def pack(self, *options: str) -> soniq.Model:
        command = [os.environ["SONIQ_PACK"], "pack", self.source, "-o", self.packed, *options]
        subprocess.run(command, capture_output=True, text=True, check=True)
        model = soniq.load(self.packed, threads=2)
        assert {info.name: info.dtype for info in model.inputs} == {k: v.dtype for k, v in self.inputs.items()}
        assert [info.dtype for info in model.outputs] == [self.output_type]
        return model

    def run(self, *options: str) -> np.ndarray:
        return self.pack(*(options or ("--palette", "f32")))(**self.inputs)["y"]

    def expected(self) -> np.ndarray:
        session = exact_session(self.source)
        return session.run(["y"], self.inputs)[0]


def numbers(random: np.random.Generator, dtype: type, *shape: int) -> np.ndarray:
    if dtype == np.float16:
        return random.standard_normal(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max + 1, shape).astype(dtype)


@pytest.mark.parametrize("dtype", NARROW)
def test_elements_that_are_moved_are_moved_as_they_are(
    dtype: type, tmp_path: Path, random: np.random.Generator
) -> None:
    nodes = [
        node("Transpose", "x", "t", perm=[0, 2, 1]),
        node("Concat", "t c", "j", axis=1),
        node("Slice", "j begin end axes step", "s"),
        node("Pad", "s pads fill", "p"),
        node("Reshape", "p shape", "r"),
        node("Where", "condition r one", "w"),
        node("Gather", "w places", "y", axis=1),
    ]
    constants = {
        "c": numbers(random, dtype, 2, 3, 5), "begin": np.array([6]), "end": np.array([0]), "axes": np.array([1]),
        "step": np.array([-2]), "pads": np.array([0, 1, 0, 0, 0, 1]), "fill": np.array(3, dtype),
        "shape": np.array([2, 24]), "one": np.array([1], dtype), "places": np.array([23, 0, 7, 7]),
        "condition": np.arange(24) % 5 != 0,
    }
    model = Typed(tmp_path, nodes, {"x": numbers(random, dtype, 2, 5, 4)}, dtype, constants)
    assert np.array_equal(model.run(), model.expected())
    casts = [report.kernel for report in soniq.load(model.packed).kernels() if report.operation == "tensor.cast"]
    assert casts == [], "nothing is computed"


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("channels_last", [True, False])
def test_images_of_bytes(dtype: type, channels_last: bool, tmp_path: Path, random: np.random.Generator) -> None:
    """As a camera gives them: cast, normalised and multiplied by a first convolution."""
    nodes = [
        node("Cast", "x", "f", to=TensorProto.FLOAT),
        *([node("Transpose", "f", "planes", perm=[0, 3, 1, 2])] if channels_last else []),
        node("Sub", "planes mean" if channels_last else "f mean", "c"),
        node("Mul", "c deviation", "n"),
        node("Conv", "n w b", "z", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", "z", "a"),
        node("Conv", "a v", "y", kernel_shape=[1, 1]),
    ]
    constants = {
        "mean": np.array([123.7, 116.3, 103.5], np.float32).reshape(1, 3, 1, 1),
        "deviation": np.array([0.0171, 0.0175, 0.0174], np.float32).reshape(1, 3, 1, 1),
        "w": random.standard_normal((8, 3, 3, 3)).astype(np.float32) / 5,
        "b": random.standard_normal(8).astype(np.float32),
        "v": random.standard_normal((4, 8, 1, 1)).astype(np.float32) / 3,
    }
    shape = (2, 13, 17, 3) if channels_last else (2, 3, 13, 17)
    model = Typed(tmp_path, nodes, {"x": numbers(random, dtype, *shape)}, np.float32, constants)
    expected = model.expected()
    assert np.allclose(model.run(), expected, rtol=1e-4, atol=1e-4)
    samples = tmp_path / "samples.npy"
    np.save(samples, model.inputs["x"])
    coarse = model.run("--palette", "8", "--calibrate", str(samples))
    steps = [report.operation for report in soniq.load(model.packed).kernels()]
    # Bytes are transposed, and everything on floats is of the pass that makes the codes.
    first = steps[: steps.index("quantize image")]
    assert first == [*([] if channels_last else ["tensor.transpose"]), "tensor.cast", "tensor.binary", "tensor.binary"]
    assert np.corrcoef(coarse.ravel(), expected.ravel())[0, 1] > 0.995


def test_the_cast_of_an_image_is_no_pass_over_a_float_image(tmp_path: Path, random: np.random.Generator) -> None:
    """Planes of bytes change their places as bytes; the floats of a row are made where they are read."""
    nodes = [
        node("Cast", "x", "f", to=TensorProto.FLOAT),
        node("Conv", "f w", "y", kernel_shape=[3, 3]),
    ]
    weights = random.standard_normal((16, 3, 3, 3)).astype(np.float32)
    model = Typed(tmp_path, nodes, {"x": numbers(random, np.uint8, 1, 3, 256, 256)}, np.float32, {"w": weights})
    samples = tmp_path / "samples.npy"
    np.save(samples, model.inputs["x"])
    packed = model.pack("--palette", "8", "--calibrate", str(samples))
    names = [report.operation for report in packed.kernels()]
    assert names.index("tensor.transpose") < names.index("tensor.cast")
    output = 16 * 254 * 254 * 4
    # The output is made with channels last, then with channels first; a float image would be 786 kB more.
    image = 3 * 256 * 256
    assert packed._existing_sessions()[0].statistics()["workspace_bytes"] < 2 * output + 3 * image


def test_a_model_of_float16(tmp_path: Path, random: np.random.Generator) -> None:
    nodes = [
        node("MatMul", "x w", "p"), node("Add", "p b", "s"), node("Relu", "s", "r"), node("MatMul", "r v", "y"),
    ]
    constants = {
        "w": numbers(random, np.float16, 32, 48) / np.float16(6), "b": numbers(random, np.float16, 48),
        "v": numbers(random, np.float16, 48, 5) / np.float16(6),
    }
    model = Typed(tmp_path, nodes, {"x": numbers(random, np.float16, 7, 32)}, np.float16, constants)
    result, x = model.run(), model.inputs["x"].astype(np.float64)
    w, b, v = (array.astype(np.float64) for array in constants.values())
    exact = np.maximum(x @ w + b, 0) @ v
    # One rounding at the end, where float16 throughout has one after each operation.
    assert np.allclose(result, exact, rtol=2**-10, atol=1e-5)
    assert np.allclose(model.expected(), exact, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("target", [np.uint8, np.int8])
def test_whole_numbers_keep_their_low_bits(target: type, tmp_path: Path, random: np.random.Generator) -> None:
    x = np.array([-300, -129, -128, -1, 0, 1, 127, 128, 255, 256, 70000, -(2**31), 2**31 - 1], np.int32)
    nodes = [node("Cast", "x", "b", to=TYPES[np.dtype(target)])]
    inside = [*nodes, node("Cast", "b", "f", to=TensorProto.FLOAT), node("Mul", "f half", "y")]
    model = Typed(tmp_path, inside, {"x": x}, np.float32, {"half": np.array([0.5], np.float32)})
    assert np.array_equal(model.run(), x.astype(target).astype(np.float32) / 2)
    assert np.array_equal(model.run(), model.expected())
    ends = [node("Identity", "x", "i"), node("Cast", "i", "y", to=TYPES[np.dtype(target)])]
    model = Typed(tmp_path, ends, {"x": x}, target)
    assert np.array_equal(model.run(), x.astype(target))


@pytest.mark.parametrize("target", [np.uint8, np.int8])
def test_real_numbers_saturate(target: type, tmp_path: Path) -> None:
    x = np.array([-1e9, -300, -129, -128.5, -0.9, 0.9, 1.5, 127.9, 128, 255.9, 256, 1e9, np.nan, np.inf], np.float32)
    limits = np.iinfo(target)
    expected = np.clip(np.trunc(np.nan_to_num(x, nan=0)), limits.min, limits.max).astype(target)
    model = Typed(tmp_path, [node("Cast", "x", "y", to=TYPES[np.dtype(target)])], {"x": x}, target)
    assert np.array_equal(model.run(), expected)


@pytest.mark.parametrize("dtype", NARROW)
def test_an_input_may_be_an_output(dtype: type, tmp_path: Path, random: np.random.Generator) -> None:
    model = Typed(tmp_path, [node("Identity", "x", "y")], {"x": numbers(random, dtype, 3, 4)}, dtype)
    assert np.array_equal(model.run(), model.inputs["x"])


def test_arithmetic_between_bytes_is_of_whole_numbers(tmp_path: Path, random: np.random.Generator) -> None:
    inputs = {"a": numbers(random, np.uint8, 50), "b": numbers(random, np.uint8, 50)}
    model = Typed(tmp_path, [node("Add", "a b", "y")], inputs, np.uint8)
    assert np.array_equal(model.run(), inputs["a"] + inputs["b"])
    compared = [node("Greater", "a b", "c"), node("Cast", "c", "y", to=TensorProto.INT8)]
    model = Typed(tmp_path, compared, inputs, np.int8)
    assert np.array_equal(model.run(), (inputs["a"] > inputs["b"]).astype(np.int8))


@pytest.mark.parametrize("dtype", NARROW)
def test_a_table_of_narrow_numbers_stays_narrow(dtype: type, tmp_path: Path, random: np.random.Generator) -> None:
    """One that is looked up in along its second axis, which is no embedding."""
    table = numbers(random, dtype, 40, 1000)
    nodes = [node("Gather", "table ids", "g", axis=1), node("Cast", "g", "y", to=TensorProto.FLOAT)]
    inputs = {"ids": random.integers(0, 1000, (3, 2)).astype(np.int32)}
    model = Typed(tmp_path, nodes, inputs, np.float32, {"table": table})
    assert np.array_equal(model.run(), table[:, inputs["ids"]].astype(np.float32))
    assert model.packed.stat().st_size < table.nbytes + 4096


def test_a_part_of_an_axis_of_whole_numbers(tmp_path: Path, random: np.random.Generator) -> None:
    """An axis that was split to cut it, as the mask of a step of Keras is."""
    nodes = [node("Reshape", "x three", "r"), node("Slice", "r begin end one", "c"), node("Mul", "c c", "y")]
    constants = {"three": np.array([2, 3, 2]), "begin": np.array([1]), "end": np.array([2]), "one": np.array([1])}
    inputs = {"x": random.integers(-9, 9, (2, 6)).astype(np.int32)}
    model = Typed(tmp_path, nodes, inputs, np.int32, constants)
    assert np.array_equal(model.run(), inputs["x"][:, None, 2:4] ** 2)


def test_a_mask_of_bytes(tmp_path: Path, random: np.random.Generator) -> None:
    """A mask that has no default: it is compared, not given to arithmetic of its own."""
    nodes = [
        node("Cast", "mask", "f", to=TensorProto.FLOAT), node("Unsqueeze", "f axis", "m"),
        node("Mul", "x m", "masked"), node("ReduceSum", "masked one", "y", keepdims=0),
    ]
    inputs = {"x": random.standard_normal((2, 5, 8)).astype(np.float32), "mask": numbers(random, np.uint8, 2, 5) % 2}
    model = Typed(tmp_path, nodes, inputs, np.float32, {"axis": np.array([2]), "one": np.array([1])})
    assert np.allclose(model.run(), model.expected(), rtol=1e-5, atol=1e-5)


def test_floats_for_bytes_are_refused(tmp_path: Path, random: np.random.Generator) -> None:
    model = Typed(tmp_path, [node("Identity", "x", "y")], {"x": numbers(random, np.uint8, 3)}, np.uint8)
    packed = model.pack("--palette", "f32")
    with pytest.raises(ValueError, match="takes integers, not float32"):
        packed(x=np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="0...255"):
        packed(x=np.array([0, 256, 1]))
    assert np.array_equal(packed(x=[1, 2, 255])["y"], [1, 2, 255])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("palette", ["f32", "8"])
@pytest.mark.parametrize("zero", [0, 3])
def test_codes_from_the_host_and_codes_put_out(
    dtype: type, palette: str, zero: int, tmp_path: Path, random: np.random.Generator
) -> None:
    """A quantised network whose ends are quantised too: the first layer takes the host's codes as they are."""
    nodes = [
        node("DequantizeLinear", "x sx zx", "r"),
        node("DequantizeLinear", "w sw zw", "weights", axis=0),
        node("Conv", "r weights", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("QuantizeLinear", "c sy zy", "y"),
    ]
    constants = {
        "sx": np.float32(0.04), "zx": np.array(zero, dtype), "sy": np.float32(0.11), "zy": np.array(5, dtype),
        "w": random.integers(-127, 128, (6, 4, 3, 3)).astype(np.int8), "zw": np.zeros(6, np.int8),
        "sw": random.uniform(0.001, 0.01, 6).astype(np.float32),
    }
    model = Typed(tmp_path, nodes, {"x": numbers(random, dtype, 2, 4, 9, 11)}, dtype, constants)
    samples = tmp_path / "samples.npy"
    np.save(samples, model.inputs["x"])
    calibration = () if palette == "f32" else ("--calibrate", str(samples))
    result, expected = model.run("--palette", palette, *calibration), model.expected()
    differences = np.abs(result.astype(int) - expected.astype(int))
    # Sums are rounded in another order, at the border between two codes.
    assert differences.max() <= 1 and (differences != 0).mean() < 0.01
    assert len(np.unique(expected)) > 50


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_codes_with_a_scale_for_each_channel(dtype: type, tmp_path: Path, random: np.random.Generator) -> None:
    scales = random.uniform(0.01, 0.1, 3).astype(np.float32)
    constants = {"s": scales, "z": np.array([1, 0, 7], dtype), "t": np.float32(0.5), "u": np.array(1, dtype)}
    x = random.standard_normal((2, 3, 5)).astype(np.float32) * 9
    model = Typed(tmp_path, [node("QuantizeLinear", "x s z", "y", axis=1)], {"x": x}, dtype, constants)
    assert np.array_equal(model.run(), model.expected())
    back = [node("Transpose", "x", "moved", perm=[0, 2, 1]), node("DequantizeLinear", "moved s z", "y", axis=2)]
    model = Typed(tmp_path, back, {"x": numbers(random, dtype, 2, 3, 5)}, np.float32, constants)
    assert np.array_equal(model.run(), model.expected())
    whole = [node("DequantizeLinear", "x t u", "y")]
    model = Typed(tmp_path, whole, {"x": numbers(random, dtype, 40)}, np.float32, constants)
    assert np.array_equal(model.run(), model.expected())


def test_codes_that_are_moved_before_they_are_put_out_are_refused(tmp_path: Path) -> None:
    nodes = [node("QuantizeLinear", "x s z", "q"), node("Transpose", "q", "y")]
    model = Typed(
        tmp_path, nodes, {"x": np.zeros((2, 3), np.float32)}, np.uint8, {"s": np.float32(1), "z": np.uint8(0)})
    with pytest.raises(subprocess.CalledProcessError) as failure:
        model.pack("--palette", "f32")
    assert failure.value.returncode == 65 and "output y" in failure.value.stderr
