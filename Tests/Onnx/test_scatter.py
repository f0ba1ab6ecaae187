"""Updates at places: ScatterElements and ScatterND against ONNX Runtime, the indices constants or of a run."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from small_graphs import IDS, Make, node, real

import soniq

REDUCTIONS = ["none", "add", "mul", "max", "min"]


def opset_18(packed) -> None:
    """Which has all reductions."""
    model = onnx.load(packed.source)
    model.opset_import[0].version = 18
    onnx.save(model, packed.source)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("data", "indices", "axis"),
    [((9,), (14,), 0), ((3, 4, 5), (3, 7, 5), 1), ((3, 4, 5), (2, 3, 8), -1), ((3, 4, 5), (6, 2, 1), 0)],
)
def test_elements(
    make: Make, random: np.random.Generator, data: tuple, indices: tuple, axis: int, reduction: str
) -> None:
    nodes = [node("ScatterElements", "x ids z", "y", axis=axis, reduction=reduction)]
    packed = make(nodes, {"x": list(data), "ids": [*indices, IDS], "z": list(indices)})
    opset_18(packed)
    size = data[axis]
    ids = random.integers(-size, size, indices)
    if reduction == "none":
        # Which of several updates of one place is left is not said by ONNX.
        ids = np.zeros(indices, np.int64)
    inputs = {"x": real(random, *data), "ids": ids, "z": real(random, *indices)}
    if reduction != "none":
        packed.expect(inputs)
    else:
        assert packed.pack().returncode == 0
        expected = inputs["x"].copy()
        place = [slice(0, extent) for extent in indices]
        place[axis] = 0
        expected[tuple(place)] = np.take(inputs["z"], -1, axis)
        np.testing.assert_array_equal(packed.run(inputs), expected)
    with pytest.raises(soniq.SoniqError, match=str(size)):
        packed.run({**inputs, "ids": np.full(indices, size)})


def test_elements_of_dynamic_sizes(make: Make, random: np.random.Generator) -> None:
    nodes = [node("ScatterElements", "x ids z", "y", axis=1)]
    packed = make(nodes, {"x": ["batch", "length", 4], "ids": ["batch", 3, 4, IDS], "z": ["batch", 3, 4]})
    for batch, length in [(1, 5), (4, 3), (2, 9)]:
        ids = np.argsort(random.random((batch, length, 4)), 1)[:, :3]
        packed.expect({"x": real(random, batch, length, 4), "ids": ids, "z": real(random, batch, 3, 4)})


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("data", "indices"), [((7, 5), (4, 1)), ((3, 4, 5), (6, 2)), ((3, 4, 5), (2, 3, 3)), ((5, 4, 3), (2, 2, 1))]
)
def test_places(make: Make, random: np.random.Generator, data: tuple, indices: tuple, reduction: str) -> None:
    count = indices[-1]
    updates = [*indices[:-1], *data[count:]]
    nodes = [node("ScatterND", "x ids z", "y", reduction=reduction)]
    packed = make(nodes, {"x": list(data), "ids": [*indices, IDS], "z": updates})
    opset_18(packed)
    sizes = np.array(data[:count])
    ids = random.integers(-sizes, sizes, indices)
    if reduction == "none":
        places = random.permutation(int(np.prod(sizes)))[: int(np.prod(indices[:-1]))]
        ids = np.stack(np.unravel_index(places, sizes), -1).reshape(indices)
    inputs = {"x": real(random, *data), "ids": ids, "z": real(random, *updates)}
    packed.expect(inputs)
    for axis in range(count):
        for index in (sizes[axis], -sizes[axis] - 1, 2**31 - 1, -(2**31)):
            beyond = np.zeros(indices, np.int64)
            beyond[..., -1, axis] = index
            with pytest.raises(soniq.SoniqError):
                packed.run({**inputs, "ids": beyond})


@pytest.mark.parametrize("kind", ["ScatterElements", "ScatterND"])
def test_constant_indices(make: Make, random: np.random.Generator, kind: str) -> None:
    ids = np.array([[2], [0], [-1]])
    shape = [3, 1] if kind == "ScatterElements" else [3, 6]
    nodes = [node("Relu", "x", "h"), node(kind, "h ids z", "y")]
    inputs = {"x": ["rows", 6] if kind == "ScatterElements" else [5, 6]}
    packed = make(nodes, inputs, {"ids": ids, "z": real(random, *shape)})
    packed.expect({"x": real(random, 5, 6)})


def test_a_sparse_constant_is_folded(make: Make, random: np.random.Generator) -> None:
    constants = {
        "zeros": np.zeros(24, np.float32), "ids": np.array([3, 7, -1, 11]), "z": real(random, 4),
        "shape": np.array([4, 6]),
    }  # fmt: skip
    nodes = [
        node("ScatterElements", "zeros ids z", "flat"), node("Reshape", "flat shape", "w"), node("MatMul", "x w", "y"),
    ]  # fmt: skip
    packed = make(nodes, {"x": ["rows", 4]}, constants)
    packed.expect({"x": real(random, 3, 4)})
    assert [report.operation for report in soniq.load(packed.output).kernels()] == ["linear"]


def test_refusals(make: Make, random: np.random.Generator) -> None:
    def refusal(kind: str, data: list, indices: list, updates: list, **attributes: object) -> str:
        return make(
            [node(kind, "x ids z", "y", **attributes)], {"x": data, "ids": [*indices, IDS], "z": updates}
        ).refusal()

    assert "updates of shape [2, 4]" in refusal("ScatterElements", [3, 4], [2, 3], [2, 4])
    assert "axis 2 of a value of 2 dimensions" in refusal("ScatterElements", [3, 4], [2, 3], [2, 3], axis=2)
    assert "its reduction is mean" in refusal("ScatterElements", [3, 4], [2, 3], [2, 3], reduction="mean")
    assert "for data of shape [3, 4]" in refusal("ScatterND", [3, 4], [2, 3], [2])
    assert "--shape" in refusal("ScatterND", [3, "n"], [2, 2], [2])
