"""What a caller may give, and what is refused before C could cut it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import soniq

WEIGHTS = np.random.default_rng(11).standard_normal((6, 8)).astype(np.float32)
FOUR_BITS = [soniq.Level(weight_bits=4, activation_bits=4)]
TWO_LEVELS = [soniq.Level(), soniq.Level(weight_bits=4)]
# Numbers that ctypes would cut to 8, and others that no unsigned field holds.
TOO_LARGE = (2**32 + 8, 2**64 + 8, -1, -(2**32) + 8)


def pack(**level: Any) -> soniq.Matrix:
    return soniq.Matrix(WEIGHTS, [soniq.Level(**level)])


@pytest.mark.parametrize("field", ["weight_bits", "activation_bits"])
def test_bits_are_not_cut(field: str) -> None:
    for number in (*TOO_LARGE, 0):
        with pytest.raises(ValueError, match=field):
            pack(**{field: number})
    for number in (4.0, 1.9, "4", None, np.float32(4), [4]):
        with pytest.raises(TypeError, match=field):
            pack(**{field: number})
    with pytest.raises(soniq.SoniqError) as caught:
        pack(**{field: 9})
    assert caught.value.status == "INVALID_ARGUMENT"
    assert pack(**{field: np.int64(4)}).kernel == pack(**{field: 4}).kernel


@pytest.mark.parametrize("scale", [1e-60, 1e-40, 0.0, -1.0, 1e60, np.inf, np.nan, 10**400, np.float64(1e-50)])
def test_a_scale_that_float32_does_not_hold_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="activation_scale"):
        pack(activation_scale=scale)


def test_scale_and_zero_types() -> None:
    for scale in ("0.5", [0.5], True, 1j):
        with pytest.raises(TypeError, match="activation_scale"):
            pack(activation_scale=scale)
    for zero in (2**31, 2**32 + 3, -(2**31) - 1):
        with pytest.raises(ValueError, match="activation_zero"):
            pack(activation_scale=0.5, activation_zero=zero)
    with pytest.raises(TypeError, match="activation_zero"):
        pack(activation_scale=0.5, activation_zero=3.5)
    assert pack(activation_scale=np.float32(0.5), activation_zero=np.int16(7)).shape == (6, 8)
    assert pack(activation_scale=1).shape == (6, 8)


def test_codes_names_and_levels() -> None:
    for field in ("weight_code", "activation_code"):
        with pytest.raises(ValueError, match=field):
            pack(**{field: "ternary"})
        with pytest.raises(TypeError, match=field):
            pack(**{field: ["affine"]})
    for levels in (soniq.Level(), ["w4a4"], 3, [soniq.Level(), None]):
        with pytest.raises(TypeError, match="levels"):
            soniq.Matrix(WEIGHTS, levels)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="levels"):
        soniq.Matrix(WEIGHTS, [])


@pytest.mark.parametrize("number", TOO_LARGE)
def test_threads_are_not_cut(number: int, model_path: Path) -> None:
    with pytest.raises(ValueError, match="threads"):
        soniq.Matrix(WEIGHTS, threads=number)
    with pytest.raises(ValueError, match="threads"):
        soniq.load(model_path, threads=number)
    with pytest.raises(TypeError, match="threads"):
        soniq.load(model_path, threads=1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [256, 257, -1, -255, 1.9, 2**40, np.nan, np.inf])
def test_codes_are_not_cut(code: float) -> None:
    matrix = soniq.Matrix(WEIGHTS, FOUR_BITS)
    with pytest.raises(ValueError, match="codes"):
        matrix.multiply_codes(np.full((1, 8), code))
    with pytest.raises(ValueError, match="codes"):
        matrix.multiply_codes([[1, 2, 3, 4, 5, 6, 7, code]])


def test_codes_and_zeros_of_other_types() -> None:
    matrix = soniq.Matrix(WEIGHTS, FOUR_BITS)
    codes = np.arange(24).reshape(3, 8) % 16
    zeros = np.array([[1], [2], [3]])
    expected = matrix.multiply_codes(codes.astype(np.uint8), zeros.astype(np.int32))
    for other in (np.int8, np.int64, np.uint16, np.float32, np.float64, ">i4", object):
        if other is object:
            with pytest.raises(ValueError, match="codes"):
                matrix.multiply_codes(codes.astype(other))
            continue
        assert np.array_equal(matrix.multiply_codes(codes.astype(other), zeros.astype(other)), expected)
    assert np.array_equal(matrix.multiply_codes(codes > 7), matrix.multiply_codes((codes > 7).astype(np.uint8)))
    for zero in (2**32 + 1, -(2**31) - 1, 0.5):
        with pytest.raises(ValueError, match="zeros"):
            matrix.multiply_codes(codes, np.full((3, 1), zero))
    with pytest.raises(soniq.SoniqError, match="codes"):
        matrix.multiply_codes(np.full((1, 8), 16))


@pytest.mark.parametrize("level", [257, 256, -1, 0.5])
def test_channel_levels_are_not_cut(level: float) -> None:
    with pytest.raises(ValueError, match="channel_levels"):
        soniq.Matrix(WEIGHTS, TWO_LEVELS, channel_levels=np.array([0, level] * 4))
    assert soniq.Matrix(WEIGHTS, TWO_LEVELS, channel_levels=np.arange(8) % 2 == 0).level_count == 2


def test_floats_that_do_not_fit_are_refused() -> None:
    huge = np.full((6, 8), 1e300)
    with pytest.raises(ValueError, match="weights"):
        soniq.Matrix(huge)
    with pytest.raises(ValueError, match="bias"):
        soniq.Matrix(WEIGHTS, bias=huge[:, 0])
    with pytest.raises(ValueError, match="inputs"):
        soniq.Matrix(WEIGHTS).multiply(huge)
    for values in (WEIGHTS.astype(complex), np.full((6, 8), "1"), np.full((6, 8), None), [[1.0], [1.0, 2.0]]):
        with pytest.raises((ValueError, TypeError), match="weights"):
            soniq.Matrix(values)
    with pytest.raises(ValueError, match="masked"):
        soniq.Matrix(np.ma.masked_less(WEIGHTS, 0))


def misaligned(array: np.ndarray) -> np.ndarray:
    """The same values at an address that no element type is aligned to."""
    memory = bytearray(1) + bytearray(np.ascontiguousarray(array).tobytes())
    result = np.frombuffer(memory, array.dtype, offset=1).reshape(array.shape)
    assert result.size == 0 or not result.flags.aligned
    return result


def variants(array: np.ndarray) -> list[np.ndarray]:
    """The same values in memory as C would not read them."""
    record = np.zeros(1, np.dtype([("tag", "u1"), ("values", array.dtype, array.shape)]))
    record["values"][0] = array
    read_only = array.copy()
    read_only.setflags(write=False)
    return [
        misaligned(array),
        record["values"][0],
        array.astype(array.dtype.newbyteorder()),
        misaligned(array.astype(array.dtype.newbyteorder())),
        np.asfortranarray(array),
        np.repeat(array, 2, axis=0)[::2],
        array[::-1].copy()[::-1],
        np.ma.masked_array(array),
        read_only,
    ]


def test_matrix_takes_arrays_however_they_lie() -> None:
    bias = np.linspace(-1, 1, 6, dtype=np.float32)
    inputs = np.linspace(-2, 2, 24, dtype=np.float32).reshape(3, 8)
    codes = (np.arange(24, dtype=np.int32).reshape(3, 8) * 7) % 16
    plain = soniq.Matrix(WEIGHTS, FOUR_BITS, bias=bias)
    expected, integers = plain.multiply(inputs), plain.multiply_codes(codes)
    for weights, shift, rows, numbers in zip(
        variants(WEIGHTS), variants(bias), variants(inputs), variants(codes), strict=True
    ):
        matrix = soniq.Matrix(weights, FOUR_BITS, bias=shift)
        assert np.array_equal(matrix.multiply(rows), expected)
        assert np.array_equal(matrix.multiply_codes(numbers), integers)


def test_models_take_arrays_however_they_lie(model_path: Path) -> None:
    model = soniq.load(model_path, threads=1)
    ids = np.arange(10, dtype=np.int32).reshape(2, 5)
    expected = model(input_ids=ids)["sentence_embedding"].copy()
    for array in [*variants(ids), *variants(ids.astype(np.int64)), *variants(ids.astype(np.uint16))]:
        assert np.array_equal(model(input_ids=array)["sentence_embedding"], expected)
    for value in (2**31, -(2**31) - 1, 2**32 + 1):
        with pytest.raises(ValueError, match="input 'input_ids'.*int32"):
            model(input_ids=np.full((1, 2), value))
    with pytest.raises(ValueError, match="input 'input_ids'"):
        model(input_ids=[[1], [1, 2]])


def test_empty_arrays(model_path: Path) -> None:
    matrix = soniq.Matrix(WEIGHTS, FOUR_BITS)
    empty = np.zeros((0, 8))
    assert matrix.multiply(empty).shape == (0, 6) and matrix.multiply(misaligned(empty)).dtype == np.float32
    assert matrix.multiply_codes(empty, np.zeros((0, 1))).shape == (0, 6)
    for weights in (np.zeros((0, 8)), np.zeros((6, 0))):
        with pytest.raises(soniq.SoniqError) as caught:
            soniq.Matrix(weights)
        assert caught.value.status == "INVALID_ARGUMENT"
    with pytest.raises(soniq.SoniqError) as caught:
        soniq.load(model_path)(input_ids=np.zeros((0, 4), np.int32))
    assert caught.value.status == "SHAPE"


def test_scales_of_a_level_that_is_none() -> None:
    matrix = soniq.Matrix(WEIGHTS, FOUR_BITS)
    for level in (2**32, -1):
        with pytest.raises(ValueError, match="level"):
            matrix.scales(level)
    with pytest.raises(soniq.SoniqError) as caught:
        matrix.scales(1)
    assert caught.value.status == "NOT_FOUND"


def test_text_with_a_nul_is_refused(model_path: Path) -> None:
    for path in (f"{model_path}\0.txt", os.fsencode(model_path) + b"\0"):
        with pytest.raises(ValueError, match="path.*NUL"):
            soniq.load(path)
    with pytest.raises(ValueError, match="maximums.*NUL"):
        soniq.load(model_path, maximums={"batch\0": 1})
    with pytest.raises(ValueError, match="kernel_profile.*NUL"):
        soniq.load(model_path, kernel_profile='{"version": 1}\0')
    with pytest.raises(ValueError, match="kernel_profile.*NUL"):
        soniq.Matrix(WEIGHTS, kernel_profile="\0")
    with pytest.raises(ValueError, match="kernel_profile.*UTF-8"):
        soniq.Matrix(WEIGHTS, kernel_profile="\ud800")


def test_paths(model_path: Path, tmp_path: Path) -> None:
    class Named:
        def __fspath__(self) -> str:
            return str(model_path)

    for path in (model_path, str(model_path), os.fsencode(model_path), Named()):
        assert soniq.load(path).inputs
    for wrong in (3, None, [model_path]):
        with pytest.raises(TypeError, match="path"):
            soniq.load(wrong)  # type: ignore[arg-type]


def test_maximums_are_not_cut(model_path: Path) -> None:
    for number in (0, -1, 2**63, 2**64 + 1):
        with pytest.raises(ValueError, match="maximums.*batch"):
            soniq.load(model_path, maximums={"batch": number})
    with pytest.raises(TypeError, match="maximums.*batch"):
        soniq.load(model_path, maximums={"batch": 1.5})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="maximums"):
        soniq.load(model_path, maximums={1: 1})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="maximums"):
        soniq.load(model_path, maximums=[("batch", 1)])  # type: ignore[arg-type]
    model = soniq.load(model_path, maximums={"batch": np.int64(1)})
    assert model(input_ids=np.zeros((1, 4), np.int32))["sentence_embedding"].shape[0] == 1


def test_other_types(model_path: Path) -> None:
    for wrong in (2, ["avx2"], b"avx2"):
        with pytest.raises(TypeError, match="max_isa"):
            soniq.load(model_path, max_isa=wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="max_isa"):
            soniq.Matrix(WEIGHTS, max_isa=wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="kernel_profile"):
            soniq.load(model_path, kernel_profile=3)  # type: ignore[arg-type]
    # Text that is empty is a profile, and no profile is that short.
    with pytest.raises(soniq.SoniqError, match="kernel_profile"):
        soniq.Matrix(WEIGHTS, kernel_profile="")
