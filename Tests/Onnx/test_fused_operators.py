"""Operators that ONNX Runtime's optimiser puts in the place of several of ONNX's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from small_graphs import real
from test_quantised_dialects import answers, difference, images, ours, pack, refusal, save

Arrays = dict[str, np.ndarray]
FLOAT, INT32 = TensorProto.FLOAT, TensorProto.INT32


def fused(kind: str, inputs: str, outputs: str = "y", **attributes: object) -> onnx.NodeProto:
    # Between dots: inputs that are not given.
    names = ["" if name == "." else name for name in inputs.split()]
    return helper.make_node(
        kind, names, ["" if name == "." else name for name in outputs.split()], domain="com.microsoft", **attributes
    )


SHAPES: dict[str, tuple[int, ...]] = {
    "x": (2, 5, 16), "skip": (2, 5, 16), "b": (16,), "g": (16,), "beta": (16,), "left": (2, 6, 4),
    "image": (1, 4, 5, 5), "residual": (1, 8, 5, 5),
}
WEIGHTS: dict[str, tuple[int, ...]] = {
    "b": (16,), "g": (16,), "beta": (16,), "right": (2, 6, 8), "kernel": (8, 4, 3, 3), "kb": (8,), "wide": (16, 48),
    "wideb": (48,), "gw": (16, 8), "gb": (8,),
}

CASES = {
    "gelu": fused("Gelu", "x"), "bias_gelu": fused("BiasGelu", "x b"), "fast_gelu": fused("FastGelu", "x"),
    "fast_gelu_bias": fused("FastGelu", "x b"), "quick_gelu": fused("QuickGelu", "x", alpha=1.5),
    "skip_norm": fused("SkipLayerNormalization", "x skip g beta b", epsilon=1e-5),
    "skip_norm_sum": fused("SkipLayerNormalization", "x skip g beta", "y . . sum"),
    "skip_rms": fused("SkipSimplifiedLayerNormalization", "x skip g", "y . . sum", epsilon=1e-5),
    "product": fused("FusedMatMul", "left right", transA=1, alpha=0.5),
    "transposed": fused("FusedMatMul", "x skip", transB=1, alpha=0.25),
    "gemm": fused("FusedGemm", "flat gw gb", activation="LeakyRelu", activation_alpha=0.2, alpha=2.0),
    "convolution": fused("FusedConv", "image kernel kb", activation="Relu", pads=[1, 1, 1, 1]),
    "convolution_sum": fused("FusedConv", "image kernel kb residual", activation="Relu", pads=[1, 1, 1, 1]),
    "convolution_clip": fused("FusedConv", "image kernel kb", activation="Clip", activation_params=[0.0, 0.7]),
    "attention": fused("Attention", "x wide wideb mask", num_heads=4),
    "attention_causal": fused("Attention", "x wide wideb", num_heads=2, unidirectional=1),
    "heads": fused("MultiHeadAttention", "x skip skip wideb", num_heads=4),
    "heads_of_other_length": fused("MultiHeadAttention", "x other other", num_heads=2, scale=0.3),
}


def made(node: onnx.NodeProto, path: Path, random: np.random.Generator) -> Arrays:
    shapes = SHAPES | {"flat": (3, 16), "other": (2, 7, 16)}
    constants = {name: real(random, *WEIGHTS[name]) for name in node.input if name in WEIGHTS}
    inputs = {name: real(random, *shapes[name]) for name in node.input if name in shapes and name not in WEIGHTS}
    described = {name: (FLOAT, list(array.shape)) for name, array in inputs.items()}
    if "mask" in node.input:
        inputs["mask"] = np.int32([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
        described["mask"] = (INT32, [2, 5])
    save(path, [node], described, {name: FLOAT for name in node.output if name}, constants)
    return inputs


@pytest.mark.parametrize("name", CASES)
def test_operator(tmp_path: Path, random: np.random.Generator, name: str) -> None:
    source = tmp_path / "fused.onnx"
    inputs = made(CASES[name], source, random)
    for got, expected in zip(ours(pack(source, "--palette", "f32"), inputs), answers(source, inputs), strict=True):
        assert got.shape == expected.shape
        assert difference(got, expected) < (1e-3 if "fast" in name else 2e-5)


def test_embeddings(tmp_path: Path, random: np.random.Generator) -> None:
    source = tmp_path / "embeddings.onnx"
    nodes = [
        fused("EmbedLayerNormalization", "ids segments words places kinds g beta mask", "e lengths", epsilon=1e-6),
        fused("Attention", "e w wb lengths", "y", num_heads=2),
    ]
    constants = {
        "words": real(random, 30, 16), "places": real(random, 8, 16), "kinds": real(random, 2, 16),
        "g": real(random, 16), "beta": real(random, 16), "w": real(random, 16, 48), "wb": real(random, 48),
    }
    shape = ["batch", "length"]
    described = {name: (INT32, shape) for name in ("ids", "segments", "mask")}
    save(source, nodes, described, {"y": FLOAT}, constants)
    inputs = {
        "ids": random.integers(0, 30, (2, 6)).astype(np.int32), "segments": np.int32([[0] * 3 + [1] * 3] * 2),
        "mask": np.int32([[1] * 6, [1] * 4 + [0] * 2]),
    }
    expected = answers(source, inputs)[0]
    got = ours(pack(source, "--palette", "f32"), inputs)[0]
    assert difference(got[0], expected[0]) < 2e-5
    assert difference(got[1, :4], expected[1, :4]) < 2e-5


def test_statistics_of_norms(tmp_path: Path, random: np.random.Generator) -> None:
    """ONNX Runtime's kernel leaves these outputs as they are: against the definition."""
    source = tmp_path / "statistics.onnx"
    nodes = [
        fused("SkipLayerNormalization", "x skip g beta b", "y mean scale sum", epsilon=1e-5),
        fused("SkipSimplifiedLayerNormalization", "x skip g", "z . root total", epsilon=1e-5),
    ]
    inputs = {"x": real(random, 2, 5, 16), "skip": real(random, 2, 5, 16)}
    constants = {name: real(random, 16) for name in ("g", "beta", "b")}
    names = ["mean", "scale", "sum", "root", "total"]
    save(source, nodes, {name: (FLOAT, [2, 5, 16]) for name in inputs}, dict.fromkeys(names, FLOAT), constants)
    total = (inputs["x"] + inputs["skip"]).astype(np.float64)
    whole = total + constants["b"]
    expected = [
        whole.mean(-1, keepdims=True), 1 / np.sqrt(whole.var(-1, keepdims=True) + 1e-5), whole,
        1 / np.sqrt((total**2).mean(-1, keepdims=True) + 1e-5), total,
    ]
    for got, wanted in zip(ours(pack(source, "--palette", "f32"), inputs), expected, strict=True):
        assert got.shape == wanted.shape
        assert difference(got, wanted) < 2e-6


