"""Attention with numbers added to its scores, in the forms that models write, against ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnxruntime
import pytest
from small_graphs import Arrays, Make, node, real
from test_import import distance

import soniq

HEADS, LENGTH = 2, 8
HIDDEN = HEADS * LENGTH
# The positions of those with fixed sizes.
SEQUENCE = 7
FLOAT_TOLERANCE = 2e-5
# Of ||a - b|| / ||b||, at 8 bits. Measured: 0.009 to 0.055; 0.02 to 0.045 without anything added.
EIGHT_BIT_TOLERANCE = 0.08
LOWEST = float(np.finfo(np.float32).min)


@dataclass
class Form:
    """What happens to the scores between the product "dot" and the softmax of "scores"."""

    nodes: list[tuple[str, str, str]]
    inputs: dict[str, list] = field(default_factory=dict)
    constants: Arrays = field(default_factory=dict)
    # Sizes of the inputs: "batch" and "length" are dynamic unless the length is fixed.
    is_fixed: bool = False
    attentions: int = 1


def block(form: Form, name: str, source: str, output: str) -> list:
    """Attention over `source`, with names of its own."""
    nodes = []
    for part in "qkv":
        nodes.append(node("MatMul", f"{source} w{part}", f"{name}{part}_flat"))
        nodes.append(node("Reshape", f"{name}{part}_flat split", f"{name}{part}_split"))
        order = [0, 2, 3, 1] if part == "k" else [0, 2, 1, 3]
        nodes.append(node("Transpose", f"{name}{part}_split", f"{name}{part}", perm=order))
    nodes.append(node("MatMul", f"{name}q {name}k", f"{name}dot"))

    # Only the values that depend on the product are the block's own.
    own = {"dot"}
    for kind, inputs, made in form.nodes:
        if own & set(inputs.split()):
            own.add(made)
            names = " ".join(name + value if value in own else value for value in inputs.split())
            nodes.append(node(kind, names, name + made))
    nodes.append(node("Softmax", f"{name}scores", f"{name}weights", axis=-1))
    nodes.append(node("MatMul", f"{name}weights {name}v", f"{name}context"))
    nodes.append(node("Transpose", f"{name}context", f"{name}rows", perm=[0, 2, 1, 3]))
    nodes.append(node("Reshape", f"{name}rows join", output))
    return nodes


def shared(form: Form) -> list:
    """What does not depend on the product."""
    own = {"dot"}
    nodes = []
    for kind, inputs, made in form.nodes:
        if own & set(inputs.split()):
            own.add(made)
        else:
            attributes = {"perm": [2, 0, 1]} if kind == "Transpose" else {"to": 1} if kind == "Cast" else {}
            nodes.append(node(kind, inputs, made, **attributes))
    return nodes


RANDOM = np.random.default_rng(5)
# The numbers of each pair of query and key of a fixed window, as Swin has them.
WINDOW = real(RANDOM, 1, HEADS, SEQUENCE, SEQUENCE)
DISTANCES = np.abs(np.arange(SEQUENCE)[:, None] - np.arange(SEQUENCE)[None]).astype(np.int64)
CAUSAL = np.where(np.tri(SEQUENCE) > 0, 0, LOWEST).astype(np.float32)
# Blocks that see each other only, as in packed sequences.
BLOCKS = np.where(np.arange(SEQUENCE)[:, None] // 3 == np.arange(SEQUENCE)[None] // 3, 0, LOWEST).astype(np.float32)
ADD_BIAS = [("Add", "dot bias", "scores")]
MASK = [
    ("Unsqueeze", "mask axes", "wide"), ("Cast", "wide", "real"), ("Sub", "one real", "gaps"),
    ("Mul", "gaps lowest", "hiding"),
]
MASK_CONSTANTS = {
    "axes": np.array([1, 2], np.int64), "one": np.float32(1), "lowest": np.float32(LOWEST)
}
MASK_INPUT = {"mask": ["batch", "length", -1]}
PAIRS = {"bias": [1, HEADS, "length", "length"]}

FORMS = {
    "window": Form(ADD_BIAS, constants={"bias": WINDOW}, is_fixed=True),
    "window of three axes": Form(ADD_BIAS, constants={"bias": WINDOW[0]}, is_fixed=True),
    "window of all heads": Form(ADD_BIAS, constants={"bias": WINDOW[0, 0]}, is_fixed=True),
    "window in front": Form([("Add", "bias dot", "scores")], constants={"bias": WINDOW}, is_fixed=True),
    "blocks": Form(ADD_BIAS, constants={"bias": BLOCKS[None, None]}, is_fixed=True),
    "blocks of -infinity": Form(
        ADD_BIAS, constants={"bias": np.where(BLOCKS < 0, -np.inf, 0).astype(np.float32)}, is_fixed=True
    ),
    "window and causal mask": Form(
        [("Add", "dot causal", "seen"), ("Add", "seen bias", "scores")],
        constants={"bias": WINDOW, "causal": CAUSAL}, is_fixed=True,
    ),
    "causal mask outside": Form(
        [("Add", "dot bias", "near"), ("Add", "near causal", "scores")],
        constants={"bias": WINDOW, "causal": CAUSAL}, is_fixed=True,
    ),
    "table by distance": Form(
        [("Gather", "table distances", "rows"), ("Transpose", "rows", "heads"), ("Unsqueeze", "heads axis", "bias"),
         *ADD_BIAS],
        constants={"table": real(RANDOM, SEQUENCE, HEADS), "distances": DISTANCES, "axis": np.array([0], np.int64)},
        is_fixed=True,
    ),
    "scale outside": Form(
        [("Add", "dot bias", "sum"), ("Mul", "sum factor", "scores")],
        constants={"bias": WINDOW, "factor": np.float32(0.3)}, is_fixed=True,
    ),
    "scale on both sides": Form(
        [("Mul", "dot factor", "small"), ("Add", "small bias", "sum"), ("Div", "sum divisor", "scores")],
        PAIRS, {"factor": np.float32(0.5), "divisor": np.float32(0.8)},
    ),
    "negative scales": Form(
        [("Mul", "dot factor", "small"), ("Add", "small bias", "sum"), ("Mul", "sum factor", "scores")],
        PAIRS, {"factor": np.float32(-0.6)},
    ),
    "two": Form(
        [("Add", "dot bias", "near"), ("Mul", "near factor", "small"), ("Add", "small other", "scores")],
        {**PAIRS, "other": ["batch", 1, 1, "length"]}, {"factor": np.float32(0.5)},
    ),
    "input of all axes": Form(ADD_BIAS, {"bias": ["batch", HEADS, "length", "length"]}),
    "input of batch and rows": Form(ADD_BIAS, {"bias": ["batch", 1, "length", "length"]}),
    "input of keys": Form(ADD_BIAS, {"bias": ["batch", 1, 1, "length"]}),
    "input of heads and keys": Form(ADD_BIAS, {"bias": [HEADS, 1, "length"]}),
    "input of pairs": Form(ADD_BIAS, {"bias": ["length", "length"]}),
    "expanded": Form([("Expand", "small shape", "bias"), *ADD_BIAS], {"small": PAIRS["bias"]},
                     {"shape": np.array([1, HEADS, 1, 1], np.int64)}),
    "mask in the sum": Form(
        [*MASK, ("Add", "bias hiding", "both"), ("Add", "dot both", "scores")], {**PAIRS, **MASK_INPUT}, MASK_CONSTANTS
    ),
    "mask first in the sum": Form(
        [*MASK, ("Add", "hiding bias", "both"), ("Add", "both dot", "scores")], {**PAIRS, **MASK_INPUT}, MASK_CONSTANTS
    ),
    "mask outside": Form(
        [*MASK, ("Add", "dot bias", "near"), ("Add", "near hiding", "scores")], {**PAIRS, **MASK_INPUT}, MASK_CONSTANTS
    ),
    "mask inside": Form(
        [*MASK, ("Add", "dot hiding", "near"), ("Add", "near bias", "scores")], {**PAIRS, **MASK_INPUT}, MASK_CONSTANTS
    ),
    "mask that a scale makes weak": Form(
        [*MASK, ("Add", "dot hiding", "near"), ("Mul", "near factor", "scores")], MASK_INPUT,
        {**MASK_CONSTANTS, "lowest": np.float32(-10_000), "factor": np.float32(1e-4)},
    ),
    "a number for each query": Form(ADD_BIAS, {"bias": ["batch", HEADS, "length", 1]}, attentions=0),
}


def packed_inputs(form: Form, sizes: dict[str, int], random: np.random.Generator) -> Arrays:
    inputs = {}
    for name, shape in {"x": ["batch", "length", HIDDEN], **form.inputs}.items():
        counts = [sizes.get(size, size) for size in shape]
        if name == "mask":
            lengths = np.maximum(1, counts[1] - 2 * np.arange(counts[0]))[:, None]
            inputs[name] = (np.arange(counts[1]) < lengths).astype(np.int64)
        else:
            inputs[name] = real(random, *counts)
    return inputs


@pytest.mark.parametrize("name", FORMS)
def test_numbers_added_to_scores(name: str, make: Make, random: np.random.Generator) -> None:
    """Two layers that add the same: float mode, then 8 bits."""
    form = FORMS[name]
    nodes = [*shared(form), *block(form, "a_", "x", "middle"), *block(form, "b_", "middle", "y")]
    length = SEQUENCE if form.is_fixed else "length"
    shapes = {"x": ["batch", length, HIDDEN], **form.inputs}
    constants = {
        "split": np.array([0, 0, HEADS, LENGTH], np.int64), "join": np.array([0, 0, HIDDEN], np.int64),
        **{f"w{part}": real(random, HIDDEN, HIDDEN) / 3 for part in "qkv"}, **form.constants,
    }
    model = make(nodes, shapes, constants)
    for batch, size in ((1, 7), (3, 7), (2, 1), (4, 33)):
        if form.is_fixed and size != SEQUENCE:
            continue
        model.expect(packed_inputs(form, {"batch": batch, "length": size}, random), FLOAT_TOLERANCE)
    operations = [kernel.operation for kernel in soniq.load(model.output).kernels()]
    assert operations.count("attention") == 2 * form.attentions, operations
    assert ("tensor.softmax" in operations) == (form.attentions == 0), operations

    if any(shape[0] != "batch" for shape in shapes.values()):
        return  # Samples to calibrate on are the entries of a batch.
    result = model.pack(calibration=packed_inputs(form, {"batch": 40, "length": 7}, random))
    assert result.returncode == 0, result.stderr
    inputs = packed_inputs(form, {"batch": 3, "length": 7}, random)
    session = onnxruntime.InferenceSession(model.source, providers=["CPUExecutionProvider"])
    assert distance(model.run(inputs), session.run(None, inputs)[0]) < EIGHT_BIT_TOLERANCE
