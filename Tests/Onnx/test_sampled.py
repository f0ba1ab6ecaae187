"""Images at places between their pixels, elements at places known while packing, bits and remainders, against ONNX
Runtime or numpy, beyond the standard's own tests."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from small_graphs import IDS, Make, Packed, node, real

import soniq


def with_opset(packed: Packed, opset: int) -> Packed:
    model = onnx.load(packed.source)
    model.opset_import[0].version = opset
    onnx.save(model, packed.source)
    return packed


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grids(make: Make, random: np.random.Generator, mode: str, padding: str, corners: int) -> None:
    nodes = [node("GridSample", "x g", "y", mode=mode, padding_mode=padding, align_corners=corners)]
    packed = make(nodes, {"x": ["batch", 3, "h", 7], "g": ["batch", "rows", 6, 2]})
    for batch, height, rows in [(2, 5, 4), (1, 1, 3)]:
        grid = random.uniform(-1.6, 1.6, (batch, rows, 6, 2)).astype(np.float32)
        packed.expect({"x": real(random, batch, 3, height, 7), "g": grid}, 1e-4)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_grids_of_volumes(make: Make, random: np.random.Generator, mode: str) -> None:
    packed = make([node("GridSample", "x g", "y", mode=mode)], {"x": [2, 3, 4, 5, 6], "g": [2, 3, 2, 4, 3]})
    with_opset(packed, 20)
    grid = random.uniform(-1.2, 1.2, (2, 3, 2, 4, 3)).astype(np.float32)
    packed.expect({"x": real(random, 2, 3, 4, 5, 6), "g": grid}, 1e-4)


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("size", [[2, 3, 4, 5], [2, 3, 4, 5, 6]])
def test_affine_grids(make: Make, random: np.random.Generator, size: list[int], corners: int) -> None:
    spatial = len(size) - 2
    nodes = [node("AffineGrid", "t size", "y", align_corners=corners)]
    packed = make(nodes, {"t": [2, spatial, spatial + 1]}, {"size": np.array(size)})
    with_opset(packed, 20).expect({"t": real(random, 2, spatial, spatial + 1)})


@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize("coordinates", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_regions(make: Make, random: np.random.Generator, mode: str, coordinates: str, samples: int) -> None:
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinates, "sampling_ratio": samples}
    nodes = [node("RoiAlign", "x r ids", "y", output_height=3, output_width=2, spatial_scale=0.5, **attributes)]
    packed = make(nodes, {"x": [2, 4, 9, 8], "r": ["count", 4], "ids": ["count", IDS]})
    for count in (1, 5):
        begins = random.uniform(-2, 10, (count, 2))
        regions = np.concatenate([begins, begins + random.uniform(0.5, 12, (count, 2))], 1).astype(np.float32)
        inputs = {"x": real(random, 2, 4, 9, 8), "r": regions, "ids": random.integers(0, 2, count)}
        packed.expect(inputs, 1e-4)
        with pytest.raises(soniq.SoniqError):
            packed.run({**inputs, "ids": np.full(count, 2)})


@pytest.mark.parametrize("kind", ["Mod"])
@pytest.mark.parametrize("fmod", [0, 1])
def test_remainders(make: Make, random: np.random.Generator, kind: str, fmod: int) -> None:
    packed = make([node(kind, "x z", "y", fmod=fmod)], {"x": ["rows", 7], "z": [7]})
    assert packed.pack().returncode == 0
    x, z = real(random, 40, 7) * 1000, real(random, 7)
    x[0] = [0.0, -0.0, np.inf, -np.inf, np.nan, 3.0, -3.0]
    z[6] = -1.5
    with np.errstate(invalid="ignore"):
        expected = np.fmod(x, z) if fmod else np.mod(x, z)
    np.testing.assert_array_equal(packed.run({"x": x, "z": z}), expected)


@pytest.mark.parametrize("kind", ["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
def test_bits(make: Make, random: np.random.Generator, kind: str) -> None:
    nodes = [node(kind, "a b", "c"), node("BitwiseNot", "c", "d"), node("Cast", "d", "y", to=1)]
    packed = with_opset(make(nodes, {"a": ["rows", 5, IDS], "b": [5, IDS]}), 18)
    # What float32 holds.
    packed.expect({"a": random.integers(-(2**20), 2**20, (4, 5)), "b": random.integers(-(2**20), 2**20, 5)}, 0)


@pytest.mark.parametrize("attributes", [{}, {"strides": [2, 1], "pads": [1, 0, 2, 1]}, {"auto_pad": "SAME_UPPER"}])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_pools_of_powers(make: Make, random: np.random.Generator, p: int, attributes: dict) -> None:
    packed = make([node("LpPool", "x", "y", kernel_shape=[3, 2], p=p, **attributes)], {"x": ["batch", 3, "h", 8]})
    packed.expect({"x": real(random, 2, 3, 7, 8)}, 1e-4)
    whole = make([node("GlobalLpPool", "x", "y", p=p)], {"x": ["batch", 3, "h", 8]})
    whole.expect({"x": real(random, 2, 3, 7, 8)}, 1e-4)


@pytest.mark.parametrize(
    ("attributes", "blocks"),
    [({}, 4 * 4), ({"strides": [2, 3], "pads": [1, 0, 1, 2]}, 3 * 2), ({"dilations": [2, 1]}, 3 * 4)],
)
def test_columns(make: Make, random: np.random.Generator, attributes: dict, blocks: int) -> None:
    constants = {"image": np.array([5, 5]), "block": np.array([2, 2])}
    packed = make([node("Col2Im", "x image block", "y", **attributes)], {"x": ["batch", 12, blocks]}, constants)
    with_opset(packed, 18).expect({"x": real(random, 2, 12, blocks)})


def test_unpooled_elements(make: Make, random: np.random.Generator) -> None:
    nodes = [node("MaxUnpool", "x ids", "y", kernel_shape=[2, 2], strides=[2, 2])]
    packed = make(nodes, {"x": [2, 3, 4, 5], "ids": [2, 3, 4, 5, IDS]})
    places = random.permutation(2 * 3 * 8 * 10)[:120].reshape(2, 3, 4, 5)
    packed.expect({"x": real(random, 2, 3, 4, 5), "ids": places})
    with pytest.raises(soniq.SoniqError):
        packed.run({"x": real(random, 2, 3, 4, 5), "ids": places + 480})


@pytest.mark.parametrize("sizes", [[4, 9, 3], [5, 6, 7], [8, 7, 2]])
def test_centres(make: Make, random: np.random.Generator, sizes: list[int]) -> None:
    packed = make([node("CenterCropPad", "x s", "y")], {"x": [5, 6, 7]}, {"s": np.array(sizes)})
    assert with_opset(packed, 18).pack().returncode == 0
    x = real(random, 5, 6, 7)
    expected = x
    for axis, (size, wanted) in enumerate(zip(x.shape, sizes, strict=True)):
        if wanted < size:
            expected = np.take(expected, range((size - wanted) // 2, (size - wanted) // 2 + wanted), axis)
        else:
            pads = [(0, 0)] * 3
            pads[axis] = ((wanted - size) // 2, wanted - size - (wanted - size) // 2)
            expected = np.pad(expected, pads)
    np.testing.assert_array_equal(packed.run({"x": x}), expected)


def test_refusals(make: Make) -> None:
    def refusal(nodes: list, inputs: dict, constants: dict | None = None) -> str:
        return make(nodes, inputs, constants).refusal()

    inputs: dict = {"x": [1, 2, 3, 4], "g": [1, 2, 2, 2]}
    still = node("MaxUnpool", "x ids", "y", kernel_shape=[2, 2], strides=[0, 1])
    assert "strides [0, 1]" in refusal([still], {"x": [1, 1, 2, 2], "ids": [1, 1, 2, 2, IDS]})
    assert "mode cubical" in refusal([node("GridSample", "x g", "y", mode="cubical")], inputs)
    assert "padding_mode edge" in refusal([node("GridSample", "x g", "y", padding_mode="edge")], inputs)
    assert "places of a grid" in refusal([node("GridSample", "x g", "y")], {"x": [1, 2, 3, 4], "g": [1, 2, 2, 3]})
    assert "ceil_mode" in refusal([node("LpPool", "x", "y", kernel_shape=[2, 2], ceil_mode=1)], {"x": [1, 2, 5, 5]})
    assert "--shape" in refusal([node("CenterCropPad", "x s", "y")], {"x": [1, "n"]}, {"s": np.array([1, 4])})


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize(
    "attributes",
    [{}, {"strides": [2, 1, 3], "pads": [1, 0, 1, 0, 1, 2]}, {"strides": [2, 2, 2], "output_padding": [1, 0, 1]}],
)
def test_transposed_convolutions_of_volumes(
    make: Make, random: np.random.Generator, attributes: dict, group: int
) -> None:
    constants = {"w": real(random, 4, 3, 3, 2, 3), "b": real(random, 3 * group)}
    nodes = [node("ConvTranspose", "x w b", "y", group=group, **attributes)]
    make(nodes, {"x": ["batch", 4, 4, 3, 5]}, constants).expect({"x": real(random, 2, 4, 4, 3, 5)}, 1e-4)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("groups", [(1, 1), (2, 2), (1, 2)])
def test_deformable_convolutions(
    make: Make, random: np.random.Generator, groups: tuple[int, int], masked: bool
) -> None:
    group, offset_group = groups
    nodes = [
        node(
            "DeformConv", "x w o b m" if masked else "x w o b", "y", group=group, offset_group=offset_group,
            strides=[2, 1], pads=[1, 0, 1, 1], dilations=[1, 2], kernel_shape=[3, 2],
        )
    ]  # fmt: skip
    constants = {"w": real(random, 6, 4 // group, 3, 2), "b": real(random, 6)}
    inputs = {"x": ["batch", 4, 7, 8], "o": ["batch", 12 * offset_group, 4, 7]}
    values = {"x": real(random, 2, 4, 7, 8), "o": real(random, 2, 12 * offset_group, 4, 7) * 2}
    if masked:
        inputs["m"] = ["batch", 6 * offset_group, 4, 7]
        values["m"] = real(random, 2, 6 * offset_group, 4, 7)
    with_opset(make(nodes, inputs, constants), 19).expect(values, 1e-4)


SHIFTS = [(np.uint8, 2), (np.int8, 3), (np.uint16, 4), (np.int16, 5), (np.int32, 6)]


def bits_of(packed: Packed, kind: int) -> Packed:
    """All inputs of another type."""
    model = onnx.load(packed.source)
    for given in model.graph.input:
        given.type.tensor_type.elem_type = kind
    model.opset_import[0].version = 18
    onnx.save(model, packed.source)
    return packed


@pytest.mark.parametrize(("dtype", "kind"), SHIFTS)
@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
def test_shifts_keep_the_bits_of_the_type(
    make: Make, random: np.random.Generator, direction: str, dtype: type, kind: int
) -> None:
    nodes = [
        node("Reshape", "a flat", "b"),
        node("BitShift", "b c", "s", direction=direction),
        node("BitwiseNot", "s", "n"),
        node("Cast", "n", "y", to=1),
    ]
    packed = bits_of(make(nodes, {"a": [4, 5], "c": [20]}, {"flat": np.array([20])}), kind)
    assert packed.pack().returncode == 0
    limits = np.iinfo(dtype)
    # No more than float32 holds.
    a = random.integers(max(limits.min, -(2**20)), min(limits.max, 2**20), (4, 5)).astype(dtype)
    c = random.integers(0, min(limits.bits, 8), 20).astype(dtype)
    shifted = np.left_shift(a.reshape(20), c) if direction == "LEFT" else np.right_shift(a.reshape(20), c)
    narrow = dtype in (np.uint8, np.int8)
    inputs = {"a": a if narrow else a.astype(np.int32), "c": c if narrow else c.astype(np.int32)}
    np.testing.assert_array_equal(packed.run(inputs), np.invert(shifted).astype(np.float32))


def test_bits_of_types_that_do_not_show(make: Make) -> None:
    nodes = [node("ArgMax", "x", "a"), node("BitwiseNot", "a", "n"), node("Cast", "n", "y", to=1)]
    assert "put a Cast before it" in with_opset(make(nodes, {"x": [3, 4]}), 18).refusal()


def test_a_shift_of_32_bits_brings_no_sign_in(make: Make) -> None:
    """Numbers of uint32 by their bits: the highest one is the sign of int32."""
    nodes = [node("BitShift", "a b", "n", direction="RIGHT"), node("Cast", "n", "y", to=1)]
    packed = bits_of(make(nodes, {"a": [4], "b": [4]}), 12)
    assert packed.pack().returncode == 0
    got = packed.run({"a": np.int32([-8, -1, -(2**31), 12]), "b": np.int32([1, 31, 4, 0])})
    assert np.array_equal(got, np.float32([2**31 - 4, 1, 2**27, 12]))
