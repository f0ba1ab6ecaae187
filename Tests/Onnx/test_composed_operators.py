"""Operators that are made of others while packing, against ONNX Runtime or numpy, beyond the standard's own tests."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from small_graphs import IDS, Make, node, real

import soniq


@pytest.mark.parametrize(
    ("equation", "left", "right"),
    [
        ("bij,bjk->bik", (3, 4, 5), (3, 5, 6)),
        ("bhid,bhjd->bhij", (2, 3, 4, 8), (2, 3, 5, 8)),
        ("bijk,bjl->bilk", (2, 3, 4, 5), (2, 4, 6)),
        ("...ij,...jk", (2, 3, 4, 5), (2, 3, 5, 2)),
        ("bi,bj->bij", (3, 4), (3, 5)),
        ("bi,bi->b", (3, 4), (3, 4)),
        ("bci,bdj->bcd", (2, 3, 4), (2, 5, 6)),
    ],
)
def test_einsum(
    make: Make, random: np.random.Generator, equation: str, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    inputs = {"x": ["batch", *left[1:]], "z": ["batch", *right[1:]]}
    nodes = [node("Einsum", "x z", "y", equation=equation)]
    make(nodes, inputs).expect({"x": real(random, *left), "z": real(random, *right)})


def test_einsum_with_weights_is_a_layer(make: Make, random: np.random.Generator) -> None:
    nodes = [node("Einsum", "x w", "y", equation="bsi,iho->bsho")]
    packed = make(nodes, {"x": ["b", "s", 8]}, {"w": real(random, 8, 2, 4)})
    packed.expect({"x": real(random, 2, 3, 8)})
    assert any(report.operation == "linear" for report in soniq.load(packed.output).kernels())


@pytest.mark.parametrize(
    "attributes", [{}, {"strides": [2, 1, 2], "pads": [1, 0, 1, 2, 1, 1]}, {"dilations": [2, 1, 2]}]
)
@pytest.mark.parametrize("group", [1, 2])
def test_volumes(make: Make, random: np.random.Generator, attributes: dict, group: int) -> None:
    constants = {"w": real(random, 6, 4 // group, 3, 2, 3), "b": real(random, 6)}
    packed = make([node("Conv", "x w b", "y", group=group, **attributes)], {"x": ["batch", 4, 7, 6, 8]}, constants)
    inputs = {"x": real(random, 2, 4, 7, 6, 8)}
    packed.expect(inputs, 1e-4)
    packed.expect(inputs, 0.03, calibration={"x": real(random, 8, 4, 7, 6, 8)})


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("ceil", [0, 1])
def test_pools_of_volumes(make: Make, random: np.random.Generator, kind: str, ceil: int) -> None:
    attributes = {"kernel_shape": [3, 2, 3], "strides": [2, 2, 1], "pads": [1, 0, 1, 1, 0, 1], "ceil_mode": ceil}
    packed = make([node(kind, "x", "y", **attributes)], {"x": ["batch", 3, 8, 7, 6]})
    packed.expect({"x": real(random, 2, 3, 8, 7, 6)})


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]}, {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "strides": [2, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "storage_order": 1, "dilations": [2, 1]},
        {"kernel_shape": [2, 3], "auto_pad": "SAME_UPPER"}, {"kernel_shape": [3], "strides": [2]},
    ],
)
def test_places_of_a_pool(make: Make, random: np.random.Generator, attributes: dict) -> None:
    """Of equal elements the first one counts."""
    rank = len(attributes["kernel_shape"])
    nodes = [node("MaxPool", "x", "v i", **attributes), node("Cast", "i", "y", to=1)]
    image = random.integers(0, 6, (2, 3, 9, 8)[: 2 + rank]).astype(np.float32)
    make(nodes, {"x": ["b", *image.shape[1:]]}).expect({"x": image})


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"kernel_shape": [2, 2], "storage_order": 2}, "storage_order 2"),
        ({"kernel_shape": [2, 2], "storage_order": -1}, "storage_order -1"),
        ({"kernel_shape": [2, 1 << 62]}, "are not possible"), ({"kernel_shape": [2, 0]}, "are not possible"),
        ({"kernel_shape": [2, 2], "strides": [1 << 31, 1]}, "are not possible"),
        ({"kernel_shape": [2, 2], "pads": [-1, 0, 0, 0]}, "are not possible"),
    ],
)
def test_malformed_places_of_a_pool(make: Make, attributes: dict, words: str) -> None:
    nodes = [node("MaxPool", "x", "v i", **attributes), node("Cast", "i", "y", to=1)]
    assert words in make(nodes, {"x": ["b", 3, 8, 8]}).refusal()


def test_places_of_a_pool_need_fixed_sizes(make: Make) -> None:
    nodes = [node("MaxPool", "x", "v i", kernel_shape=[2, 2]), node("Cast", "i", "y", to=1)]
    assert "fix its sizes with --shape" in make(nodes, {"x": ["b", 3, "h", 8]}).refusal()
    nodes[0].attribute[0].CopyFrom(helper.make_attribute("kernel_shape", [2, 2, 2]))
    assert "Indices of a volume" in make(nodes, {"x": ["b", 3, 8, 8, 8]}).refusal()


def test_average_pools_that_count_padding_and_reach_over_the_edge(make: Make, random: np.random.Generator) -> None:
    attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1}
    packed = make([node("AveragePool", "x", "y", count_include_pad=1, **attributes)], {"x": [1, 2, 6, 6]})
    packed.expect({"x": real(random, 1, 2, 6, 6)})


@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_response_norms(make: Make, random: np.random.Generator, size: int) -> None:
    attributes = {"size": size, "alpha": 0.1, "beta": 0.6, "bias": 1.5}
    make([node("LRN", "x", "y", **attributes)], {"x": ["batch", 6, "h", 5]}).expect({"x": real(random, 2, 6, 4, 5)})


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_hot(make: Make, random: np.random.Generator, axis: int) -> None:
    constants = {"depth": np.array(5), "values": np.array([-1, 2], np.float32)}
    packed = make([node("OneHot", "ids depth values", "y", axis=axis)], {"ids": [3, 4, IDS]}, constants)
    packed.expect({"ids": random.integers(-5, 5, (3, 4))})


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_elements_at_places_of_a_run(make: Make, random: np.random.Generator, axis: int) -> None:
    packed = make([node("GatherElements", "x ids", "y", axis=axis)], {"x": [3, 4, 5], "ids": [3, 4, 5, IDS]})
    size = (3, 4, 5)[axis]
    packed.expect({"x": real(random, 3, 4, 5), "ids": random.integers(-size, size, (3, 4, 5))})
    beyond = np.zeros((3, 4, 5), np.int64)
    beyond[1, 2, 3] = size
    with pytest.raises(soniq.SoniqError):
        packed.run({"x": real(random, 3, 4, 5), "ids": beyond})


@pytest.mark.parametrize(
    ("data", "indices", "batch"), [((3, 4, 5), (6, 2), 0), ((3, 4, 5), (2, 3, 3), 0), ((2, 4, 5), (2, 3, 1), 1)]
)
def test_places_of_several_axes(
    make: Make, random: np.random.Generator, data: tuple[int, ...], indices: tuple[int, ...], batch: int
) -> None:
    packed = make([node("GatherND", "x ids", "y", batch_dims=batch)], {"x": list(data), "ids": [*indices, IDS]})
    sizes = np.array(data[batch : batch + indices[-1]])
    packed.expect({"x": real(random, *data), "ids": random.integers(-sizes, sizes, indices)})
    with pytest.raises(soniq.SoniqError):
        packed.run({"x": real(random, *data), "ids": np.full(indices, 9)})


@pytest.mark.parametrize("onesided", [0, 1])
def test_short_transforms(make: Make, random: np.random.Generator, onesided: int) -> None:
    window = np.hanning(16).astype(np.float32)
    constants = {"step": np.array(5), "window": window, "length": np.array(16)}
    packed = make([node("STFT", "x step window length", "y", onesided=onesided)], {"x": ["batch", 64, 1]}, constants)
    assert packed.pack().returncode == 0
    x = real(random, 2, 64, 1)
    frames = np.stack([x[:, begin : begin + 16, 0] for begin in range(0, 49, 5)], 1) * window
    whole = np.fft.rfft(frames) if onesided else np.fft.fft(frames)
    expected = np.stack([whole.real, whole.imag], -1)
    np.testing.assert_allclose(packed.run({"x": x}), expected, rtol=1e-4, atol=1e-4)


def test_transforms_are_not_packed(make: Make, random: np.random.Generator) -> None:
    """A matrix of a transform keeps its numbers whatever the palette."""
    nodes = [node("DFT", "x", "t", axis=1), node("MatMul", "t w", "y")]
    packed = make(nodes, {"x": ["batch", 16, 1]}, {"w": np.eye(2, 4, dtype=np.float32)})
    x = real(random, 8, 16, 1)
    result = packed.pack(calibration={"x": x})
    assert result.returncode == 0, result.stderr
    whole = np.fft.fft(x[..., 0])
    expected = np.stack([whole.real, whole.imag], -1) @ np.eye(2, 4)
    ours = packed.run({"x": x})
    assert np.abs(ours - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["NonMaxSuppression", "Unique", "NonZero"])
def test_outputs_as_long_as_values_say_are_refused(make: Make, kind: str) -> None:
    inputs = "x z" if kind == "NonMaxSuppression" else "x"
    words = make([node(kind, inputs, "y")], {"x": [1, 4, 4], "z": [1, 1, 4]}).refusal()
    assert "depends on the values in a run" in words and "the_y" in words


def test_nonzero_of_constants(make: Make, random: np.random.Generator) -> None:
    constants = {"mask": np.array([1, 0, 1, 1])}
    nodes = [
        node("NonZero", "mask", "places"), node("Transpose", "places", "turned"),
        node("Squeeze", "turned last", "flat"), node("Gather", "x flat", "y", axis=1),
    ]
    make(nodes, {"x": ["batch", 4]}, {**constants, "last": np.array([1])}).expect({"x": real(random, 3, 4)})


@pytest.mark.parametrize("kind", ["Shrink", "Hardmax", "IsInf", "MeanVarianceNormalization"])
def test_small_ones(make: Make, random: np.random.Generator, kind: str) -> None:
    nodes = [helper.make_node(kind, ["x"], ["t"], name="the_t"), node("Cast", "t", "y", to=1)]
    make(nodes, {"x": ["batch", 3, 4, 5]}).expect({"x": real(random, 2, 3, 4, 5)})


@pytest.mark.parametrize(
    ("equation", "words"),
    [
        ("bij,bjk,bk->bik", "not of 2 operands"), ("bij,bjk->bix", "its operands do not give"),
        ("bij,bj->bi", "of 3 dimensions"), ("b1j,bjk->bk", "axes"), ("bij,bjk->bii", "its operands do not give"),
        ("bij,bjk->bik->b", "not of 2 operands"), ("bij,bik->bjk", "[2, 4, 5]"),
    ],
)
def test_malformed_equations(make: Make, equation: str, words: str) -> None:
    assert words in make([node("Einsum", "x z", "y", equation=equation)], {"x": [2, 3, 4], "z": [2, 4, 5]}).refusal()


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "words"),
    [
        ("OneHot", "x z values", {}, "depth"), ("LRN", "x", {"size": 0}, "size 0"),
        ("LRN", "x", {"size": 1000}, "size 1000"),
        ("DFT", "x", {"axis": 9}, "axis 9"), ("STFT", "x step", {}, "signal"), ("HannWindow", "nothing", {}, "size"),
        ("Compress", "x z", {}, "condition"), ("ReverseSequence", "x step", {}, "sequence_lens"),
        ("MaxPool", "x", {"kernel_shape": [2, 2, 2]}, "a volume of"), ("EyeLike", "x", {}, "a matrix of"),
    ],
)
def test_malformed_nodes(make: Make, kind: str, inputs: str, attributes: dict, words: str) -> None:
    constants = {"values": np.ones(2, np.float32), "step": np.array(1), "nothing": np.array(0)}
    shapes = {"x": [2, 3, 4], "z": [2, 4, 5]}
    error = make([node(kind, inputs, "y", **attributes)], shapes, constants).refusal()
    assert words in error and "the_y" in error
