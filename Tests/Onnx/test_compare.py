"""`soniq-pack compare`: what it says against what ONNX Runtime and the library compute, and its errors."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import soniq

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def tool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [os.environ["SONIQ_PACK"], *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def network(random: np.random.Generator, width: int = 8, size: str | int = "height") -> onnx.ModelProto:
    """Two convolutions and a classifier of images of any size."""
    tensors = {
        "first.w": random.standard_normal((width, 3, 3, 3)) * 0.3,
        "first.b": random.standard_normal(width),
        "second.w": random.standard_normal((width, width, 3, 3)) * 0.15,
        "second.b": random.standard_normal(width),
        "dense.w": random.standard_normal((width, 10)) * 0.5,
    }
    nodes = [
        helper.make_node("Conv", ["image", "first.w", "first.b"], ["first"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["first"], ["rectified"]),
        helper.make_node("Conv", ["rectified", "second.w", "second.b"], ["second"], pads=[1] * 4),
        helper.make_node("Relu", ["second"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense.w"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("image", FLOAT, ["batch", 3, size, size])],
        [helper.make_tensor_value_info("logits", FLOAT, ["batch", 10])],
        [numpy_helper.from_array(np.float32(array), name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Case:
    """A packed network with its samples."""

    def __init__(self, folder: Path, model: onnx.ModelProto, images: np.ndarray, *options: str) -> None:
        self.source, self.packed = folder / "model.onnx", folder / "model.soniq"
        self.samples, self.images = folder / "samples.npz", images
        onnx.save(model, self.source)
        np.savez(self.samples, image=images)
        result = tool("pack", self.source, "-o", self.packed, "--calibrate", self.samples, *options)
        assert result.returncode == 0, result.stderr

    def compare(self, *options: str | Path) -> subprocess.CompletedProcess[str]:
        return tool("compare", self.source, self.packed, *options)

    def document(self, *options: str | Path) -> dict:
        result = self.compare("--inputs", self.samples, "--json", *options)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture
def case(tmp_path: Path, random: np.random.Generator) -> Case:
    return Case(tmp_path, network(random), np.float32(random.standard_normal((12, 3, 20, 20))), "--palette", "4")


def test_outputs_are_those_of_both_libraries(case: Case) -> None:
    session = onnxruntime.InferenceSession(str(case.source), providers=["CPUExecutionProvider"])
    reference = session.run(None, {"image": case.images})[0].astype(np.float64)
    packed = np.array(soniq.load(case.packed)(image=case.images)["logits"]).astype(np.float64)
    cosines = (reference * packed).sum(1) / np.linalg.norm(reference, axis=1) / np.linalg.norm(packed, axis=1)
    difference = np.abs(reference - packed).max()
    (output,) = case.document()["outputs"]
    assert output["name"] == "logits"
    assert output["samples"] == output["rows"] == 12
    assert output["cosine_min"] == pytest.approx(cosines.min(), abs=1e-5)
    assert output["largest_difference"] == pytest.approx(difference, rel=1e-3, abs=1e-5)
    assert output["largest_relative_difference"] == pytest.approx(difference / np.abs(reference).max(), rel=1e-3)
    same = (reference.argmax(1) == packed.argmax(1)).mean()
    assert output["equal_argmax"] == pytest.approx(same, abs=0.09)


def test_layers_come_in_order_with_what_each_adds(case: Case) -> None:
    document = case.document()
    layers = document["layers"]
    names = [layer["name"] for layer in layers]
    assert [name for name in names if name in ("rectified", "active", "logits")] == ["rectified", "active", "logits"]
    errors = {layer["name"]: layer["error"] for layer in layers}
    assert 0 < errors["rectified"] < errors["active"] < 0.5
    for layer in layers:
        assert layer["added"] == pytest.approx(layer["error"] - errors.get(layer["after"], 0))
    jump = max(layers, key=lambda layer: layer["added"])
    assert document["largest_jump"] == jump["name"]
    assert document["first_beyond_threshold"] == next((n for n in names if errors[n] > 0.1), None)
    low = case.document("--threshold", "0")
    assert low["first_beyond_threshold"] == names[0]


def test_a_float_file_differs_in_nothing(tmp_path: Path, random: np.random.Generator) -> None:
    images = np.float32(random.standard_normal((5, 3, 16, 16)))
    document = Case(tmp_path, network(random), images, "--palette", "f32").document()
    assert all(layer["error"] == 0 for layer in document["layers"])
    assert document["outputs"][0]["largest_difference"] == 0
    assert document["largest_jump"] is document["first_beyond_threshold"] is None


def test_the_table_shows_as_many_layers_as_asked_for(case: Case) -> None:
    whole = case.compare("--inputs", case.samples)
    assert whole.returncode == 0, whole.stderr
    assert "lowest cosine" in whole.stdout
    assert "they part at" in whole.stdout or "no layer has an error above" in whole.stdout
    assert "the largest jump is at" in whole.stdout
    count = len(case.document()["layers"])
    short = case.compare("--inputs", case.samples, "--layers", "1").stdout.splitlines()
    assert len(short) == len(whole.stdout.splitlines()) - (count - 1)
    outputs = case.compare("--inputs", case.samples, "--layers", "0").stdout
    assert "layer" not in outputs.replace(str(case.source.parent), "")


def test_made_up_inputs_say_so_and_follow_the_seed(case: Case) -> None:
    first, again, other = (case.compare("--seed", seed) for seed in ("4", "4", "5"))
    assert first.returncode == 0, first.stderr
    assert "seed 4" in first.stdout
    assert "Random numbers are not what the model is for" in first.stdout
    assert first.stdout == again.stdout
    assert first.stdout.replace("seed 4", "seed 5") != other.stdout


def test_sizes_that_packing_fixed_are_taken_from_the_file(tmp_path: Path, random: np.random.Generator) -> None:
    images = np.float32(random.standard_normal((4, 3, 24, 24)))
    case = Case(tmp_path, network(random), images, "--shape", "image=?,3,24,24", "--maximum", "batch=3")
    document = case.document()
    assert document["samples"] == 4
    assert document["outputs"][0]["samples"] == 4


def test_masks_are_inputs_too(tmp_path: Path, random: np.random.Generator) -> None:
    """Rows that a mask hides are larger than all others: the outputs show whether it was given."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["weights"], to=FLOAT),
        helper.make_node("Unsqueeze", ["weights", "last"], ["wide"]),
        helper.make_node("Mul", ["rows", "wide"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["sum"], keepdims=0),
        helper.make_node("MatMul", ["sum", "w"], ["y"]),
    ]
    table = np.float32(random.standard_normal((30, 16)))
    table[0] = 1e4
    tensors = {"table": table, "w": np.float32(random.standard_normal((16, 4)))}
    tensors |= {"last": np.array([2]), "middle": np.array([1])}
    inputs = [helper.make_tensor_value_info(n, INT64, ["batch", "length"]) for n in ("input_ids", "attention_mask")]
    graph = helper.make_graph(
        nodes, "masked", inputs, [helper.make_tensor_value_info("y", FLOAT, ["batch", 4])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    packed = tool("pack", tmp_path / "m.onnx", "-o", tmp_path / "m.soniq", "--palette", "f32")
    assert packed.returncode == 0, packed.stderr
    ids = random.integers(1, 30, (6, 5))
    ids[:, 3:] = 0
    mask = np.int64(ids != 0)
    np.savez(tmp_path / "masked.npz", input_ids=ids, attention_mask=mask)
    np.savez(tmp_path / "plain.npz", input_ids=ids)
    lengths = {}
    for name in ("masked", "plain"):
        files = (tmp_path / "m.onnx", tmp_path / "m.soniq", "--inputs", tmp_path / f"{name}.npz")
        result = tool("compare", *files, "--json")
        assert result.returncode == 0, result.stderr
        lengths[name] = json.loads(result.stdout)["outputs"][0]["largest_magnitude"]
    assert lengths["plain"] > 100 * lengths["masked"]


def test_inputs_that_packing_fixed_are_to_be_named(tmp_path: Path, random: np.random.Generator) -> None:
    nodes = [
        helper.make_node("MatMul", ["image", "w"], ["h"]),
        helper.make_node("Mul", ["h", "factor"], ["y"]),
    ]
    sides = [helper.make_tensor_value_info(name, FLOAT, ["batch", 8]) for name in ("image", "y")]
    inputs = [sides[0], helper.make_tensor_value_info("factor", FLOAT, [1])]
    weights = numpy_helper.from_array(np.float32(random.standard_normal((8, 8))), "w")
    graph = helper.make_graph(nodes, "fixed", inputs, sides[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    case = Case(tmp_path, model, np.float32(random.standard_normal((6, 8))), "--value", "factor=3")
    assert "input factor" in error(case.compare("--inputs", case.samples), 65)
    (output,) = case.document("--value", "factor=3")["outputs"]
    assert output["cosine_min"] > 0.999
    assert output["largest_relative_difference"] < 0.05
    (doubled,) = case.document("--value", "factor=6")["outputs"]
    assert doubled["largest_relative_difference"] == pytest.approx(0.5, abs=0.05)
    assert "--value" in error(case.compare("--value", "factor"), 64)
    assert "--rounds" in error(case.compare("--rounds", "0"), 64)


def error(result: subprocess.CompletedProcess[str], code: int) -> str:
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("soniq-pack: ")
    return result.stderr


def test_another_model_is_refused(case: Case, random: np.random.Generator) -> None:
    other = network(random)
    other.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    other.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros((8, 4, 3, 3), np.float32), "first.w"))
    onnx.save(other, case.source)
    message = error(case.compare("--inputs", case.samples), 65)
    assert "input image" in message
    assert "was the file packed from this model?" in message

    renamed = network(random)
    renamed.graph.output[0].name = renamed.graph.node[-1].output[0] = "scores"
    onnx.save(renamed, case.source)
    message = error(case.compare("--inputs", case.samples), 65)
    assert "output logits" in message
    assert "was the file packed from this model?" in message


def test_layers_of_other_names_are_refused(case: Case, random: np.random.Generator) -> None:
    renamed = network(random)
    for node in renamed.graph.node:
        for names in (node.input, node.output):
            names[:] = [name if name in ("image", "logits") or "." in name else f"{name}'" for name in names]
    onnx.save(renamed, case.source)
    assert "no layer has one name in both models" in error(case.compare("--inputs", case.samples), 65)
    assert case.compare("--inputs", case.samples, "--layers", "0").returncode == 0


def test_states_are_refused(case: Case) -> None:
    decoder = Path(__file__).parents[1] / "SoniqFormatTests/Golden/version3-states.soniq"
    message = error(tool("compare", case.source, decoder), 65)
    assert "the model has states" in message
    assert "pack it without --state" in message


ODD_SAMPLES = {
    "other name": (65, {"picture": np.zeros((2, 3, 8, 8), np.float32)}, "tensor image: missing"),
    "other channels": (65, {"image": np.zeros((2, 4, 8, 8), np.float32)}, "the model's input is"),
    "too large": (65, {"image": np.zeros((1, 3, 5000, 8), np.float32)}, "4096"),
    "no samples": (65, {"image": np.zeros((0, 3, 8, 8), np.float32)}, "at least one"),
    "text": (65, {"image": np.full((2, 3, 8, 8), "a")}, "image"),
}


@pytest.mark.parametrize("name", ODD_SAMPLES)
def test_samples_that_do_not_fit_are_refused(case: Case, name: str) -> None:
    code, arrays, words = ODD_SAMPLES[name]
    np.savez(case.samples, **arrays)
    assert words in error(case.compare("--inputs", case.samples), code)


def test_missing_files_and_wrong_options(case: Case, tmp_path: Path) -> None:
    error(tool("compare", case.source, tmp_path / "none.soniq"), 66)
    error(tool("compare", tmp_path / "none.onnx", case.packed), 66)
    error(case.compare("--inputs", tmp_path / "none.npz"), 66)
    error(tool("compare", case.source, case.source), 65)
    for option, value in [("--samples", "0"), ("--layers", "-1"), ("--threshold", "nan"), ("--threshold", "-1")]:
        assert option in error(case.compare(f"{option}={value}"), 64)


def test_help_has_examples() -> None:
    result = tool("compare", "--help")
    assert result.returncode == 0
    assert "soniq-pack compare resnet18.onnx resnet18.soniq --inputs images.npz" in result.stdout
