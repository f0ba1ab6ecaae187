"""Single layers and token models through soniq-pack and libsoniq: codes are packed as they are, outputs agree."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import Attending, tokens
from test_export import MODES, trained

import soniq
from soniq.qat import Quantization, prepare

pytest.importorskip("onnx")


TOOL = os.environ.get("SONIQ_PACK")
pytestmark = pytest.mark.skipif(not TOOL, reason="SONIQ_PACK does not name the packer")


def packed(quantization: Quantization, example, path: Path, axes: dict) -> soniq.Model:
    quantization.export(path, example, inputs=["x"], outputs=["y"], dynamic={"x": axes})
    result = path.with_suffix(".soniq")
    subprocess.run([TOOL, "pack", str(path), "-o", str(result)], check=True, timeout=120)
    return soniq.load(result, verify=True, threads=1)


def agree(model: soniq.Model, inputs: torch.Tensor, expected: torch.Tensor, part: float = 1e-4) -> None:
    """Outputs are equal up to float rounding, but for the few values that rounding moves to another code."""
    kind = np.float32 if inputs.is_floating_point() else np.int32
    outputs = model(x=inputs.numpy().astype(kind))["y"]
    reference = expected.detach().numpy()
    difference = np.abs(outputs - reference) / np.abs(reference).max()
    assert np.median(difference) < part and difference.max() < 0.1


@pytest.mark.parametrize("mode", [{"target_bits": 8.5}, *MODES[1:]], ids=str)
def test_tokens(tmp_path, mode: dict) -> None:
    network, ids = tokens()
    quantization = trained(network, ids, mode)
    model = packed(quantization, ids, tmp_path / "m.onnx", {0: "batch", 1: "positions"})
    agree(model, ids, quantization(ids))


@pytest.mark.parametrize("fused", [True, False], ids=["one layer", "three"])
def test_attention_is_one_operation_with_one_product_for_its_inputs(tmp_path, fused: bool) -> None:
    network, ids = Attending(fused).eval(), torch.randint(50, (8, 12))
    quantization = prepare(network, [ids], palette=[(2, 8)], end_bits=None)
    quantization.freeze()
    model = packed(quantization.eval(), ids, tmp_path / "m.onnx", {0: "batch", 1: "positions"})
    operations = [report.operation for report in model.kernels()]
    assert operations.count("linear") == 2, operations
    agree(model, ids, quantization(ids), part=1e-6)


@pytest.mark.parametrize("levels", [[(1, 1)], [(2, 8)], [(1, 1), (4, 4)], [(2, 8), (8, 8)]], ids=str)
@pytest.mark.parametrize("kind", ["linear", "convolution", "padded", "signal"])
def test_single_layers_give_the_same_numbers(tmp_path, kind: str, levels: list) -> None:
    """One layer: no rounding comes before its codes, so that they are equal and outputs differ by the last bits."""
    layers = {
        "linear": (torch.nn.Linear(80, 24), (5, 80)),
        "convolution": (torch.nn.Conv2d(40, 24, 3, stride=2), (2, 40, 9, 9)),
        "padded": (torch.nn.Conv2d(40, 24, 3, padding=1), (2, 40, 6, 6)),
        "signal": (torch.nn.Conv1d(40, 24, 5, padding=2, dilation=1), (2, 40, 17)),
    }
    layer, shape = layers[kind]
    x = torch.randn(shape)
    target = {"target_bits": 16} if len(levels) == 2 else {}
    quantization = prepare(torch.nn.Sequential(layer), [x], palette=levels, end_bits=None, **target)
    if len(levels) == 2:
        inner = quantization.layers()["0"]
        inner.set_channel_levels((torch.arange(inner.channels) % 3 == 0).to(torch.uint8))
        inner.search_weight_scales()
    model = packed(quantization.eval(), x, tmp_path / "m.onnx", {0: "batch"})
    expected = quantization.layers()["0"].integer_forward(x).detach().numpy()
    np.testing.assert_allclose(
        model(x=x.numpy())["y"], expected, rtol=2e-6, atol=3e-6 * np.abs(expected).max()
    )
