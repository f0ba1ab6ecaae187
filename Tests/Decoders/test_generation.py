"""`Model.generate` against a loop over a session, with prompts of ids and of text."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from test_decoders import MODELS, pack

import soniq

PROMPT = [5, 9, 2, 30, 11]
WORDS = 40
Ids = npt.NDArray[np.int32]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> soniq.Model:
    folder = tmp_path_factory.mktemp("models")
    return soniq.load(pack(MODELS / "llama.gguf", folder / "llama.soniq"), threads=1)


def plain(model: soniq.Model, prompt: list[int], count: int) -> tuple[list[int], list[npt.NDArray[np.float32]]]:
    """The most likely tokens behind a prompt, and the logits of each."""
    session = model.session()
    tokens, logits = list(prompt), []
    ids = prompt
    for _ in range(count):
        logits.append(session(input_ids=np.array([ids], np.int32))["logits"][0, -1])
        tokens.append(int(logits[-1].argmax()))
        ids = tokens[-1:]
    return tokens[len(prompt) :], logits


def test_most_likely_tokens(model: soniq.Model) -> None:
    expected, logits = plain(model, PROMPT, 30)
    generation = model.generate(PROMPT, max_tokens=30)
    assert next(generation) == expected[0]
    assert generation.logits is not None and np.array_equal(generation.logits, logits[0])
    assert [expected[0], *generation] == expected == generation.tokens
    assert generation.stop_reason == "length" and list(generation) == []
    for probability, row, token in zip(generation.log_probabilities, logits, expected, strict=True):
        exact = row.astype(np.float64)
        assert abs(probability - (exact[token] - np.log(np.exp(exact).sum()))) < 1e-5
    assert {state.length for state in generation.session.states} == {len(PROMPT) + 29}


def test_chance_follows_the_seed(model: soniq.Model) -> None:
    first = list(model.generate(PROMPT, max_tokens=40, temperature=1.5, top_k=30, seed=4))
    assert list(model.generate(np.array(PROMPT), max_tokens=40, temperature=1.5, top_k=30, seed=4)) == first
    assert list(model.generate(PROMPT, max_tokens=40, temperature=1.5, top_k=30, seed=5)) != first
    sampler = soniq.Sampler(WORDS, temperature=1.5, top_k=30, seed=4)
    assert list(model.generate(PROMPT, max_tokens=40, sampler=sampler)) == first


def test_penalties_know_the_prompt(model: soniq.Model) -> None:
    (token,) = model.generate(PROMPT, max_tokens=1)
    (other,) = model.generate([*PROMPT[:-1], token, PROMPT[-1]], max_tokens=1, presence_penalty=1e6)
    assert other not in {*PROMPT, token}


def test_stops(model: soniq.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = plain(model, PROMPT, 30)
    # Its first place is what counts.
    place = max(expected.index(token) for token in expected)
    generation = model.generate(PROMPT, max_tokens=30, stop=expected[place])
    assert list(generation) == expected[:place] and generation.stop_reason == "stop"
    assert list(model.generate(PROMPT, max_tokens=30, stop=[expected[place], 39])) == expected[:place]
    # Files of Llama 3 have three ends, of which the last is that of a turn.
    for kind in ("eos", "eot", "eom"):
        with monkeypatch.context() as changed:
            changed.setitem(model.metadata, f"tokenizer.{kind}_token_id", expected[place])
            assert list(model.generate(PROMPT, max_tokens=30)) == expected[:place]
            assert list(model.generate(PROMPT, max_tokens=30, ignore_end=True)) == expected


def test_room(model: soniq.Model) -> None:
    expected, _ = plain(model, PROMPT, 60)
    generation = model.generate(PROMPT)
    # The last token needs no position.
    assert list(generation) == expected and generation.stop_reason == "capacity"
    with pytest.raises(soniq.SoniqError, match="64") as caught:
        model.generate(PROMPT, max_tokens=61)
    assert caught.value.status == "SHAPE"
    session = model.session(maximums={"capacity": 20})
    with pytest.raises(ValueError, match="5 tokens, and with max_tokens=17 there is no room: 20 positions"):
        model.generate(PROMPT, max_tokens=17, session=session)
    assert list(model.generate(PROMPT, max_tokens=16, session=session)) == expected[:16]


def test_texts_go_on(model: soniq.Model) -> None:
    expected, _ = plain(model, PROMPT, 20)
    session = model.session()
    first = list(model.generate(PROMPT, max_tokens=8, session=session))
    second = list(model.generate(first[-1:], max_tokens=12, session=session))
    assert first + second == expected


def test_only_allowed_tokens(model: soniq.Model) -> None:
    seen = []

    def even(tokens: list[int]) -> npt.NDArray[np.bool_] | None:
        seen.append(len(tokens))
        return None if len(tokens) == 3 else np.arange(WORDS) % 2 == 0

    tokens = list(model.generate(PROMPT, max_tokens=20, temperature=2, allowed=even))
    assert seen == list(range(20))
    assert all(token % 2 == 0 for place, token in enumerate(tokens) if place != 3)


class Stream:
    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        return self.decoder.decode(Bytes.pieces[token % 4])

    def finish(self) -> str:
        return self.decoder.decode(b"", final=True)


class Bytes:
    """Tokens that begin and end within characters."""

    pieces = (b"ab", b"\xc3", b"\xa4c", b"x")

    def encode(self, text: str) -> Ids:
        return np.frombuffer(text.encode(), np.uint8).astype(np.int32) % WORDS

    def stream(self, *, continues: bool = False) -> Stream:
        assert continues
        return Stream()


def test_texts(model: soniq.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soniq.Model, "tokenizer", Bytes(), raising=False)
    tokens = list(model.generate(Bytes().encode("hello"), max_tokens=40, temperature=1))
    expected = b"".join(Bytes.pieces[token % 4] for token in tokens).decode("utf-8", "replace")
    generation = model.generate("hello", max_tokens=40, temperature=1)
    pieces = list(generation)
    assert "".join(pieces) == expected == generation.text and "" not in pieces
    assert generation.generation.tokens == tokens and generation.stop_reason == "length"
    # Every text of one to four characters, wherever tokens divide it.
    for begin in range(8):
        for length in range(1, 5):
            stop = expected[begin : begin + length]
            stopped = model.generate("hello", max_tokens=40, temperature=1, stop=["never", stop])
            assert "".join(stopped) == expected[: expected.index(stop)] == stopped.text
            assert stopped.stop_reason == "stop"


def test_what_is_refused(model: soniq.Model) -> None:
    def refuses(error: type[Exception], words: str, prompt: Any = PROMPT, **options: Any) -> None:
        with pytest.raises(error, match=words):
            model.generate(prompt, **options)

    refuses(TypeError, "no tokenizer", "text")
    refuses(ValueError, "list of tokens", [])
    refuses(ValueError, "list of tokens", [[1, 2]])
    refuses(ValueError, "integers", [0.5])
    refuses(ValueError, "max_tokens", max_tokens=0)
    refuses(ValueError, "stop is 40", stop=40)
    refuses(TypeError, "takes tokens", stop="end")
    refuses(soniq.SoniqError, "temperature", temperature=-1)
    refuses(TypeError, "temperature is an option", sampler=soniq.Sampler(WORDS), temperature=1)
    refuses(soniq.SoniqError, r"tokens\[1\] is 40", [1, 40], max_tokens=3)


def test_other_models_are_refused() -> None:
    encoder = soniq.load(Path(__file__).parents[1] / "Golden" / "tiny-bert.soniq")
    with pytest.raises(TypeError, match="is no decoder"):
        encoder.generate([1])
