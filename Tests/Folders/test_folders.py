"""Hugging Face folders against what Transformers computes with them, and folders that are broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import soniq

FOLDERS = Path(__file__).parent / "folders"
NAMES = sorted(path.name for path in FOLDERS.iterdir())
# Largest difference by the largest number of the output.
TOLERANCE = 1e-4
# ||a - b|| / ||b|| at 8 bits. Measured: see the test.
EIGHT_BIT_TOLERANCE = 0.08

# What else a folder needs to be packed.
PARTS = {
    "clip-both-texts": "text",
    "clip-both-images": "vision",
    "siglip-both-texts": "text",
    "siglip-both-images": "vision",
}

Arrays = dict[str, np.ndarray]


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([os.environ["SONIQ_PACK"], *map(str, arguments)], capture_output=True, text=True, check=False)


def pack(folder: Path, output: Path, *options: str | Path) -> Path:
    result = command("pack", folder, "-o", output, *part_of(folder.name), *options)
    assert result.returncode == 0, result.stderr
    return output


def part_of(name: str) -> list[str]:
    return ["--part", PARTS[name]] if name in PARTS else []


def expected(folder: Path) -> tuple[Arrays, Arrays]:
    """Inputs and outputs."""
    stored = np.load(folder / "expected.npz")
    inputs = {key[3:]: stored[key] for key in stored.files if key.startswith("in.")}
    return inputs, {key[4:]: stored[key] for key in stored.files if key.startswith("out.")}


def run(packed: Path, inputs: Arrays) -> Arrays:
    model = soniq.load(packed)
    given = {key: array.astype(np.int32) if array.dtype == np.int64 else array for key, array in inputs.items()}
    outputs = model(**given)
    return {key: np.array(outputs[key]) for key in outputs}


def kept(name: str, array: np.ndarray, inputs: Arrays) -> np.ndarray:
    """Without what stands at padded positions, which no one reads: states and scores of each position."""
    mask = inputs.get("attention_mask")
    if mask is None or array.shape[:2] != mask.shape:
        return array
    return array[mask == 1]


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    inputs, wanted = expected(FOLDERS / name)
    got = run(pack(FOLDERS / name, tmp_path / "model.soniq", "--palette", "f32"), inputs)
    assert wanted and wanted.keys() <= got.keys()
    for key, reference in wanted.items():
        assert got[key].shape == reference.shape, key
        distance = np.abs(kept(key, got[key], inputs) - kept(key, reference, inputs)).max()
        assert distance <= TOLERANCE * max(1, np.abs(reference).max()), f"{key}: {distance}"


@pytest.mark.parametrize("name", NAMES)
def test_eight_bits_stay_within_the_quantisation_error(name: str, tmp_path: Path) -> None:
    inputs, wanted = expected(FOLDERS / name)
    options: list[str | Path] = []
    if "input_ids" not in inputs:
        np.savez(tmp_path / "samples.npz", **inputs)
        options = ["--calibrate", tmp_path / "samples.npz"]
    got = run(pack(FOLDERS / name, tmp_path / "model.soniq", *options), inputs)
    for key, reference in wanted.items():
        left, right = (kept(key, array, inputs) for array in (got[key], reference))
        assert np.linalg.norm(left - right) <= EIGHT_BIT_TOLERANCE * np.linalg.norm(right), key


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_against_transformers(name: str, tmp_path: Path) -> None:
    """What is committed is one draw; here the weights are others each day. Needs PyTorch and Transformers."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    import generate

    seed = int(os.environ.get("SONIQ_TEST_SEED", "0")) or int(np.random.default_rng().integers(1, 1 << 31))
    print("seed", seed)
    generate.write(name, tmp_path / name, seed)
    inputs, wanted = expected(tmp_path / name)
    got = run(pack(tmp_path / name, tmp_path / "model.soniq", "--palette", "f32"), inputs)
    for key, reference in wanted.items():
        distance = np.abs(kept(key, got[key], inputs) - kept(key, reference, inputs)).max()
        assert distance <= TOLERANCE * max(1, np.abs(reference).max()), f"{key}: {distance}, seed {seed}"


