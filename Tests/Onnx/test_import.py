"""Models as PyTorch exports them, packed from ONNX, against ONNX Runtime. Library and tool are those that
.ci/with-library names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import soniq

MODELS = sorted((Path(__file__).parent / "models").glob("*.onnx"))
# In float mode: float32 sums in another order. Of the largest absolute output.
FLOAT_TOLERANCE = 1e-5
# At 8 bits: relative distance of the outputs, ||a - b|| / ||b||. Measured: 0.001 to 0.008.
EIGHT_BIT_TOLERANCE = 0.02
SIZES = {"batch": 3, "sequence": 9}


def inputs_of(path: Path, count: int = SIZES["batch"], seed: int = 7) -> dict[str, np.ndarray]:
    """Random inputs in the model's shapes; masks that hide the ends of some sequences."""
    random = np.random.default_rng(seed)
    inputs = {}
    for info in onnx.load(path).graph.input:
        sizes = {**SIZES, "batch": count}
        shape = [size.dim_value or sizes[size.dim_param] for size in info.type.tensor_type.shape.dim]
        if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            inputs[info.name] = random.standard_normal(shape).astype(np.float32)
        elif info.name == "attention_mask":
            lengths = random.integers(2, shape[1] + 1, shape[0])
            inputs[info.name] = (np.arange(shape[1]) < lengths[:, None]).astype(np.int64)
        else:
            inputs[info.name] = random.integers(0, 2 if info.name == "token_type_ids" else 97, shape)
    return inputs


def pack(path: Path, output: Path, *options: str | Path) -> Path:
    command = [os.environ["SONIQ_PACK"], "pack", path, "-o", output, *options]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return output


def run(path: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    def narrow(array: np.ndarray) -> np.ndarray:
        return array if array.dtype == np.float32 else array.astype(np.int32)

    outputs = soniq.load(path)(**{name: narrow(array) for name, array in inputs.items()})
    return {name: np.array(outputs[name]) for name in outputs}


def reference(path: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def distance(got: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_float_mode_equals_onnxruntime(model: Path, tmp_path: Path) -> None:
    packed = pack(model, tmp_path / "model.soniq", "--palette", "f32")
    for count in (1, 3):
        inputs = inputs_of(model, count)
        wanted = reference(model, inputs)
        got = run(packed, inputs)
        assert got.keys() == wanted.keys()
        for name, array in wanted.items():
            assert got[name].shape == array.shape
            assert np.abs(got[name] - array).max() <= FLOAT_TOLERANCE * np.abs(array).max()


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "unet"])
def test_both_exporters_pack_to_the_same_numbers(name: str, tmp_path: Path) -> None:
    paths = [model for model in MODELS if model.stem.startswith(f"{name}-")]
    assert len(paths) == 2
    inputs = inputs_of(paths[0])
    outputs = [run(pack(path, tmp_path / f"{path.stem}.soniq", "--palette", "f32"), inputs) for path in paths]
    for key, array in outputs[0].items():
        np.testing.assert_allclose(outputs[1][key], array, rtol=0, atol=FLOAT_TOLERANCE * np.abs(array).max())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "unet", "encoder", "decoder", "decoder_sdpa"])
def test_eight_bits_stay_within_the_quantisation_error(name: str, tmp_path: Path) -> None:
    model = Path(__file__).parent / f"models/{name}-legacy.onnx"
    np.savez(tmp_path / "calibration.npz", **inputs_of(model, 48, seed=1))
    packed = pack(model, tmp_path / "model.soniq", "--palette", "8", "--calibrate", tmp_path / "calibration.npz")
    inputs = inputs_of(model)
    wanted = reference(model, inputs)
    for key, array in run(packed, inputs).items():
        assert distance(array, wanted[key]) <= EIGHT_BIT_TOLERANCE


@pytest.mark.parametrize("model", [model for model in MODELS if "coder" in model.stem], ids=lambda path: path.stem)
def test_attention_is_one_operation(model: Path, tmp_path: Path) -> None:
    packed = soniq.load(pack(model, tmp_path / "model.soniq", "--palette", "f32"))
    operations = [report.operation for report in packed.kernels()]
    assert operations.count("attention") == 2 and "softmax" not in " ".join(operations), operations


def test_a_mask_that_is_not_causal_is_added(tmp_path: Path) -> None:
    source = onnx.load(Path(__file__).parent / "models/decoder-dynamo.onnx")
    (mask,) = (tensor for tensor in source.graph.initializer if tensor.name == "mask")
    numbers = onnx.numpy_helper.to_array(mask).copy()
    numbers[3, 4] = 0
    mask.CopyFrom(onnx.numpy_helper.from_array(numbers, "mask"))
    model = tmp_path / "model.onnx"
    onnx.save(source, model)
    packed = pack(model, tmp_path / "model.soniq", "--palette", "f32")
    assert [report.operation for report in soniq.load(packed).kernels()].count("attention") == 2
    inputs = inputs_of(model)
    wanted = reference(model, inputs)["logits"]
    assert np.abs(run(packed, inputs)["logits"] - wanted).max() <= FLOAT_TOLERANCE * np.abs(wanted).max()


class Images:
    """What ONNX Runtime's quantiser calibrates on."""

    def __init__(self, model: Path) -> None:
        images = inputs_of(model, 32, seed=1)["image"]
        self._batches = iter([{"image": images[start : start + 8]} for start in range(0, 32, 8)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_models_quantised_before_keep_their_codes(name: str, per_channel: bool, tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    model = Path(__file__).parent / f"models/{name}-legacy.onnx"
    quantised = tmp_path / "int8.onnx"
    quantize_static(
        model,
        quantised,
        Images(model),
        quant_format=QuantFormat.QDQ,
        per_channel=per_channel,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    packed = pack(quantised, tmp_path / "model.soniq")
    listing = subprocess.run(
        [os.environ["SONIQ_PACK"], "inspect", packed], check=True, capture_output=True, text=True
    ).stdout
    assert "f32" not in listing
    inputs = inputs_of(model)
    wanted = reference(model, inputs)["logits"]
    rival = reference(quantised, inputs)["logits"]
    got = run(packed, inputs)["logits"]
    # Nothing is rounded that the model does not round: no further from the real numbers than the model itself.
    assert distance(got, wanted) <= 1.1 * distance(rival, wanted) + 1e-3


def test_the_tool_names_every_node_that_it_does_not_know(tmp_path: Path) -> None:
    helper = onnx.helper
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Det", ["x"], ["y"], name="first"),
        helper.make_node("MaxRoiPool", ["x"], ["z"], name="second"),
    ]
    graph = helper.make_graph(nodes, "odd", [value("x", 1, [2, 3, 3])], [value("y", 1, None), value("z", 1, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "odd.onnx")
    output = tmp_path / "odd.soniq"
    command = [os.environ["SONIQ_PACK"], "pack", tmp_path / "odd.onnx", "-o", output]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 65
    assert "unknown operators Det (1: first), MaxRoiPool (1: second)" in result.stderr
    assert not output.exists()
