"""Encoders as today's Transformers and both exporters of PyTorch write them, with dynamic batch and length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from test_import import distance, pack, reference, run

import soniq

MODELS = sorted((Path(__file__).parent / "encoders").glob("*.onnx"))
SEED = 11
TOLERANCE = 1e-4
# Of ||a - b|| / ||b||. Measured: 0.003 to 0.011.
EIGHT_BIT_TOLERANCE = 0.03


def inputs_of(path: Path, batch: int, length: int) -> dict[str, np.ndarray]:
    """Random inputs; of a batch, each sequence is two positions shorter than the one before, the rest is padding."""
    random = np.random.default_rng(SEED)
    lengths = np.maximum(1, length - 2 * np.arange(batch))[:, None]
    inputs: dict[str, np.ndarray] = {}
    for info in onnx.load(path).graph.input:
        if info.name == "pixel_values":
            inputs[info.name] = random.standard_normal((batch, 3, 16, 16)).astype(np.float32)
        elif info.name == "attention_mask":
            inputs[info.name] = (np.arange(length) < lengths).astype(np.int64)
        elif info.name == "token_type_ids":
            inputs[info.name] = random.integers(0, 2, (batch, length))
        else:
            # 1 is the padding of RoBERTa and MPNet, whose positions are counted without it.
            inputs[info.name] = np.where(np.arange(length) < lengths, random.integers(2, 97, (batch, length)), 1)
    return inputs


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_outputs_are_those_of_onnxruntime(model: Path, tmp_path: Path) -> None:
    packed = pack(model, tmp_path / "model.soniq", "--palette", "f32")
    for batch, length in ((1, 1), (1, 7), (3, 9), (5, 33)):
        inputs = inputs_of(model, batch, length)
        wanted = reference(model, inputs)["last_hidden_state"]
        got = run(packed, inputs)["last_hidden_state"]
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= TOLERANCE, f"seed {SEED}, batch {batch}, length {length}"


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_attention_is_one_operation(model: Path, tmp_path: Path) -> None:
    packed = pack(model, tmp_path / "model.soniq", "--palette", "f32")
    operations = [kernel.operation for kernel in soniq.load(packed).kernels()]
    assert operations.count("attention") == 2
    assert "tensor.softmax" not in operations


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_eight_bits_stay_within_the_quantisation_error(model: Path, tmp_path: Path) -> None:
    inputs = inputs_of(model, 4, 16)
    options: list[str | Path] = []
    if "pixel_values" in inputs:
        np.savez(tmp_path / "samples.npz", **inputs)
        options = ["--calibrate", tmp_path / "samples.npz"]
    got = run(pack(model, tmp_path / "model.soniq", *options), inputs)["last_hidden_state"]
    assert distance(got, reference(model, inputs)["last_hidden_state"]) < EIGHT_BIT_TOLERANCE


def test_sizes_that_must_agree_are_compared(tmp_path: Path) -> None:
    """The new exporter names the batch of each input anew; a run in which they differ names the inputs."""
    model = Path(__file__).parent / "encoders/bert-dynamo.onnx"
    packed = soniq.load(pack(model, tmp_path / "model.soniq", "--palette", "f32"))
    inputs = {name: array.astype(np.int32) for name, array in inputs_of(model, 2, 5).items()}
    inputs["attention_mask"] = inputs["attention_mask"][:1]
    with pytest.raises(soniq.SoniqError, match="attention_mask"):
        packed(**inputs)
