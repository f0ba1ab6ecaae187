"""Samplers against a slow one that is written from soniq.h alone."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import soniq

MASK = 2**64 - 1


def uniform(seed: int, index: int) -> float:
    """SplitMix64 of a counter."""
    bits = (seed + (index + 1) * 0x9E3779B97F4A7C15) & MASK
    bits = ((bits ^ bits >> 30) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ bits >> 27) * 0x94D049BB133111EB) & MASK
    return ((bits ^ bits >> 31) >> 11) * 2.0**-53


def penalised(logits: npt.NDArray[np.float32], options: dict[str, Any], history: list[int]) -> dict[int, float]:
    scores = {token: float(logit) for token, logit in enumerate(logits)}
    for token, bias in options.get("bias", {}).items():
        scores[token] += float(np.float32(bias))
    recent = Counter(history[-options.get("penalty_window", 64) :])
    for token, count in recent.items():
        factor = float(np.float32(options.get("repetition_penalty", 1)))
        score = scores[token] / factor if scores[token] > 0 else scores[token] * factor
        score -= count * float(np.float32(options.get("frequency_penalty", 0)))
        scores[token] = score - float(np.float32(options.get("presence_penalty", 0)))
    return scores


def reference(scores: dict[int, float], options: dict[str, Any], draw: float) -> int:
    """The token that is chosen of those in `scores`."""
    order = sorted(scores, key=lambda token: (-scores[token], token))
    if options.get("temperature", 0) == 0:
        return order[0]
    greatest = scores[order[0]]
    order = order[: options.get("top_k", 0) or len(order)]
    weights = {token: math.exp(scores[token] - greatest) for token in order}
    top_p = float(np.float32(options.get("top_p", 1)))
    if top_p < 1:
        sums = np.cumsum([weights[token] for token in order])
        order = order[: int(np.argmax(sums >= top_p * sums[-1])) + 1]
    order = [token for token in order if weights[token] >= float(np.float32(options.get("min_p", 0)))]
    if top_p == 1 and not 0 < options.get("top_k", 0) < len(scores):
        order.sort()
    temperature = float(np.float32(options["temperature"]))
    sums = np.cumsum([math.exp((scores[token] - greatest) / temperature) for token in order])
    return order[int(np.argmax(sums > draw * sums[-1]))]


OPTIONS: list[dict[str, Any]] = [
    {},
    {"temperature": 1.0},
    {"temperature": 0.7, "top_k": 9},
    {"temperature": 1.3, "top_k": 500},
    {"temperature": 0.9, "top_p": 0.9},
    {"temperature": 2.0, "min_p": 0.05},
    {"temperature": 1.1, "top_k": 30, "top_p": 0.8, "min_p": 0.02},
    {"repetition_penalty": 1.3, "penalty_window": 5},
    {"temperature": 0.8, "frequency_penalty": 0.5, "presence_penalty": 0.25, "bias": {3: 2.5, 90: -4.0}},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("masks", [False, True])
def test_chooses_what_the_header_says(options: dict[str, Any], masks: bool) -> None:
    vocabulary, seed = 100, 12345678901234567890
    random = np.random.default_rng(3)
    sampler = soniq.Sampler(vocabulary, seed=seed, **options)
    sampler.accept([7, 7, 8])
    history = [7, 7, 8]
    for index in range(150):
        # Equal logits among them.
        logits = (random.integers(-40, 41, vocabulary) / 8).astype(np.float32)
        allowed = random.random(vocabulary) < 0.4 if masks else np.ones(vocabulary, np.bool_)
        scores = penalised(logits, options, history)
        expected = reference({t: s for t, s in scores.items() if allowed[t]}, options, uniform(seed, index))
        choice = sampler.sample(logits, allowed if masks else None)
        assert choice.token == expected, index
        exact = logits.astype(np.float64)
        assert abs(choice.log_probability - (exact[expected] - np.log(np.exp(exact).sum()))) < 1e-6
        history.append(expected)


def test_masks_as_bits() -> None:
    logits = np.arange(70, dtype=np.float32)
    bits = np.array([1 << 5, 1 << 31, 0xFFFFFFC0], np.uint32)
    sampler = soniq.Sampler(70)
    assert sampler.sample(logits, bits).token == 63
    assert sampler.sample(logits, bits.view(np.int32)).token == 63
    assert sampler.sample(logits, np.arange(70) % 32 == 5).token == 69
    with pytest.raises(ValueError, match=r"shape \(2,\), not \(3,\)"):
        sampler.sample(logits, bits[:2])
    with pytest.raises(TypeError, match="allowed must be bool"):
        sampler.sample(logits, np.ones(70))
    with pytest.raises(soniq.SoniqError, match="no token") as caught:
        sampler.sample(logits, np.zeros(70, np.bool_))
    assert (caught.value.status, caught.value.field) == ("DATA", "allowed")


def test_reset_begins_again() -> None:
    logits = np.zeros(50, np.float32)
    sampler = soniq.Sampler(50, temperature=1, presence_penalty=1, seed=9)
    first = [sampler.sample(logits).token for _ in range(20)]
    assert len(set(first)) > 10
    sampler.reset()
    assert [sampler.sample(logits).token for _ in range(20)] == first
    other = soniq.Sampler(50, temperature=1, presence_penalty=1, seed=10)
    assert [other.sample(logits).token for _ in range(20)] != first


def test_far_logits_and_low_temperatures() -> None:
    logits = np.array([-3e38, 3e38, 0, 3e38], np.float32)
    assert soniq.Sampler(4).sample(logits) == (1, pytest.approx(-math.log(2)))
    sampler = soniq.Sampler(4, temperature=1e-38, top_p=0.99, seed=1)
    assert {sampler.sample(logits).token for _ in range(50)} == {1, 3}
    assert sampler.sample(logits, [True, False, False, False]) == (0, -math.inf)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers(value: float) -> None:
    sampler = soniq.Sampler(3)
    with pytest.raises(soniq.SoniqError, match="token 1 is not a finite number") as caught:
        sampler.sample([0, value, 1])
    assert (caught.value.status, caught.value.field) == ("DATA", "logits")
    with pytest.raises(ValueError, match=r"shape \(2,\), not \(3,\)"):
        sampler.sample([0, 1])


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("temperature", -1, soniq.SoniqError),
        ("temperature", math.nan, ValueError),
        ("temperature", "1", TypeError),
        ("top_p", 0, ValueError),
        ("top_p", 1.5, soniq.SoniqError),
        ("min_p", 2, soniq.SoniqError),
        ("top_k", -1, ValueError),
        ("repetition_penalty", 0, ValueError),
        ("penalty_window", 0, ValueError),
        ("penalty_window", 2**20 + 1, soniq.SoniqError),
        ("bias", {4: 1.0}, ValueError),
        ("bias", {1: math.inf}, ValueError),
        ("bias", [1], TypeError),
        ("seed", -1, ValueError),
    ],
)
def test_options_out_of_range_are_named(name: str, value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=name):
        soniq.Sampler(4, **{name: value})  # type: ignore[arg-type]


def test_unknown_tokens() -> None:
    with pytest.raises(soniq.SoniqError, match=r"tokens\[1\] is 4"):
        soniq.Sampler(4, presence_penalty=1).accept([0, 4])
