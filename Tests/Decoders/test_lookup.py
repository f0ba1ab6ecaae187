"""Guessed tokens: those without guesses, in fewer runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_decoders import MODELS, pack

import soniq
from soniq.lookup import Lookup

PROMPT = [5, 9, 2, 30, 11, 7, 5, 9, 2, 30, 8, 5, 9]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> soniq.Model:
    folder = tmp_path_factory.mktemp("models")
    return soniq.load(pack(MODELS / "llama.gguf", folder / "llama.soniq"), threads=1)


@pytest.mark.parametrize("lookup", [1, 2, 5, 64])
@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 0.4, "seed": 3}, {"temperature": 1.5, "top_k": 5, "seed": 8}, {"frequency_penalty": 0.5}],
    ids=["greedy", "cool", "hot", "penalty"],
)
def test_tokens_are_those_without(model: soniq.Model, options: dict[str, Any], lookup: int) -> None:
    for count in (1, 2, 3, 17, 50):
        plain = model.generate(PROMPT, max_tokens=count, **options)
        guessed = model.generate(PROMPT, max_tokens=count, lookup=lookup, **options)
        for token in plain:
            assert next(guessed) == token
            assert plain.logits is not None and guessed.logits is not None
            assert np.array_equal(guessed.logits, plain.logits)
        assert next(guessed, None) is None and guessed.stop_reason == plain.stop_reason
        assert guessed.log_probabilities == plain.log_probabilities
        assert guessed.session.save() == plain.session.save()


def test_repetition_takes_fewer_runs(model: soniq.Model) -> None:
    # Whatever comes, greedy decoding of so small a model soon goes round.
    guessed = model.generate(PROMPT, max_tokens=51, lookup=8)
    assert len(list(guessed)) == 51 and guessed.runs < 40
    plain = model.generate(PROMPT, max_tokens=51)
    assert list(plain) == guessed.tokens and plain.runs == 51


def test_a_session_may_be_left_and_gone_on_with(model: soniq.Model) -> None:
    expected = list(model.generate(PROMPT, max_tokens=50))
    for left in (1, 20, 33, 47):
        first = model.generate(PROMPT, max_tokens=None, lookup=8)
        tokens = [next(first) for _ in range(left)]
        assert {state.length for state in first.session.states} == {len(PROMPT) + left - 1}
        second = model.generate(tokens[-1:], max_tokens=50 - left, session=first.session, lookup=3)
        assert [*tokens, *second] == expected
        # Looking at the session in between costs guesses, and changes nothing.
        third = model.generate(PROMPT, max_tokens=50, lookup=8)
        assert [token for token in third if third.session is not None] == expected


@pytest.mark.parametrize("prompt", [PROMPT, PROMPT[:3]], ids=["at once", "later"])
def test_an_interrupt_leaves_no_guesses(
    model: soniq.Model, prompt: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list(model.generate(prompt, max_tokens=50))
    run = soniq.StatefulSession.__call__

    def interrupted(self: soniq.StatefulSession, **inputs: Any) -> dict[str, Any]:
        result = run(self, **inputs)
        if "logit_positions" in inputs:
            raise KeyboardInterrupt
        return result

    generation = model.generate(prompt, max_tokens=50, lookup=8)
    with monkeypatch.context() as changed:
        changed.setattr(soniq.StatefulSession, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(generation)
    held = len(prompt) + len(generation.tokens) - 1 if generation.tokens else 0
    assert {state.length for state in generation.session.states} == {held}
    said = list(generation.tokens)
    assert [*said, *generation] == expected


def test_a_full_session_ends_it(model: soniq.Model) -> None:
    plain = model.generate(PROMPT, session=model.session(maximums={"capacity": 40}))
    expected = list(plain)
    session = model.session(maximums={"capacity": 40, "logits": 9, "sequence": 30})
    guessed = model.generate(PROMPT, session=session, lookup=8)
    assert list(guessed) == expected and guessed.stop_reason == plain.stop_reason == "capacity"


def test_what_is_refused(model: soniq.Model) -> None:
    for lookup in (-1, 65):
        with pytest.raises(ValueError, match="lookup"):
            model.generate(PROMPT, lookup=lookup)
    session = model.session(maximums={"logits": 1})
    with pytest.raises(soniq.SoniqError, match="logit"):
        list(model.generate(PROMPT, session=session, lookup=4, max_tokens=40))


def test_guesses_follow_the_last_place() -> None:
    lookup = Lookup(8)
    lookup.push([1, 2, 3, 4, 1, 2])
    assert lookup.guess(8) == [3, 4]
    lookup.learn(2, 2)
    assert lookup.guess(8) == [3, 4, 1, 2] and lookup.guess(1) == [3] and lookup.guess(0) == []
    lookup.push([5])
    assert lookup.guess(8) == []
    # Three tokens say more than two.
    lookup.push([2, 3, 9, 1, 2, 3])
    assert lookup.guess(8) == [4, 1, 2, 5]
    lookup.learn(4, 0)
    assert lookup.guess(8) == [4]
