"""Transformers answer in libsoniq as they do in PyTorch in evaluation mode: bit for bit where sums have one order."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
import torch
from attention_networks import ByHandBlock, Decoder, Encoder, TorchEncoder, Vision, inputs_of
from test_export import trained

import soniq

pytest.importorskip("onnx")
TOOL = os.environ.get("SONIQ_PACK")
pytestmark = pytest.mark.skipif(not TOOL, reason="SONIQ_PACK does not name the packer")

NETWORKS = {
    "vision": Vision,
    "vision by hand": lambda: Vision(ByHandBlock, bias=False, approximate="tanh"),
    "encoder": Encoder,
    "decoder": Decoder,
    "PyTorch's encoder": lambda: TorchEncoder(batch_first=True, norm_first=False),
    "PyTorch's, positions first": lambda: TorchEncoder(batch_first=False, norm_first=True),
}
MODES = {
    "w1a1+w4a4": {"palette": [(1, 1), (4, 4)], "target_bits": 5.0}, "w2a2": {"palette": [(2, 2)]},
    "w4a4": {"palette": [(4, 4)]}, "w8a8": {"palette": [(8, 8)]},
    "gdnsq": {"method": "gdnsq", "palette": [(2, 2)]},
}  # fmt: skip
ROWS = 48


def packed(quantization, inputs: dict, folder, options: tuple = (), dynamic: tuple[int, ...] = (0,)) -> soniq.Model:
    path = folder / "model.onnx"
    axes = {name: {axis: f"axis{axis}" for axis in dynamic} for name in [*inputs, "y"]}
    example = {name: value[:2] for name, value in inputs.items()}
    quantization.export(path, example, inputs=list(inputs), outputs=["y"], dynamic=axes)
    command = [TOOL, "pack", path, "-o", folder / "model.soniq", *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return soniq.load(folder / "model.soniq", threads=1)


def arrays(inputs: dict) -> dict[str, np.ndarray]:
    return {
        name: value.numpy() if value.is_floating_point() else value.numpy().astype(np.int32)
        for name, value in inputs.items()
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NETWORKS)
def test_answers_are_those_of_pytorch(tmp_path, name: str, mode: str) -> None:
    network = NETWORKS[name]().eval()
    inputs = inputs_of(network, ROWS)
    quantization = trained(network, inputs, MODES[mode])
    model = packed(quantization, inputs, tmp_path)
    assert [report.operation for report in model.kernels()].count("attention") == 2
    with torch.no_grad():
        expected = quantization(**inputs).numpy()
    answers = model(**arrays(inputs))["y"]
    assert np.array_equal(answers.argmax(-1), expected.argmax(-1))
    np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_other_lengths_than_that_of_the_example(tmp_path) -> None:
    network = TorchEncoder(batch_first=True, norm_first=False).eval()
    inputs = inputs_of(network, ROWS)
    quantization = trained(network, inputs, MODES["w4a4"])
    model = packed(quantization, inputs, tmp_path, dynamic=(0, 1))
    shorter = {name: value[:5, :7].contiguous() for name, value in inputs.items()}
    expected = quantization(**shorter).detach().numpy()
    np.testing.assert_allclose(model(**arrays(shorter))["y"], expected, rtol=0, atol=1e-6)


class Both(torch.nn.Module):
    """What attention computes, and a layer behind it that training leaves to the packer."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.left_out = torch.nn.Linear(5, 3)

    def forward(self, ids, mask):
        y = self.encoder(ids, mask)
        return y, self.left_out(y)


def test_attention_beside_layers_of_the_packer_has_integers(tmp_path) -> None:
    network = Both().eval()
    inputs = inputs_of(network, ROWS)
    quantization = trained(network, inputs, {"palette": [(4, 4)], "skip": ["left_out"]})
    np.savez(tmp_path / "samples.npz", **arrays(inputs))
    model = packed(quantization, inputs, tmp_path, ("--calibrate", tmp_path / "samples.npz"))
    assert {report.level for report in model.kernels() if report.operation == "attention"} == {"8x8"}
    with torch.no_grad():
        expected = quantization(**inputs)[0].numpy()
    np.testing.assert_allclose(model(**arrays(inputs))["y"], expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    # What the loss sees differs by codes at ties alone.
    quantization.train()
    for module in quantization.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    trained_with = quantization(**inputs)[0].detach().numpy()
    assert np.median(np.abs(trained_with - expected)) < 2e-3 * np.abs(expected).max()


def test_gradients_pass_integer_attention() -> None:
    network = Both()
    inputs = inputs_of(network, 8)
    quantization = trained(network, inputs, {"palette": [(8, 8)], "skip": ["left_out"]}).train()
    quantization(**inputs)[0].square().sum().backward()
    network(**inputs)[0].square().sum().backward()
    own = quantization.model.encoder.layers[0].inputs
    for layer, source in zip(own, network.encoder.layers[0].inputs, strict=True):
        cosine = torch.cosine_similarity(layer.weight.grad.flatten(), source.weight.grad.flatten(), dim=0)
        assert float(cosine) > 0.7, float(cosine)


def test_other_methods_have_the_arithmetic_too() -> None:
    network = Encoder().eval()
    inputs = inputs_of(network, 8)
    quantization = trained(network, inputs, {"palette": [(4, 4)]})
    inner = type(network).forward
    with quantization.arithmetic():
        inside = inner(quantization.model, **inputs)
    assert torch.equal(inside, quantization(**inputs))
    assert not torch.equal(inside, inner(quantization.model, **inputs))


def test_outputs_can_be_saved_and_models_copied(tmp_path) -> None:
    network = Decoder().eval()
    inputs = inputs_of(network, 8)
    quantization = trained(network, inputs, {"palette": [(4, 4)]})
    expected = quantization(**inputs)
    torch.save(expected.detach(), tmp_path / "logits.pt")
    assert torch.equal(torch.load(tmp_path / "logits.pt", weights_only=True), expected)
    assert not vars(quantization(**inputs).detach())
    with torch.inference_mode():
        assert torch.equal(quantization(**inputs), expected)
    torch.save(quantization.deployed(), tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    assert type(loaded).__name__ == "Decoder" and isinstance(loaded, Decoder)
    assert torch.equal(loaded(**inputs), expected)
