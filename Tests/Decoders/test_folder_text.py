"""A folder with tokenizer.json, from packing to text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from test_decoders import MODELS, pack

import soniq

MARK = "\u2581"
TEMPLATE = "{% for message in messages %}<s>{{ message['content'] }}</s>{% endfor %}"


def tokenizer() -> dict[str, Any]:
    """Forty tokens: letters, merged in the order of a list."""
    merges = [("t", "h"), ("th", "e"), (MARK, "the"), ("i", "n"), ("in", "g"), (MARK, "a"), ("e", "r")]
    names = ["<unk>", "<s>", "</s>"]
    pieces = [*names, MARK, *"abcdefghijklmnopqrstuvwxyz.,!", *("".join(merge) for merge in merges)]
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": place, "content": name, "special": True, "normalized": False} for place, name in enumerate(names)
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": MARK},
                {"type": "Replace", "pattern": {"String": " "}, "content": MARK},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": None,
        "model": {
            "type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": False,
            "vocab": {piece: place for place, piece in enumerate(pieces)},
            "merges": [" ".join(pair) for pair in merges],
        },
    }  # fmt: skip


def test_text_goes_in_and_comes_out(tmp_path: Path) -> None:
    folder = shutil.copytree(MODELS / "llama", tmp_path / "folder")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    model = soniq.load(pack(folder, tmp_path / "model.soniq"))
    assert model.metadata["tokenizer.chat_template"] == TEMPLATE and "tokenizer.left_out" not in model.metadata
    ids = model.tokenizer.encode("the thing, a\u00e9\u00e8").tolist()
    assert ids == [1, 35, 3, 33, 37, 31, 38, 0]
    assert model.tokenizer.decode(ids) == "the thing, a"
    generation = model.generate("the thing", max_tokens=20, ignore_end=True)
    text = "".join(generation)
    assert len(generation.generation.tokens) == 20
    assert text == model.tokenizer.decode([*model.tokenizer.encode("the"), *generation.generation.tokens])[3:]
    ids = model.tokenizer.encode("the thing")
    assert list(model.generate(ids, max_tokens=20, ignore_end=True)) == generation.generation.tokens
