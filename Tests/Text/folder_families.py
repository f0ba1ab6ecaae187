"""Small tokenizers as Hugging Face folders have them, trained by the `tokenizers` package with a family's parts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from charsmap import CHARACTERS, compiled
from families import LINES, NAMES, WORDS, byte_tokenizer, corpus, gpt2, split
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE, Unigram, WordPiece

MARK = "\u2581"
POSSESSIVE = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)
State = dict[str, Any]


def byte_family(
    cut: Any, normalizer: Any = None, takes_whole: bool = False, post: Any = None, added: list[AddedToken] | None = None
) -> Tokenizer:
    tokenizer = byte_tokenizer(cut, normalizer, takes_whole)
    if post:
        tokenizer.post_processor = post
    tokenizer.add_tokens(added or [])
    return tokenizer


def framed(first: str | None = "<s>", last: str | None = "</s>") -> Any:
    """What sets tokens before and behind a text."""
    names = [name for name in (first, last) if name]
    single = " ".join([f"{first}:0"] * bool(first) + ["$A:0"] + [f"{last}:0"] * bool(last))
    return processors.TemplateProcessing(single=single, special_tokens=[(name, NAMES.index(name)) for name in names])


def character_family(
    normalizer: Any = None, cut: Any = None, has_bytes: bool = True, strips: bool = True, fuses: bool = True,
    added: list[AddedToken] | None = None, decoder: Any = None, takes_whole: bool = False,
) -> Tokenizer:  # fmt: skip
    """Merges of characters, spaces being U+2581."""
    trained = Tokenizer(BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(vocab_size=WORDS, limit_alphabet=300, show_progress=False)
    trained.train_from_iterator(corpus(), trainer)
    state = json.loads(trained.to_str())["model"]
    pieces = sorted((piece for piece in state["vocab"] if "<" not in piece), key=state["vocab"].get)
    known = [*NAMES, "<unk>", *(f"<0x{byte:02X}>" for byte in range(256 if has_bytes else 0)), *pieces]
    merges = [tuple(merge) for merge in state["merges"] if "<" not in "".join(merge)]
    ids = {token: place for place, token in enumerate(known)}
    tokenizer = Tokenizer(
        BPE(ids, merges, byte_fallback=has_bytes, unk_token="<unk>", fuse_unk=fuses, ignore_merges=takes_whole)
    )
    if normalizer:
        tokenizer.normalizer = normalizer
    if cut:
        tokenizer.pre_tokenizer = cut
    ends: list[Any] = [decoders.Strip(" ", 1, 0)] if strips else []
    steps = [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(), *ends]
    tokenizer.decoder = decoder or decoders.Sequence(steps)
    special = [AddedToken(name, normalized=False, special=True) for name in [*NAMES, "<unk>"]]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(added or [])
    return tokenizer


def replaced(adds_space: bool) -> Any:
    first: list[Any] = [normalizers.Prepend(MARK)] if adds_space else []
    return normalizers.Sequence([*first, normalizers.Replace(" ", MARK)])


def bert(lowercase: bool, **options: Any) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, **options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *NAMES]
    trainer = trainers.WordPieceTrainer(vocab_size=3000, special_tokens=names, limit_alphabet=400, show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def unigram(cut: Any, normalizer: Any = None, has_bytes: bool = False) -> Tokenizer:
    trained = Tokenizer(Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    trainer = trainers.UnigramTrainer(
        vocab_size=WORDS, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )
    trained.train_from_iterator([text[:5000] for text in corpus()], trainer)
    known = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["vocab"] if pair[0] != "<unk>"]
    first = [(name, 0.0) for name in [*NAMES, "<unk>"]]
    # Without Georgian letters: something is unknown.
    known = [(piece, score) for piece, score in known if not any("\u10a0" <= letter <= "\u10ff" for letter in piece)]
    bytes_ = [(f"<0x{byte:02X}>", -20.0) for byte in range(256 if has_bytes else 0)]
    tokenizer = Tokenizer(Unigram([*first, *known, *bytes_], unk_id=len(NAMES), byte_fallback=has_bytes))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = cut
    steps: list[Any] = [decoders.ByteFallback()] if has_bytes else []
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Metaspace()])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in [*NAMES, "<unk>"]])
    tokenizer.post_processor = framed(None, "</s>")
    return tokenizer


def mapped() -> Any:
    return normalizers.Precompiled(compiled(CHARACTERS))


def two_spaces(content: str) -> Any:
    return normalizers.Replace(Regex(" {2,}"), content)


def metaspace(scheme: str, split_: bool) -> Any:
    return pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split_)


def plain(content: str, **options: Any) -> AddedToken:
    return AddedToken(content, special=False, **{"normalized": False, **options})


# None that another form is normalised to: the package decodes that form, Soniq the one of the file.
ODD = [
    plain("  \u0301", normalized=True), plain("   ", normalized=True), plain("THE", single_word=True),
    plain("ing", single_word=True, normalized=True),
]  # fmt: skip
STRIPPED = [
    plain("<|end|>", rstrip=True), plain("123", lstrip=True),
    plain("the", lstrip=True, rstrip=True, single_word=True),
]  # fmt: skip
FAMILIES: dict[str, Callable[[], Tokenizer]] = {
    "gpt-2": lambda: byte_family(gpt2(), post=processors.ByteLevel(trim_offsets=False)),
    "roberta": lambda: byte_family(
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        post=processors.RobertaProcessing(("</s>", 1), ("<s>", 0)),
        added=[AddedToken("<mask>", lstrip=True, normalized=False, special=True)],
    ),
    "llama-3": lambda: byte_family(
        split(LINES), takes_whole=True, post=processors.Sequence([processors.ByteLevel(), framed(last=None)])
    ),
    "olmo-2": lambda: byte_family(split(POSSESSIVE)),
    "qwen2": lambda: byte_family(split(LINES.replace("{1,3}", "")), normalizers.NFC()),
    "smollm": lambda: byte_family(
        pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2()]), added=STRIPPED
    ),
    "modernbert": lambda: byte_family(gpt2(), normalizers.NFC(), post=framed(), added=ODD),
    "llama-2": lambda: character_family(replaced(adds_space=True)),
    "phi-3": lambda: character_family(replaced(adds_space=True), added=[*STRIPPED, plain("ok", normalized=True)]),
    "gemma": lambda: character_family(
        replaced(adds_space=False), pre_tokenizers.Split(" ", "merged_with_previous"), strips=False,
        added=[plain(text) for text in ("\n\n", MARK * 2, MARK * 3, "<b>")],
    ),
    "mistral": lambda: character_family(cut=metaspace("first", split_=False)),
    "words": lambda: character_family(
        cut=metaspace("always", split_=True), decoder=decoders.Metaspace(), has_bytes=False
    ),
    "unfused": lambda: character_family(
        cut=metaspace("never", split_=False), has_bytes=False, strips=False, fuses=False
    ),
    "whole": lambda: character_family(cut=metaspace("always", split_=True), takes_whole=True),
    "bert-uncased": lambda: bert(lowercase=True),
    "bert-cased": lambda: bert(lowercase=False),
    "bert-accents": lambda: bert(lowercase=True, strip_accents=False, handle_chinese_chars=False, clean_text=False),
    "xlm-r": lambda: unigram(metaspace("always", split_=True), mapped()),
    "xlm-r-new": lambda: unigram(
        metaspace("always", split_=True),
        normalizers.Sequence([mapped(), normalizers.Strip(left=False, right=True), two_spaces(MARK)]),
    ),
    "t5": lambda: unigram(
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace("always", split_=True)]),
        normalizers.Sequence([mapped()]),
    ),
    "unigram-bytes": lambda: unigram(metaspace("first", split_=False), two_spaces(" "), has_bytes=True),
}  # fmt: skip


def state_of(tokenizer: Tokenizer) -> State:
    return json.loads(tokenizer.to_str())


def older(state: State) -> State:
    """Merges as one text, as files had them before."""
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in state["model"]["merges"]]
    return state | {"model": state["model"] | {"merges": merges}}


def charsmap_of(state: State) -> bytes:
    parts = state["normalizer"].get("normalizers", [state["normalizer"]])
    return base64.b64decode(parts[0]["precompiled_charsmap"])
