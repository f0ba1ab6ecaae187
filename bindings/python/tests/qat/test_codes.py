"""The quantiser in PyTorch against that of libsoniq: codes, scales and sums with the same bits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

import soniq
from soniq.qat import Precision, QuantLinear
from soniq.qat.arithmetic import affine_codes, bipolar_codes, lane_sum
from soniq.qat.grid import code_integers, fake_quantize

CHANNELS = 70
KINDS = [("affine", bits) for bits in range(1, 9)] + [("bipolar", bits) for bits in range(1, 8)]


def rows(generator: np.random.Generator) -> np.ndarray:
    """Ordinary rows, and those on which quantisers differ: zeros, one sign, ties, huge and tiny values."""
    ordinary = generator.standard_normal((6, CHANNELS)) * generator.exponential(3, (6, 1))
    special = np.zeros((6, CHANNELS))
    special[1] = np.abs(ordinary[0])
    special[2] = -np.abs(ordinary[1])
    special[3] = np.arange(CHANNELS) / 2 - 11
    special[4] = ordinary[2] * 1e-38
    special[5] = ordinary[3] * 1e37
    return np.concatenate([ordinary, special]).astype(np.float32)


def runtime_products(level: soniq.Level, inputs: np.ndarray) -> tuple[np.ndarray, float]:
    """What a matrix with 127 on the diagonal makes of the inputs, and the real value of one weight integer."""
    matrix = soniq.Matrix(np.eye(CHANNELS, dtype=np.float32) * 127, [level])
    scales = matrix.scales()
    assert np.array_equal(np.rint(matrix.unpack() / scales[:, None]), 127 * np.eye(CHANNELS))
    return matrix.multiply(inputs), scales


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(("code", "bits"), KINDS)
def test_activation_codes_are_the_runtimes(code: str, bits: int, fixed: bool) -> None:
    inputs = rows(np.random.default_rng(bits))
    precision = Precision(8, bits, "affine", code)
    layer = QuantLinear(torch.nn.Linear(CHANNELS, 3), (precision,), dynamic=not fixed)
    zero = 0
    if fixed:
        zero = (1 << bits) // 3 if code == "affine" else 0
        layer.activation_scale.data[:] = 0.37
        layer.activation_zero[:] = zero
    level = soniq.Level(8, bits, "affine", code, 0.37 if fixed else None, zero)
    products, weight_scales = runtime_products(level, inputs)
    ((integers, scale),) = layer.activation_integers(torch.from_numpy(inputs))
    factor = weight_scales * np.broadcast_to(scale.detach().numpy(), (len(inputs), 1))
    assert factor.dtype == np.float32
    with np.errstate(over="ignore"):
        expected = (127 * integers.numpy() * factor.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(products, expected)


@pytest.mark.parametrize("code", ["affine", "bipolar"])
def test_not_a_number_gives_code_zero_and_infinities_saturate(code: str) -> None:
    x = torch.tensor([torch.nan, torch.inf, -torch.inf])
    one = torch.tensor(0.5)
    codes = affine_codes(x, one, 3.0, 15.0) if code == "affine" else bipolar_codes(x, one, 15.0)
    assert codes.tolist() == [0, 15, 0]


def fused(x: np.float32, factor: np.float32, middle: int) -> np.float32:
    """x * factor + middle, rounded once to binary32 by exact arithmetic."""
    exact = Fraction(float(x)) * Fraction(float(factor)) + middle
    guess = np.float32(float(exact))
    near = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    even = [int(np.abs(value).view(np.uint32)) & 1 for value in near]
    return min(zip(near, even, strict=True), key=lambda pair: (abs(Fraction(float(pair[0])) - exact), pair[1]))[0]


@pytest.mark.parametrize("bits", [1, 2, 4, 7])
def test_bipolar_codes_round_once(bits: int) -> None:
    """At the edges of bins, where two roundings give another code than a fused multiply-add."""
    generator = np.random.default_rng(bits)
    top, middle = 2**bits - 1, 2 ** (bits - 1)
    for step in generator.uniform(0.01, 3, 20).astype(np.float32):
        edges = (2 * (np.arange(1, top + 1) - middle) * step).astype(np.float32)
        tiny = np.float32(2.0**-24) * step * np.float32([-2, -1.0000001, -1, -0.9999999, -0.5, 0.5])
        around = [edges, np.nextafter(edges, np.float32(9)), np.nextafter(edges, np.float32(-9)), tiny]
        x = np.concatenate(around)
        factor = np.float32(0.5) / step
        expected = [min(max(np.floor(fused(value, factor, middle)), 0), top) for value in x]
        codes = bipolar_codes(torch.from_numpy(x), torch.tensor(step), float(top))
        assert codes.tolist() == expected


def test_a_product_that_binary64_cannot_add_is_rounded_right() -> None:
    """x * factor is just below -2^-25: binary64 sums it with 1 to a tie, and the exact sum is below the tie."""
    x, step = torch.tensor([-(1 + 2.0**-23) * 2.0**-25]), torch.tensor(0.5 / (1 + 2.0**-23) * (1 + 2.0**-22))
    factor = np.float32(0.5) / np.float32(step)
    expected = np.floor(fused(np.float32(x[0]), factor, 1))
    assert bipolar_codes(x, step, 1.0).tolist() == [expected]
    exact = torch.tensor([-(2.0**-25) * (1 + 2.0**-22)])
    assert bipolar_codes(exact, torch.tensor(0.5), 1.0).tolist() == [np.floor(fused(np.float32(exact[0]), 1, 1))]


@pytest.mark.parametrize(("code", "bits"), KINDS)
def test_fake_quantisation_has_the_values_of_codes_and_straight_through_gradients(code: str, bits: int) -> None:
    top = torch.tensor(2.0**bits - 1)
    zero = torch.tensor(float(2**bits // 3)) if code == "affine" else torch.tensor(0.0)
    x = torch.from_numpy(rows(np.random.default_rng(bits))[:10] * (2.0**bits / 8)).float().requires_grad_()
    scale = torch.rand(CHANNELS).add_(0.2).requires_grad_()
    values = fake_quantize(x, code, scale, zero, top, 0.5)
    integers = code_integers(x.detach(), code, scale.detach(), zero, top)
    assert torch.equal(values, integers * scale)
    gradient = torch.randn_like(x)
    values.backward(gradient)
    steps = (x / scale).detach()
    low, high = (-zero, top - zero) if code == "affine" else (-top, top)
    half = 0.5 if code == "affine" else 1.0
    inside = (steps >= low - half) & (steps <= high + half)
    assert 0 < int(inside.sum()) < x.numel()
    torch.testing.assert_close(x.grad, gradient * inside, rtol=0, atol=0)
    of_scale = gradient * torch.where(inside, integers - steps, integers)
    torch.testing.assert_close(scale.grad, 0.5 * of_scale.sum(0), rtol=1e-4, atol=1e-4)
    broken = fake_quantize(x.detach() * torch.nan, code, scale, zero, top)
    assert bool(broken.isnan().all())


def test_sums_follow_the_16_lane_rule() -> None:
    x = np.random.default_rng(3).standard_normal((4, 53)).astype(np.float32) * 1000
    lanes = np.zeros((4, 16), np.float32)
    for index in range(53):
        lanes[:, index % 16] += x[:, index]
    for half in (8, 4, 2, 1):
        lanes = lanes[:, :half] + lanes[:, half:]
    assert np.array_equal(lane_sum(torch.from_numpy(x)).numpy(), lanes)
