"""Keys and values of earlier runs in the attention operators of com.microsoft, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from small_graphs import real
from test_fused_operators import fused
from test_quantised_dialects import answers, difference, ours, pack, refusal, save

Arrays = dict[str, np.ndarray]
FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
PLAIN = "q k v pk pv last total"
SIZE = 16


def grouped(inputs: str, outputs: str = "y nk nv", **attributes: object) -> list[onnx.NodeProto]:
    """The node, and what exporters compute from a mask [batch, total]."""
    helper = onnx.helper
    return [
        helper.make_node("ReduceSum", ["mask", "one"], ["sums"], keepdims=0),
        helper.make_node("Sub", ["sums", "one"], ["before"]),
        helper.make_node("Cast", ["before"], ["last"], to=INT32),
        helper.make_node("Shape", ["mask"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["length"], axis=0),
        helper.make_node("Cast", ["length"], ["total"], to=INT32),
        fused("GroupQueryAttention", inputs, outputs, num_heads=4, kv_num_heads=2, **attributes),
    ]


def model(path: Path, nodes: list[onnx.NodeProto], random: np.random.Generator, past: object = "past") -> None:
    described = {
        "q": (FLOAT, ["batch", "length", 4 * SIZE]), "k": (FLOAT, ["batch", "length", 2 * SIZE]),
        "v": (FLOAT, ["batch", "length", 2 * SIZE]), "packed": (FLOAT, ["batch", "length", 8 * SIZE]),
        "pk": (FLOAT, ["batch", 2, past, SIZE]), "pv": (FLOAT, ["batch", 2, past, SIZE]),
        "places": (INT64, ["batch", "length"]), "added": (FLOAT, [1, 4, "length", "total_length"]),
        "mask": (INT64, ["batch", "total_length"]),
    }
    used = {name for node in nodes for name in node.input}
    angles = random.uniform(0, 6, (32, SIZE // 2)).astype(np.float32)
    constants = {"one": np.int64([1]), "c": np.cos(angles), "s": np.sin(angles), "sink": real(random, 4)}
    save(
        path, nodes, {name: entry for name, entry in described.items() if name in used},
        {name: FLOAT for name in nodes[-1].output if name},
        {name: array for name, array in constants.items() if name in used},
    )


def given(path: Path, random: np.random.Generator, lengths: list[int], past: int, own: int, total: int) -> Arrays:
    """Of rows of a batch of so many positions each, the new ones included."""
    sizes = {"batch": len(lengths), "length": own, "past": past, "total_length": total}
    inputs = {}
    for info in onnx.load(path).graph.input:
        shape = [sizes.get(d.dim_param, d.dim_value) for d in info.type.tensor_type.shape.dim]
        inputs[info.name] = real(random, *shape)
    inputs["mask"] = np.int64([[1] * count + [0] * (total - count) for count in lengths])
    if "places" in inputs:
        inputs["places"] = np.int64([[count - own + index for index in range(own)] for count in lengths])
    return inputs


def compare(path: Path, inputs: Arrays, lengths: list[int]) -> None:
    """Of keys and values the positions that are filled: the others may be anything."""
    got, expected = ours(pack(path, "--palette", "f32"), inputs), answers(path, inputs)
    assert difference(got[0], expected[0]) < 2e-5
    for mine, wanted in zip(got[1:], expected[1:], strict=True):
        assert mine.shape == wanted.shape
        for row, count in enumerate(lengths):
            assert difference(mine[row, :, :count], wanted[row, :, :count]) < 2e-5


FORMS = {
    "plain": {"inputs": PLAIN}, "rotary": {"inputs": PLAIN + " c s", "do_rotary": 1},
    "interleaved": {"inputs": PLAIN + " c s", "do_rotary": 1, "rotary_interleaved": 1},
    "positions": {"inputs": PLAIN + " c s places", "do_rotary": 1},
    "packed": {"inputs": "packed . . pk pv last total c s", "do_rotary": 1, "scale": 0.3},
    "window": {"inputs": PLAIN, "local_window_size": 3}, "cap": {"inputs": PLAIN, "softcap": 0.7},
    "smooth": {"inputs": PLAIN, "smooth_softmax": 1}, "sink": {"inputs": PLAIN + " . . . . sink"},
    "added": {"inputs": PLAIN + " . . . added"},
}


@pytest.mark.parametrize("name", FORMS)
def test_one_token_behind_others(tmp_path: Path, random: np.random.Generator, name: str) -> None:
    source = tmp_path / "grouped.onnx"
    model(source, grouped(**FORMS[name]), random)
    compare(source, given(source, random, [6, 6], past=5, own=1, total=6), [6, 6])


def test_rows_of_different_lengths(tmp_path: Path, random: np.random.Generator) -> None:
    source = tmp_path / "grouped.onnx"
    model(source, grouped(**FORMS["rotary"]), random)
    for lengths in ([6, 3], [2, 6]):
        compare(source, given(source, random, lengths, past=5, own=1, total=6), lengths)


@pytest.mark.parametrize("name", ["rotary", "window"])
def test_a_first_run_in_one_model_without_a_past(tmp_path: Path, random: np.random.Generator, name: str) -> None:
    form = FORMS[name]
    first = {**form, "inputs": form["inputs"].replace("pk pv", ". .")}
    source = tmp_path / "first.onnx"
    model(source, grouped(**first), random)
    compare(source, given(source, random, [7, 7], past=0, own=7, total=7), [7, 7])


def test_a_first_run_of_a_model_with_a_past(tmp_path: Path, random: np.random.Generator) -> None:
    """No tensor is empty: what a past of one position holds is not seen, for the mask does not count it."""
    source = tmp_path / "grouped.onnx"
    model(source, grouped(**FORMS["rotary"]), random)
    inputs = given(source, random, [4, 4], past=1, own=4, total=5)
    got = ours(pack(source, "--palette", "f32"), inputs)
    empty = {name: array[:, :, :0] if name in ("pk", "pv") else array for name, array in inputs.items()}
    empty["mask"] = inputs["mask"][:, :4]
    expected = answers(source, empty)
    assert difference(got[0], expected[0]) < 2e-5
    for mine, wanted in zip(got[1:], expected[1:], strict=True):
        assert difference(mine[:, :, :4], wanted) < 2e-5


def test_a_past_with_room_for_all(tmp_path: Path, random: np.random.Generator) -> None:
    """Of a fixed size, into which the new keys are put."""
    source = tmp_path / "room.onnx"
    model(source, grouped(**FORMS["rotary"]), random, past=1024)
    inputs = given(source, random, [6, 6], past=0, own=1, total=6)
    inputs |= {name: real(random, 2, 2, 1024, SIZE) for name in ("pk", "pv")}
    got = ours(pack(source, "--palette", "f32"), inputs)
    short = inputs | {name: inputs[name][:, :, :5] for name in ("pk", "pv")}
    path = tmp_path / "short.onnx"
    model(path, grouped(**FORMS["rotary"]), random)
    renamed = onnx.load(path)
    del renamed.graph.initializer[:]
    renamed.graph.initializer.extend(onnx.load(source).graph.initializer)
    onnx.save(renamed, path)
    expected = answers(path, short)
    assert got[1].shape == (2, 2, 1024, SIZE)
    assert difference(got[0], expected[0]) < 2e-5
    assert difference(got[1][:, :, :6], expected[1]) < 2e-5
    assert np.array_equal(got[1][:, :, 6:], inputs["pk"][:, :, 6:])


@pytest.mark.parametrize("causal", [0, 1])
def test_multi_head_attention(tmp_path: Path, random: np.random.Generator, causal: int) -> None:
    source = tmp_path / "heads.onnx"
    node = fused("MultiHeadAttention", "q k v b . . pk pv", "y nk nv", num_heads=4, unidirectional=causal)
    described = {
        **{name: (FLOAT, ["batch", "length", 32]) for name in "qkv"},
        **{name: (FLOAT, ["batch", 4, "past", 8]) for name in ("pk", "pv")},
    }
    save(source, [node], described, dict.fromkeys(["y", "nk", "nv"], FLOAT), {"b": real(random, 96)})
    inputs = {name: real(random, 2, 3, 32) for name in "qkv"} | {
        name: real(random, 2, 4, 5, 8) for name in ("pk", "pv")
    }
    for got, expected in zip(ours(pack(source, "--palette", "f32"), inputs), answers(source, inputs), strict=True):
        assert got.shape == expected.shape
        assert difference(got, expected) < 2e-5


def test_attention(tmp_path: Path, random: np.random.Generator) -> None:
    """As in files of GPT-2 that the optimiser wrote: causal, with a mask, keys and values in one tensor."""
    source = tmp_path / "joined.onnx"
    node = fused("Attention", "x w b mask past", "y present", num_heads=4, unidirectional=1)
    described = {
        "x": (FLOAT, ["batch", "length", 32]), "mask": (INT32, ["batch", "all"]),
        "past": (FLOAT, [2, "batch", 4, "before", 8]),
    }
    constants = {"w": real(random, 32, 96) / 6, "b": real(random, 96)}
    save(source, [node], described, dict.fromkeys(["y", "present"], FLOAT), constants)
    inputs = {"x": real(random, 2, 3, 32), "past": real(random, 2, 2, 4, 5, 8)}
    inputs["mask"] = np.int32([[1] * 8, [0, 0] + [1] * 6])
    for got, expected in zip(ours(pack(source, "--palette", "f32"), inputs), answers(source, inputs), strict=True):
        assert got.shape == expected.shape
        assert difference(got, expected) < 2e-5


REFUSED = [
    ({"num_heads": 0}, "num_heads 0"), ({"num_heads": -1}, "num_heads -1"), ({"kv_num_heads": 3}, "kv_num_heads 3"),
    ({"num_heads": 1 << 62}, "num_heads 4611686018427387904"), ({"kv_num_heads": 1 << 31}, "kv_num_heads 2147483648"),
    ({"num_heads": "four"}, "num_heads is of type string"), ({"k_quant_type": "PER_TENSOR"}, "k_quant_type"),
    ({"qk_output": 1}, "qk_output"), ({"local_window_size": "all"}, "local_window_size is of type string"),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "words"), REFUSED)
def test_refusals(tmp_path: Path, random: np.random.Generator, attributes: dict[str, object], words: str) -> None:
    nodes = grouped(PLAIN)
    for name, value in attributes.items():
        kept = [entry for entry in nodes[-1].attribute if entry.name != name]
        del nodes[-1].attribute[:]
        nodes[-1].attribute.extend([*kept, onnx.helper.make_attribute(name, value)])
    model(tmp_path / "odd.onnx", nodes, random)
    assert words in refusal(tmp_path / "odd.onnx")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("q k . pk pv last total", "key without value"), ("q k v pk . last total", "past_key without past_value"),
        ("q k v pk pv last last", "total_sequence_length does not follow from shapes"),
        ("q k v pk pv . total", "input 5 is missing"), ("k k v pk pv last total", "do not fit together"),
    ],
)
def test_inputs_that_do_not_fit(tmp_path: Path, random: np.random.Generator, inputs: str, words: str) -> None:
    nodes = grouped(inputs)
    if inputs.startswith("k"):
        nodes[-1].attribute[0].i = 4
    model(tmp_path / "odd.onnx", nodes, random)
    assert words in refusal(tmp_path / "odd.onnx")
