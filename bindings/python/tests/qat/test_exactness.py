"""Codes of weights and int32 accumulators of trainer and libsoniq are equal, for every pair of levels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import soniq
from soniq.qat import Precision, QuantConv1d, QuantConv2d, QuantLinear

OUTPUTS, CHANNELS, ROWS = 19, 70, 5
PRECISIONS = [
    Precision(1, 1, "bipolar", "bipolar"), Precision(1, 1, "bipolar", "affine"), Precision(2, 2, "bipolar", "bipolar"),
    Precision(2, 8, "bipolar", "affine"), Precision(3, 5, "bipolar", "bipolar"), Precision(4, 4, "bipolar", "bipolar"),
    Precision(4, 4, "affine", "affine"), Precision(4, 8, "bipolar", "affine"), Precision(6, 7, "bipolar", "bipolar"),
    Precision(8, 8, "affine", "affine"),
]  # fmt: skip
PAIRS = [(first,) for first in PRECISIONS] + [
    pair
    for pair in itertools.combinations(PRECISIONS, 2)
    if len({(level.weight_bits, level.activation_bits) for level in pair}) == 2
]


def name(levels: tuple[Precision, ...]) -> str:
    return "+".join(f"{level.label}-{level.weight_code[0]}{level.activation_code[0]}" for level in levels)


def c_level(level: Precision) -> soniq.Level:
    return soniq.Level(level.weight_bits, level.activation_bits, level.weight_code, level.activation_code)


def linear(levels: tuple[Precision, ...]) -> QuantLinear:
    layer = QuantLinear(torch.nn.Linear(CHANNELS, OUTPUTS), levels)
    layer.calibrate(-4.0, 4.0, torch.randn(500))
    layer.set_channel_levels((torch.arange(CHANNELS) % 3 == 0).to(torch.uint8) * (len(levels) - 1))
    layer.search_weight_scales()
    # The packer finds a scale again when a row reaches both ends of its range.
    with torch.no_grad():
        for index, level in enumerate(levels):
            chosen = (layer.channel_levels == index).nonzero().flatten()
            top = 2**level.weight_bits - 1 if level.weight_code == "bipolar" else 2 ** (level.weight_bits - 1) - 1
            scale = 2.0 ** -(index + 3)
            layer.weight_scale[index] = scale
            layer.weight[:, chosen] *= scale * top * 4
            layer.weight[:, chosen[0]] = scale * top
            layer.weight[:, chosen[1]] = -scale * top
    return layer


@pytest.mark.parametrize("levels", PAIRS, ids=name)
def test_linear_layers(levels: tuple[Precision, ...]) -> None:
    layer = linear(levels)
    integers = layer.weight_integers().numpy()
    scales = layer.scales_of_weights().detach().numpy()[layer.channel_levels.numpy()].T
    matrix = soniq.Matrix(
        (integers * scales).astype(np.float32),
        [c_level(level) for level in levels],
        channel_levels=layer.channel_levels.numpy() if len(levels) == 2 else None,
        bias=layer.bias.detach().numpy(),
    )
    found = np.stack([matrix.scales(index) for index in range(len(levels))])
    stored = matrix.unpack() / found[layer.channel_levels.numpy()].T
    np.testing.assert_array_equal(np.rint(stored), integers)

    x = torch.randn(ROWS, CHANNELS)
    codes = np.zeros((ROWS, CHANNELS), np.uint8)
    zeros = np.zeros((ROWS, len(levels)), np.int32)
    for index, (values, _, zero) in enumerate(layer.level_codes(x)):
        codes[:, layer.channel_levels.numpy() == index] = values.numpy()
        zeros[:, index] = zero.flatten().numpy()
    product = matrix.multiply_codes(codes, zeros)
    np.testing.assert_array_equal(product, sum(layer.accumulators(x)).numpy())
    expected = layer.integer_forward(x).numpy()
    np.testing.assert_allclose(matrix.multiply(x.numpy()), expected, rtol=2e-6, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("levels", PAIRS, ids=name)
def test_what_training_sees_is_what_runs(levels: tuple[Precision, ...]) -> None:
    layer = linear(levels)
    x = torch.randn(ROWS, CHANNELS)
    expected = layer.integer_forward(x)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("code", ["affine", "bipolar"])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_padding_of_a_convolution_adds_exactly_nothing(dimensions: int, code: str) -> None:
    source = [torch.nn.Conv1d, torch.nn.Conv2d][dimensions - 1](40, 6, 3, padding=1)
    levels = (Precision(1, 1, "bipolar", code), Precision(4, 4, "bipolar", code))
    layer = [QuantConv1d, QuantConv2d][dimensions - 1](source, levels)
    x = torch.randn(2, 40, *(5,) * dimensions)
    layer.calibrate(-4.0 if code == "bipolar" else 0.0, 4.0, x.flatten())
    layer.set_channel_levels((torch.arange(40) < 9).to(torch.uint8))
    taps = [slice(None)] * 2 + [slice(1, None)] * dimensions
    corner = torch.zeros(2, 6, dtype=torch.float64)
    for index, (integers, _) in enumerate(layer.activation_integers(x)):
        weights = layer.weight_integers()[:, layer.channel_levels == index][tuple(taps)]
        part = integers[(slice(None), slice(None), *(slice(0, 2),) * dimensions)]
        corner = part.flatten(1) @ weights.flatten(1).T
        assert torch.equal(layer.accumulators(x)[index][(..., *(0,) * dimensions)], corner.to(torch.int32))
    expected = layer.integer_forward(x)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_gdnsq_layers_run_as_they_train() -> None:
    layer = QuantConv2d(torch.nn.Conv2d(8, 12, 3, padding=1), (Precision(2, 2, "affine", "affine"),), estimator="lsq")
    x = torch.randn(2, 8, 6, 6)
    layer.calibrate(float(x.min()), float(x.max()), x.flatten())
    layer.fix_widths()
    assert int(layer.weight_codes().max()) == 3
    torch.testing.assert_close(layer(x), layer.integer_forward(x), rtol=1e-5, atol=1e-5)
