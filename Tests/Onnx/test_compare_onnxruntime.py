"""`soniq.compare` and `python -m soniq.compare`: a packed file against ONNX Runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_compare import Case, network, tool

import soniq


@pytest.fixture
def case(tmp_path: Path, random: np.random.Generator) -> Case:
    return Case(tmp_path, network(random), np.float32(random.standard_normal((12, 3, 20, 20))), "--palette", "4")


def test_outputs_and_layers_are_those_of_onnxruntime(case: Case) -> None:
    found = soniq.compare(case.source, case.packed, {"image": case.images})
    assert (found.samples, found.seed) == (12, None)
    # Inside, this name is that of the image with its channels last.
    assert found.skipped == ["first"]
    session = onnxruntime.InferenceSession(str(case.source), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"image": case.images})[0].astype(np.float64)
    got = np.array(soniq.load(case.packed)(image=case.images)["logits"]).astype(np.float64)
    cosines = (wanted * got).sum(1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(got, axis=1)
    (output,) = found.outputs
    assert output.name == "logits"
    assert output.cosine_min == pytest.approx(cosines.min(), abs=1e-9)
    assert output.largest_difference == pytest.approx(np.abs(wanted - got).max())
    assert output.largest_relative_difference == pytest.approx(np.abs(wanted - got).max() / np.abs(wanted).max())
    assert output.equal_argmax == (wanted.argmax(1) == got.argmax(1)).mean()
    assert 0 < output.import_error < 1e-5
    # Both comparisons see the same layers; images are [batch, channels, height, width] in one and not in the other.
    own = {layer["name"]: layer["error"] for layer in case.document()["layers"]}
    names = [layer.name for layer in found.layers]
    assert [name for name in names if name in ("rectified", "active", "logits")] == ["rectified", "active", "logits"]
    for layer in found.layers:
        assert layer.error == pytest.approx(own[layer.name], rel=1e-3, abs=1e-6)
        assert layer.import_error < 1e-5
    assert found.first_layer(0) == found.layers[0]
    assert found.first_layer(10) is None
    assert found.largest_jump() is not None


def test_names_that_mean_another_value_are_skipped(tmp_path: Path, random: np.random.Generator) -> None:
    """A batch norm is folded into its convolution, whose name then stands for both."""
    width = 8
    tensors = {"w": np.float32(random.standard_normal((width, 3, 3, 3)))}
    tensors |= {name: np.float32(random.uniform(1, 3, width)) for name in ("scale", "bias", "mean", "variance")}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"], pads=[1] * 4),
        helper.make_node("BatchNormalization", ["conv", "scale", "bias", "mean", "variance"], ["norm"]),
        helper.make_node("Relu", ["norm"], ["y"]),
    ]
    sides = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", channels, 8, 8])
        for name, channels in (("image", 3), ("y", width))
    ]
    graph = helper.make_graph(
        nodes, "norm", sides[:1], sides[1:], [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    case = Case(tmp_path, model, np.float32(random.standard_normal((4, 3, 8, 8))), "--palette", "8")
    found = soniq.compare(case.source, case.packed, {"image": case.images})
    assert found.outputs[0].cosine_min > 0.999
    assert all(layer.error < 0.05 for layer in found.layers)
    assert set(found.skipped) <= {"conv"}


def test_random_inputs_say_so(case: Case) -> None:
    first, again, other = (soniq.compare(case.source, case.packed, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.outputs != other.outputs
    assert first.seed == 3
    assert "seed 3: they are not what the model is for" in first.table()


def test_without_the_packer_outputs_alone(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONIQ_PACK", "/nowhere/soniq-pack")
    with pytest.raises(soniq.ComparisonError, match="is no command.*layers=False"):
        soniq.compare(case.source, case.packed, {"image": case.images})
    found = soniq.compare(case.source, case.packed, {"image": case.images}, layers=False, samples=5)
    assert found.layers == []
    assert found.samples == 5
    assert found.outputs[0].cosine_min > 0.9


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_missing_packages_are_named(case: Case, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(soniq.ComparisonError, match=rf"{package} is needed .* pip install soniq\[compare\]"):
        soniq.compare(case.source, case.packed)


def test_the_package_alone_needs_neither() -> None:
    code = "import sys, soniq; sys.exit(any(name in sys.modules for name in ('onnx', 'onnxruntime')))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_does_not_fit_is_refused(case: Case, tmp_path: Path, random: np.random.Generator) -> None:
    for inputs, words in [
        ({"picture": case.images}, "unknown input picture"),
        ({}, "missing input image"),
        ({"image": case.images[:, :2]}, "shape"),
        ({"image": case.images[:0]}, "at least one"),
        ({"image": np.full((2, 3, 8, 8), "a")}, "takes numbers"),
    ]:
        with pytest.raises(soniq.ComparisonError, match=words):
            soniq.compare(case.source, case.packed, inputs)
    with pytest.raises(soniq.ComparisonError, match="samples must be at least 1"):
        soniq.compare(case.source, case.packed, samples=0)
    with pytest.raises(soniq.ComparisonError, match="No such file"):
        soniq.compare(tmp_path / "none.onnx", case.packed)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\xff" * 100)
    with pytest.raises(soniq.ComparisonError, match="not an ONNX file"):
        soniq.compare(broken, case.packed)
    renamed = network(random)
    renamed.graph.output[0].name = renamed.graph.node[-1].output[0] = "scores"
    onnx.save(renamed, tmp_path / "renamed.onnx")
    with pytest.raises(soniq.ComparisonError, match="output logits: .* was the file packed from this model"):
        soniq.compare(tmp_path / "renamed.onnx", case.packed)


def test_the_command(case: Case) -> None:
    command = [sys.executable, "-m", "soniq.compare", str(case.source), str(case.packed), "--inputs", str(case.samples)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert "lowest cosine" in shown.stdout
    assert "the largest jump is at" in shown.stdout
    document = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout)
    assert document["samples"] == 12
    assert document["outputs"][0]["name"] == "logits"
    for odd in (str(case.source), "/nowhere.npz"):
        refused = subprocess.run([*command[:-1], odd], capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert refused.stderr.startswith("soniq.compare: ")


def test_exposed_values_keep_their_bits(case: Case, tmp_path: Path) -> None:
    """`soniq-pack expose`: the outputs do not change, and values may be named."""
    wanted = np.array(soniq.load(case.packed)(image=case.images)["logits"])
    output = tmp_path / "exposed.soniq"
    assert tool("expose", case.packed, "-o", output).returncode == 0
    got = soniq.load(output)(image=case.images)
    assert {"rectified", "active", "logits"} <= set(got)
    assert np.array(got["logits"]).tobytes() == wanted.tobytes()
    assert (np.array(got["rectified"]) >= 0).all()
    assert tool("expose", case.packed, "-o", output, "--value", "active").returncode == 0
    assert [info.name for info in soniq.load(output).outputs] == ["logits", "active"]
    refused = tool("expose", case.packed, "-o", output, "--value", "nothing")
    assert refused.returncode == 64
    assert "--value nothing" in refused.stderr
    assert tool("expose", case.packed, "-o", case.packed).returncode == 64
