"""If, decided while packing or in a run, against ONNX Runtime; and inputs fixed to numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from nested_graphs import BOOL, FLOAT, INT64, Model, body, branches, compare, value
from onnx import AttributeProto, helper
from small_graphs import node, real

import soniq

TWICE = [node("Add", "x x", "r")]
NEGATED = [node("Neg", "x", "r")]
RATE = [node("Equal", "rate wanted", "condition")]
RATES = {"wanted": np.array(16000, np.int64)}


def by_rate(folder: Path, then: list, other: list, shape: list | None = None, **more: np.ndarray) -> Model:
    nodes = [*RATE, node("If", "condition", "y", **branches(then, other))]
    inputs = [value("x", FLOAT, shape or [2, 4]), value("rate", INT64, [])]
    return Model(folder, nodes, inputs, {**RATES, **more})


# Decided while packing


@pytest.mark.parametrize("truth", [True, False])
def test_constant_conditions_leave_one_branch(tmp_path: Path, random: np.random.Generator, truth: bool) -> None:
    nodes = [node("If", "condition", "y", **branches(TWICE, NEGATED))]
    model = Model(tmp_path, nodes, [value("x", FLOAT, [2, 4])], {"condition": np.array(truth)})
    model.expect({"x": real(random, 2, 4)})


def test_the_branch_that_is_not_taken_may_hold_anything(tmp_path: Path, random: np.random.Generator) -> None:
    strange = [node("Strange", "x", "r")]
    nodes = [node("If", "condition", "y", **branches(TWICE, strange))]
    model = Model(tmp_path, nodes, [value("x", FLOAT, [2, 4])], {"condition": np.array(True)}).load()
    x = real(random, 2, 4)
    np.testing.assert_array_equal(np.array(model(x=x)["y"]), x + x)


def squeezing(folder: Path, shape: list) -> Model:
    """As PyTorch writes squeeze(1)."""
    nodes = [
        node("Shape", "x", "shape"), node("Gather", "shape place", "size"), node("Equal", "size one", "condition"),
        node("If", "condition", "y", **branches([node("Squeeze", "x axes", "r")], [node("Identity", "x", "r")])),
    ]
    constants = {"place": np.array(1), "one": np.array(1), "axes": np.array([1])}
    return Model(folder, nodes, [value("x", FLOAT, shape)], constants)


@pytest.mark.parametrize("size", [1, 3])
def test_conditions_on_sizes(tmp_path: Path, random: np.random.Generator, size: int) -> None:
    """ONNX Runtime does not load the second of these."""
    x = real(random, 2, size, 4)
    result = squeezing(tmp_path, ["batch", size, 4]).load()(x=x)["y"]
    np.testing.assert_array_equal(np.array(result), x[:, 0] if size == 1 else x)


def test_conditions_on_dynamic_sizes_name_the_size(tmp_path: Path, random: np.random.Generator) -> None:
    model = squeezing(tmp_path, ["batch", "width", 4])
    words = model.refusal()
    assert "the_condition" in words and "width" in words and "--shape" in words
    x = real(random, 2, 3, 4)
    np.testing.assert_array_equal(np.array(model.load("--shape", "x=?,3,4")(x=x)["y"]), x)


def test_bounds_of_sizes_decide(tmp_path: Path, random: np.random.Generator) -> None:
    nodes = [
        node("Shape", "x", "shape"), node("Gather", "shape place", "size"), node("Less", "size many", "condition"),
        node("If", "condition", "y", **branches(TWICE, NEGATED)),
    ]
    constants = {"place": np.array(1), "many": np.array(33)}
    model = Model(tmp_path, nodes, [value("x", FLOAT, [2, "width"])], constants)
    assert "width" in model.refusal()
    model.expect({"x": real(random, 2, 32)}, "--maximum", "width=32")


def test_names_of_a_branch_hide_those_around_it(tmp_path: Path, random: np.random.Generator) -> None:
    inner = branches([node("Mul", "x w", "r")], [node("Identity", "w", "r")], w=np.full((2, 4), 3, np.float32))
    nodes = [node("If", "condition", "y0", **inner), node("Add", "y0 w", "y")]
    constants = {"condition": np.array(True), "w": np.full((2, 4), 5, np.float32)}
    model = Model(tmp_path, nodes, [value("x", FLOAT, [2, 4])], constants).load()
    x = real(random, 2, 4)
    np.testing.assert_array_equal(np.array(model(x=x)["y"]), x * 3 + 5)


def test_nested_branches_and_outer_values(tmp_path: Path, random: np.random.Generator) -> None:
    inner = node("If", "second", "r", **branches([node("Add", "x late", "r")], NEGATED))
    nodes = [
        node("If", "first", "y", **branches([inner], [node("Identity", "x", "r")])),
        # A branch needs it, though it is behind in the file.
        node("Exp", "x", "late"),
    ]
    constants = {"first": np.array(True), "second": np.array(True)}
    model = Model(tmp_path, nodes, [value("x", FLOAT, [2, 4])], constants).load()
    x = real(random, 2, 4)
    np.testing.assert_allclose(np.array(model(x=x)["y"]), x + np.exp(x), rtol=1e-6)


# Decided in a run


@pytest.mark.parametrize("rate", [16000, 8000])
def test_a_run_decides(tmp_path: Path, random: np.random.Generator, rate: int) -> None:
    weights = {"a": real(random, 4, 4), "b": real(random, 4, 8), "c": real(random, 8, 4)}
    then = [node("MatMul", "x a", "r")]
    other = [node("MatMul", "x b", "h"), node("Relu", "h", "k"), node("MatMul", "k c", "r")]
    model = by_rate(tmp_path, then, other, ["batch", 4], **weights)
    model.expect({"x": real(random, 3, 4), "rate": np.array(rate)})


def test_one_session_takes_either_branch(tmp_path: Path, random: np.random.Generator) -> None:
    model = by_rate(tmp_path, TWICE, NEGATED)
    packed = model.load()
    session = onnxruntime.InferenceSession(model.source, providers=["CPUExecutionProvider"])
    for rate in [16000, 8000, 8000, 16000, 8000]:
        compare(packed, session, {"x": real(random, 2, 4), "rate": np.array(rate)})


@pytest.mark.parametrize("rate", [16000, 8000])
@pytest.mark.parametrize("flag", [True, False])
def test_nested_decisions_in_a_run(tmp_path: Path, random: np.random.Generator, rate: int, flag: bool) -> None:
    inner = node("If", "flag", "r", **branches([node("Exp", "x", "r")], [node("MatMul", "x w", "r")]))
    nodes = [*RATE, node("If", "condition", "y0", **branches([inner], NEGATED)), node("Relu", "y0", "y")]
    inputs = [value("x", FLOAT, [2, 4]), value("rate", INT64, []), value("flag", BOOL, [1])]
    model = Model(tmp_path, nodes, inputs, {**RATES, "w": real(random, 4, 4)})
    model.expect({"x": real(random, 2, 4), "rate": np.array(rate), "flag": np.array([flag])})


@pytest.mark.parametrize("rate", [16000, 8000])
def test_outputs_that_are_constants_or_outer_values(tmp_path: Path, random: np.random.Generator, rate: int) -> None:
    then = body([], [value("x"), value("k")], constants={"k": np.array([1.5], np.float32)})
    other = body([node("Neg", "x", "n")], [value("n"), value("k")], constants={"k": np.array([2.5], np.float32)})
    nodes = [*RATE, node("If", "condition", "first second", then_branch=then, else_branch=other)]
    nodes += [node("Mul", "first second", "y")]
    model = Model(tmp_path, nodes, [value("x", FLOAT, [2, 4]), value("rate", INT64, [])], RATES, ("y", "first"))
    packed = model.load()
    x = real(random, 2, 4)
    results = packed(x=x, rate=np.array(rate))
    first, second = (x, 1.5) if rate == 16000 else (-x, 2.5)
    np.testing.assert_array_equal(np.array(results["first"]), first)
    np.testing.assert_array_equal(np.array(results["y"]), first * np.float32(second))


def test_the_other_branch_is_not_done(tmp_path: Path) -> None:
    """An index that is out of range is an error only of the branch that is taken."""
    then = [node("Gather", "table index", "r")]
    other = [node("Identity", "row", "r")]
    nodes = [*RATE, node("Cast", "x", "index", to=INT64), node("If", "condition", "y", **branches(then, other))]
    constants = {**RATES, "table": np.eye(3, dtype=np.float32), "row": np.ones((2, 3), np.float32)}
    model = Model(tmp_path, nodes, [value("x", FLOAT, [2]), value("rate", INT64, [])], constants).load()
    outside = np.array([1, 7], np.float32)
    np.testing.assert_array_equal(np.array(model(x=outside, rate=np.array(8000))["y"]), np.ones((2, 3)))
    with pytest.raises(soniq.SoniqError):
        model(x=outside, rate=np.array(16000))
    inside = np.array([1, 2], np.float32)
    np.testing.assert_array_equal(np.array(model(x=inside, rate=np.array(16000))["y"]), np.eye(3)[1:])


def test_branches_of_other_shapes_name_both(tmp_path: Path) -> None:
    words = by_rate(tmp_path, [node("ReduceSum", "x", "r", keepdims=1)], NEGATED).refusal()
    assert "[1, 1]" in words and "[2, 4]" in words and "--value" in words


@pytest.mark.parametrize("rate", [16000, 8000])
def test_inputs_fixed_to_a_number(tmp_path: Path, random: np.random.Generator, rate: int) -> None:
    model = by_rate(tmp_path, [node("ReduceSum", "x", "r", keepdims=1)], NEGATED)
    model.expect({"x": real(random, 2, 4)}, "--value", f"rate={rate}", fixed={"rate": np.array(rate)})
    assert [entry.name for entry in soniq.load(model.output).inputs] == ["x"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--value", "rate=fast"], "no number"),
        (["--value", "rate=1,2"], "2 numbers"),
        (["--value", "rate=1.5"], "whole"),
        (["--value", "other=1"], "no such input"),
        (["--value", "rate=1", "--value", "rate=2"], "already"),
        (["--rounds", "0"], "at least 1"),
    ],
)
def test_values_that_cannot_be(tmp_path: Path, options: list[str], words: str) -> None:
    assert words in by_rate(tmp_path, TWICE, NEGATED).refusal(*options)


def test_functions_with_branches(tmp_path: Path, random: np.random.Generator) -> None:
    chosen = node("If", "flag", "out", **branches([node("Add", "a a", "r")], [node("Mul", "a b", "r")]))
    made = helper.make_function(
        "mine", "Choose", ["flag", "a", "b"], ["out"], [chosen], [helper.make_opsetid("", 17)], []
    )
    call = helper.make_node("Choose", ["condition", "x", "x"], ["y"], name="call", domain="mine")
    inputs = [value("x", FLOAT, [2, 4]), value("rate", INT64, [])]
    for rate in [16000, 8000]:
        model = Model(tmp_path, [*RATE, call], inputs, RATES, functions=[made])
        model.expect({"x": real(random, 2, 4), "rate": np.array(rate)})


# Malformed, or not supported


def changed(model: Model, edit: object) -> str:
    source = onnx.load(model.source)
    edit(source.graph)
    onnx.save(source, model.source)
    return model.refusal()


def without(name: str) -> object:
    def edit(graph: onnx.GraphProto) -> None:
        (attribute,) = [entry for entry in graph.node[-1].attribute if entry.name == name]
        graph.node[-1].attribute.remove(attribute)

    return edit


def retyped(graph: onnx.GraphProto) -> None:
    for attribute in graph.node[-1].attribute:
        if attribute.name == "then_branch":
            attribute.ClearField("g")
            attribute.type, attribute.i = AttributeProto.INT, 3


def fewer_outputs(graph: onnx.GraphProto) -> None:
    graph.node[-1].attribute[0].g.output.append(value("x"))


def cyclic(graph: onnx.GraphProto) -> None:
    inner = graph.node[-1].attribute[0].g
    del inner.node[:]
    inner.node.extend([node("Add", "x b", "r"), node("Neg", "r", "b")])


def through_itself(graph: onnx.GraphProto) -> None:
    graph.node[-1].attribute[0].g.node[0].input[0] = "y"


def made_by_nothing(graph: onnx.GraphProto) -> None:
    graph.node[-1].attribute[0].g.node[0].input[0] = "nothing"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (without("else_branch"), "no else_branch"),
        (retyped, "then_branch is of type int, not graph"),
        (fewer_outputs, "2 outputs, the node has 1"),
        (cyclic, "cycle"),
        (through_itself, "cycle"),
        (made_by_nothing, "nothing"),
    ],
)
def test_malformed_branches(tmp_path: Path, edit: object, words: str) -> None:
    assert words in changed(by_rate(tmp_path, TWICE, NEGATED), edit)


def test_unknown_operators_are_all_named(tmp_path: Path) -> None:
    """Also behind others, in both branches, and where the condition itself cannot be made."""
    inner = node("If", "condition", "r", **branches([node("Odd", "x", "r")], NEGATED))
    nodes = [
        node("Strange", "x", "condition"),
        node("If", "condition", "y0", **branches([inner], [node("Weird", "x", "r")])),
        node("Queer", "y0", "y"),
    ]
    words = Model(tmp_path, nodes, [value("x", FLOAT, [2, 4])]).refusal()
    assert all(name in words for name in ["Odd (1", "Queer (1", "Strange (1", "Weird (1"]), words
    words = by_rate(tmp_path, [node("Odd", "x", "r")], [node("Weird", "x", "r")]).refusal()
    assert "the_y/then/the_r" in words and "the_y/else/the_r" in words
