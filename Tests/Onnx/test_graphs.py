"""Small graphs of the kinds that real exporters write, packed from ONNX, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from small_graphs import IDS, INT64, Make, node, real

import soniq

# Sizes of different names.

MEETINGS = {
    "add": [node("Add", "x z", "y")],
    "concat": [node("Concat", "x z", "y", axis=1)],
    "matmul": [node("Transpose", "z", "t", perm=[1, 0]), node("MatMul", "t x", "y")],
    "where": [node("Greater", "x z", "c"), node("Where", "c x z", "y")],
    "expand": [node("Shape", "z", "s"), node("Expand", "x s", "y")],
    "reshape": [node("Shape", "z", "s"), node("Reshape", "x s", "y")],
}


@pytest.mark.parametrize("kind", MEETINGS)
def test_sizes_that_meet_are_one_size(kind: str, make: Make, random: np.random.Generator) -> None:
    model = make(MEETINGS[kind], {"x": ["unk__1", 4], "z": ["unk__2", 4]})
    model.expect({"x": real(random, 3, 4), "z": real(random, 3, 4)})
    assert [tensor.shape[0] for tensor in soniq.load(model.output).inputs] == ["unk__1", "unk__1"]


def test_the_smaller_maximum_of_sizes_that_meet_holds(make: Make, random: np.random.Generator) -> None:
    model = make([node("Concat", "x z", "y", axis=1)], {"x": ["a", 4], "z": ["b", 3]})
    model.expect({"x": real(random, 5, 4), "z": real(random, 5, 3)}, 1e-5, "--maximum", "a=9", "--maximum", "b=5")
    with pytest.raises(soniq.SoniqError, match="at most 5"):
        model.run({"x": real(random, 6, 4), "z": real(random, 6, 3)})


def test_a_run_in_which_they_differ_names_both_inputs(make: Make, random: np.random.Generator) -> None:
    model = make([node("Add", "x z", "y")], {"x": ["a", 4], "z": ["b", 4]})
    assert model.pack().returncode == 0
    with pytest.raises(soniq.SoniqError, match='"z" is 2.*input "x" has 3'):
        model.run({"x": real(random, 3, 4), "z": real(random, 2, 4)})


def test_a_size_that_must_be_a_number_is_one(make: Make, random: np.random.Generator) -> None:
    model = make([node("Add", "x k", "y")], {"x": ["a", 4]}, {"k": real(random, 3, 4)})
    model.expect({"x": real(random, 3, 4)}, 1e-5)
    assert "the size a is 3" in model.pack().stderr
    assert soniq.load(model.output).inputs[0].shape == (3, 4)


# Slices of dynamic axes.


@pytest.mark.parametrize("end", [64, 65, 10**9, 2**31 - 2, 2**31 - 1, 2**63 - 1])
@pytest.mark.parametrize("start", [0, -64, -(2**62)])
def test_a_slice_of_a_whole_dynamic_axis(end: int, start: int, make: Make, random: np.random.Generator) -> None:
    constants = {"s": np.array([start, 2]), "e": np.array([end, 6]), "a": np.array([0, -1])}
    make([node("Slice", "x s e a", "y")], {"x": ["b", 8]}, constants).expect({"x": real(random, 3, 8)})


@pytest.mark.parametrize(("start", "end"), [(0, 63), (0, -1), (1, 2**31), (-63, 2**31)])
def test_a_slice_that_cuts_a_dynamic_axis(start: int, end: int, make: Make, random: np.random.Generator) -> None:
    constants = {"s": np.array([start]), "e": np.array([end]), "a": np.array([0])}
    make([node("Slice", "x s e a", "y")], {"x": ["b", 8]}, constants).expect({"x": real(random, 3, 8)})


def test_a_bound_of_unknown_sign_counts_from_the_front(make: Make, random: np.random.Generator) -> None:
    """n - 4 would be counted from the end where n is less than 4: no run has such an n."""
    nodes = [
        node("Shape", "x", "shape"), node("Gather", "shape zero", "n"), node("Sub", "n four", "s"),
        node("Slice", "x s n zero", "y"),
    ]  # fmt: skip
    model = make(nodes, {"x": ["n", 8]}, {"zero": np.array([0]), "four": np.array([4])})
    model.expect({"x": real(random, 9, 8)})
    with pytest.raises(soniq.SoniqError, match=r'"n - 3" would be 0'):
        model.run({"x": real(random, 3, 8)})


# Tensors of no elements.

NUMBERS = {"zero": np.array([0]), "one": np.array([1]), "six": np.array([6]), "none": np.zeros(0, np.int64)}
NOTHING = {
    "of a dynamic shape": [
        node("Shape", "x", "shape"), node("Gather", "shape zero", "b"), node("Concat", "b zero", "s", axis=0),
        node("ConstantOfShape", "s", "n"),
    ],
    "of a slice": [node("Slice", "x zero zero one", "n")],
    "of a function": [node("Slice", "x zero zero one", "m"), node("Sigmoid", "m", "k"), node("Neg", "k", "n")],
    "of no indices": [node("Gather", "x none", "n", axis=1)],
    "of a transpose": [
        node("Slice", "x zero zero one", "m"), node("Transpose", "m", "t", perm=[1, 0]),
        node("Transpose", "t", "n", perm=[1, 0]),
    ],
    "of a concatenation": [node("Slice", "x zero zero one", "m"), node("Concat", "m m", "n", axis=1)],
    "of a reshape": [
        node("Slice", "x zero zero one", "m"), node("Shape", "m", "s"), node("Reshape", "m s", "n", allowzero=1),
    ],
}


@pytest.mark.parametrize("kind", NOTHING)
def test_nothing_joins_nothing(kind: str, make: Make, random: np.random.Generator) -> None:
    x = real(random, 3, 6)
    joined = [*NOTHING[kind], node("Concat", "n x n x", "y", axis=1)]
    make(joined, {"x": ["b", 6]}, NUMBERS).expect({"x": x})
    # An output of no elements, and what would have to be made of none.
    assert "no elements" in make([*NOTHING[kind], node("Abs", "n", "y")], {"x": ["b", 6]}, NUMBERS).refusal()
    refusal = make([*NOTHING[kind], node("ReduceSum", "n one", "y")], {"x": ["b", 6]}, NUMBERS).refusal()
    assert "the_y" in refusal and "no elements" in refusal


def test_a_split_may_have_empty_parts(make: Make, random: np.random.Generator) -> None:
    nodes = [node("Split", "x p", "n k", axis=1), node("Concat", "k n x", "y", axis=1)]
    make(nodes, {"x": ["b", 6]}, {"p": np.array([0, 6])}).expect({"x": real(random, 3, 6)})


# Weights that several nodes use.


def chain(count: int) -> list[onnx.NodeProto]:
    names = ["t", *(f"t{index}" for index in range(count - 1)), "y"]
    return [node("Tanh", "x", "t")] + [
        part
        for index in range(count)
        for part in (node("MatMul", f"{names[index]} w", f"m{index}"), node("Tanh", f"m{index}", names[index + 1]))
    ]


@pytest.mark.parametrize("is_packed", [False, True])
def test_shared_weights_are_stored_once(is_packed: bool, make: Make, random: np.random.Generator) -> None:
    weights = {"w": real(random, 128, 128) / 12}
    calibration = {"x": real(random, 64, 128)} if is_packed else None
    sizes = []
    for count in (1, 14):
        model = make(chain(count), {"x": ["b", 128]}, weights)
        model.expect({"x": real(random, 5, 128)}, 0.1 if is_packed else 1e-4, calibration=calibration)
        sizes.append(model.output.stat().st_size)
    assert sizes[1] < sizes[0] + 4000


def test_convolutions_of_one_filter_store_it_once(make: Make, random: np.random.Generator) -> None:
    nodes = [
        node("Conv", "x w b", "c1", pads=[1, 1, 1, 1]), node("Relu", "c1", "r1"),
        node("Conv", "r1 w b", "c2", pads=[2, 2, 2, 2], dilations=[2, 2]), node("Relu", "c2", "r2"),
        node("Conv", "r2 d", "c3", group=16, pads=[1, 1, 1, 1]), node("Conv", "c3 d", "c4", group=16),
        node("Conv", "c4 w", "c5"), node("Add", "c5 c5", "y"),
    ]
    weights = {"w": real(random, 16, 16, 3, 3) / 12, "b": real(random, 16), "d": real(random, 16, 1, 3, 3) / 3}
    model = make(nodes, {"x": ["b", 16, 9, 9]}, weights)
    model.expect({"x": real(random, 2, 16, 9, 9)})
    model.expect({"x": real(random, 2, 16, 9, 9)}, 0.1, calibration={"x": real(random, 16, 16, 9, 9)})
    assert model.output.stat().st_size < 20_000


def test_a_table_and_the_layer_that_is_tied_to_it(make: Make, random: np.random.Generator) -> None:
    nodes = [
        node("Gather", "t ids", "e"), node("Gather", "t others", "f"), node("Add", "e f", "s"),
        node("Transpose", "t", "tt", perm=[1, 0]), node("MatMul", "s tt", "y"),
    ]
    table = real(random, 200, 64)
    model = make(nodes, {"ids": ["b", 5, IDS], "others": ["b", 5, IDS]}, {"t": table})
    ids = {name: random.integers(0, 200, (4, 5)) for name in ("ids", "others")}
    model.expect(ids, 1e-4)
    assert model.output.stat().st_size < 2.2 * table.nbytes
    model.expect(ids, 0.1, calibration=ids)
    assert model.output.stat().st_size < 0.7 * table.nbytes


# Tables by ids that nodes make.

IDENTIFIERS = {
    "cut": ([node("Gather", "ids one0", "i", axis=1)], ["b", 2, 10, IDS]),
    "added to": ([node("Add", "ids three", "i")], ["b", 10, IDS]),
    "clipped": ([node("Clip", "ids zero0 three", "i")], ["b", 10, IDS]),
    "chosen": ([node("Less", "ids three", "c"), node("Where", "c ids three", "i")], ["b", 10, IDS]),
    "reshaped": ([node("Reshape", "ids flat", "i")], ["b", 10, IDS]),
    "real": ([node("Cast", "x", "i", to=INT64)], ["b", 10]),
    "largest": ([node("ArgMax", "x", "i", axis=2, keepdims=0)], ["b", 10, 7]),
    "negative": ([node("Sub", "ids three", "i")], ["b", 10, IDS]),
}


@pytest.mark.parametrize("kind", IDENTIFIERS)
def test_tables_by_computed_ids_are_packed(kind: str, make: Make, random: np.random.Generator) -> None:
    nodes, shape = IDENTIFIERS[kind]
    name = "ids" if shape[-1] == IDS else "x"
    constants = {
        "t": real(random, 2000, 32), "one0": np.array(1), "three": np.array(3), "zero0": np.array(0),
        "flat": np.array([-1, 5, 2]),
    }
    model = make([*nodes, node("Gather", "t i", "y")], {name: list(shape)}, constants)
    sizes = [6, *(size for size in shape[1:] if size != IDS)]
    values = random.integers(0, 8, sizes)
    inputs = {name: values if name == "ids" else values.astype(np.float32)}
    model.expect(inputs)
    model.expect(inputs, 0.02, calibration=inputs)
    assert model.output.stat().st_size < 90_000


@pytest.mark.parametrize("is_packed", [False, True])
def test_computed_ids_out_of_range_fail_the_run(is_packed: bool, make: Make, random: np.random.Generator) -> None:
    model = make(
        [node("Add", "ids three", "i"), node("Gather", "t i", "y")], {"ids": ["b", 10, IDS]},
        {"t": real(random, 50, 16), "three": np.array(3)},
    )
    good = random.integers(0, 47, (4, 10))
    assert model.pack(calibration={"ids": good} if is_packed else None).returncode == 0
    expected = model.run({"ids": good})
    for wrong in (47, -54, 2**31 - 9):
        bad = good.copy()
        bad[2, 3] = wrong
        with pytest.raises(soniq.SoniqError, match="element 23 .*outside 0..<50"):
            model.run({"ids": bad})
    np.testing.assert_array_equal(model.run({"ids": good}), expected)


# Codes that a model states.


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions_keep_scales_by_channel(groups: int, make: Make, random: np.random.Generator) -> None:
    scales = np.geomspace(1e-3, 0.1, 5).astype(np.float32)
    nodes = [
        node("QuantizeLinear", "x sx zx", "q"), node("DequantizeLinear", "q sx zx", "d"),
        node("DequantizeLinear", "c s z", "w", axis=1),
        node("ConvTranspose", "d w", "y", strides=[2, 2], group=groups),
    ]
    constants = {
        "c": random.integers(-127, 128, (8, 5, 3, 3)).astype(np.int8), "s": scales, "z": np.zeros(5, np.int8),
        "sx": np.float32(8 / 255), "zx": np.uint8(128),
    }
    x = real(random, 2, 8, 6, 6)
    model = make(nodes, {"x": ["b", 8, 6, 6]}, constants)
    assert model.pack(calibration={"x": x}).returncode == 0
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.source, options, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})[0]
    error = np.abs(model.run({"x": x}) - expected).max((0, 2, 3)) / np.abs(expected).max((0, 2, 3))
    assert error.max() < 1e-5, error


def test_tables_of_codes_keep_them(make: Make, random: np.random.Generator) -> None:
    nodes = [node("Gather", "c ids", "g"), node("DequantizeLinear", "g s z", "y")]
    codes = random.integers(0, 256, (500, 32)).astype(np.uint8)
    model = make(nodes, {"ids": ["b", 5, IDS]}, {"c": codes, "s": np.float32(0.013), "z": np.uint8(131)})
    ids = random.integers(0, 500, (4, 5))
    model.expect({"ids": ids})
    # Scales of binary16 are within 1/2048.
    model.expect({"ids": ids}, 1 / 2048, calibration={"ids": ids})
    assert model.output.stat().st_size < 500 * (32 + 2) + 2000


# Layers of few channels.

NARROW = [
    # outputs, inputs, kernel, stride, groups, padding, image
    (36, 1, (1, 64), 4, 1, 0, (1, 512)), (128, 1, (1, 50), 3, 1, 5, (1, 301)), (8, 1, (5, 5), 1, 1, 2, (12, 13)),
    (16, 2, (3, 3), 2, 1, 1, (9, 11)), (12, 2, (1, 7), 5, 1, 3, (4, 40)), (1, 1, (1, 64), 4, 1, 0, (1, 512)),
    (1, 1, (1, 2), 1, 1, 0, (1, 9)), (3, 3, (3, 3), 1, 3, 1, (8, 8)), (4, 2, (1, 1), 1, 2, 0, (8, 8)),
    (1, 5, (1, 1), 1, 1, 0, (8, 8)), (6, 1, (2, 9), 8, 1, 4, (5, 64)),
]  # fmt: skip


@pytest.mark.parametrize("case", NARROW)
def test_few_channels_take_no_more_than_float32(case: tuple, make: Make, random: np.random.Generator) -> None:
    outputs, inputs, kernel, stride, groups, padding, image = case
    weights = real(random, outputs, inputs // groups, *kernel) / np.float32(np.sqrt(np.prod(kernel) * inputs))
    attributes = {"strides": [1, stride], "pads": [0, padding, 0, padding], "group": groups}
    nodes = [node("Conv", "x w b", "c", **attributes), node("Relu", "c", "y")]
    model = make(nodes, {"x": ["batch", inputs, *image]}, {"w": weights, "b": real(random, outputs)})
    x = real(random, 8, inputs, *image)
    model.expect({"x": x}, 1e-5)
    floats = model.output.stat().st_size
    model.expect({"x": x}, 0.03, calibration={"x": x})
    # But for what the nodes that regroup columns take.
    assert model.output.stat().st_size < floats + 800


def test_one_channel_takes_about_its_codes(make: Make, random: np.random.Generator) -> None:
    weights = real(random, 128, 1, 400) / 20
    model = make([node("Conv", "x w", "y", strides=[160])], {"x": ["b", 1, 3200]}, {"w": weights})
    x = real(random, 16, 1, 3200)
    model.expect({"x": x}, 0.05, calibration={"x": x})
    assert model.output.stat().st_size < 1.1 * weights.size + 3000


# What needs machinery that is not there is refused by name.


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [("Det", "c"), ("MaxRoiPool", "x k"), ("StringSplit", "x")],
)
def test_unknown_operators_are_named(kind: str, inputs: str, make: Make) -> None:
    constants = {"c": np.zeros((1, 1, 4, 4), np.uint8), "k": np.zeros((1, 1, 2, 2), np.uint8)}
    refusal = make([node(kind, inputs, "y")], {"x": ["b", 4]}, constants).refusal()
    assert f"unknown operator {kind} (1: the_y)" in refusal


def test_padding_that_follows_from_a_dynamic_size_asks_for_a_shape(make: Make, random: np.random.Generator) -> None:
    nodes = [node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[3])]
    model = make(nodes, {"x": [1, 3, "length"]}, {"w": real(random, 4, 3, 3)})
    refusal = model.refusal()
    assert "the_y" in refusal and "--shape" in refusal
    model.expect({"x": real(random, 1, 3, 7)}, 1e-5, "--shape", "x=1,3,7")


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("kind", ["Relu", "Tanh", "Identity"])
@pytest.mark.parametrize("width", [10, "w"])
def test_an_image_added_to_its_own_convolution(
    width: int | str, kind: str, groups: int, make: Make, random: np.random.Generator
) -> None:
    """The sum may not take the image's memory while windows of other rows are still to be read."""
    nodes = [
        node("Conv", "x w0", "p", pads=[1, 1, 1, 1]), node(kind, "p", "q"),
        node("Conv", "q w1 b1", "r", pads=[1, 1, 1, 1], group=groups), node(kind, "r", "s"), node("Add", "q s", "y"),
    ]
    weights = {"w0": real(random, 8, 8, 3, 3), "w1": real(random, 8, 8 // groups, 3, 3), "b1": real(random, 8)}
    model = make(nodes, {"x": [1, 8, 8, width]}, weights)
    for size in (10,) if width == 10 else (10, 7):
        model.expect({"x": real(random, 1, 8, 8, size)}, 1e-5)
