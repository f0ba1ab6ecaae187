"""The tokenizer of a GGUF file as one of the `tokenizers` package."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def keys_of(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:

        def number(kind: str) -> Any:
            return struct.unpack("<" + kind, file.read(struct.calcsize("<" + kind)))[0]

        def text() -> str:
            return file.read(number("Q")).decode()

        def value(kind: int) -> Any:
            if kind == 8:
                return text()
            if kind == 9:
                element, count = number("I"), number("Q")
                return [value(element) for _ in range(count)]
            return number(FORMATS[kind])

        assert file.read(8) == b"GGUF\x03\0\0\0"
        _, count = number("Q"), number("Q")
        return {text(): value(number("I")) for _ in range(count)}


def smollm2(path: Path) -> Tokenizer:
    """Merges within words, numbers digit by digit, the control tokens of the file."""
    keys = keys_of(path)
    tokens = keys["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in keys["tokenizer.ggml.merges"]]
    reference = Tokenizer(BPE({token: place for place, token in enumerate(tokens)}, merges))
    reference.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    reference.decoder = decoders.ByteLevel()
    types = zip(tokens, keys["tokenizer.ggml.token_type"], strict=True)
    control = [token for token, kind in types if kind == 3]
    reference.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return reference