@pytest.mark.parametrize("palette", ["f32", "8"])
def test_embeddings_of_codes(tmp_path: Path, random: np.random.Generator, palette: str) -> None:
    source = tmp_path / "coded.onnx"
    tables = {"words": (30, 16), "places": (8, 16), "kinds": (2, 16), "g": (16,), "beta": (16,)}
    constants: Arrays = {name: random.integers(0, 256, shape).astype(np.uint8) for name, shape in tables.items()}
    scales = {name: random.uniform(0.01, 0.02, ()).astype(np.float32) for name in tables}
    zeros = {name: np.uint8(random.integers(100, 150)) for name in tables}
    inputs = ["ids", "segments", *tables, "mask", *(f"{n}_scale" for n in tables), *(f"{n}_zero" for n in tables)]
    constants |= {f"{name}_scale": scale for name, scale in scales.items()}
    constants |= {f"{name}_zero": np.array(zero) for name, zero in zeros.items()}
    described = {name: (INT32, ["batch", "length"]) for name in ("ids", "segments", "mask")}
    save(
        source, [fused("QEmbedLayerNormalization", " ".join(inputs), "y lengths", epsilon=1e-6)], described,
        {"y": FLOAT, "lengths": INT32}, constants,
    )
    given = {
        "ids": random.integers(0, 30, (2, 6)).astype(np.int32), "segments": np.int32([[0] * 3 + [1] * 3] * 2),
        "mask": np.int32([[1] * 6, [1] * 4 + [0] * 2]),
    }
    expected = answers(source, given)
    got = ours(pack(source, "--palette", palette), given)
    # A scale of a table is stored as binary16.
    assert difference(got[0], expected[0]) < (2e-6 if palette == "f32" else 2e-3)
    assert np.array_equal(got[1], expected[1])


@pytest.mark.parametrize("level", ["ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED"])
def test_a_file_of_the_optimiser(tmp_path: Path, random: np.random.Generator, level: str) -> None:
    images(tmp_path / "plain.onnx", random)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(tmp_path / "plain.onnx", options, providers=["CPUExecutionProvider"])
    inputs = {"x": real(random, 2, 3, 12, 12)}
    got = ours(pack(tmp_path / "optimised.onnx", "--palette", "f32"), inputs)[0]
    assert difference(got, answers(tmp_path / "plain.onnx", inputs)[0]) < 1e-5


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (fused("FusedConv", "image kernel kb", activation="Cubic"), "the activation Cubic"),
        (fused("FusedConv", "image kernel kb", activation="Clip"), "activation_params of Clip are missing"),
        (fused("Attention", "x wide wideb"), "num_heads is missing"),
        (fused("Attention", "x wide wideb", num_heads=5), "5 heads"),
        (fused("Attention", "x wide wideb", num_heads=4, qkv_hidden_sizes=[16, 8, 24]), "sizes [16, 8, 24]"),
        (fused("SkipSimplifiedLayerNormalization", "x skip g", "y mean"), "the mean (output 1)"),
        (fused("GroupQueryAttention", "x skip skip", num_heads=4, kv_num_heads=4), "input 5 is missing"),
        (fused("NhwcConv", "image kernel"), "optimised for one machine"),
        (fused("QuickGelu", "x", alpha="much"), "attribute alpha is of type string, not float"),
    ],
)
def test_refusals(tmp_path: Path, random: np.random.Generator, node: onnx.NodeProto, words: str) -> None:
    made(node, tmp_path / "odd.onnx", random)
    assert words in refusal(tmp_path / "odd.onnx")
