"""Tensors of codes with a scale for each block: DequantizeLinear with block_size, and tables of codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from block_codes import (
    SCALES,
    notes,
    packed_bits,
    section,
    stored_codes,
    stored_numbers,
    unpacked_bits,
)
from onnx import TensorProto, helper, numpy_helper
from small_graphs import real
from test_quantised_dialects import answers, difference, ours, pack, refusal

Arrays = dict[str, np.ndarray]
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
TYPES = {
    "uint4": TensorProto.UINT4, "int4": TensorProto.INT4, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8,
    "uint16": TensorProto.UINT16, "int16": TensorProto.INT16,
}  # fmt: skip
RANGES = {"uint4": (0, 15), "int4": (-8, 7), "uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535),
          "int16": (-32768, 32767)}  # fmt: skip
TABLE_CODES = 22


def tensor(
    name: str, array: np.ndarray, kind: str, typed: bool = False
) -> onnx.TensorProto:
    """Whole numbers as elements of a type, in raw_data or in int32_data."""
    bits = 4 if kind.endswith("4") else np.dtype(kind).itemsize * 8
    if typed and bits > 4:
        return helper.make_tensor(name, TYPES[kind], array.shape, array.reshape(-1))
    flat = array.reshape(-1)
    data = (
        packed_bits(flat.astype(np.int64) & 15, 4) if bits == 4 else flat.astype(kind)
    )
    made = onnx.TensorProto(name=name, data_type=TYPES[kind], dims=array.shape)
    if typed:
        made.int32_data.extend(int(byte) for byte in data)
    else:
        made.raw_data = data.tobytes()
    return made


def save(
    path: Path, nodes: list, inputs: dict[str, tuple], constants: list, opset: int = 21
) -> None:
    graph = helper.make_graph(
        nodes,
        "graph",
        [
            helper.make_tensor_value_info(name, kind, shape)
            for name, (kind, shape) in inputs.items()
        ],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        constants,
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)


def by_block(
    codes: np.ndarray, scales: np.ndarray, zeros: np.ndarray, axis: int, block: int
) -> np.ndarray:
    place = np.arange(codes.shape[axis]) // block
    return ((codes - zeros.take(place, axis)) * scales.take(place, axis)).astype(
        np.float32
    )


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("has_zeros", [False, True])
@pytest.mark.parametrize("kind", TYPES)
def test_weights(
    tmp_path: Path, random: np.random.Generator, kind: str, has_zeros: bool, typed: bool
) -> None:
    """As QDQ models of block-wise quantisation have them: [K, N] along K, then MatMul."""
    channels, outputs, block = 64, 5, 16
    low, high = RANGES[kind]
    codes = random.integers(low, high, (channels, outputs), endpoint=True)
    scales = (
        random.uniform(0.5, 1, (channels // block, outputs)).astype(np.float32) / high
    )
    zeros = (
        random.integers(low, high, scales.shape, endpoint=True)
        if has_zeros
        else np.zeros(scales.shape, int)
    )
    constants = [tensor("w", codes, kind, typed), numpy_helper.from_array(scales, "s")]
    constants += [tensor("z", zeros, kind, typed)] if has_zeros else []
    nodes = [
        helper.make_node(
            "DequantizeLinear",
            ["w", "s"] + ["z"] * has_zeros,
            ["n"],
            axis=0,
            block_size=block,
        ),
        helper.make_node("MatMul", ["x", "n"], ["y"]),
    ]
    source = tmp_path / "blocks.onnx"
    save(source, nodes, {"x": (FLOAT, ["rows", channels])}, constants)
    weights = by_block(codes, scales, zeros, 0, block)
    x = real(random, 7, channels)
    np.testing.assert_allclose(
        ours(pack(source, "--palette", "f32"), {"x": x})[0],
        x @ weights,
        rtol=1e-4,
        atol=1e-4,
    )
    if "16" in kind:
        return
    packed = pack(source, "--palette", "8")
    assert difference(ours(packed, {"x": x})[0], x @ weights) < 0.02
    bits = 4 if "4" in kind else 8
    shift = 0 if kind.startswith("u") else 1 << (bits - 1)
    np.testing.assert_array_equal(
        stored_codes(packed, outputs, channels, bits), codes.T + shift
    )
    np.testing.assert_array_equal(
        stored_numbers(packed, SCALES, outputs, channels // block), scales.T
    )
    assert notes(source) == ""


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_tensor(tmp_path: Path, random: np.random.Generator, axis: int) -> None:
    """Along any axis, the last block cut short, as an operand."""
    shape = [6, 5, 7]
    codes = random.integers(-8, 8, shape)
    blocks = [
        -(-size // 4) if place == axis else size for place, size in enumerate(shape)
    ]
    scales = random.uniform(0.5, 1, blocks).astype(np.float32)
    nodes = [
        helper.make_node(
            "DequantizeLinear", ["w", "s"], ["n"], axis=axis, block_size=4
        ),
        helper.make_node("Add", ["x", "n"], ["y"]),
    ]
    source = tmp_path / "operand.onnx"
    save(
        source,
        nodes,
        {"x": (FLOAT, shape)},
        [tensor("w", codes, "int4"), numpy_helper.from_array(scales, "s")],
    )
    x = real(random, *shape)
    expected = x + by_block(codes, scales, np.zeros(blocks), axis, 4)
    np.testing.assert_array_equal(
        ours(pack(source, "--palette", "f32"), {"x": x})[0], expected
    )


def test_blocks_that_no_matrix_has_become_numbers(
    tmp_path: Path, random: np.random.Generator
) -> None:
    codes, scales = (
        random.integers(-8, 8, (24, 5)),
        random.uniform(0.5, 1, (2, 5)).astype(np.float32),
    )
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["n"], axis=0, block_size=12),
        helper.make_node("MatMul", ["x", "n"], ["y"], name="product"),
    ]
    source = tmp_path / "odd.onnx"
    save(
        source,
        nodes,
        {"x": (FLOAT, [3, 24])},
        [tensor("w", codes, "int4"), numpy_helper.from_array(scales, "s")],
    )
    assert (
        "codes become real numbers: product: its blocks of codes are not of 16"
        in notes(source)
    )
    x = real(random, 3, 24)
    expected = x @ by_block(codes, scales, np.zeros(scales.shape), 0, 12)
    np.testing.assert_allclose(
        ours(pack(source, "--palette", "f32"), {"x": x})[0],
        expected,
        rtol=1e-4,
        atol=1e-4,
    )


def table(
    path: Path,
    random: np.random.Generator,
    kind: str,
    bits: int,
    half: bool,
    has_zeros: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """A file of GatherBlockQuantized; returns its codes and the rows that they stand for."""
    rows, channels, block = 11, 64, 16
    low, high = (-8, 7) if kind == "int4" else (0, 2**bits - 1)
    codes = random.integers(low, high, (rows, channels), endpoint=True)
    scales = random.uniform(0.5, 1, (rows, channels // block)).astype(np.float32) / high
    if half:
        scales = scales.astype(np.float16).astype(np.float32)
    zeros = np.full(scales.shape, 0 if kind != "uint8" else 1 << (bits - 1))
    if has_zeros:
        zeros = random.integers(low, high, scales.shape, endpoint=True)

    def stored(name: str, numbers: np.ndarray) -> onnx.TensorProto:
        return tensor(
            name, packed_bits(numbers, bits) if kind == "uint8" else numbers, kind
        )

    constants = [stored("t", codes), numpy_helper.from_array(scales, "s")]
    constants += [stored("z", zeros)] if has_zeros else []
    node = helper.make_node(
        "GatherBlockQuantized", ["t", "ids", "s"] + ["z"] * has_zeros, ["y"], name="table", domain="com.microsoft",
        gather_axis=0, quantize_axis=1, block_size=block, **({"bits": bits} if kind == "uint8" else {}),
    )  # fmt: skip
    save(path, [node], {"ids": (INT64, ["batch", "length"])}, constants)
    return codes, by_block(codes, scales, zeros, 1, block)


@pytest.mark.parametrize("has_zeros", [False, True])
@pytest.mark.parametrize(
    ("kind", "bits"),
    [("uint8", 4), ("uint8", 8), ("uint8", 2), ("uint4", 4), ("int4", 4)],
)
def test_tables(
    tmp_path: Path, random: np.random.Generator, kind: str, bits: int, has_zeros: bool
) -> None:
    source = tmp_path / "table.onnx"
    codes, rows = table(source, random, kind, bits, True, has_zeros)
    ids = random.integers(0, 11, (2, 6))
    if not (kind == "uint8" and bits == 2):
        np.testing.assert_allclose(
            answers(source, {"ids": ids})[0], rows[ids], rtol=1e-6, atol=1e-7
        )
    np.testing.assert_array_equal(
        ours(pack(source, "--palette", "f32"), {"ids": ids})[0], rows[ids]
    )
    if has_zeros:
        assert "codes become real numbers: table: its zero points differ" in notes(
            source
        )
        return
    assert notes(source) == ""
    packed = pack(source, "--palette", "8")
    stream = np.frombuffer(section(packed, TABLE_CODES), np.uint8).reshape(11, -1)
    shift = 8 if kind == "int4" else 0
    np.testing.assert_array_equal(unpacked_bits(stream, bits, 64), codes + shift)
    np.testing.assert_array_equal(ours(packed, {"ids": ids})[0], rows[ids])


def test_a_table_of_qdq_models(tmp_path: Path, random: np.random.Generator) -> None:
    codes, scales = (
        random.integers(-8, 8, (9, 32)),
        random.integers(1, 9, (9, 2)).astype(np.float32) / 64,
    )
    nodes = [
        helper.make_node("DequantizeLinear", ["t", "s"], ["n"], axis=1, block_size=16),
        helper.make_node("Gather", ["n", "ids"], ["y"]),
    ]
    source = tmp_path / "table.onnx"
    constants = [tensor("t", codes, "int4"), numpy_helper.from_array(scales, "s")]
    save(source, nodes, {"ids": (INT64, ["batch", "length"])}, constants)
    ids = random.integers(0, 9, (2, 6))
    rows = by_block(codes, scales, np.zeros(scales.shape), 1, 16)
    packed = pack(source, "--palette", "8")
    np.testing.assert_array_equal(ours(packed, {"ids": ids})[0], rows[ids])
    assert notes(source) == ""
    assert len(section(packed, TABLE_CODES)) == 9 * 32 // 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"block_size": 8}, "block_size 8"), ({"bits": 5}, "5 bits in elements"),
        ({"quantize_axis": 0}, "several codes a byte"),
        ({"quantize_axis": 2}, "axis 2 of a value of 2 dimensions"), ({"block_size": 32}, "one for each block"),
        ({"gather_axis": -3}, "axis -3"),
    ],
)  # fmt: skip
def test_odd_tables_are_refused(
    tmp_path: Path, random: np.random.Generator, changes: dict, words: str
) -> None:
    source = tmp_path / "odd.onnx"
    table(source, random, "uint8", 4, True, False)
    model = onnx.load(source)
    for name, value in changes.items():
        kept = [each for each in model.graph.node[0].attribute if each.name != name]
        del model.graph.node[0].attribute[:]
        model.graph.node[0].attribute.extend(
            [*kept, helper.make_attribute(name, value)]
        )
    onnx.save(model, source)
    assert words in refusal(source)


@pytest.mark.parametrize(
    ("scales", "words"),
    [
        ((2, 5), "of shape [4, 5], one for each block"),
        ((4, 4), "one for each block"),
        ((20,), "one for each block"),
    ],
)
def test_odd_scales_are_refused(
    tmp_path: Path, random: np.random.Generator, scales: tuple, words: str
) -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["n"], axis=0, block_size=16),
        helper.make_node("MatMul", ["x", "n"], ["y"]),
    ]
    source = tmp_path / "odd.onnx"
    constants = [
        tensor("w", np.zeros((64, 5), int), "int4"),
        numpy_helper.from_array(np.ones(scales, np.float32), "s"),
    ]
    save(source, nodes, {"x": (FLOAT, [3, 64])}, constants)
    assert words in refusal(source)


def test_elements_of_4_bits_are_int32_for_the_host(tmp_path: Path) -> None:
    source = tmp_path / "input.onnx"
    save(
        source,
        [helper.make_node("Cast", ["x"], ["y"], to=FLOAT)],
        {"x": (TensorProto.INT4, [3])},
        [],
    )
    (got,) = ours(pack(source, "--palette", "f32"), {"x": np.int32([-8, 0, 7])})
    assert np.array_equal(got, np.float32([-8, 0, 7]))