# config.json as the authors of the models wrote it, before Transformers had them or changed its fields.
EARLIER: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
    "nomic": (
        (
            "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act", "head_dim",
            "max_position_embeddings", "layer_norm_eps", "rope_parameters",
        ),
        {
            "n_embd": 8, "n_layer": 2, "n_head": 2, "n_inner": 16, "n_positions": 24, "activation_function": "swiglu",
            "layer_norm_epsilon": 1e-12, "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0,
            "rotary_emb_interleaved": False, "rotary_scaling_factor": None,
        },
    ),
    "modernbert": (
        ("rope_parameters", "layer_types"),
        {"global_rope_theta": 160000.0, "local_rope_theta": 10000.0, "global_attn_every_n_layers": 3},
    ),
    "t5-gated": (("dense_act_fn", "is_gated_act"), {"n_positions": 512}),
    "gte": (
        ("rope_parameters",),
        {
            "model_type": "new", "rope_theta": 160000.0, "position_embedding_type": "rope", "pack_qkv": True,
            "layer_norm_type": "layer_norm", "logn_attention_scale": False, "rope_scaling": None,
        },
    ),
    "jina-roberta": (
        ("rope_parameters",),
        {"model_type": "xlm-roberta", "position_embedding_type": "rotary", "rotary_emb_base": 20000.0},
    ),
    "moonshine": (("rope_parameters",), {"rope_theta": 10000.0, "partial_rotary_factor": 0.5}),
}  # fmt: skip


@pytest.mark.parametrize("name", EARLIER)
def test_earlier_configurations_are_the_same_model(name: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDERS / name, tmp_path / "model")
    path = tmp_path / "model/config.json"
    removed, added = EARLIER[name]
    fields = json.loads(path.read_text())
    assert set(removed) <= fields.keys()
    path.write_text(json.dumps({key: value for key, value in fields.items() if key not in removed} | added))
    inputs, wanted = expected(FOLDERS / name)
    got = run(pack(tmp_path / "model", tmp_path / "model.soniq", "--palette", "f32"), inputs)["last_hidden_state"]
    packed = pack(FOLDERS / name, tmp_path / "whole.soniq", "--palette", "f32")
    assert np.array_equal(got, run(packed, inputs)["last_hidden_state"])
    assert got.shape == wanted["last_hidden_state"].shape


def test_shared_layers_are_stored_once(tmp_path: Path) -> None:
    """ALBERT's three layers, whose weights are one layer's."""
    packed = pack(FOLDERS / "albert", tmp_path / "model.soniq", "--palette", "f32")
    matrices = [line for line in command("inspect", packed).stdout.splitlines() if "albert_layers" in line]
    attention = [kernel.operation for kernel in soniq.load(packed).kernels()]
    assert attention.count("attention") == 3
    stored = {line.split()[0] for line in matrices if line.split()[0].endswith(".weight")}
    assert len(stored) == len([line for line in matrices if line.split()[0].endswith(".weight")])
    assert packed.stat().st_size < 40_000


def test_tied_words_are_stored_once_in_a_file(tmp_path: Path) -> None:
    """A head that scores words has the words' table as its matrix, which no tensor of the folder repeats."""
    inputs, wanted = expected(FOLDERS / "bert-words-shards")
    index = json.loads((FOLDERS / "bert-words-shards/model.safetensors.index.json").read_text())
    assert "cls.predictions.decoder.weight" not in index["weight_map"]
    assert len(set(index["weight_map"].values())) > 1
    got = run(pack(FOLDERS / "bert-words-shards", tmp_path / "m.soniq", "--palette", "f32"), inputs)
    assert got["logits"].shape == wanted["logits"].shape


def test_a_head_is_left_out_by_option_and_named(tmp_path: Path) -> None:
    result = command(
        "pack", FOLDERS / "roberta-classes", "-o", tmp_path / "m.soniq", "--palette", "f32", "--without-head"
    )
    assert result.returncode == 0
    assert "left out of the checkpoint: classifier.dense, classifier.out_proj" in result.stderr
    assert "source.left_out: classifier.dense" in command("inspect", tmp_path / "m.soniq").stdout
    assert soniq.load(tmp_path / "m.soniq").outputs[0].name == "last_hidden_state"


def test_a_packed_encoder_is_compared_with_the_encoder(tmp_path: Path) -> None:
    packed = pack(FOLDERS / "roberta-classes", tmp_path / "m.soniq", "--without-head")
    result = command("compare", FOLDERS / "roberta-classes", packed, "--seed", "7")
    assert result.returncode == 0, result.stderr
    assert "last_hidden_state" in result.stdout and "logits" not in result.stdout


def test_the_option_is_for_folders(tmp_path: Path) -> None:
    model = Path(__file__).parent.parent / "Onnx/encoders/bert-dynamo.onnx"
    result = command("pack", model, "-o", tmp_path / "m.soniq", "--without-head")
    assert result.returncode == 64 and "--without-head is for folders" in result.stderr.replace(":", "")


