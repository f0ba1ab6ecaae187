"""Loop and Scan, unrolled while packing, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from nested_graphs import BOOL, FLOAT, INT64, Arrays, Model, body, value
from onnx import helper
from small_graphs import node, real

COUNTER, GOING = value("i", INT64, []), value("going", BOOL, [])


def loop(outputs: str, graph: onnx.GraphProto, inputs: tuple[str, ...] = ("rounds", "yes", "x")) -> onnx.NodeProto:
    return helper.make_node("Loop", inputs, outputs.split(), name="the_y", body=graph)


def rounds(count: int) -> Arrays:
    return {"rounds": np.array(count), "yes": np.array(True)}


@pytest.mark.parametrize("count", [1, 3, 70])
def test_loops_with_states_and_stacked_outputs(tmp_path: Path, random: np.random.Generator, count: int) -> None:
    nodes = [
        node("Cast", "i", "real", to=FLOAT), node("MatMul", "s w", "m"), node("Tanh", "m", "t"),
        node("Add", "t real", "next"), node("Identity", "going", "go"), node("ReduceSum", "next", "sum", keepdims=0),
    ]
    outputs = [value("go", BOOL, []), value("next"), value("next2"), value("sum", FLOAT, [])]
    nodes.append(node("Neg", "next", "next2"))
    graph = body(nodes, outputs, [COUNTER, GOING, value("s", FLOAT, [2, 4])], {"w": real(random, 4, 4) / 2})
    model = Model(
        tmp_path, [loop("y all sums", graph)], [value("x", FLOAT, [2, 4])], rounds(count), ("y", "all", "sums")
    )
    model.expect({"x": real(random, 2, 4)})


def test_weights_of_a_body_are_stored_once(tmp_path: Path, random: np.random.Generator) -> None:
    nodes = [node("MatMul", "s w", "next"), node("Identity", "going", "go")]
    graph = body(
        nodes, [value("go", BOOL, []), value("next")], [COUNTER, GOING, value("s", FLOAT, [2, 64])],
        {"w": real(random, 64, 64) / 8},
    )
    model = Model(tmp_path, [loop("y", graph)], [value("x", FLOAT, [2, 64])], rounds(20))
    model.expect({"x": real(random, 2, 64)})
    assert model.output.stat().st_size < 2 * 64 * 64 * 4


def test_loops_that_their_condition_ends(tmp_path: Path, random: np.random.Generator) -> None:
    nodes = [node("Add", "s s", "next"), node("Less", "i four", "go")]
    graph = body(
        nodes, [value("go", BOOL, []), value("next")], [COUNTER, GOING, value("s", FLOAT, [2, 4])],
        {"four": np.array(4)},
    )
    constants = {"rounds": np.array(100), "yes": np.array(True)}
    Model(tmp_path, [loop("y", graph)], [value("x", FLOAT, [2, 4])], constants).expect({"x": real(random, 2, 4)})


def test_loops_over_a_fixed_size(tmp_path: Path, random: np.random.Generator) -> None:
    nodes = [
        node("Gather", "x i", "row", axis=0), node("Add", "s row", "next"), node("Identity", "going", "go"),
    ]
    graph = body(nodes, [value("go", BOOL, []), value("next")], [COUNTER, GOING, value("s", FLOAT, [4])])
    outer = [node("Shape", "x", "shape"), node("Gather", "shape zero", "rounds")]
    outer.append(loop("y", graph, ("rounds", "", "start")))
    constants = {"zero": np.array(0), "start": np.zeros(4, np.float32)}
    model = Model(tmp_path, outer, [value("x", FLOAT, ["time", 4])], constants)
    words = model.refusal()
    assert "dynamic size" in words and "--shape" in words
    model.expect({"x": real(random, 5, 4)}, "--shape", "x=5,4")


def test_loops_without_end_name_the_limit(tmp_path: Path, random: np.random.Generator) -> None:
    nodes = [node("Add", "s s", "next"), node("Identity", "going", "go")]
    graph = body(nodes, [value("go", BOOL, []), value("next")], [COUNTER, GOING, value("s", FLOAT, [2, 4])])
    model = Model(tmp_path, [loop("y", graph)], [value("x", FLOAT, [2, 4])], rounds(5))
    assert "--rounds" in model.refusal("--rounds", "4")
    model.expect({"x": real(random, 2, 4)}, "--rounds", "5")
    endless = Model(tmp_path, [loop("y", graph, ("", "", "x"))], [value("x", FLOAT, [2, 4])])
    model.output.unlink()
    assert "256 rounds" in endless.refusal()


def test_conditions_of_a_run_cannot_end_loops(tmp_path: Path) -> None:
    nodes = [node("Add", "s s", "next"), node("ReduceMax", "next", "most", keepdims=0), node("Less", "most ten", "go")]
    graph = body(
        nodes, [value("go", BOOL, []), value("next")], [COUNTER, GOING, value("s", FLOAT, [2, 4])],
        {"ten": np.array(10, np.float32)},
    )
    words = Model(tmp_path, [loop("y", graph)], [value("x", FLOAT, [2, 4])], rounds(5)).refusal()
    assert "computed at run time" in words and "the_y" in words


@pytest.mark.parametrize("directions", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_scans(tmp_path: Path, random: np.random.Generator, directions: tuple[int, int]) -> None:
    nodes = [node("Add", "s row", "sum"), node("MatMul", "sum w", "next"), node("Relu", "next", "made")]
    graph = body(
        nodes, [value("next", FLOAT, [3, 4]), value("made", FLOAT, [3, 4])],
        [value("s", FLOAT, [3, 4]), value("row", FLOAT, [3, 4])], {"w": real(random, 4, 4) / 2},
    )
    scan = node(
        "Scan", "start x", "last y", body=graph, num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[-2],
        scan_input_directions=[directions[0]], scan_output_directions=[directions[1]],
    )
    start = {"start": np.zeros((3, 4), np.float32)}
    Model(tmp_path, [scan], [value("x", FLOAT, [3, 5, 4])], start, ("y", "last")).expect({"x": real(random, 3, 5, 4)})


def test_malformed_loops(tmp_path: Path) -> None:
    graph = body([node("Add", "s s", "next")], [value("next")], [COUNTER, GOING, value("s", FLOAT, [2, 4])])
    assert "outputs" in Model(tmp_path, [loop("y", graph)], [value("x", FLOAT, [2, 4])], rounds(2)).refusal()
    scan = node("Scan", "x", "y", body=graph)
    assert "num_scan_inputs" in Model(tmp_path, [scan], [value("x", FLOAT, [2, 4])]).refusal()


