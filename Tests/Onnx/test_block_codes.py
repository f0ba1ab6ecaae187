"""Layers whose weights are codes with a scale for each block, as ONNX Runtime's tools write them: codes are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from block_codes import (
    OFFSETS,
    SCALES,
    stored_codes,
    stored_numbers,
    unpacked_bits,
)
from onnx import TensorProto, helper
from onnxruntime.capi import _pybind_state as runtime
from small_graphs import real
from test_quantised_dialects import answers, difference, ours, pack, refusal, save

import soniq

Arrays = dict[str, np.ndarray]
FLOAT = TensorProto.FLOAT
QUANTIZERS = {
    2: "quantize_matmul_2bits",
    4: "quantize_matmul_4bits",
    8: "quantize_matmul_8bits",
}


def layer(
    inputs: str, channels: int, outputs: int, bits: int, block: int, **more: int
) -> onnx.NodeProto:
    names = ["" if name == "." else name for name in inputs.split()]
    return helper.make_node(
        "MatMulNBits", names, ["y"], name="layer", domain="com.microsoft", K=channels, N=outputs, bits=bits,
        block_size=block, **more,
    )  # fmt: skip


def write(path: Path, node: onnx.NodeProto, channels: int, constants: Arrays) -> None:
    save(path, [node], {"x": (FLOAT, ["rows", channels])}, {"y": FLOAT}, constants)


def quantised(weights: np.ndarray, bits: int, block: int, symmetric: bool) -> Arrays:
    """What ONNX Runtime's own quantiser makes of weights [K, N]."""
    channels, outputs = weights.shape
    count = -(-channels // block)
    padded = np.pad(weights, ((0, count * block - channels), (0, 0)))
    codes = np.zeros((outputs, count, block * bits // 8), np.uint8)
    scales = np.zeros((outputs, count), np.float32)
    zeros = np.zeros((outputs, -(-count * bits // 8)), np.uint8)
    getattr(runtime, QUANTIZERS[bits])(
        codes, padded, scales, zeros, block, outputs, channels, symmetric
    )
    result = {"w": codes, "s": scales.reshape(-1)}
    return result if symmetric else result | {"z": zeros.reshape(-1)}


def numbers(
    made: Arrays, channels: int, outputs: int, bits: int, block: int
) -> tuple[np.ndarray, ...]:
    """Codes [N, K], scales and zero points [N, blocks], and the weights [K, N] that they stand for."""
    count = -(-channels // block)
    codes = unpacked_bits(made["w"].reshape(outputs, -1), bits, count * block)[
        :, :channels
    ]
    scales = made["s"].reshape(outputs, count)
    zeros = np.full((outputs, count), 2.0 ** (bits - 1), np.float32)
    if "z" in made:
        stored = made["z"].reshape(outputs, -1)
        zeros = (
            stored
            if stored.dtype == np.float32
            else unpacked_bits(stored, bits, count).astype(np.float32)
        )
    place = np.arange(channels) // block
    return codes, scales, zeros, ((codes - zeros[:, place]) * scales[:, place]).T


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("block", [16, 32, 128, 256])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_codes_are_kept(
    tmp_path: Path, random: np.random.Generator, bits: int, block: int, symmetric: bool
) -> None:
    channels, outputs = 304, 21
    made = quantised(real(random, channels, outputs), bits, block, symmetric)
    source = tmp_path / "blocks.onnx"
    write(
        source,
        layer("x w s" + ("" if symmetric else " z"), channels, outputs, bits, block),
        channels,
        made,
    )
    codes, scales, zeros, weights = numbers(made, channels, outputs, bits, block)
    x = real(random, 9, channels)
    np.testing.assert_allclose(answers(source, {"x": x})[0], x @ weights, atol=2e-3)
    np.testing.assert_allclose(
        ours(pack(source, "--palette", "f32"), {"x": x})[0], x @ weights, atol=1e-4
    )
    # Whatever the palette: the model's own codes stay.
    packed = pack(source, "--palette", "4")
    np.testing.assert_array_equal(stored_codes(packed, outputs, channels, bits), codes)
    groups = -(-channels // min(block, 128))
    wide = np.arange(groups) * min(block, 128) // block
    np.testing.assert_array_equal(
        stored_numbers(packed, SCALES, outputs, groups), scales[:, wide]
    )
    if not symmetric:
        offsets = scales * (2.0 ** (bits - 1) - zeros)
        np.testing.assert_array_equal(
            stored_numbers(packed, OFFSETS, outputs, groups), offsets[:, wide]
        )
    # One element a row has no rounding but that of its scale.
    one = np.zeros((channels, channels), np.float32)
    np.fill_diagonal(one, 127.0)
    rows = np.concatenate([ours(packed, {"x": part})[0] for part in np.split(one, 8)])
    np.testing.assert_allclose(rows, 127 * weights, rtol=1e-5, atol=1e-4)
    assert difference(ours(packed, {"x": x})[0], x @ weights) < 0.01


def test_numbers_of_half_precision_stay_so(
    tmp_path: Path, random: np.random.Generator
) -> None:
    made = quantised(real(random, 64, 16), 4, 32, symmetric=True)
    made["s"] = made["s"].astype(np.float16).astype(np.float32)
    source = tmp_path / "half.onnx"
    write(source, layer("x w s", 64, 16, 4, 32), 64, made)
    packed = pack(source, "--palette", "8")
    np.testing.assert_array_equal(
        stored_numbers(packed, SCALES, 16, 2), made["s"].reshape(16, 2)
    )
    # A number of 16 bits for a block of 32, and one of 32 for an output.
    assert soniq.load(packed).metadata["soniq.average_bits"] == 4 + 16 / 32 + 32 / 64


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_zero_points_of_real_numbers(
    tmp_path: Path, random: np.random.Generator, bits: int
) -> None:
    channels, outputs, block = 80, 5, 32
    made = quantised(real(random, channels, outputs), bits, block, symmetric=True)
    made["z"] = random.uniform(0, 2**bits - 1, (outputs, 3)).astype(np.float32)
    source = tmp_path / "real.onnx"
    write(
        source,
        layer("x w s z . b", channels, outputs, bits, block),
        channels,
        made | {"b": real(random, outputs)},
    )
    x = real(random, 4, channels)
    exact = x @ numbers(made, channels, outputs, bits, block)[3]
    model = onnx.load(source)
    bias = onnx.numpy_helper.to_array(
        next(each for each in model.graph.initializer if each.name == "b")
    )
    floats = ours(pack(source, "--palette", "f32"), {"x": x})[0]
    np.testing.assert_allclose(floats, exact + bias, rtol=1e-4, atol=1e-4)
    packed = pack(source, "--palette", "8")
    np.testing.assert_array_equal(
        stored_codes(packed, outputs, channels, bits),
        numbers(made, channels, outputs, bits, block)[0],
    )
    assert difference(ours(packed, {"x": x})[0], exact + bias) < 0.02


def test_blocks_of_channels_that_are_no_neighbours(
    tmp_path: Path, random: np.random.Generator
) -> None:
    """g_idx gives each channel its block; the packed layer sorts its input."""
    channels, outputs = 72, 6
    made = quantised(real(random, channels, outputs), 4, 32, symmetric=True)
    places = random.permutation(np.arange(channels) // 32).astype(np.int32)
    source = tmp_path / "order.onnx"
    write(
        source,
        layer("x w s . g", channels, outputs, 4, 32),
        channels,
        made | {"g": places},
    )
    codes, scales, _, _ = numbers(made, channels, outputs, 4, 32)
    weights = ((codes - 8.0) * scales[:, places]).T.astype(np.float32)
    x = real(random, 5, channels)
    np.testing.assert_allclose(
        ours(pack(source, "--palette", "f32"), {"x": x})[0], x @ weights, atol=1e-4
    )
    packed = pack(source, "--palette", "8")
    order = np.argsort(places, kind="stable")
    np.testing.assert_array_equal(
        stored_codes(packed, outputs, channels, 4), codes[:, order]
    )
    assert difference(ours(packed, {"x": x})[0], x @ weights) < 0.01


def test_in_a_network(tmp_path: Path, random: np.random.Generator) -> None:
    """Behind a function, before a norm and with a bias that is added."""
    first, last = (
        quantised(real(random, 48, 64), 4, 16, False),
        quantised(real(random, 64, 48), 4, 32, True),
    )
    constants = {
        f"{name}{place}": array
        for place, made in enumerate((first, last))
        for name, array in made.items()
    }
    nodes = [
        layer("x w0 s0 z0", 48, 64, 4, 16, accuracy_level=4),
        helper.make_node("Add", ["y", "b0"], ["a"]),
        helper.make_node("Relu", ["a"], ["c"]),
        layer("c w1 s1", 64, 48, 4, 32),
        helper.make_node("Add", ["d", "x"], ["e"]),
        helper.make_node("LayerNormalization", ["e", "g"], ["out"]),
    ]
    nodes[3].output[0] = "d"
    nodes[3].name = "last"
    source = tmp_path / "network.onnx"
    save(
        source, nodes, {"x": (FLOAT, ["batch", "length", 48])}, {"out": FLOAT},
        constants | {"b0": real(random, 64), "g": real(random, 48)},
    )  # fmt: skip
    x = real(random, 2, 5, 48)
    expected = answers(source, {"x": x})[0]
    assert (
        difference(ours(pack(source, "--palette", "f32"), {"x": x})[0], expected) < 0.02
    )
    assert (
        difference(ours(pack(source, "--palette", "8"), {"x": x})[0], expected) < 0.04
    )


GOOD = {"w": np.zeros((5, 2, 8), np.uint8), "s": np.ones(10, np.float32)}


@pytest.mark.parametrize(
    ("node", "constants", "words"),
    [
        (layer("x w s", 32, 5, 3, 16), GOOD, "3 bits; 2, 4 and 8 are supported"),
        (layer("x w s", 32, 5, 4, 24), GOOD, "block_size 24"),
        (layer("x w s", 32, 5, 4, 1 << 62), GOOD, "its codes are not"),
        (layer("x w s", 0, 5, 4, 16), GOOD, "a matrix of N 5 and K 0"),
        (layer("x w s", 32, -5, 4, 16), GOOD, "a matrix of N -5 and K 32"),
        (layer("x w s", 32, 6, 4, 16), GOOD, "its codes are not [6, 2, 8] bytes"),
        (layer("x w s", 32, 5, 4, 16), GOOD | {"w": np.zeros((5, 2, 8), np.int8)}, "its codes are not"),
        (layer("x w s", 32, 5, 4, 16), GOOD | {"s": np.ones(9, np.float32)}, "its scales are not"),
        (layer("x w s", 32, 5, 4, 16), GOOD | {"s": np.full(10, np.nan, np.float32)}, "its scales are not"),
        (layer("x w s z", 32, 5, 4, 16), GOOD | {"z": np.zeros(4, np.uint8)}, "its zero points are not"),
        (layer("x w s z", 32, 5, 4, 16), GOOD | {"z": np.zeros(4, np.float32)}, "its zero points are not"),
        (layer("x w s . g", 32, 5, 4, 16), GOOD | {"g": np.zeros(32, np.int32)}, "its g_idx does not put 16"),
        (layer("x w s . g", 32, 5, 4, 16), GOOD | {"g": np.zeros(31, np.int32)}, "its g_idx is not 32"),
        (layer("x w s . . b", 32, 5, 4, 16), GOOD | {"b": np.zeros(4, np.float32)}, "its bias of shape [4]"),
        (layer("x x s", 32, 5, 4, 16), GOOD, "its weights is computed at run time"),
        (layer("x w s", 48, 5, 4, 16), GOOD, "its codes are not"),
    ],
)  # fmt: skip
def test_odd_layers_are_refused(
    tmp_path: Path, node: onnx.NodeProto, constants: Arrays, words: str
) -> None:
    source = tmp_path / "odd.onnx"
    write(source, node, 32, constants)
    assert words in refusal(source)


def test_an_input_of_another_length_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "odd.onnx"
    write(source, layer("x w s", 32, 5, 4, 16), 31, GOOD)
    assert "times a matrix of 32 columns" in refusal(source)
