"""Sessions that the caller holds, on a model with growing and recurrent states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import soniq

MODEL = Path(__file__).parents[3] / "Tests" / "Fuzz" / "seeds" / "model" / "states.soniq"
OTHER = MODEL.with_name("small.soniq")
Inputs = dict[str, npt.NDArray[np.generic]]


@pytest.fixture
def rows() -> Inputs:
    random = np.random.default_rng(7)
    widths = {"x": 16, "key": 8, "value": 8}
    floats = {name: random.normal(size=(1, 5, width)).astype(np.float32) for name, width in widths.items()}
    return {**floats, "ids": np.zeros((1, 5), np.int32)}


def part(rows: Inputs, begin: int, end: int) -> Inputs:
    return {name: array[:, begin:end] for name, array in rows.items()}


def test_runs_follow_each_other(rows: Inputs) -> None:
    model = soniq.load(MODEL, threads=1)
    whole = model.session()(**rows)["seen"]
    session = model.session()
    pieces = [session(**part(rows, begin, end))["seen"] for begin, end in [(0, 1), (1, 4), (4, 5)]]
    assert np.array_equal(np.concatenate(pieces, axis=1), whole)
    assert [state.length for state in session.states] == [5, 5, 0]
    # Calls of the model begin at the start.
    assert np.array_equal(model(**rows)["seen"], whole)
    assert np.array_equal(model(**rows)["seen"], whole)
    session.reset()
    assert np.array_equal(session(**rows)["seen"], whole)


def test_states_are_described() -> None:
    session = soniq.load(MODEL, maximums={"capacity": 6}).session(maximums={"capacity": 4})
    keys, _, total = session.states
    assert (keys.name, keys.kind, keys.dtype, keys.shape, keys.length) == ("keys", "growing", np.float16, (1, 4, 8), 0)
    assert (total.name, total.kind, total.shape, total.byte_count) == ("total", "recurrent", (1, 16), 64)


def test_a_full_state_is_an_error(rows: Inputs) -> None:
    session = soniq.load(MODEL).session(maximums={"capacity": 7})
    session(**rows)
    with pytest.raises(soniq.SoniqError, match='"keys" has 5 positions and room for 7') as caught:
        session(**part(rows, 0, 3))
    assert (caught.value.status, caught.value.node) == ("CAPACITY", "keys")
    session(**part(rows, 0, 2))
    with pytest.raises(soniq.SoniqError, match='"total" is replaced by every run'):
        session.truncate(1)


def test_saved_states_continue_elsewhere(rows: Inputs) -> None:
    model = soniq.load(MODEL)
    first = model.session()
    first(**part(rows, 0, 3))
    saved = first.save()
    expected = first(**part(rows, 3, 5))
    second = soniq.load(MODEL, threads=2).session()
    second.restore(saved)
    assert second.save() == saved
    outputs = second(**part(rows, 3, 5))
    assert all(np.array_equal(outputs[name], array) for name, array in expected.items())
    damaged = bytes([*saved[:-1], saved[-1] ^ 1])
    with pytest.raises(soniq.SoniqError, match="damaged"):
        second.restore(damaged)
    with pytest.raises(soniq.SoniqError, match="another model"):
        soniq.load(OTHER).session().restore(saved)
    with pytest.raises(TypeError, match="bytes"):
        second.restore(bytearray(saved))  # type: ignore[arg-type]
    assert [state.length for state in second.states] == [5, 5, 0]
