"""Attention and RotaryEmbedding of ONNX and of com.microsoft: with dynamic sizes, keys of earlier runs, bad forms."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from small_graphs import real

import soniq

Arrays = dict[str, np.ndarray]
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def save(path: Path, nodes: list, inputs: dict[str, tuple], outputs: list[str], constants: Arrays) -> None:
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=11), path)


def pack(source: Path, palette: str = "f32") -> subprocess.CompletedProcess:
    command = [os.environ["SONIQ_PACK"], "pack", source, "-o", source.with_suffix(".soniq"), "--palette", palette]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ours(source: Path, inputs: Arrays) -> list[np.ndarray]:
    result = pack(source)
    assert result.returncode == 0, result.stderr
    return [np.array(value) for value in soniq.load(source.with_suffix(".soniq"))(**inputs).values()]


def node(inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    names = ["" if name == "." else name for name in inputs.split()]
    return helper.make_node("Attention", names, outputs.split(), name="mixer", **attributes)


@pytest.mark.parametrize("lengths", [(1, 1), (3, 5), (4, 1)])
def test_keys_of_earlier_runs_of_any_length(
    tmp_path: Path, random: np.random.Generator, lengths: tuple[int, int]
) -> None:
    source = tmp_path / "past.onnx"
    shapes = {
        "q": ["b", "s", 24], "k": ["b", "s", 12], "v": ["b", "s", 12], "pk": ["b", 2, "p", 6], "pv": ["b", 2, "p", 6],
    }  # fmt: skip
    attention = node("q k v . pk pv", "y nk nv", is_causal=1, q_num_heads=4, kv_num_heads=2)
    save(source, [attention], {name: (FLOAT, shape) for name, shape in shapes.items()}, ["y", "nk", "nv"], {})
    past, own = lengths
    sizes = {"b": 2, "s": own, "p": past}
    inputs = {name: real(random, *[sizes.get(size, size) for size in shape]) for name, shape in shapes.items()}
    expected = ReferenceEvaluator(onnx.load(source)).run(None, inputs)
    for got, wanted in zip(ours(source, inputs), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_an_encoder(tmp_path: Path, random: np.random.Generator, masked: bool) -> None:
    """Queries, keys and values of one input: one attention of the runtime."""
    constants = {name: real(random, 32, 32) / 6 for name in ("wq", "wk", "wv")}
    nodes = [helper.make_node("MatMul", ["x", name], [name[1]]) for name in constants]
    inputs = {"x": real(random, 2, 6, 32)}
    described = {"x": (FLOAT, ["b", "s", 32])}
    if masked:
        described["m"] = (INT64, ["b", "s"])
        inputs["m"] = np.int64([[1] * 6, [1, 1, 1, 0, 0, 0]])
        axes = {"axes": np.int64([1, 2])}
        constants |= axes
        nodes.append(helper.make_node("Unsqueeze", ["m", "axes"], ["wide"]))
        nodes.append(helper.make_node("Cast", ["wide"], ["truth"], to=TensorProto.BOOL))
    nodes.append(node("q k v" + (" truth" if masked else ""), "y", q_num_heads=4, kv_num_heads=4))
    source = tmp_path / "encoder.onnx"
    save(source, nodes, described, ["y"], constants)
    expected = ReferenceEvaluator(onnx.load(source)).run(None, inputs)[0]
    np.testing.assert_allclose(ours(source, inputs)[0], expected, rtol=1e-4, atol=1e-5)
    tool = [os.environ["SONIQ_PACK"], "inspect", source.with_suffix(".soniq")]
    # The layer of all three is made where attention was found.
    assert "mixer.qkv.weight" in subprocess.run(tool, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("whole", [True, False])
def test_rotary_embedding_of_onnxruntime(
    tmp_path: Path, random: np.random.Generator, interleaved: int, whole: bool
) -> None:
    """Positions for each row, or where the first row stands."""
    source = tmp_path / "rotary.onnx"
    rotary = helper.make_node(
        "RotaryEmbedding", ["x", "places", "c", "s"], ["y"], domain="com.microsoft", interleaved=interleaved
    )
    angles = random.uniform(0, 6, (16, 4)).astype(np.float32)
    described = {"x": (FLOAT, ["b", "s", 24]), "places": (INT64, ["b", "s"] if whole else [1])}
    save(source, [rotary], described, ["y"], {"c": np.cos(angles), "s": np.sin(angles)})
    places = random.integers(0, 16, (2, 5)) if whole else np.int64([7])
    inputs = {"x": real(random, 2, 5, 24), "places": places}
    expected = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"]).run(None, inputs)[0]
    np.testing.assert_allclose(ours(source, inputs)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("attention", "words"),
    [
        (node("q k v", "y", q_num_heads=5, kv_num_heads=2), "q_num_heads 5"),
        (node("q k v", "y", kv_num_heads=2), "q_num_heads 0"),
        (node("q k v", "y", q_num_heads=3, kv_num_heads=2), "3 heads of queries"),
        (node("q k v . pk", "y", q_num_heads=4, kv_num_heads=2), "past_key without past_value"),
        (node("q pk v", "y", q_num_heads=4, kv_num_heads=2), "not all of 3 or of 4 dimensions"),
        (node("q k v", "y a b c", q_num_heads=4, kv_num_heads=2, qk_matmul_output_mode=4), "qk_matmul_output_mode 4"),
    ],
)
def test_refusals(tmp_path: Path, attention: onnx.NodeProto, words: str) -> None:
    source = tmp_path / "odd.onnx"
    shapes = {"q": [2, 3, 24], "k": [2, 3, 12], "v": [2, 3, 12], "pk": [2, 2, 4, 6]}
    outputs = list(attention.output)
    save(source, [attention], {name: (FLOAT, shape) for name, shape in shapes.items()}, outputs, {})
    result = pack(source)
    assert result.returncode == 65
    assert words in result.stderr
