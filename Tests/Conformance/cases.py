"""The node tests of the PyPI package onnx, brought into the form in which a model reaches soniq."""

from __future__ import annotations

import fnmatch
import warnings
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from operators import (
    CLAIMED,
    CONSTANT_INPUTS,
    FIRST_OPSET,
    LAST_OPSET,
    SKIPPED_TESTS,
    SKIPPED_TYPES,
    TYPE_INPUTS,
)


@dataclass
class Case:
    """One test. `skip` is empty, or why it is outside the claim."""

    name: str
    operator: str
    model: onnx.ModelProto
    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    expected: list[np.ndarray] = field(default_factory=list)
    rtol: float = 1e-3
    atol: float = 1e-7
    skip: str = ""


def collect() -> list[Case]:
    """All tests of single nodes of claimed operators, sorted by name."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        # Some tests divide by zero on purpose.
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    cases = []
    for case in found:
        nodes = case.model.graph.node
        # Tests with more nodes spell an operator out in others; those have tests of their own.
        if len(nodes) != 1 or nodes[0].op_type not in CLAIMED or nodes[0].domain not in ("", "ai.onnx"):
            continue
        cases.append(_prepared(case))
    return sorted(cases, key=lambda case: case.name)


def _prepared(case) -> Case:
    node = case.model.graph.node[0]
    result = Case(case.name, node.op_type, case.model, rtol=case.rtol, atol=case.atol)
    result.skip = _reason(case)
    if result.skip:
        return result
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    inputs, outputs = case.data_sets[0]
    constants = _constants(node)
    kept = []
    for info, value in zip(case.model.graph.input, inputs, strict=True):
        array = _array(value)
        if info.name not in node.input:
            # Of a type alone, in tests that were written out from a function.
            continue
        if info.name in constants:
            model.graph.initializer.append(numpy_helper.from_array(array, info.name))
        else:
            kept.append(info)
            result.inputs[info.name] = _brought(array)
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for entry in model.opset_import:
        entry.version = LAST_OPSET
    result.model = model
    result.expected = [_brought(_array(output)) for output in outputs]
    return result


def _constants(node: onnx.NodeProto) -> set[str]:
    positions = (*CONSTANT_INPUTS.get(node.op_type, ()), *TYPE_INPUTS.get(node.op_type, ()))
    return {node.input[position] for position in positions if position < len(node.input)}


def _reason(case) -> str:
    for pattern, reason in SKIPPED_TESTS:
        if fnmatch.fnmatchcase(case.name, pattern):
            return reason
    graph = case.model.graph
    for info in [*graph.input, *graph.output]:
        kind = info.type.WhichOneof("value")
        if kind != "tensor_type":
            return f"{(kind or 'untyped').removesuffix('_type')} values"
        name = TensorProto.DataType.Name(info.type.tensor_type.elem_type)
        if name in SKIPPED_TYPES:
            return SKIPPED_TYPES[name]
    node = graph.node[0]
    data = [
        value
        for info, value in zip(graph.input, case.data_sets[0][0], strict=True)
        if info.name in node.input and info.name not in _constants(node)
    ]
    if any(_array(value).size == 0 for value in [*data, *case.data_sets[0][1]]):
        return "tensors without elements"
    version = next((entry.version for entry in case.model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    # Older tests, of operators that have not changed since, are as good for the opsets that are known.
    then = onnx.defs.get_schema(node.op_type, version).since_version
    if version < FIRST_OPSET and then != onnx.defs.get_schema(node.op_type, LAST_OPSET).since_version:
        return f"opset {version}"
    return ""


def _array(value) -> np.ndarray:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def _brought(array: np.ndarray) -> np.ndarray:
    """As soniq's interface has it: narrow types as they are, else float32 or int32; at least one dimension."""
    if array.dtype in (np.float16, np.int8, np.uint8):
        pass
    elif array.dtype.kind == "f" or "float" in array.dtype.name:
        array = array.astype(np.float32)
    else:
        array = array.astype(np.int64).clip(-(2**31), 2**31 - 1).astype(np.int32)
    return np.ascontiguousarray(array.reshape(array.shape or (1,)))
