"""Casts to types that a run does not have: rounded as those types round."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_quantised_dialects import ours, pack, refusal

TYPES = {
    "FLOAT8E4M3FN": ml_dtypes.float8_e4m3fn, "FLOAT8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "FLOAT8E5M2": ml_dtypes.float8_e5m2, "FLOAT8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "FLOAT4E2M1": ml_dtypes.float4_e2m1fn,
}  # fmt: skip
FLOAT = TensorProto.FLOAT


def save(path: Path, nodes: list, constants: dict[str, np.ndarray], put: int = FLOAT, size: object = "n") -> None:
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info("x", FLOAT, [size])],
        [helper.make_tensor_value_info("y", put, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11), path)


def numbers(kind: type) -> np.ndarray:
    """Every number of a type, what lies half way between two, and their neighbours: where rounding is decided."""
    own = np.arange(256 if kind is not ml_dtypes.float4_e2m1fn else 16).astype(np.uint8).view(kind).astype(np.float32)
    own = np.unique(own[np.isfinite(own)])
    ties = (own[1:] + own[:-1]) / 2
    around = [np.nextafter(ties, np.float32(np.inf)), np.nextafter(ties, np.float32(-np.inf))]
    exact = [np.nextafter(own, np.float32(np.inf)), np.nextafter(own, np.float32(-np.inf))]
    return np.concatenate([own, ties, *around, *exact]).astype(np.float32)


@pytest.mark.parametrize("name", TYPES)
def test_every_place_where_rounding_is_decided(tmp_path: Path, name: str) -> None:
    source = tmp_path / "rounded.onnx"
    most = float(ml_dtypes.finfo(TYPES[name]).max)
    x = numbers(TYPES[name])
    x = x[np.abs(x) <= most]
    cast = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.DataType.Value(name))
    save(source, [cast], {}, size=len(x))
    got = ours(pack(source, "--palette", "f32"), {"x": x})[0]
    assert np.array_equal(got, x.astype(TYPES[name]).astype(np.float32))


def test_bfloat16_at_an_output(tmp_path: Path, random: np.random.Generator) -> None:
    source = tmp_path / "rounded.onnx"
    bits = random.integers(0, 1 << 31, 20000, dtype=np.int64).astype(np.uint32)
    bits[:5000] = bits[:5000] & 0xFFFF0000 | 0x8000
    x = bits.view(np.float32) * random.choice([-1, 1], bits.size).astype(np.float32)
    x = x[np.isfinite(x)]
    cast = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)
    save(source, [cast], {}, put=TensorProto.BFLOAT16, size=len(x))
    got = ours(pack(source, "--palette", "f32"), {"x": x})[0]
    assert np.array_equal(got, x.astype(ml_dtypes.bfloat16).astype(np.float32))


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("by_channel", [False, True])
def test_weights_of_codes_that_are_floats(
    tmp_path: Path, random: np.random.Generator, name: str, by_channel: bool
) -> None:
    """A product between QuantizeLinear and DequantizeLinear, with constant codes of the type."""
    codes = random.standard_normal((24, 8)).astype(np.float32).astype(TYPES[name])
    scale = random.uniform(0.5, 2, 8 if by_channel else ()).astype(np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["codes", "scale"], ["w"], axis=1),
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step"], ["d"]),
        helper.make_node("Unsqueeze", ["d", "axes"], ["row"]), helper.make_node("MatMul", ["row", "w"], ["y"]),
    ]
    step = np.float32(0.25)
    constants = {"codes": codes, "scale": scale, "step": step, "zero": np.zeros((), TYPES[name]), "axes": np.int64([0])}
    source = tmp_path / "coded.onnx"
    save(source, nodes, constants, size=24)
    x = random.standard_normal(24).astype(np.float32)
    expected = ((x / step).astype(TYPES[name]).astype(np.float32) * step) @ (codes.astype(np.float32) * scale)
    got = ours(pack(source, "--palette", "f32"), {"x": x})[0]
    np.testing.assert_allclose(got[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("Cast", ["x"], ["y"], to=1 << 31), "are not supported"),
        (helper.make_node("Cast", ["x"], ["y"], to=-1), "are not supported"),
        (helper.make_node("Cast", ["x"], ["y"], to=1 << 62), "are not supported"),
        (helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E4M3FN, saturate="no"), "attribute saturate"),
        (helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E8M0, round_mode="down"), "round_mode down"),
        (helper.make_node("QuantizeLinear", ["x", "s"], ["y"], block_size=-1), "block_size -1"),
        (helper.make_node("QuantizeLinear", ["x", "s"], ["y"], block_size=-(1 << 62)), "block_size -4611"),
        (helper.make_node("QuantizeLinear", ["x", "s", "f"], ["y"], block_size=2), "scales by block"),
        (helper.make_node("DequantizeLinear", ["codes", "s", "one"], ["y"]), "a zero point that is not 0"),
    ],
)
def test_refusals(tmp_path: Path, node: onnx.NodeProto, words: str) -> None:
    eight = ml_dtypes.float8_e4m3fn
    constants = {
        "s": np.float32(1), "f": np.zeros((), eight), "codes": np.ones(3, eight), "one": np.ones((), eight),
    }  # fmt: skip
    used = {name: array for name, array in constants.items() if name in node.input}
    save(tmp_path / "odd.onnx", [node], used)
    assert words in refusal(tmp_path / "odd.onnx")
