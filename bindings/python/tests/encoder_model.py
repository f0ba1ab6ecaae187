"""A tiny encoder of texts: a folder of the repository with a tokenizer of single letters, packed."""

from __future__ import annotations

import json
import os
import shutil
import string
import subprocess
from pathlib import Path

FOLDERS = Path(__file__).resolve().parents[3] / "Tests/Folders/folders"
WORDS = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>", *string.ascii_lowercase, *"0123456789"[:9]]
SIZES = {"batch": 4, "sequence": 12}


def tokenizer() -> dict[str, object]:
    """tokenizer.json: a word is a letter or a digit, or it is unknown; <s> stands before a text and </s> behind it."""
    special = {
        name: {"id": name, "ids": [WORDS.index(name)], "tokens": [name]} for name in ("<s>", "</s>")
    }
    frame = [
        {"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "</s>", "type_id": 0}},
    ]
    flags = {"special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": WORDS.index(name), "content": name, **flags} for name in WORDS[:5]],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": frame, "pair": frame, "special_tokens": special},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": {word: place for place, word in enumerate(WORDS)},
        },
    }  # fmt: skip


def write_folder(folder: Path, source: str = "mean-normalized") -> Path:
    shutil.copytree(FOLDERS / source, folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    return folder


def pack(folder: Path, output: Path, sizes: dict[str, int] = SIZES) -> Path:
    options = [f"--maximum={name}={size}" for name, size in sizes.items()]
    command = [os.environ["SONIQ_PACK"], "pack", str(folder), "-o", str(output), *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return output
