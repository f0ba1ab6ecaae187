"""Nodes that are valid but seldom written so, and nodes that are not: taken as they are meant, or refused in words that
name the fault."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

import soniq

X = np.random.default_rng(13).standard_normal((2, 8)).astype(np.float32)
IMAGE = np.random.default_rng(14).standard_normal((1, 3, 6, 6)).astype(np.float32)


def node(kind: str, inputs: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), ["y"], name="the_node", **attributes)


def save(folder: Path, nodes: list, tensors: dict[str, object], shape: tuple[int | str, ...] = (2, 8)) -> Path:
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()],
    )
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def pack(path: Path) -> subprocess.CompletedProcess[str]:
    command = [os.environ["SONIQ_PACK"], "pack", path, "-o", path.with_suffix(".soniq"), "--palette", "f32"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def refusal(path: Path) -> str:
    result = pack(path)
    assert result.returncode == 65, result.stderr
    assert not path.with_suffix(".soniq").exists()
    assert "the_node" in result.stderr
    return result.stderr


def output(path: Path, x: np.ndarray) -> np.ndarray:
    result = pack(path)
    assert result.returncode == 0, result.stderr
    return np.array(soniq.load(path.with_suffix(".soniq"))(x=x)["y"])


# Each attribute as another type than the operator says it is.
MISTYPED = {
    "text for a number": (node("Softmax", "x", axis="0"), "axis is of type string, not int"),
    "real for a number": (node("Softmax", "x", axis=0.0), "axis is of type float, not int"),
    "list for a number": (node("Softmax", "x", axis=[0]), "axis is of type ints, not int"),
    "number for a real": (node("LeakyRelu", "x", alpha=1), "alpha is of type int, not float"),
    "number for a list": (node("Transpose", "x", perm=1), "perm is of type int, not ints"),
    "number for text": (node("Gelu", "x", approximate=1), "approximate is of type int, not string"),
    "reals for a flag": (node("ReduceMean", "x", keepdims=[0.5]), "keepdims is of type floats, not int"),
    "real for a tensor": (node("ConstantOfShape", "shape", value=1.0), "value is of type float, not tensor"),
}


@pytest.mark.parametrize("name", MISTYPED)
def test_attributes_of_other_types_are_refused(name: str, tmp_path: Path) -> None:
    made, words = MISTYPED[name]
    assert words in refusal(save(tmp_path, [made], {"shape": np.array([2, 8])}))


def test_attributes_of_a_function_that_is_not_there_are_refused(tmp_path: Path) -> None:
    made = node("Softmax", "x")
    made.attribute.append(AttributeProto(name="axis", type=AttributeProto.INT, ref_attr_name="outer"))
    assert "attribute axis refers to one of a function" in refusal(save(tmp_path, [made], {}))


def test_a_value_of_0_may_be_left_out_as_proto3_writers_do(tmp_path: Path) -> None:
    zero = node("Softmax", "x", axis=0)
    path = save(tmp_path, [zero], {})
    wanted = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": X})[0]
    zero.attribute[0].ClearField("i")
    np.testing.assert_allclose(output(save(tmp_path, [zero], {}), X), wanted, rtol=1e-5)


def sliced(start: int, end: int, step: int) -> dict[str, np.ndarray]:
    return {"a": np.array([start]), "b": np.array([end]), "c": np.array([1]), "d": np.array([step])}


@pytest.mark.parametrize("step", [2**62, 2**31, 8, -8, -(2**62), -(2**63)])
def test_slices_of_one_element_may_have_any_step(step: int, tmp_path: Path) -> None:
    bounds = sliced(1, 2**63 - 1, step) if step > 0 else sliced(1, -(2**63), step)
    path = save(tmp_path, [node("Slice", "x a b c d")], bounds)
    np.testing.assert_array_equal(output(path, X), X[:, 1:2])


def whole(kind: str, *numbers: int) -> tuple[list[onnx.NodeProto], dict[str, object]]:
    """x and the whole number that an operator makes of constants."""
    names = "abc"[: len(numbers)]
    made = helper.make_node(kind, list(names), ["whole"], name="the_node")
    nodes = [made, helper.make_node("Cast", ["whole"], ["real"], to=TensorProto.FLOAT), node("Add", "x real")]
    nodes[2].name = "sum"
    return nodes, {name: np.int64(number) for name, number in zip(names, numbers, strict=True)}


WITHOUT_RESULT = {
    "division by 0": ("Div", 4, 0),
    "remainder by 0": ("Mod", 4, 0),
    "least number by -1": ("Div", -(2**63), -1),
    "product": ("Mul", 2**62, 2),
    "sum": ("Add", 2**63 - 1, 1),
    "power": ("Pow", 3, 200),
    "range of step 0": ("Range", 0, 8, 0),
}


@pytest.mark.parametrize("name", WITHOUT_RESULT)
def test_arithmetic_of_constants_without_a_result_is_not_called_dynamic(name: str, tmp_path: Path) -> None:
    nodes, tensors = whole(*WITHOUT_RESULT[name])
    message = refusal(save(tmp_path, nodes, tensors))
    assert "a step of 0" in message if name.startswith("range") else "no result among the whole numbers" in message
    assert "dynamic" not in message


def test_a_slice_of_step_0_is_not_called_dynamic(tmp_path: Path) -> None:
    assert "a step of 0" in refusal(save(tmp_path, [node("Slice", "x a b c d")], sliced(0, 8, 0)))


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("pads", [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 3]])
def test_pools_of_nothing_but_padding_are_refused(kind: str, pads: list[int], tmp_path: Path) -> None:
    made = node(kind, "x", kernel_shape=[2, 2], pads=pads)
    assert "padding alone" in refusal(save(tmp_path, [made], {}, IMAGE.shape))
    made = node(kind, "x", kernel_shape=[2, 2], pads=[min(pad, 1) for pad in pads])
    assert np.isfinite(output(save(tmp_path, [made], {}, IMAGE.shape), IMAGE)).all()


@pytest.mark.parametrize("factor", [-(2**63), -(2**62), 2**63 - 1])
def test_factors_of_sizes_at_the_ends_of_int64(tmp_path: Path, factor: int) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]), helper.make_node("Mul", ["shape", "factor"], ["half"]),
        helper.make_node("Add", ["half", "half"], ["whole"]),
        helper.make_node("Concat", ["half", "whole"], ["both"], axis=0),
        helper.make_node("Cast", ["both"], ["y"], to=TensorProto.FLOAT),
    ]  # fmt: skip
    source = save(tmp_path, nodes, {"factor": np.array([factor])}, ("b", "n"))
    result = pack(source)
    assert result.returncode == 65, result.stderr
    assert not source.with_suffix(".soniq").exists()
