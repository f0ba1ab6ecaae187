"""The matrix door against numpy."""

from __future__ import annotations

import json

import instruction_sets
import numpy as np
import pytest

import soniq

GENERATOR = np.random.default_rng(7)
WEIGHTS = GENERATOR.standard_normal((33, 70)).astype(np.float32)
INPUTS = GENERATOR.standard_normal((5, 70)).astype(np.float32)


def test_eight_bits_are_close_to_float() -> None:
    bias = GENERATOR.standard_normal(33).astype(np.float32)
    result = soniq.Matrix(WEIGHTS, bias=bias).multiply(INPUTS)
    exact = INPUTS @ WEIGHTS.T + bias
    assert np.abs(result - exact).max() < 0.02 * np.abs(exact).max()


CODES = [("affine", bits) for bits in range(1, 9)] + [("bipolar", bits) for bits in range(1, 8)]


@pytest.mark.parametrize(("code", "bits"), CODES)
def test_codes_multiply_exactly(code: str, bits: int) -> None:
    level = soniq.Level(weight_bits=bits, weight_code=code)
    matrix = soniq.Matrix(WEIGHTS, [level])
    codes = GENERATOR.integers(0, 256, INPUTS.shape).astype(np.uint8)
    zeros = GENERATOR.integers(0, 256, (len(codes), 1)).astype(np.int32)
    integers = np.rint(matrix.unpack() / matrix.scales()[:, None]).astype(np.int64)
    exact = (codes.astype(np.int64) - zeros) @ integers.T
    assert np.array_equal(matrix.multiply_codes(codes, zeros), exact)


def test_two_levels_add_up() -> None:
    levels = [soniq.Level(4), soniq.Level(8)]
    choice = (np.arange(70) % 3 == 0).astype(np.uint8)
    matrix = soniq.Matrix(WEIGHTS, levels, channel_levels=choice)
    exact = INPUTS @ matrix.unpack().T
    assert np.abs(matrix.multiply(INPUTS) - exact).max() < 0.02 * np.abs(exact).max()
    assert matrix.nbytes < soniq.Matrix(WEIGHTS).nbytes


@pytest.mark.parametrize("isa", instruction_sets.ALL)
def test_every_instruction_set_gives_the_same_bits(isa: str) -> None:
    instruction_sets.require(isa)
    matrix = soniq.Matrix(WEIGHTS, max_isa=isa)
    assert matrix.kernel.endswith(f"__{isa}")
    assert np.array_equal(matrix.multiply(INPUTS), soniq.Matrix(WEIGHTS, max_isa="portable").multiply(INPUTS))


@pytest.mark.parametrize("isa", instruction_sets.ALL)
def test_a_matrix_does_without_copies(isa: str) -> None:
    instruction_sets.require(isa)
    level = [soniq.Level(weight_bits=7)]
    matrix = soniq.Matrix(WEIGHTS, level, max_isa=isa)
    without = soniq.Matrix(WEIGHTS, level, max_isa=isa, copies=False)
    assert isa == "portable" or without.kernel != matrix.kernel
    assert np.array_equal(without.multiply(INPUTS), matrix.multiply(INPUTS))


def test_kernel_is_named() -> None:
    assert "snq_matmul" in soniq.Matrix(WEIGHTS).kernel


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="outputs, inputs"):
        soniq.Matrix(np.zeros(3))
    with pytest.raises(ValueError, match="unknown code"):
        soniq.Matrix(WEIGHTS, [soniq.Level(weight_code="ternary")])
    with pytest.raises(soniq.SoniqError) as caught:
        soniq.Matrix(WEIGHTS, [soniq.Level(weight_bits=9)])
    assert caught.value.status == "INVALID_ARGUMENT"
    with pytest.raises(soniq.SoniqError) as caught:
        soniq.Matrix(np.full((2, 2), np.nan))
    assert caught.value.status == "DATA"
    with pytest.raises(ValueError, match="inputs must be"):
        soniq.Matrix(WEIGHTS).multiply(np.zeros((2, 69)))


def test_a_kernel_profile_decides_the_kernel_and_not_the_result() -> None:
    names = ("snq_matmul_any_8x1__portable", "snq_matmul_bytes_6x1__avx2", "snq_matmul_bytes_6x4__avx512")
    expected = soniq.Matrix(WEIGHTS).multiply(INPUTS)
    for cheapest in names:
        costs = [
            {"kernel": name, "weightBits": 8, "activationBits": 8, "picoseconds": [1 if name == cheapest else 9] * 6}
            for name in names
        ]
        profile = json.dumps({"version": 1, "machine": "m", "sizes": [[64, 64]], "costs": costs})
        matrix = soniq.Matrix(WEIGHTS, kernel_profile=profile)
        if not instruction_sets.obstacle(cheapest.rsplit("__", 1)[1]):
            assert matrix.kernel == cheapest
        np.testing.assert_array_equal(matrix.multiply(INPUTS), expected)
    assert soniq.Matrix(WEIGHTS, max_isa="portable", kernel_profile=profile).kernel == names[0]


def test_a_bad_kernel_profile_says_where() -> None:
    with pytest.raises(soniq.SoniqError, match="byte 13.*version"):
        soniq.Matrix(WEIGHTS, kernel_profile='{"version": 9}')
