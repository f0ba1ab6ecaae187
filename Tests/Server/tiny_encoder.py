"""A tiny encoder of texts with a tokenizer: a folder of Tests/Folders, and a vocabulary of letters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "Folders/folders/mean-normalized"
CONTROL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LETTERS = "abcdefghijklmnopqr"


def write_folder(path: Path) -> Path:
    """Writes it: each letter is a token, at the beginning of a word another than within."""
    shutil.copytree(FOLDER, path)
    size = json.loads((path / "config.json").read_text())["vocab_size"]
    words = [*CONTROL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    assert len(words) == size
    (path / "tokenizer.json").write_text(json.dumps(_tokenizer(words)))
    return path


def _tokenizer(words: list[str]) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    begin, end = ({"SpecialToken": {"id": name, "type_id": 0}} for name in ("[CLS]", "[SEP]"))
    text = {"Sequence": {"id": "A", "type_id": 0}}
    names = {name: {"id": name, "ids": [words.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": place, "content": name, "special": True, **flags} for place, name in enumerate(CONTROL)
        ],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing", "single": [begin, text, end], "pair": [begin, text, end],
            "special_tokens": names,
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": {word: place for place, word in enumerate(words)},
        },
    }  # fmt: skip
