"""Answers of a given form: random models, of which nothing but the grammar makes sense."""

from __future__ import annotations

import json
import re
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import soniq
from soniq.token_bytes import token_bytes

families = pytest.importorskip("families", exc_type=ImportError)
sys.path.insert(0, str(Path(__file__).parents[1] / "Decoders"))
from grammar_models import PADDING, random_decoder  # noqa: E402

# Merges of bytes, with normal form C and without, and SentencePiece with and without a space before a text.
NAMES = ["gpt-2", "qwen2", "llama", "gemma"]
PROMPT = "Alice is 31. "
PATTERNS = [
    "[0-9]{4}-[0-9]{2}", "yes|no|maybe", " ?[a-z]{1,5}( [a-z]{1,5}){2,4}[.!]", "  x", "[äöü😀一-龥]{5}", "",
    "\n\t{3}a",
]  # fmt: skip
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 9},
        "größe": {"enum": [1.75, 2, -1e3]},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "city": {"enum": ["Köln", "東京", "😀 \"x\"", "Rome"]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 4}, "minItems": 1, "maxItems": 3},
        "inner": {"type": "object", "properties": {"ok": {"type": "boolean"}, "no": {"const": None}},
                  "required": ["ok"], "additionalProperties": False},
    },
    "required": ["name", "größe", "age", "city", "tags", "inner"],
    "additionalProperties": False,
}  # fmt: skip


def check_person(value: Any) -> None:
    """What `PERSON` says, by hand."""
    assert list(value) == PERSON["required"]
    assert isinstance(value["name"], str) and len(value["name"]) <= 9
    assert value["größe"] in (1.75, 2, -1000)
    assert type(value["age"]) is int and 0 <= value["age"] <= 130
    assert value["city"] in PERSON["properties"]["city"]["enum"]
    assert 1 <= len(value["tags"]) <= 3 and all(isinstance(tag, str) and len(tag) <= 4 for tag in value["tags"])
    assert type(value["inner"]["ok"]) is bool and set(value["inner"]) <= {"ok", "no"}
    assert value["inner"].get("no") is None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """Models by family."""
    kept: dict[str, soniq.Model] = {}

    def make(name: str) -> soniq.Model:
        if name not in kept:
            kept[name] = random_decoder(tmp_path_factory.mktemp("model"), families.FAMILIES[name]().keys)
        return kept[name]

    return make


@pytest.fixture(scope="module")
def model(made) -> soniq.Model:
    return made("gpt-2")


