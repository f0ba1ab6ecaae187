"""Sizes that follow from dynamic ones: slices, joins and arithmetic of shapes, against ONNX Runtime at many sizes."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from small_graphs import IDS, Make, Packed, node, real

import soniq


def expect_sizes(model: Packed, random: np.random.Generator, shapes: list[tuple[int, ...]], *options: str) -> None:
    """One packed file at every shape."""
    result = model.pack(*options)
    assert result.returncode == 0, result.stderr
    packed = soniq.load(model.output)
    session = onnxruntime.InferenceSession(model.source, providers=["CPUExecutionProvider"])
    for shape in shapes:
        x = real(random, *shape)
        (expected,) = session.run(None, {"x": x})
        (actual,) = packed(x=x).values()
        assert actual.shape == expected.shape, shape
        least = 1e-5 * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=least, err_msg=str(shape))


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [(0, 3, 1), (1, 2**31, 1), (0, -1, 1), (-3, 2**62, 1), (2, -2, 1), (0, 2**31, 2), (1, 7, 3), (-1, -(2**31), -1),
     (-1, -(2**62), -2), (-4, -1, 2)],
)  # fmt: skip
def test_slices_of_a_dynamic_axis(
    start: int, end: int, step: int, make: Make, random: np.random.Generator
) -> None:
    constants = {"s": np.array([start]), "e": np.array([end]), "a": np.array([1]), "t": np.array([step])}
    model = make([node("Slice", "x s e a t", "y")], {"x": ["b", "n", 3]}, constants)
    expect_sizes(model, random, [(2, n, 3) for n in range(5, 12)])


def test_a_slice_that_leaves_nothing_is_refused_by_size(make: Make, random: np.random.Generator) -> None:
    constants = {"s": np.array([4]), "e": np.array([2**31]), "a": np.array([0])}
    model = make([node("Slice", "x s e a", "y")], {"x": ["n", 3]}, constants)
    expect_sizes(model, random, [(5, 3), (9, 3)])
    with pytest.raises(soniq.SoniqError, match=r"too small: the size \"n - 4\" would be 0"):
        model.run({"x": real(random, 4, 3)})


ARITHMETIC = {
    "the second half": [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Div", "n two", "half"),
        node("Slice", "x half n one", "y"),
    ],
    "all but the last two, by arithmetic": [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Sub", "n two", "end"),
        node("Slice", "x zero end one", "y"),
    ],
    "pairs side by side": [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Gather", "shape zero", "b"),
        node("Div", "n two", "half"), node("Mul", "half two", "even"), node("Slice", "x zero even one", "cut"),
        node("Concat", "b half six", "target", axis=0), node("Reshape", "cut target", "y"),
    ],
    "rows of all entries": [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Gather", "shape zero", "b"),
        node("Mul", "n b", "rows"), node("Concat", "rows three", "target", axis=0), node("Reshape", "x target", "y"),
    ],
    "joined with its halves": [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Div", "n two", "half"),
        node("Slice", "x zero half one", "a"), node("Slice", "x half n one", "c"),
        node("Concat", "c x a", "y", axis=1),
    ],
    "at most four": [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Min", "n four", "end"),
        node("Slice", "x zero end one", "y"),
    ],
    "ones of its size": [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Add", "n two", "more"),
        node("Concat", "more three", "target", axis=0), node("Expand", "line target", "y"),
    ],
    "margins": [node("Pad", "x pads", "y", mode="edge")],
}  # fmt: skip
NUMBERS = {name: np.array([number]) for number, name in enumerate(["zero", "one", "two", "three", "four", "_", "six"])}


@pytest.mark.parametrize("kind", ARITHMETIC)
def test_arithmetic_of_dynamic_sizes(kind: str, make: Make, random: np.random.Generator) -> None:
    constants = {**NUMBERS, "line": real(random, 1, 3), "pads": np.array([0, 2, 0, 0, 1, 0])}
    used = {name for made in ARITHMETIC[kind] for name in made.input}
    model = make(
        ARITHMETIC[kind], {"x": ["b", "n", 3]}, {name: array for name, array in constants.items() if name in used}
    )
    expect_sizes(model, random, [(b, n, 3) for b in (1, 3) for n in range(4, 10)])


def test_sizes_that_must_be_equal_are_compared_in_each_run(make: Make, random: np.random.Generator) -> None:
    """Twice the half of an odd size is less than the size."""
    nodes = [
        node("Shape", "x", "shape"), node("Gather", "shape zero", "n"), node("Div", "n two", "half"),
        node("Slice", "x zero half zero", "a"), node("Concat", "a a", "twice", axis=0), node("Add", "twice x", "y"),
    ]  # fmt: skip
    model = make(nodes, {"x": ["n", 3]}, {name: NUMBERS[name] for name in ("zero", "two")})
    expect_sizes(model, random, [(2, 3), (6, 3)])
    with pytest.raises(soniq.SoniqError, match='"n" is 5, but the model needs it to be .*, which is 4'):
        model.run({"x": real(random, 5, 3)})


def test_limits_of_what_follows(make: Make, random: np.random.Generator) -> None:
    """A file says which sizes its outputs have, and at most."""
    model = make([node("Concat", "x x", "y", axis=0)], {"x": ["n", 3]})
    expect_sizes(model, random, [(2, 3)], "--maximum", "n=7")
    (output,) = soniq.load(model.output).outputs
    assert output.shape == ("2 * n", 3)


def test_a_size_that_must_be_one_is_checked(make: Make, random: np.random.Generator) -> None:
    """Rows are pooled to one, as recognisers of text do with lines of a fixed height, and then dropped."""
    constants = {"shape": np.array([0, 3, -1])}
    nodes = [node("AveragePool", "x", "p", kernel_shape=[4, 2], strides=[4, 2]), node("Reshape", "p shape", "y")]
    model = make(nodes, {"x": ["b", 3, "height", "width"]}, constants)
    expect_sizes(model, random, [(1, 3, 4, 6), (2, 3, 7, 9), (2, 3, 9, 8)])
    shapes = {"x": ["b", 3, "height", "width"]}
    nodes = [nodes[0], node("Squeeze", "p two", "y")]
    model = make(nodes, shapes, {"two": np.array([2])})
    expect_sizes(model, random, [(1, 3, 4, 6), (2, 3, 7, 9)])
    with pytest.raises(soniq.SoniqError, match=r'"floor\(height / 4\)" is 2, but the model needs it to be 1'):
        model.run({"x": real(random, 1, 3, 9, 6)})


def test_pictures_of_any_size(make: Make, random: np.random.Generator) -> None:
    """Down by strides and up again, as picture filters and detectors are built."""
    constants = {
        "w": real(random, 8, 3, 3, 3), "v": real(random, 8, 1, 3, 3), "u": real(random, 8, 4, 2, 2),
        "k": real(random, 5, 7, 1, 1), "scales": np.array([1, 1, 2, 2], np.float32),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1], strides=[2, 2]), node("Relu", "a", "ra"),
        node("Conv", "ra v", "d", pads=[1, 1, 1, 1], group=8),
        node("MaxPool", "d", "m", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("Resize", "m  scales", "r", mode="nearest", coordinate_transformation_mode="asymmetric",
             nearest_mode="floor"),
        node("Add", "r d", "s"), node("ConvTranspose", "s u", "t", strides=[2, 2]), node("Concat", "t x", "c", axis=1),
        node("Conv", "c k", "y"),
    ]  # fmt: skip
    nodes[4].input[:] = ["m", "", "scales"]
    model = make(nodes, {"x": [1, 3, "height", "width"]}, constants)
    expect_sizes(model, random, [(1, 3, h, w) for h in (4, 8, 20) for w in (4, 12, 36)], "--maximum", "height=32",
                 "--maximum", "width=64")  # fmt: skip
    with pytest.raises(soniq.SoniqError, match='the model needs it to be'):
        model.run({"x": real(random, 1, 3, 6, 8)})


@pytest.mark.parametrize("kind", ["linear", "nearest", "cubic"])
def test_resizing_to_the_size_of_another(kind: str, make: Make, random: np.random.Generator) -> None:
    nodes = [
        node("MaxPool", "x", "small", kernel_shape=[3, 3], strides=[3, 2]), node("Shape", "x", "shape"),
        node("Resize", "small", "big", mode=kind), node("Sub", "big x", "y"),
    ]  # fmt: skip
    nodes[2].input[:] = ["small", "", "", "shape"]
    model = make(nodes, {"x": [1, 2, "height", "width"]})
    expect_sizes(model, random, [(1, 2, h, w) for h in (3, 5, 10) for w in (3, 4, 9)], "--maximum", "height=16",
                 "--maximum", "width=16")  # fmt: skip


@pytest.mark.parametrize("shape", [["n"], ["n", "m"], [2, "n", 3], [3, 2, "n"]])
def test_activations_of_any_size(shape: list, make: Make, random: np.random.Generator) -> None:
    sizes = [tuple({"n": n, "m": 7}.get(size, size) for size in shape) for n in (1, 5, 12)]
    expect_sizes(make([node("Relu", "x", "y")], {"x": shape}), random, sizes)


def test_an_activation_behind_a_dynamic_image_is_part_of_its_convolution(
    make: Make, random: np.random.Generator
) -> None:
    nodes = [node("Conv", "x w", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "r"), node("Conv", "r v", "y")]
    constants = {"w": real(random, 8, 3, 3, 3), "v": real(random, 4, 8, 1, 1)}
    model = make(nodes, {"x": [1, 3, "height", "width"]}, constants)
    expect_sizes(model, random, [(1, 3, 5, 9), (1, 3, 8, 3)], "--maximum", "height=16", "--maximum", "width=16")
    assert "activation" not in [step.operation for step in soniq.load(model.output).kernels()]


@pytest.mark.parametrize("length", [1, 2])
def test_signals_of_any_length(length: int, make: Make, random: np.random.Generator) -> None:
    nodes = [node("Conv", "x w", "a", pads=[2, 2], strides=[length]), node("LeakyRelu", "a", "y")]
    model = make(nodes, {"x": ["b", 4, "time"]}, {"w": real(random, 6, 4, 5)})
    expect_sizes(model, random, [(b, 4, n) for b in (1, 2) for n in (3, 8, 31)])


@pytest.mark.parametrize("placeholder", ["?", "-1", "None", None])
def test_a_size_without_a_name_is_equal_to_no_other(
    placeholder: str | None, make: Make, random: np.random.Generator
) -> None:
    model = make([node("Relu", "x", "y")], {"x": [placeholder, 3, placeholder]}, {})
    expect_sizes(model, random, [(2, 3, 7), (5, 3, 1)])


@pytest.mark.parametrize("real_ends", [False, True])
@pytest.mark.parametrize(("begin", "step"), [(0, 1), (1, 1), (0, 2), (-3, 4), (2, 1)])
def test_ranges_of_dynamic_length(
    begin: int, step: int, real_ends: bool, make: Make, random: np.random.Generator
) -> None:
    """Anchors of detectors count along images whose size is cast to float on the way."""
    kind = np.float32 if real_ends else np.int64
    constants = {"i": np.array(1), "begin": np.array(begin, kind), "step": np.array(step, kind)}
    nodes = [node("Shape", "x", "shape"), node("Gather", "shape i", "n")]
    nodes += [node("Cast", "n", "end", to=1 if real_ends else 7), node("Range", "begin end step", "r")]
    nodes += [node("Cast", "r", "real", to=1), node("Unsqueeze", "real zero", "row")]
    nodes += [node("ReduceSum", "x last", "sums"), node("Mul", "sums row", "y")]
    constants |= {"zero": np.array([0]), "last": np.array([1])}
    model = make(nodes, {"x": ["b", "n"]}, constants)
    expect_sizes(model, random, [(2, n) for n in (3, 4, 7, 12)])


@pytest.mark.parametrize("padding", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(
    ("kind", "kernel", "stride"),
    [("Conv", 1, 2), ("Conv", 4, 2), ("Conv", 5, 2)] + [(kind, *one) for kind in ("Conv", "MaxPool") for one in
     [(2, 2), (3, 2), (6, 2), (3, 1)]],
)  # fmt: skip
def test_same_padding_of_any_size(
    kind: str, kernel: int, stride: int, padding: str, make: Make, random: np.random.Generator
) -> None:
    attributes = {"auto_pad": padding, "strides": [stride, stride], "kernel_shape": [kernel, kernel]}
    inputs = "x w" if kind == "Conv" else "x"
    model = make([node(kind, inputs, "y", **attributes)], {"x": ["b", 3, "h", "w"]},
                 {"w": real(random, 4, 3, kernel, kernel)} if kind == "Conv" else {})  # fmt: skip
    expect_sizes(model, random, [(1, 3, 6, 7), (2, 3, 9, 8), (1, 3, 12, 12), (1, 3, 5, 5)])


def test_same_padding_that_only_a_run_knows_is_refused(make: Make, random: np.random.Generator) -> None:
    model = make([node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[3, 3])], {"x": ["b", 3, "h", "w"]},
                 {"w": real(random, 4, 3, 3, 3)})  # fmt: skip
    result = model.pack()
    assert result.returncode == 65 and "SAME_UPPER with stride 3 over a dynamic size" in result.stderr


def test_same_padding_of_a_signal(make: Make, random: np.random.Generator) -> None:
    model = make([node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[2])], {"x": ["b", 3, "n"]},
                 {"w": real(random, 4, 3, 3)})  # fmt: skip
    expect_sizes(model, random, [(1, 3, 6), (2, 3, 9)])


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("kind", ["all", "at most four", "three"])
def test_the_first_in_order_of_a_dynamic_axis(
    kind: str, largest: int, make: Make, random: np.random.Generator
) -> None:
    """k as PyTorch writes it: all of a batch that is put in order, or min(k, size)."""
    made = {
        "all": [node("Shape", "x", "shape"), node("Gather", "shape ones", "k")],
        "at most four": [node("Shape", "x", "shape"), node("Gather", "shape ones", "n"), node("Min", "n four", "k")],
        "three": [node("Identity", "three", "k")],
    }[kind]
    nodes = [*made, node("TopK", "x k", "values indices", axis=1, largest=largest), node("Cast", "indices", "i", to=1),
             node("Add", "values i", "y")]  # fmt: skip
    used = {name for step in nodes for name in step.input}
    constants = {"ones": np.array([1]), "four": np.array([4]), "three": np.array([3])}
    model = make(nodes, {"x": ["b", "n", 3]}, {name: array for name, array in constants.items() if name in used})
    expect_sizes(model, random, [(b, n, 3) for b in (1, 2) for n in (3, 4, 9)])


def test_more_than_a_dynamic_axis_has_is_an_error(make: Make, random: np.random.Generator) -> None:
    model = make([node("TopK", "x k", "y indices", axis=1)], {"x": [2, "n"]}, {"k": np.array([3])})
    expect_sizes(model, random, [(2, 3), (2, 8)])
    with pytest.raises(soniq.SoniqError, match="SHAPE"):
        model.run({"x": real(random, 2, 2)})


@pytest.mark.parametrize("mode", ["constant", "edge"])
@pytest.mark.parametrize("side", ["before", "after", "both"])
def test_margins_that_follow_from_sizes(side: str, mode: str, make: Make, random: np.random.Generator) -> None:
    """At least eight, and a multiple of four: as spectrograms are cut into frames."""
    least = [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Sub", "eight n", "missing"),
        node("Max", "missing zero", "first"), node("Max", "n eight", "long"), node("Add", "long three", "more"),
        node("Div", "more four", "count"), node("Mul", "count four", "whole"), node("Sub", "whole long", "second"),
    ]
    order = {"before": "z first z z", "after": "z z z first", "both": "z second z first"}[side]
    nodes = [*least, node("Concat", order, "pads", axis=0), node("Pad", "x pads", "y", mode=mode)]
    constants = {name: np.array([number]) for name, number in
                 [("one", 1), ("eight", 8), ("zero", 0), ("three", 3), ("four", 4), ("z", 0)]}  # fmt: skip
    model = make(nodes, {"x": ["b", "n"]}, constants)
    expect_sizes(model, random, [(b, n) for b in (1, 3) for n in (1, 5, 7, 8, 9, 12, 13)])


@pytest.mark.parametrize("kind", ["rows", "a line", "a constant"])
def test_repeats_that_follow_from_sizes(kind: str, make: Make, random: np.random.Generator) -> None:
    source = {"rows": "x", "a line": "line", "a constant": "table"}[kind]
    nodes = [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Concat", "n one", "repeats", axis=0),
        node("Tile", f"{source} repeats", "y"),
    ]
    if kind == "a line":
        nodes.insert(3, node("ReduceMax", "x", "line", axes=[0]))
    constants = {"one": np.array([1])}
    if kind == "a constant":
        constants["table"] = real(random, 2, 3)
        nodes += [node("ReduceSum", "x", "sum", keepdims=1), node("Add", "y sum", "z")]
        nodes[3].output[0], nodes[5].input[0], nodes[5].output[0] = "tiled", "tiled", "y"
    expect_sizes(make(nodes, {"x": ["b", "n"]}, constants), random, [(b, n) for b in (1, 3) for n in (1, 4)])


@pytest.mark.parametrize("axis", [1, 2])
def test_elements_of_any_number_of_lines(axis: int, make: Make, random: np.random.Generator) -> None:
    x, ids = (["b", 4, "n"], ["b", 2, "n", IDS]) if axis == 1 else (["b", "n", 4], ["b", "n", 2, IDS])
    model = make([node("GatherElements", "x ids", "y", axis=axis)], {"x": x, "ids": ids})
    for batch, length in [(1, 1), (2, 5), (3, 2)]:
        shape = (batch, 4, length) if axis == 1 else (batch, length, 4)
        ids = random.integers(-4, 4, tuple(2 if place == axis else size for place, size in enumerate(shape)))
        model.expect({"x": real(random, *shape), "ids": ids})
    with pytest.raises(soniq.SoniqError):
        model.run({"x": real(random, *shape), "ids": np.full_like(ids, 4)})


COMPUTED = {
    "the mean by a sum": [
        node("ReduceSum", "x axis", "sum", keepdims=1), node("Shape", "x", "shape"), node("Gather", "shape one", "n"),
        node("Cast", "n", "count", to=1), node("Div", "sum count", "y"),
    ],
    "an unbiased variance": [
        node("ReduceMean", "x", "mean", axes=[1]), node("Sub", "x mean", "rest"), node("Mul", "rest rest", "square"),
        node("ReduceMean", "square", "variance", axes=[1]), node("Shape", "x", "shape"),
        node("Gather", "shape one", "n"), node("Sub", "n one", "less"), node("Cast", "n", "count", to=1),
        node("Cast", "less", "freedom", to=1), node("Mul", "variance count", "sum"), node("Div", "sum freedom", "y"),
    ],
    "places from 0 to 1": [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Squeeze", "n", "end"),
        node("Range", "start end step", "places"), node("Cast", "places", "p", to=1), node("Cast", "n", "count", to=1),
        node("Div", "p count", "part"), node("Unsqueeze", "part axis_last", "column"), node("Add", "x column", "y"),
    ],
    "both sizes": [
        node("Shape", "x", "shape"), node("Cast", "shape", "sizes", to=1), node("Add", "x sizes", "y"),
    ],
    "the product of both": [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Gather", "shape zero", "b"),
        node("Mul", "n b", "count"), node("Mul", "count n", "more"), node("Add", "more count", "all"),
        node("Cast", "all", "number", to=1), node("Add", "x number", "y"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", COMPUTED)
def test_sizes_as_numbers(kind: str, make: Make, random: np.random.Generator) -> None:
    """A run computes with how many elements there are."""
    constants = {
        "axis": np.array([1]), "one": np.array([1]), "zero": np.array([0]), "start": np.array(0), "step": np.array(1),
        "axis_last": np.array([1]),
    }  # fmt: skip
    used = {name for made in COMPUTED[kind] for name in made.input}
    model = make(
        COMPUTED[kind], {"x": ["b", "n", 3]}, {name: array for name, array in constants.items() if name in used}
    )
    expect_sizes(model, random, [(b, n, 3) for b in (1, 4) for n in (2, 7)])


def test_numbers_of_more_than_31_bits_are_refused(make: Make) -> None:
    nodes = [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Mul", "n n", "count"),
        node("Cast", "count", "number", to=1), node("Add", "x number", "y"),
    ]  # fmt: skip
    model = make(nodes, {"x": ["b", "n"]}, {"one": np.array([1])})
    assert "may be more than 31 bits hold" in model.refusal("--maximum", "n=50000")
    assert model.pack("--maximum", "n=40000").returncode == 0


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("diagonal", [-1, 0, 2])
def test_triangles_of_any_size(diagonal: int, upper: int, make: Make, random: np.random.Generator) -> None:
    nodes = [node("MatMul", "x t", "m"), node("Trilu", "m k", "y", upper=upper)]
    nodes.insert(0, node("Transpose", "x", "t", perm=[0, 2, 1]))
    model = make(nodes, {"x": ["b", "n", 3]}, {"k": np.array(diagonal)})
    expect_sizes(model, random, [(b, n, 3) for b in (1, 2) for n in (1, 2, 6)])


def test_elements_along_a_dynamic_axis(make: Make, random: np.random.Generator) -> None:
    """The three rows of the largest sums, as detectors choose them."""
    nodes = [
        node("ReduceSum", "x last", "score", keepdims=0), node("TopK", "score three", "best places", axis=1),
        node("Unsqueeze", "places last", "column"), node("Shape", "x", "shape"), node("Gather", "shape zero", "b"),
        node("Concat", "b three two", "target", axis=0), node("Expand", "column target", "ids"),
        node("GatherElements", "x ids", "y", axis=1),
    ]  # fmt: skip
    numbers = {name: np.array([number]) for name, number in [("last", 2), ("three", 3), ("two", 2), ("zero", 0)]}
    model = make(nodes, {"x": ["b", "n", 2]}, numbers)
    expect_sizes(model, random, [(b, n, 2) for b in (1, 3) for n in (3, 8)])


def test_sides_that_are_filled_to_a_multiple(make: Make, random: np.random.Generator) -> None:
    """(4 - n % 4) % 4 elements are added behind."""
    nodes = [
        node("Shape", "x", "shape"), node("Gather", "shape one", "n"), node("Mod", "n four", "rest"),
        node("Sub", "four rest", "more"), node("Mod", "more four", "added"),
        node("Concat", "zero zero zero zero added zero", "pads", axis=0), node("Pad", "x pads", "y"),
    ]  # fmt: skip
    numbers = {name: np.array([number]) for name, number in [("one", 1), ("four", 4), ("zero", 0)]}
    model = make(nodes, {"x": ["b", "n", 3]}, numbers)
    expect_sizes(model, random, [(b, n, 3) for b in (1, 2) for n in (1, 3, 4, 5, 8, 11)])
