"""Trained models through soniq-pack and libsoniq: what PyTorch computed is what is deployed."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from networks import residual
from test_export import MODES, trained

import soniq

TOOL = os.environ.get("SONIQ_PACK")
pytestmark = pytest.mark.skipif(not TOOL, reason="SONIQ_PACK does not name the packer")
AXES = {"image": {0: "batch"}, "logits": {0: "batch"}}


def packed(quantization, images, folder) -> soniq.Model:
    quantization.export(folder / "model.onnx", images[:2], inputs=["image"], outputs=["logits"], dynamic=AXES)
    command = [TOOL, "pack", folder / "model.onnx", "-o", folder / "model.soniq"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return soniq.load(folder / "model.soniq")


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_outputs_are_those_of_training(tmp_path, mode: dict) -> None:
    network, images = residual()
    quantization = trained(network, images, mode)
    model = packed(quantization, images, tmp_path)
    expected = quantization(images).detach().numpy()
    actual = next(iter(model(image=images.numpy()).values()))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_levels_are_those_of_training(tmp_path) -> None:
    network, images = residual()
    quantization = trained(network, images, {"target_bits": 4.5})
    model = packed(quantization, images, tmp_path)
    levels = {report.level for report in model.kernels() if report.operation.startswith("convolution")}
    assert any("1x1" in level for level in levels) and any("4x4" in level for level in levels), levels