def control_tokens(model: soniq.Model) -> list[int]:
    return [model.tokenizer.id(name) for name in families.NAMES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temperature", [0.7, 1.5, 100.0])
def test_json_is_what_the_schema_says(name: str, temperature: float, made) -> None:
    model = made(name)
    grammar = soniq.Grammar.json_schema(PERSON)
    for seed in range(6):
        answer = model.generate(PROMPT, grammar=grammar, max_tokens=1500, temperature=temperature, seed=seed)
        text = "".join(answer)
        assert answer.stop_reason == "stop", text
        check_person(json.loads(text))
        assert not re.search(r"\s{66}|\s$|^\s", text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_regular_expression_matches_all_of_the_text(name: str, pattern: str, made) -> None:
    model = made(name)
    for seed in range(5):
        answer = model.generate(PROMPT, grammar=soniq.Grammar.regex(pattern), max_tokens=200, temperature=9, seed=seed)
        assert re.fullmatch(pattern, "".join(answer)) and answer.stop_reason == "stop", answer.text


def test_other_grammars(model: soniq.Model) -> None:
    texts = ["yes", 'no "no"', "\\", "Köln", "a\nb", "\x07", "/"]
    choice = soniq.Grammar.choice(texts)
    assert {"".join(model.generate("a", grammar=choice, temperature=99, seed=seed)) for seed in range(60)} == set(texts)
    nested = soniq.Grammar.lark('start: "(" start ")" | "x"')
    for seed in range(9):
        text = "".join(model.generate("a", grammar=nested, max_tokens=500, temperature=5, seed=seed))
        assert text == "(" * (len(text) // 2) + "x" + ")" * (len(text) // 2)
    anything = soniq.Grammar.json_schema(True)
    for seed in range(9):
        answer = model.generate("a", grammar=anything, max_tokens=30, temperature=9, seed=seed)
        text = "".join(answer)
        assert answer.stop_reason == "length" or json.loads(text) is not Ellipsis
    assert soniq.Grammar.json_schema(json.dumps(PERSON))._definition == soniq.Grammar.json_schema(PERSON)._definition


def test_white_space_is_bounded_unless_the_schema_says_so(model: soniq.Model) -> None:
    schema = {"type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 2}
    spaces = {token: 50.0 for token, text in enumerate(token_bytes(model.tokenizer)) if text and not text.strip()}
    text = "".join(model.generate("a", grammar=soniq.Grammar.json_schema(schema), max_tokens=1000, bias=spaces))
    assert json.loads(text) == [1, 1] and len(text) > len("[1,1]")
    free = soniq.Grammar.json_schema({"x-guidance": {"whitespace_flexible": True}, **schema})
    assert not "".join(model.generate("a", grammar=free, max_tokens=500, bias=spaces))[1:].strip()
    compact = soniq.Grammar.json_schema({"x-guidance": {"whitespace_flexible": False}, **schema})
    assert "".join(model.generate("a", grammar=compact, bias=spaces)) == "[1,1]"


@pytest.mark.parametrize("name", ["gpt-2", "llama"])
def test_guesses_change_nothing(name: str, made) -> None:
    model = made(name)
    schema = {"type": "array", "items": {"enum": ["hello", "world"]}, "minItems": 20, "maxItems": 20}
    grammar = soniq.Grammar.json_schema(schema)
    for temperature in (0, 1.0):
        plain = model.generate(PROMPT, grammar=grammar, temperature=temperature, seed=3)
        text = "".join(plain)
        guessed = model.generate(PROMPT, grammar=grammar, temperature=temperature, seed=3, lookup=8)
        assert "".join(guessed) == text and guessed.generation.tokens == plain.generation.tokens
        assert guessed.generation.runs < plain.generation.runs
        assert guessed.generation.log_probabilities == plain.generation.log_probabilities
        assert guessed.generation.session.save() == plain.generation.session.save()
        assert len(json.loads(text)) == 20


def test_a_grammar_serves_many_answers(model: soniq.Model) -> None:
    grammar = soniq.Grammar.json_schema(PERSON)
    texts: dict[int, str] = {}

    def answer(place: int) -> None:
        texts[place] = "".join(model.generate(PROMPT, grammar=grammar, max_tokens=900, temperature=1, seed=place % 2))

    threads = [threading.Thread(target=answer, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts[0] == texts[2] != texts[1] == texts[3]
    # Two at a time, token by token.
    first, second = (model.generate(PROMPT, grammar=grammar, temperature=1, seed=0) for _ in range(2))
    assert all(one == other for one, other in zip(first, second, strict=True)) and first.text == texts[0]


def test_a_session_goes_on(model: soniq.Model) -> None:
    session = model.session(maximums={"capacity": 1000})
    ids = model.tokenizer.encode(PROMPT)
    digits = model.generate(ids, grammar=soniq.Grammar.regex("[0-9]{9}"), session=session, temperature=1)
    first = list(digits)
    assert digits.stop_reason == "stop" and {state.length for state in session.states} == {len(ids) + len(first) - 1}
    letters = model.generate(first[-1:], grammar=soniq.Grammar.regex("[a-z]{9}"), session=session, temperature=1)
    second = list(letters)
    assert re.fullmatch("[0-9]{9}", model.tokenizer.decode(first))
    assert re.fullmatch("[a-z]{9}", model.tokenizer.decode(second))
    whole = model.generate([*ids, *first], grammar=soniq.Grammar.regex("[a-z]{9}"), temperature=1)
    assert list(whole) == second


@pytest.mark.parametrize("name", ["gpt-2", "llama"])
def test_max_tokens_gives_a_beginning(name: str, made) -> None:
    model = made(name)
    grammar = soniq.Grammar.json_schema(PERSON)
    whole = model.generate(PROMPT, grammar=grammar, temperature=1, seed=2)
    text = "".join(whole)
    count = len(whole.generation.tokens)
    for most in (1, 2, count // 2, count - 1, count):
        cut = model.generate(PROMPT, grammar=grammar, temperature=1, seed=2, max_tokens=most)
        assert text.startswith("".join(cut).rstrip("\ufffd"))
        assert cut.generation.tokens == whole.generation.tokens[:most]
        # What is whole says so, even with the last token there may be.
        assert cut.stop_reason == ("stop" if most == count else "length")


def test_what_the_caller_allows_applies_too(model: soniq.Model) -> None:
    pieces = token_bytes(model.tokenizer)
    size = model.outputs[0].shape[-1]
    single = np.array([len(pieces[token]) == 1 if token < len(pieces) else False for token in range(size)])
    words = np.packbits(np.pad(single, (0, -size % 32)), bitorder="little").view("<i4")
    calls = []

    def allowed(tokens: list[int]) -> Any:
        calls.append(len(tokens))
        return single if len(tokens) % 2 else words

    grammar = soniq.Grammar.json_schema({"enum": ["the hello of the world"]})
    answer = model.generate(PROMPT, grammar=grammar, allowed=allowed)
    assert "".join(answer) == '"the hello of the world"' and len(answer.generation.tokens) == 24
    assert calls == list(range(24))
    free = model.generate(PROMPT, grammar=grammar, allowed=lambda tokens: None)
    assert "".join(free) == answer.text
    with pytest.raises(soniq.SoniqError, match="no token"):
        "".join(model.generate(PROMPT, grammar=grammar, allowed=lambda tokens: np.zeros(size, bool)))


def test_samplers_of_the_caller(model: soniq.Model) -> None:
    size = model.outputs[0].shape[-1]
    grammar = soniq.Grammar.json_schema(PERSON)
    options = {"temperature": 1.2, "top_k": 40, "repetition_penalty": 1.2, "seed": 5}
    expected = "".join(model.generate(PROMPT, grammar=grammar, **options))
    assert "".join(model.generate(PROMPT, grammar=grammar, sampler=soniq.Sampler(size, **options))) == expected


@pytest.mark.parametrize("name", NAMES)
def test_control_tokens_come_only_where_a_text_may_end(name: str, made) -> None:
    model = made(name)
    control = control_tokens(model)
    unknown = model.tokenizer.id("<unk>")
    padding = range(len(model.tokenizer), len(model.tokenizer) + PADDING)
    wanted = {token: 1000.0 for token in [*control, *padding, *([] if unknown is None else [unknown])]}
    grammar = soniq.Grammar.json_schema(PERSON)
    for seed in range(3):
        answer = model.generate(PROMPT, grammar=grammar, temperature=1, seed=seed, bias=wanted)
        check_person(json.loads("".join(answer)))
        assert not set(wanted) & set(answer.generation.tokens)
    # Their names are text like any other.
    text = '<|im_end|></s><s><|im_start|>'
    named = model.generate(PROMPT, grammar=soniq.Grammar.choice([text]), bias=wanted)
    assert "".join(named) == text and not set(control) & set(named.generation.tokens)


def test_ends(model: soniq.Model, tmp_path: Path) -> None:
    end = model.metadata["tokenizer.eos_token_id"]
    letter = model.tokenizer.id("a")
    some, few = soniq.Grammar.regex("a*"), soniq.Grammar.regex("b?a{3,5}")
    # As soon as the text may end, and not sooner.
    assert "".join(model.generate("x", grammar=some, bias={end: 99})) == ""
    early = model.generate("x", grammar=few, bias={end: 99, letter: 9}, max_tokens=9)
    assert "".join(early) == "aaa" and early.stop_reason == "stop"
    late = model.generate("x", grammar=few, bias={end: 99, letter: 9}, ignore_end=True)
    assert "".join(late) == "aaaaa" and late.stop_reason == "stop"
    endless = model.generate("x", grammar=some, bias={end: 99, letter: 9}, ignore_end=True, max_tokens=20)
    assert "".join(endless) == "a" * len(endless.text) and endless.stop_reason == "length"
    # Tokens of the caller's own end a whole text as those of the file do, and may be part of the text.
    other = model.tokenizer.id("c")
    assert "".join(model.generate("x", grammar=few, stop=other, ignore_end=True, bias={other: 99, letter: 9})) == "aaa"
    stopped = model.generate("x", grammar=soniq.Grammar.regex("ab[cd]e"), stop=other, bias={other: 99})
    assert "".join(stopped) == "ab" and stopped.stop_reason == "stop"
    cut = model.generate("x", grammar=soniq.Grammar.regex("ab[cd]e"), stop="b")
    assert "".join(cut) == "a" and cut.stop_reason == "stop"
    keys = families.FAMILIES["gpt-2"]().keys
    del keys["eos_token_id"]
    without = random_decoder(tmp_path, keys)
    assert "tokenizer.eos_token_id" not in without.metadata
    answer = without.generate("x", grammar=few, bias={letter: 9})
    assert "".join(answer) == "aaaaa" and answer.stop_reason == "stop"


@pytest.mark.parametrize("padding", [0, 1, 4, 13, 31])
@pytest.mark.parametrize("name", ["gpt-2", "llama"])
def test_masks_against_all_texts(name: str, padding: int, tmp_path: Path) -> None:
    keys = families.FAMILIES[name]().keys
    model = random_decoder(tmp_path, keys, padding=padding)
    size = model.outputs[0].shape[-1]
    assert size == len(keys["tokens"]) + padding
    pieces = token_bytes(model.tokenizer)
    texts = [text.encode() for text in ("the", "then", "that is", " the", "größer", "😀", "東京", "to\n")]
    grammar = soniq.Grammar.choice(text.decode() for text in texts)
    ends = frozenset({1, size - 1})
    for text in texts:
        ids = model.tokenizer.encode(text, add_special=False).tolist()
        if b"".join(pieces[token] for token in ids) != text:
            continue
        matcher = grammar.matcher(model.tokenizer, size, ends)
        for count in range(len(ids) + 1):
            begun = b"".join(pieces[token] for token in ids[:count])
            going = {
                token
                for token, piece in enumerate(pieces)
                if piece and any(other.startswith(begun + piece) for other in texts)
            }
            assert matcher.is_finished(ids[:count]) == (not going)
            words = matcher.allowed(ids[:count])
            assert words.dtype == np.uint32 and words.shape == ((size + 31) // 32,)
            bits = {token for token in range(32 * len(words)) if words[token // 32] >> (token % 32) & 1}
            assert bits == going | (ends if begun in texts else set())


@pytest.mark.parametrize("name", list(families.FAMILIES))
def test_bytes_of_tokens(name: str, made) -> None:
    model = made(name)
    tokenizer = model.tokenizer
    pieces = token_bytes(tokenizer)
    assert pieces == [tokenizer.decode_bytes([token], continues=True) for token in range(len(tokenizer))]
    text = " Größe: 東京\n😀\x7f".encode()
    ids = tokenizer.encode(b"\n" + text, add_special=False).tolist()
    assert b"".join(pieces[token] for token in ids).endswith(b"\n" + text)
    assert all(pieces[token] == b"" for token in control_tokens(model))
    stream = tokenizer.stream(continues=True)
    for _ in range(2):
        assert "".join(stream.push(token) for token in ids) == b"".join(pieces[token] for token in ids).decode()
        assert stream.finish() == ""