# What is broken: the folder, the file to change, how, the exit status and what the one line says.
def drop_tensor(text: str) -> str:
    index = json.loads(text)
    index["weight_map"].pop("bert.embeddings.LayerNorm.weight")
    return json.dumps(index)


def another_shard(text: str) -> str:
    return text.replace("model-00002", "model-00009")


def swapped(text: str) -> str:
    return text.replace("00001-of", "x").replace("00002-of", "00001-of").replace("x", "00002-of")


def config(**fields: object) -> object:
    return lambda text: json.dumps(json.loads(text) | fields)


INDEX = "model.safetensors.index.json"
BROKEN = {
    "unlisted-tensor": ("bert-words-shards", INDEX, drop_tensor, 65, "bert.embeddings.LayerNorm.weight"),
    "missing-shard": ("bert-words-shards", INDEX, another_shard, 66, "model-00009-of-00002.safetensors"),
    "swapped-shards": ("bert-words-shards", INDEX, swapped, 65, "does not hold it"),
    "shard-outside": (
        "bert-words-shards", INDEX, lambda text: text.replace("model-00001", "../model-00001"), 65, "in the folder",
    ),
    "no-map": ("bert-words-shards", INDEX, lambda text: "{}", 65, "weight_map"),
    "empty-map": ("bert-words-shards", INDEX, lambda text: '{"weight_map": {}}', 65, "weight_map"),
    "list-map": ("bert-words-shards", INDEX, lambda text: '{"weight_map": []}', 65, "weight_map"),
    "number-as-file": ("bert-words-shards", INDEX, lambda text: '{"weight_map": {"a": 1}}', 65, "tensor a"),
    "distances-of-another-size": ("deberta", "config.json", config(position_buckets=8), 65, "expected [16, 8]"),
    "too-many-buckets": ("deberta", "config.json", config(position_buckets=60), 65, "position_buckets"),
    "kinds-of-distances": ("deberta", "config.json", config(pos_att_type=["p2p"]), 65, "c2p, p2c"),
    "kinds-as-numbers": ("deberta", "config.json", config(pos_att_type=[1]), 65, "pos_att_type"),
    "distances-normed": ("deberta", "config.json", config(norm_rel_ebd="batch"), 65, "none, layer_norm"),
    "even-convolution": ("deberta-wide", "config.json", config(conv_kernel_size=4), 65, "an odd number"),
    "convolution-in-groups": ("deberta-wide", "config.json", config(conv_groups=3), 65, "conv_groups"),
    "convolution-of-a-function": ("deberta-wide", "config.json", config(conv_act="sine"), 65, "conv_act"),
    "own-keys": ("deberta", "config.json", config(share_att_key=False), 65, "pos_key_proj.weight: missing"),
    "encoder-as-text": ("clip-both-texts", "config.json", config(text_config="8"), 65, "text_config: must be"),
    "encoder-of-another-size": (
        "siglip-both-images", "config.json", config(vision_config={"hidden_size": 9}), 65,
        "vision_config.num_attention_heads",
    ),
    "usual-encoder": ("siglip-both-texts", "config.json", config(text_config=None), 65, "expected [32000, 768]"),
    "turned-by-halves": (
        "moonshine", "config.json", config(rope_parameters={"rope_theta": 1e4}), 65, "7 of a head's 8",
    ),
    "shared-keys": ("moonshine", "config.json", config(encoder_num_key_value_heads=1), 65, "key_value_heads"),
    "odd-part-turned": (
        "gte", "config.json", config(partial_rotary_factor=0.9), 65, "partial_rotary_factor: 3 of a head's 4",
    ),
    "more-than-all-turned": ("gte", "config.json", config(partial_rotary_factor=2), 65, "partial_rotary_factor"),
    "other-norm": ("gte", "config.json", config(layer_norm_type="rms_norm"), 65, "layer_norm_type"),
    "scores-by-length": ("gte", "config.json", config(logn_attention_scale=True), 65, "logn_attention_scale"),
    "other-scaling": ("gte-scaled", "config.json", config(rope_scaling={"type": "linear", "factor": 2}), 65, "ntk"),
    "mixed-scaling": (
        "gte-scaled", "config.json", config(rope_scaling={"type": "ntk", "factor": 2, "mixed_b": 1}), 65, "scaling",
    ),
    "scaled-by-text": (
        "gte-scaled", "config.json", config(rope_scaling={"type": "ntk", "factor": "2"}), 65, "factor must be",
    ),
    "layers-without-gates": (
        "jina-bert", "config.json", config(feed_forward_type="original"), 65, "feed_forward_type",
    ),
    "unknown-positions": ("bert", "config.json", config(position_embedding_type="sine"), 65, "absolute, alibi"),
    "unknown-type": ("roberta", "config.json", config(model_type="reformer"), 65, 'unknown architecture "reformer"'),
    "type-of-another-family": ("roberta", "config.json", config(model_type="mpnet"), 65, "missing"),
    "hidden-size-as-text": ("distilbert", "config.json", config(dim="8"), 65, "field dim"),
    "another-size": ("distilbert", "config.json", config(hidden_dim=17), 65, "expected [17, 8]"),
    "padding-behind-the-words": ("roberta", "config.json", config(pad_token_id=40), 65, "pad_token_id"),
    "no-position-left": ("roberta", "config.json", config(max_position_embeddings=2), 65, "max_position_embeddings"),
    "groups-of-layers": ("albert", "config.json", config(num_hidden_groups=9), 65, "num_hidden_groups"),
    "inner-layers": ("albert", "config.json", config(inner_group_num=2), 65, "inner_group_num"),
    "odd-buckets": ("mpnet", "config.json", config(relative_attention_num_buckets=30), 65, "num_buckets"),
    "other-buckets": ("mpnet", "config.json", config(relative_attention_num_buckets=64), 65, "expected [64, 2]"),
    "scaled-angles": (
        "nomic", "config.json", config(rope_parameters={"rope_type": "yarn", "rope_theta": 10000.0}), 65, "yarn",
    ),
    "angles-without-base": ("nomic", "config.json", config(rope_parameters={}), 65, "rope_theta"),
    "layer-types": ("modernbert", "config.json", config(layer_types=["full_attention"]), 65, "layer_types"),
    "pooling-of-classes": ("modernbert-classes", "config.json", config(classifier_pooling="max"), 65, "cls, mean"),
    "patch-that-does-not-fit": ("vit", "config.json", config(patch_size=3), 65, "patch_size"),
    "image-of-text": ("vit", "config.json", config(image_size="8"), 65, "image_size"),
    "image-of-three": ("vit", "config.json", config(image_size=[8, 8, 8]), 65, "image_size"),
    "positions-of-another-image": ("vit", "config.json", config(image_size=16), 65, "position_embeddings"),
    "heads-of-another-length": ("t5", "config.json", config(d_kv=12), 65, "SelfAttention"),
    "heads-of-an-odd-length": ("t5", "config.json", config(d_kv=5), 65, "num_heads: heads of 5 numbers"),
    "narrow-heads": ("deberta", "config.json", config(num_attention_heads=4), 65, "heads of 2 numbers"),
    "pooled-images": ("vit", "config.json", config(num_attention_heads=3), 65, "num_attention_heads"),
    "length-as-text": (
        "dense", "sentence_bert_config.json", lambda text: '{"max_seq_length": "8"}', 65, "field max_seq_length",
    ),
    "no-length": (
        "dense", "sentence_bert_config.json", lambda text: '{"max_seq_length": 0}', 65, "in 1...1048576",
    ),
    "dense-of-another-width": ("dense", "2_Dense/config.json", config(in_features=9), 65, "expected [6, 9]"),
    "dense-of-text": ("dense", "2_Dense/config.json", config(out_features="6"), 65, "out_features"),
    "dense-function": ("dense", "2_Dense/config.json", config(activation_function="torch.nn.Fold"), 65, "Tanh"),
    "dense-bias": ("dense", "2_Dense/config.json", config(bias=1), 65, "field bias"),
    "dense-behind-another": ("dense", "1_Pooling/config.json", config(pooling_mode_cls_token=True), 65, "takes 8"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_one_sentence(name: str, tmp_path: Path) -> None:
    folder, file, change, status, words = BROKEN[name]
    shutil.copytree(FOLDERS / folder, tmp_path / "model")
    path = tmp_path / "model" / file
    path.write_text(change(path.read_text() if path.exists() else ""))
    arguments = ["-o", tmp_path / "m.soniq", "--palette", "f32", *part_of(folder)]
    result = command("pack", tmp_path / "model", *arguments)
    assert result.returncode == status, result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and words in lines[0], result.stderr
    assert not (tmp_path / "m.soniq").exists()
