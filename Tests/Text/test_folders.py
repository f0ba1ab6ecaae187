"""Tokenizers of Hugging Face folders against the `tokenizers` package, as Tests/Text/test_tokenizers.py."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_tokenizers import COUNT, SEED, compare, run
from texts import SCRIPTS, random_text

import soniq

families = pytest.importorskip("folder_families", exc_type=ImportError)
from tokenizers import Tokenizer  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / "Decoders"))
import checkpoint  # noqa: E402

NAMES = list(families.FAMILIES)
WIDTH = 8


def write_folder(folder: Path, state: dict[str, Any], rows: int | None = None) -> Path:
    """A decoder of one layer with this tokenizer.json."""
    rng = np.random.default_rng(1)
    words = max(state["model"]["vocab"].values()) if isinstance(state["model"]["vocab"], dict) else 0
    ids = [words, len(state["model"]["vocab"]) - 1, *(token["id"] for token in state.get("added_tokens") or [])]
    rows = rows or max(ids) + 1
    layer = "model.layers.0."
    tensors = {"model.embed_tokens.weight": rng.standard_normal((rows, WIDTH)), "model.norm.weight": np.ones(WIDTH)}
    for name in ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down"):
        tensors[f"{layer}{name}_proj.weight"] = rng.standard_normal((WIDTH, WIDTH))
    for name in ("input_layernorm", "post_attention_layernorm"):
        tensors[f"{layer}{name}.weight"] = np.ones(WIDTH)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": rows, "hidden_size": WIDTH,
        "num_hidden_layers": 1, "intermediate_size": WIDTH, "num_attention_heads": 1, "num_key_value_heads": 1,
        "rms_norm_eps": 1e-5, "max_position_embeddings": 64, "tie_word_embeddings": True, "hidden_act": "silu",
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    floats = {name: ("F32", array.astype("<f4")) for name, array in tensors.items()}
    checkpoint.write(folder / checkpoint.TENSORS, floats)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(state))
    return folder


def packed(folder: Path, state: dict[str, Any]) -> soniq.Model:
    result = run(write_folder(folder, state), folder / "model.soniq")
    assert result.returncode == 0, result.stderr
    return soniq.load(folder / "model.soniq")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    kept: dict[str, tuple[Tokenizer, soniq.Tokenizer, dict[str, Any]]] = {}

    def make(name: str):
        if name not in kept:
            reference = families.FAMILIES[name]()
            state = families.state_of(reference)
            kept[name] = reference, packed(tmp_path_factory.mktemp("family"), state).tokenizer, state
        return kept[name]

    return make


@pytest.mark.parametrize("name", NAMES)
def test_real_text(name: str, made) -> None:
    reference, tokenizer, _ = made(name)
    for text in SCRIPTS.values():
        compare(reference, tokenizer, [text, text * 20, "\n\n".join([text] * 3), *text.split(), text[::-1]])


@pytest.mark.parametrize("name", NAMES)
def test_random_strings(name: str, made) -> None:
    reference, tokenizer, _ = made(name)
    rng = random.Random(f"{SEED} {name}")
    left = COUNT
    while left > 0:
        compare(reference, tokenizer, [random_text(rng) for _ in range(min(left, 20000))])
        left -= 20000


@pytest.mark.parametrize("name", NAMES)
def test_what_begins_and_ends_a_text(name: str, made) -> None:
    reference, tokenizer, _ = made(name)
    for text in ("", "hello", " the\n"):
        assert tokenizer.encode(text).tolist() == reference.encode(text).ids


@pytest.mark.parametrize("name", ["gpt-2", "llama-2"])
def test_merges_may_be_spelled_as_before(name: str, made, tmp_path: Path) -> None:
    reference, _, state = made(name)
    compare(reference, packed(tmp_path / "older", families.older(state)).tokenizer, list(SCRIPTS.values()))


def test_classes_that_set_their_own_affixes(made, tmp_path: Path) -> None:
    _, tokenizer, state = made("llama-2")
    inner = tokenizer.encode("hello").tolist()
    folder = write_folder(tmp_path / "folder", state)
    config = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "bos_token": {"content": "<s>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"add_eos_token": False}))
    assert run(folder, tmp_path / "a.soniq").returncode == 0
    assert soniq.load(tmp_path / "a.soniq").tokenizer.encode("hello").tolist() == [0, *inner]
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"bos_token": "<x>"}))
    result = run(folder, tmp_path / "b.soniq")
    assert result.returncode == 65 and 'key bos_token: "<x>" is no token' in result.stderr


def changed(state: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    copy = json.loads(json.dumps(state))
    *parents, last = path.split(".")
    node = copy
    for name in parents:
        node = node[int(name)] if isinstance(node, list) else node[name]
    node[int(last) if isinstance(node, list) else last] = value
    return copy


UNKNOWN = [
    ("gpt-2", "model.type", "WordLevel", 'key model.type: "WordLevel" is not known'),
    ("gpt-2", "model.dropout", 0.5, "key model.dropout: leaving out merges by chance"),
    ("gpt-2", "model.end_of_word_suffix", "</w>", 'key model.end_of_word_suffix: "</w>" is not known'),
    ("gpt-2", "normalizer", {"type": "NFKD"}, 'key normalizer.type: "NFKD" is not known'),
    ("gpt-2", "decoder", {"type": "CTC"}, 'key decoder.type: "CTC" is not known'),
    ("gpt-2", "post_processor", {"type": "Other"}, 'key post_processor.type: "Other" is not known'),
    ("gpt-2", "pre_tokenizer", {"type": "Whitespace"}, 'key pre_tokenizer: only "ByteLevel" and "Metaspace"'),
    ("llama-3", "pre_tokenizer.pretokenizers.0.pattern", {"Regex": "x+"}, 'pattern: "x+" is not known'),
    ("llama-3", "pre_tokenizer.pretokenizers.0.behavior", "Removed", 'behavior: "Removed" is not known'),
    ("bert-uncased", "pre_tokenizer", {"type": "Whitespace"}, 'only "BertPreTokenizer" is known'),
    ("bert-uncased", "model.continuing_subword_prefix", "@@", '"@@" is not known'),
    ("bert-uncased", "model.max_input_chars_per_word", 7, "7 is not known; known: 100"),
    ("t5", "pre_tokenizer.pretokenizers.1.prepend_scheme", "first", '"first" in this place is not known'),
]


@pytest.mark.parametrize("case", UNKNOWN, ids=[f"{case[0]} {case[1]}" for case in UNKNOWN])
def test_what_is_not_known_is_left_out_with_the_reason(case, made, tmp_path: Path) -> None:
    name, path, value, words = case
    state = changed(made(name)[2], path, value)
    result = run(write_folder(tmp_path / "folder", state), tmp_path / "model.soniq")
    assert result.returncode == 0 and "has no tokenizer: tokenizer.json, " in result.stderr and words in result.stderr
    model = soniq.load(tmp_path / "model.soniq")
    assert words in model.metadata["tokenizer.left_out"]
    with pytest.raises(soniq.SoniqError, match="no tokenizer"):
        _ = model.tokenizer


WRONG = [
    ("gpt-2", "model.merges", ["a"], "key model.merges: number 0 must be two texts"),
    ("gpt-2", "model.merges", [["a", "\u20ac"]], 'key model.merges: number 0: "\u20ac" is no token'),
    ("gpt-2", "model.merges", [["z", "q"]], "what the two make together is no token"),
    ("gpt-2", "model.vocab", 5, "key model.vocab: must be an object"),
    ("gpt-2", "model.vocab.a", -1, "has the id -1"),
    ("gpt-2", "model.vocab.a", 2**40, "has the id 1099511627776"),
    ("gpt-2", "model.vocab.a", "x", '"a" has no id'),
    ("gpt-2", "model.vocab.a", 77, "have the same id 77"),
    ("gpt-2", "added_tokens.0.id", "x", "key added_tokens[0].id: must be a whole number"),
    ("gpt-2", "added_tokens.0.content", 1, "key added_tokens[0].content: must be a text"),
    ("gpt-2", "added_tokens.0.special", 1, "key added_tokens[0].special: must be true or false"),
    ("roberta", "post_processor.cls", ["<s>", 10**6], "key post_processor.cls[1]: must be a whole number"),
    ("llama-2", "model.unk_token", "nothing", 'key model.unk_token: "nothing" is no token'),
    ("t5", "model.vocab.5", ["a"], "number 5 must be a text and a number"),
    ("t5", "model.vocab.5", ["a", 1e999], "not JSON"),
    ("t5", "normalizer.normalizers.0.precompiled_charsmap", "AA!", "is not Base64"),
    ("t5", "normalizer.normalizers.0.precompiled_charsmap", "AAAA/w==", "characterMap: its trie has"),
]


@pytest.mark.parametrize("case", WRONG, ids=[f"{case[0]} {case[1]} {index}" for index, case in enumerate(WRONG)])
def test_what_contradicts_itself_is_refused(case, made, tmp_path: Path) -> None:
    name, path, value, words = case
    state = made(name)[2]
    rows = 2000 if name != "t5" else 3000
    folder = write_folder(tmp_path / "folder", state, rows)
    (folder / "tokenizer.json").write_text(json.dumps(changed(state, path, value)))
    result = run(folder, tmp_path / "model.soniq")
    assert result.returncode == 65 and words in result.stderr and "tokenizer.json" in result.stderr, result.stderr


def test_more_tokens_than_rows(made, tmp_path: Path) -> None:
    result = run(write_folder(tmp_path / "folder", made("gpt-2")[2], 1000), tmp_path / "model.soniq")
    assert result.returncode == 0 and "1500 tokens, but the model has 1000 rows" in result.stderr


def test_any_bytes_come_back(made) -> None:
    rng = random.Random(SEED)
    for name in ("gpt-2", "llama-2", "gemma", "mistral", "smollm"):
        tokenizer = made(name)[1]
        for length in range(200):
            # Names with spaces around them take these along.
            data = rng.randbytes(length).replace(b" ", b"_")
            ids = tokenizer.encode(data, add_special=False)
            assert tokenizer.decode_bytes(ids, skip_special=False) == data


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_are_a_text(name: str, made) -> None:
    tokenizer = made(name)[1]
    rng = random.Random(SEED)
    for length in [*range(100), 5000]:
        ids = tokenizer.encode(rng.randbytes(length), parse_special=True)
        assert all(0 <= number < len(tokenizer) for number in ids)
        tokenizer.decode(ids)


@pytest.mark.parametrize("name", NAMES)
def test_long_words(name: str, made) -> None:
    """Longer than what a call reserves at first; quadratic work would take hours."""
    reference, tokenizer, _ = made(name)
    for unit in ("a", "ab", "\u4eba", "e\u0301", "1", "!", "\u10d0"):
        compare(reference, tokenizer, [unit * 20000, "x " + unit * 3000 + " y"])
