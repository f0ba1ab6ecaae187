"""Sizes by real factors, rolls of dynamic sizes, and places in tensors of dynamic sizes: against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from small_graphs import IDS, Make, node, real

import soniq


@pytest.mark.parametrize(("factor", "rounding"), [(1.5, "Floor"), (0.5, "Ceil"), (1.7, "Floor"), (0.75, None)])
def test_sizes_by_real_factors(make: Make, random: np.random.Generator, factor: float, rounding: str | None) -> None:
    """As PyTorch writes an image that is scaled with recompute_scale_factor."""
    nodes = [
        node("Shape", "x", "all"), node("Slice", "all two four", "sides"), node("Cast", "sides", "real", to=1),
        node("Mul", "real factor", "scaled"),
    ]
    if rounding:
        nodes.append(node(rounding, "scaled", "even"))
    nodes += [
        node("Cast", "even" if rounding else "scaled", "sized", to=7), node("Slice", "all zero two", "outer"),
        node("Concat", "outer sized", "sizes", axis=0),
        onnx.helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear", name="the_y"),
    ]
    constants = {"two": np.int64([2]), "four": np.int64([4]), "zero": np.int64([0]), "factor": np.float32(factor)}
    packed = make(nodes, {"x": ["b", 3, "h", "w"]}, constants)
    for shape in ((2, 3, 9, 12), (1, 3, 10, 7)):
        packed.expect({"x": real(random, *shape)}, 1e-5)


def test_scales_that_are_quotients_of_sizes(make: Make, random: np.random.Generator) -> None:
    """As early exporters write an image of twice the size."""
    nodes = [
        node("Shape", "x", "all"), node("Slice", "all two four", "sides"), node("Mul", "sides two", "double"),
        node("Cast", "double", "new", to=1), node("Cast", "sides", "old", to=1), node("Div", "new old", "quotient"),
        node("Concat", "ones quotient", "scales", axis=0),
        onnx.helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest", name="the_y",
                              coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    ]  # fmt: skip
    constants = {"two": np.int64([2]), "four": np.int64([4]), "ones": np.float32([1, 1])}
    packed = make(nodes, {"x": ["b", 3, "h", "w"]}, constants)
    packed.expect({"x": real(random, 2, 3, 5, 8)})


@pytest.mark.parametrize("shift", [2, -3, 0])
def test_a_roll_of_a_dynamic_size(make: Make, random: np.random.Generator, shift: int) -> None:
    nodes = [
        node("Shape", "x", "size", start=1, end=2), node("Mod", "shift size", "place"),
        node("Slice", "x zero place one", "head"), node("Slice", "x place size one", "tail"),
        node("Concat", "tail head", "rolled", axis=1), node("Add", "rolled x", "y"),
    ]
    constants = {"shift": np.int64([shift]), "zero": np.int64([0]), "one": np.int64([1])}
    packed = make(nodes, {"x": ["b", "length", 4]}, constants)
    for length in (5, 8):
        packed.expect({"x": real(random, 2, length, 4)})
    if shift:
        with pytest.raises(soniq.SoniqError):
            packed.run({"x": real(random, 2, abs(shift), 4)})


def test_a_remainder_that_is_no_place_is_refused(make: Make) -> None:
    nodes = [
        node("Shape", "x", "size", start=1, end=2), node("Mod", "shift size", "place"),
        node("Cast", "place", "real", to=1), node("Add", "x real", "y"),
    ]
    text = make(nodes, {"x": ["b", "length", 4]}, {"shift": np.int64([2])}).refusal()
    assert "fix the sizes of the inputs with --shape" in text


def test_places_of_several_axes_of_dynamic_sizes(make: Make, random: np.random.Generator) -> None:
    packed = make([node("GatherND", "x places", "y")], {"x": ["h", "w", 3], "places": ["n", 2, IDS]})
    x, places = real(random, 6, 7, 3), np.int64([[5, 6], [0, -1], [-6, 2]])
    packed.expect({"x": x, "places": places})
    with pytest.raises(soniq.SoniqError):
        packed.run({"x": x, "places": np.int32([[0, 7]])})
