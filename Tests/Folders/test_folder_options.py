"""What `soniq-pack pack` is told about a folder, and tensors that are not what a folder should hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_folders import FOLDERS, PARTS, command, expected, pack, run

import soniq


def refused(status: int, words: str, folder: Path, *options: str | Path) -> None:
    output = folder / "refused.soniq" if folder.parent != FOLDERS else Path("refused.soniq")
    result = command("pack", folder, "-o", output, "--palette", "f32", *options)
    lines = result.stderr.splitlines()
    assert result.returncode == status, result.stderr
    assert lines and words in result.stderr and "Fatal" not in result.stderr, result.stderr
    assert not output.exists()


@pytest.mark.parametrize("name", ["clip-both-texts", "siglip-both-images"])
def test_of_two_encoders_one_is_named(name: str) -> None:
    refused(64, "--part text or --part vision", FOLDERS / name)
    refused(64, "--part text or --part vision", FOLDERS / name, "--part", "audio")


def test_a_part_is_of_two() -> None:
    refused(64, "is for models of two encoders", FOLDERS / "clip-texts", "--part", "text")
    model = FOLDERS.parent.parent / "Onnx/encoders/bert-dynamo.onnx"
    result = command("pack", model, "-o", "refused.soniq", "--part", "text")
    assert result.returncode == 64 and "is for folders" in result.stderr


def test_what_stands_behind_two_encoders_is_not_known(tmp_path: Path) -> None:
    shutil.copytree(FOLDERS / "clip-both-images", tmp_path / "model")
    path = tmp_path / "model/config.json"
    path.write_text(path.read_text().replace('"CLIPModel"', '"CLIPSegModel"'))
    refused(65, "CLIPSegModel", tmp_path / "model", "--part", "vision")


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_compared_with_its_model(name: str, tmp_path: Path) -> None:
    options: list[str | Path] = []
    if PARTS[name] == "vision":
        np.savez(tmp_path / "samples.npz", pixel_values=expected(FOLDERS / name)[0]["pixel_values"])
        options = ["--calibrate", tmp_path / "samples.npz"]
    packed = pack(FOLDERS / name, tmp_path / "m.soniq", *options)
    result = command("compare", FOLDERS / name, packed, "--seed", "7")
    assert result.returncode == 0, result.stderr
    assert "left out" not in command("inspect", packed).stdout


@pytest.mark.parametrize("name", ["deberta", "gte-scaled", "jina-bert", "t5"])
def test_texts_may_be_longer_than_those_of_training(name: str, tmp_path: Path) -> None:
    """Where places are no table; short texts have the same outputs."""
    inputs, _ = expected(FOLDERS / name)
    short = run(pack(FOLDERS / name, tmp_path / "short.soniq", "--palette", "f32"), inputs)
    packed = pack(FOLDERS / name, tmp_path / "long.soniq", "--palette", "f32", "--maximum", "sequence=700")
    got = run(packed, inputs)
    assert all(np.array_equal(got[key], short[key]) for key in short)
    ids = np.ones((1, 700), np.int32)
    assert np.isfinite(np.array(soniq.load(packed)(input_ids=ids)["last_hidden_state"])).all()
    assert command("compare", FOLDERS / name, packed).returncode == 0


def test_maximums_are_those_of_sizes(tmp_path: Path) -> None:
    refused(64, "--maximum sequence=25: the model has 24 positions", FOLDERS / "bert", "--maximum", "sequence=25")
    refused(64, "--maximum height: no such size", FOLDERS / "bert", "--maximum", "height=2")
    refused(64, "--maximum sequence=1048577: at most", FOLDERS / "deberta", "--maximum", "sequence=1048577")
    refused(64, "is no size", FOLDERS / "bert", "--maximum", "sequence=0")
    packed = pack(
        FOLDERS / "bert", tmp_path / "m.soniq", "--palette", "f32", "--maximum", "sequence=9", "--maximum", "batch=3"
    )
    run(packed, expected(FOLDERS / "bert")[0])
    with pytest.raises(soniq.SoniqError):
        soniq.load(packed)(input_ids=np.ones((1, 10), np.int32))


def rename(folder: Path, old: str, new: str) -> None:
    """A tensor of the folder's one file."""
    path = folder / "model.safetensors"
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header[new] = header.pop(old)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


MISSING = {
    "deberta": "encoder.rel_embeddings.weight",
    "deberta-plain": "encoder.layer.1.attention.self.query_proj.bias",
    "umt5": "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight",
    "moonshine": "encoder.groupnorm.bias",
    "gte": "encoder.layer.0.mlp.up_gate_proj.weight",
    "vit": "encoder.layer.1.layernorm_after.bias",
    "jina-bert": "encoder.layer.1.mlp.wo.weight",
    "jina-code": "encoder.layer.1.layer_norm_1.bias",
    "jina-roberta": "encoder.layers.0.mixer.Wqkv.bias",
    "clip-both-images": "vision_model.embeddings.class_embedding",
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_tensor_is_named(name: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDERS / name, tmp_path / "model")
    rename(tmp_path / "model", MISSING[name], "vision_model.further")
    part = ["--part", PARTS[name]] if name in PARTS else []
    refused(65, f"tensor {MISSING[name]}: missing", tmp_path / "model", *part)


def test_adapters_are_refused(tmp_path: Path) -> None:
    shutil.copytree(FOLDERS / "jina-roberta", tmp_path / "model")
    name = "encoder.layers.0.mixer.Wqkv"
    rename(tmp_path / "model", name + ".weight", name + ".parametrizations.weight.original")
    refused(65, "LoRA adapters (1 tensors); merge", tmp_path / "model")


def add_tensor(folder: Path) -> None:
    """One that no encoder has."""
    path = folder / "model.safetensors"
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    size = len(data) - end
    header["further.weight"] = {"dtype": "F32", "shape": [1], "data_offsets": [size, size + 4]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:] + b"\0\0\0\0")


def test_a_further_tensor_is_left_out(tmp_path: Path) -> None:
    shutil.copytree(FOLDERS / "gte", tmp_path / "model")
    add_tensor(tmp_path / "model")
    result = command("pack", tmp_path / "model", "-o", tmp_path / "m.soniq", "--palette", "f32")
    assert result.returncode == 0 and "left out of the checkpoint: further" in result.stderr


# The encoder in a folder of its own, or behind a prefix beside what the class has.
HEADS = {
    "t5": "T5ForQuestionAnswering",
    "umt5": "UMT5ForSequenceClassification",
    "whisper": "WhisperForSequenceClassification",
    "deberta-classes": "DebertaV2ForMultipleChoice",
    "siglip-classes": "SiglipForPreTraining",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_is_not_known_is_named(name: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDERS / name, tmp_path / "model")
    path = tmp_path / "model/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"architectures": [HEADS[name]]}))
    if "classes" not in name and name != "whisper":
        # Whoever saves the bare encoder keeps the class's name.
        pack(tmp_path / "model", tmp_path / "m.soniq", "--palette", "f32")
        (tmp_path / "m.soniq").unlink()
        add_tensor(tmp_path / "model")
    refused(65, HEADS[name], tmp_path / "model", *(["--part", "vision"] if "siglip" in name else []))
