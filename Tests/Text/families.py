"""Small tokenizers of each family, trained with the `tokenizers` package, and what a GGUF file says of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from texts import SCRIPTS
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE

LINES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
NAMES = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
WORDS = 1500


@dataclass
class Family:
    """A tokenizer of the package, and the keys of a file."""

    reference: Tokenizer
    keys: dict[str, Any]


def corpus() -> list[str]:
    """Text in many scripts, and the documents of this repository."""
    documents = [path.read_text("utf-8") for path in sorted((Path(__file__).parents[2] / "docs").glob("[a-n]*.md"))]
    return [*SCRIPTS.values(), *(line for text in documents for line in text.splitlines(keepends=True))]


def byte_tokenizer(cut: Any, normalizer: Any = None, takes_whole: bool = False) -> Tokenizer:
    """Merges of bytes, trained on the corpus."""
    tokenizer = Tokenizer(BPE(ignore_merges=takes_whole))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS, initial_alphabet=alphabet, special_tokens=NAMES, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def byte_family(pre: str, cut: Any, normalizer: Any = None, takes_whole: bool = False) -> Family:
    tokenizer = byte_tokenizer(cut, normalizer, takes_whole)
    state = model_of(tokenizer)
    tokens = sorted(state["vocab"], key=state["vocab"].get)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in state["merges"]]
    keys = {"model": "gpt2", "pre": pre, "tokens": tokens, "merges": merges, "add_bos_token": False}
    return Family(tokenizer, keys | special(tokens))


def model_of(tokenizer: Tokenizer) -> dict[str, Any]:
    import json

    return json.loads(tokenizer.to_str())["model"]


def special(tokens: list[str], bytes_from: int = 0) -> dict[str, Any]:
    def kind(token: str) -> int:
        if token in NAMES:
            return 3
        return 6 if bytes_from and token.startswith("<0x") else 2 if token == "<unk>" else 1

    ids = {"bos_token_id": tokens.index("<s>"), "eos_token_id": tokens.index("</s>")}
    return {"token_type": [kind(token) for token in tokens], **ids}


def scored_family(adds_space: bool) -> Family:
    """Pieces with scores as SentencePiece gives them, and the merges that converters make of these."""
    cut = pre_tokenizers.Metaspace(prepend_scheme="always" if adds_space else "never", split=True)
    trained = Tokenizer(BPE())
    trained.pre_tokenizer = cut
    trainer = trainers.BpeTrainer(vocab_size=WORDS, limit_alphabet=400, show_progress=False)
    trained.train_from_iterator(corpus(), trainer)
    vocabulary = trained.get_vocab()
    pieces = sorted((piece for piece in vocabulary if "<" not in piece), key=vocabulary.get)
    tokens = ["<unk>", *NAMES, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    # Merged pieces by age, characters behind them.
    merged = [piece for piece in pieces if len(piece) > 1]
    scores = {piece: -float(place) for place, piece in enumerate(merged)}
    scores |= {piece: -1e4 - place for place, piece in enumerate(piece for piece in pieces if len(piece) == 1)}
    merges = []
    for piece in merged:
        splits = [(piece[:place], piece[place:]) for place in range(1, len(piece))]
        merges += [pair for pair in splits if pair[0] in scores and pair[1] in scores]
    ids = {token: place for place, token in enumerate(tokens)}
    reference = Tokenizer(BPE(ids, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    steps: list[Any] = [normalizers.Prepend("▁")] if adds_space else []
    reference.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    strip: list[Any] = [decoders.Strip(" ", 1, 0)] if adds_space else []
    reference.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    reference.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in NAMES])
    values = [scores.get(token, 0.0) for token in tokens]
    keys = {"model": "llama", "pre": "default", "tokens": tokens, "scores": values, "add_bos_token": False}
    return Family(reference, keys | {"add_space_prefix": adds_space} | special(tokens, bytes_from=1))


def split(pattern: str) -> Any:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def gpt2() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


FAMILIES = {
    "gpt-2": lambda: byte_family("gpt-2", gpt2()),
    "llama-bpe": lambda: byte_family("llama-bpe", split(LINES), takes_whole=True),
    "dbrx": lambda: byte_family("dbrx", split(LINES)),
    "qwen2": lambda: byte_family("qwen2", split(LINES.replace("{1,3}", "")), normalizers.NFC()),
    "smollm": lambda: byte_family(
        "smollm", pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2()])
    ),
    "llama": lambda: scored_family(adds_space=True),
    "gemma": lambda: scored_family(adds_space=False),
}
