"""Folders of decoders: other spellings of config.json, other types of tensors, texts, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkpoint
import numpy as np
import pytest
from test_decoders import MODELS, logits, pack

import soniq

Change = Callable[[dict[str, Any]], Any]


def bits(folder: Path, output: Path, *options: str) -> np.ndarray:
    stored = np.load(MODELS / "llama.npz")
    return logits(soniq.load(pack(folder, output, *(options or ("--palette", "f32")))), stored["ids"], [24])


def old_angles(config: dict[str, Any]) -> None:
    """As transformers 4 wrote them."""
    stated = config.pop("rope_parameters")
    if "full_attention" in stated:
        config["rope_local_base_freq"] = stated["sliding_attention"]["rope_theta"]
        stated = stated["full_attention"]
    config["rope_theta"] = stated.pop("rope_theta")
    config["rope_scaling"] = None if stated["rope_type"] == "default" else {**stated, "type": stated.pop("rope_type")}


def old_windows(config: dict[str, Any]) -> None:
    """Before layers had types."""
    config.pop("layer_types")
    if config["model_type"] == "gemma3_text":
        config["sliding_window_pattern"] = config.pop("_sliding_window_pattern")


@pytest.mark.parametrize("name", ["llama", "llama3", "llama-yarn", "qwen2", "gemma3", "smollm3", "bitnet"])
def test_angles_may_be_spelled_as_before(name: str, tmp_path: Path) -> None:
    source = MODELS / name
    older = checkpoint.copied(source, tmp_path / "older", old_angles)
    assert np.array_equal(bits(older, tmp_path / "a.soniq"), bits(source, tmp_path / "b.soniq"))


@pytest.mark.parametrize("name", ["gemma2", "gemma3", "qwen2", "qwen3", "smollm3"])
def test_layers_without_types_are_those_of_the_family(name: str, tmp_path: Path) -> None:
    source = MODELS / name
    older = checkpoint.copied(source, tmp_path / "older", old_windows)
    assert np.array_equal(bits(older, tmp_path / "a.soniq"), bits(source, tmp_path / "b.soniq"))


def test_windows_from_a_layer_on(tmp_path: Path) -> None:
    """Of Qwen; other logits than without."""
    window = {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1}
    typed = {**window, "layer_types": ["full_attention", "sliding_attention"]}
    older = checkpoint.copied(MODELS / "qwen2", tmp_path / "a", lambda c: (c.update(window), c.pop("layer_types")))
    newer = checkpoint.copied(MODELS / "qwen2", tmp_path / "b", lambda c: c.update(typed))
    got = bits(older, tmp_path / "a.soniq")
    assert np.array_equal(got, bits(newer, tmp_path / "b.soniq"))
    assert not np.array_equal(got, bits(MODELS / "qwen2", tmp_path / "c.soniq"))


@pytest.mark.parametrize("kind", ["F16", "BF16", "F64"])
def test_numbers_of_other_types_are_the_same_numbers(kind: str, tmp_path: Path) -> None:
    def narrow(_: str, array: np.ndarray) -> tuple[str, np.ndarray]:
        if kind == "BF16":
            return kind, checkpoint.bfloat16(array)
        return kind, array.astype({"F16": "<f2", "F64": "<f8"}[kind])

    def wide(name: str, array: np.ndarray) -> tuple[str, np.ndarray]:
        _, stored = narrow(name, array)
        if kind == "BF16":
            return "F32", (stored.astype("<u4") << 16).view("<f4")
        return "F32", stored.astype("<f4")

    stored = checkpoint.copied(MODELS / "llama", tmp_path / "stored", store=narrow)
    floats = checkpoint.copied(MODELS / "llama", tmp_path / "floats", store=wide)
    for options in (["--palette", "f32"], ["--palette", "4"]):
        got = bits(stored, tmp_path / "a.soniq", *options)
        assert np.array_equal(got, bits(floats, tmp_path / "b.soniq", *options))


def test_several_files_are_one_model(tmp_path: Path) -> None:
    assert len(list((MODELS / "qwen3").glob("*.safetensors"))) == 3
    whole = checkpoint.copied(MODELS / "qwen3", tmp_path / "whole")
    assert np.array_equal(bits(whole, tmp_path / "a.soniq"), bits(MODELS / "qwen3", tmp_path / "b.soniq"))


def test_a_tied_matrix_that_is_stored_too_is_the_table(tmp_path: Path) -> None:
    folder = checkpoint.copied(MODELS / "llama3", tmp_path / "model")
    tensors = checkpoint.read(folder)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1
    checkpoint.write(folder / checkpoint.TENSORS, {name: ("F32", array) for name, array in tensors.items()})
    assert np.array_equal(bits(folder, tmp_path / "a.soniq"), bits(MODELS / "llama3", tmp_path / "b.soniq"))


@pytest.mark.parametrize("palette", ["2", "3", "4", "5", "6", "7", "8"])
def test_rounding_says_what_it_stores(palette: str, tmp_path: Path) -> None:
    """And is the same each time, in any pieces, from either kind of file where rows lie in the same order."""
    ids = np.load(MODELS / "qwen2.npz")["ids"]
    paths = [tmp_path / f"{number}.soniq" for number in range(2)]
    for path in paths:
        pack(MODELS / "qwen2", path, "--palette", palette)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    model = soniq.load(paths[0])
    assert model.metadata["soniq.palette"] == palette
    got = logits(model, ids, [24])
    for lengths in ([1] * 24, [7, 17]):
        assert np.array_equal(logits(model, ids, lengths), got), lengths
    other = soniq.load(pack(MODELS / "qwen2.gguf", tmp_path / "gguf.soniq", "--palette", palette))
    assert np.array_equal(logits(other, ids, [24]), got)


def test_eight_bits_unless_the_user_says(tmp_path: Path) -> None:
    for source in (MODELS / "qwen2", MODELS / "qwen2.gguf"):
        assert soniq.load(pack(source, tmp_path / "m.soniq")).metadata["soniq.palette"] == "8"
        kept = soniq.load(pack(source, tmp_path / "m.soniq", "--palette", "keep"))
        assert kept.metadata["soniq.average_bits"] >= 32


def test_texts_are_where_hosts_of_gguf_files_find_them(tmp_path: Path) -> None:
    folder = checkpoint.copied(MODELS / "llama3", tmp_path / "model")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 9], "bos_token_id": None}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ old }}"}))
    metadata = soniq.load(pack(folder, tmp_path / "m.soniq")).metadata
    assert metadata["tokenizer.eos_token_id"] == 7 and metadata["tokenizer.eot_token_id"] == 9
    assert metadata["tokenizer.bos_token_id"] == 1 and metadata["tokenizer.chat_template"] == "{{ old }}"
    assert metadata["source.architecture"] == "llama" and metadata["general.name"] == "model"
    (folder / "chat_template.jinja").write_text("{{ new }}")
    named = [{"name": "tools", "template": "a"}, {"name": "default", "template": "b"}]
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert soniq.load(pack(folder, tmp_path / "m.soniq")).metadata["tokenizer.chat_template"] == "{{ new }}"
    (folder / "chat_template.jinja").unlink()
    assert soniq.load(pack(folder, tmp_path / "m.soniq")).metadata["tokenizer.chat_template"] == "b"


# MARK: Faults


def set_field(key: str, value: Any) -> Change:
    return lambda config: config.update({key: value})


def set_angles(**numbers: Any) -> Change:
    return lambda config: config["rope_parameters"].update(numbers)


FIELDS: dict[str, tuple[str, Change, str]] = {
    "unknown": ("llama", set_field("key_norm", 3), "field key_norm: not known; it may change what the model computes"),
    "class": ("llama", set_field("architectures", ["LlamaModel"]), 'field architectures: "LlamaModel" of a decoder'),
    "bidirectional": ("gemma3", set_field("use_bidirectional_attention", True), "known: false"),
    "gate": ("llama", set_field("hidden_act", "tanh"), 'field hidden_act: "tanh"; known: silu'),
    "words": ("llama", set_field("vocab_size", 41), "tensor model.embed_tokens.weight: shape [40, 16], expected"),
    "heads": ("llama", set_field("num_attention_heads", 3), "field num_key_value_heads: 2 does not divide 3 heads"),
    "no-heads": ("qwen2", set_field("num_attention_heads", 16), "field num_attention_heads: 16 heads of 16 numbers"),
    "hidden": ("llama", set_field("hidden_size", 32), "tensor "),
    "negative": ("llama", set_field("hidden_size", -1), "field hidden_size: must be a whole number in 1..."),
    "huge": ("llama", set_field("num_hidden_layers", 1 << 62), "field num_hidden_layers: must be a whole number in"),
    "layers": ("llama", set_field("num_hidden_layers", 3), "tensor model.layers.2.input_layernorm.weight: missing"),
    "fewer": ("llama", set_field("num_hidden_layers", 1), "tensor model.layers.1.input_layernorm.weight: nothing of"),
    "epsilon": ("llama", lambda config: config.pop("rms_norm_eps"), "field rms_norm_eps: missing"),
    "tied": ("llama3", set_field("tie_word_embeddings", False), "is false, but there is no tensor lm_head.weight"),
    "angles": ("llama", set_angles(rope_type="dynamic"), 'rope_type "dynamic"; known: default, linear, llama3'),
    "angle-key": ("llama", set_angles(mscale=0.7), "field rope_parameters: mscale is not known"),
    "angle-factor": ("llama3", set_angles(factor=0), "field rope_parameters: factor must be a number above 0"),
    "angle-base": ("llama", set_angles(rope_theta=1), "rope_theta must be above 1"),
    "angle-part": ("phi3", set_angles(partial_rotary_factor=0.8), "field partial_rotary_factor: 0.8 of heads of 4"),
    "long": ("phi3", set_angles(rope_type="longrope", short_factor=[1.0]), "short_factor must be 2 numbers above 0"),
    "types": ("gemma2", set_field("layer_types", ["full_attention"]), "field layer_types: must be full_attention"),
    "window": ("mistral", set_field("sliding_window", 0), "field sliding_window: must be a whole number in 1..."),
    "no-angles": ("smollm3", set_field("no_rope_layers", [1, 2, 1, 1]), "field no_rope_layers: must be 0 or 1"),
    "quantized": ("llama", set_field("quantization_config", {"quant_method": "odd"}), "field quantization_config.q"),
    "cap": ("gemma2", set_field("attn_logit_softcapping", -1), "field attn_logit_softcapping: must be above 0"),
    "factor": ("granite", set_field("logits_scaling", 0), "field logits_scaling: must be above 0"),
    "eos": ("llama", set_field("eos_token_id", "two"), "field eos_token_id: must be an id, or a list of ids"),
}  # fmt: skip


def refused(folder: Path, words: str, tmp_path: Path, *options: str, status: int = 65) -> None:
    command = [os.environ["SONIQ_PACK"], "pack", str(folder), "-o", str(tmp_path / "m.soniq"), *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == status and words in result.stderr, (result.returncode, result.stderr)
    assert len(result.stderr.splitlines()) == 1 and not (tmp_path / "m.soniq").exists()


@pytest.mark.parametrize("fault", FIELDS)
def test_fields_that_do_not_fit_are_named(fault: str, tmp_path: Path) -> None:
    source, change, words = FIELDS[fault]
    refused(checkpoint.copied(MODELS / source, tmp_path / "model", change), words, tmp_path)


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    tensors = {name: ("F32", array) for name, array in checkpoint.read(MODELS / "llama").items()}
    matrix = "model.layers.1.mlp.up_proj.weight"
    numbers = tensors[matrix][1].copy()
    numbers[3, 5] = np.nan
    huge = tensors[matrix][1].copy()
    huge[3, 5] = 1e9
    shutil.copytree(MODELS / "llama", tmp_path / "model")
    changes: list[tuple[str, tuple[str, np.ndarray], str]] = [
        (matrix, ("F32", numbers), f"tensor {matrix}: the number at [3, 5] is nan"),
        (matrix, ("F32", huge), f"tensor {matrix}: the numbers from [3, 0] on are too large for scales of 16 bits"),
        (matrix, ("I32", np.zeros((32, 16), "<i4")), f"tensor {matrix}: type I32, expected"),
        (matrix, ("F32", np.zeros((16, 32), "<f4")), f"tensor {matrix}: shape [16, 32], expected [32, 16]"),
        (matrix, ("F32", np.zeros(512, "<f4")), f"tensor {matrix}: shape [512], expected [32, 16]"),
        ("model.norm.weight", ("F32", np.zeros(15, "<f4")), "tensor model.norm.weight: shape [15], expected [16]"),
        ("model.layers.0.mlp.up_proj.lora", ("F32", np.zeros(1, "<f4")), "up_proj.lora: nothing of llama is known"),
    ]
    for name, tensor, words in changes:
        checkpoint.write(tmp_path / "model" / checkpoint.TENSORS, {**tensors, name: tensor})
        refused(tmp_path / "model", words, tmp_path, "--palette", "4")


def test_options_of_other_models_are_refused(tmp_path: Path) -> None:
    for option, words in [
        (["--palette", "4,8"], 'palette "4,8": language models have one of keep'),
        (["--without-head"], "--without-head: is not for language models"),
        (["--shape", "input_ids=1,2"], "--shape: is not for language models"),
        (["--target-bits", "4"], "--target-bits: needs a palette of two levels"),
        (["--maximum", "capacity=65"], "--maximum capacity=65: the model has at most 64"),
    ]:
        refused(MODELS / "llama", words, tmp_path, *option, status=64)
