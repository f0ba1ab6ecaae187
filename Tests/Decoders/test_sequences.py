"""Sequences: the logits of each text are those of its own session, however several of them are run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from test_decoders import MODELS, NAMES, pack

import soniq

Ids = npt.NDArray[np.int32]
Logits = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> soniq.Model:
    folder = tmp_path_factory.mktemp("models")
    return soniq.load(pack(MODELS / "qwen2.gguf", folder / "qwen2.soniq"), threads=1)


def plain(model: soniq.Model, ids: Ids) -> Logits:
    """Of all tokens of a text, in a session of its own."""
    run = model.session()(input_ids=ids[None], logit_positions=np.arange(len(ids), dtype=np.int32))
    return np.asarray(run["logits"][0])


def texts(model: soniq.Model, lengths: list[int]) -> list[Ids]:
    random = np.random.default_rng(11)
    return [random.integers(0, model.outputs[0].shape[-1], length).astype(np.int32) for length in lengths]


@pytest.mark.parametrize("name", NAMES)
def test_texts_side_by_side(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every family, whose attention sees all positions or near ones: in pieces, five at a time, any threads."""
    path = pack(MODELS / f"{name}.gguf", tmp_path_factory.mktemp(name) / "model.soniq")
    for threads in (1, 3):
        model = soniq.load(path, threads=threads)
        ids = texts(model, [50, 3, 17, 30, 41])
        expected = [plain(model, text) for text in ids]
        for size in (1, 7, 64):
            decoder = model.decoder(maximum_tokens=5, maximum_outputs=200)
            sequences = [model.sequence() for _ in ids]
            found: list[list[Logits]] = [[] for _ in ids]
            for first in range(0, 50, size):
                rest = [place for place, text in enumerate(ids) if first < len(text)]
                rows = decoder.run([(sequences[place], ids[place][first : first + size], "all") for place in rest])
                for place, row in zip(rest, rows, strict=True):
                    assert row is not None
                    found[place].append(row)
            for place, text in enumerate(ids):
                assert np.array_equal(np.concatenate(found[place]), expected[place]), (threads, size, place)
                assert len(sequences[place]) == len(text)


@pytest.mark.parametrize("name", NAMES)
def test_texts_share_a_part(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every family's rows meet in attention alone: parts of a run do not end with a text."""
    model = soniq.load(pack(MODELS / f"{name}.gguf", tmp_path_factory.mktemp(name) / "model.soniq"), threads=1)
    calls: list[tuple[int, int]] = []
    decoder = model.decoder(maximum_tokens=5, progress=lambda done, total: calls.append((done, total)))
    decoder.run([(model.sequence(), [1, 2, 3, 4]) for _ in range(3)])
    assert calls == [(0, 12), (5, 12), (10, 12), (12, 12)]


def test_progress_stops_a_run(model: soniq.Model) -> None:
    first, second = model.sequence(), model.sequence()
    items = [(first, [1, 2, 3, 4]), (second, [5, 6, 7])]
    with pytest.raises(soniq.SoniqError, match="asked to stop") as caught:
        model.decoder(maximum_tokens=2, progress=lambda done, _: done < 4).run(items)
    assert caught.value.status == "CANCELLED" and len(first) == len(second) == 0

    def fail(done: int, total: int) -> None:
        if done:
            raise ValueError(f"{done} of {total}")

    decoder = model.decoder(maximum_tokens=6, progress=fail)
    for _ in range(2):
        with pytest.raises(ValueError, match="6 of 7"):
            decoder.run(items)
    assert len(first) == len(second) == 0


@pytest.mark.parametrize(("name", "cache"), [("qwen2", "8"), ("qwen2", "4"), ("qwen3", "6,4")])
def test_copies_and_saved_ones(name: str, cache: str, tmp_path: Path) -> None:
    model = soniq.load(pack(MODELS / f"{name}.gguf", tmp_path / "model.soniq", "--cache", cache), threads=1)
    (ids,) = texts(model, [40])
    expected = plain(model, ids)
    decoder = model.decoder(maximum_outputs=64)
    sequence = model.sequence()
    assert decoder(sequence, ids[:25], "none") is None
    fork = sequence.copy(20, capacity=45)
    assert (len(fork), len(sequence), len(sequence.copy())) == (20, 25, 25)
    rows = decoder.run([(fork, ids[20:], "all"), (sequence, ids[25:30])])
    assert np.array_equal(rows[0], expected[20:]) and np.array_equal(rows[1], expected[29:30])
    sequence.truncate(10)
    saved = sequence.save()
    decoder(sequence, ids[::-1][:9])
    sequence.load(saved)
    assert np.array_equal(decoder(sequence, ids[10:], "all"), expected[10:])
    # Sessions write the same bytes.
    session = model.session()
    session(input_ids=ids[None, :10])
    assert session.save() == saved
    session.restore(fork.copy(30).save())
    assert np.array_equal(session(input_ids=ids[None, 30:])["logits"][0], expected[-1:])


def test_a_copy_has_the_capacity(model: soniq.Model) -> None:
    (ids,) = texts(model, [9])
    decoder, sequence = model.decoder(capacity=10), model.sequence(10)
    decoder(sequence, ids, "none")
    first, second = decoder.run([(sequence, [3]), (sequence.copy(), [3])])
    assert np.array_equal(first, second)
    with pytest.raises(soniq.SoniqError, match="has room for 64 positions, the decoder is made for 10"):
        decoder(sequence.copy(2, capacity=0), [3])


def test_what_is_refused(model: soniq.Model) -> None:
    decoder = model.decoder(maximum_outputs=3)
    sequence, small = model.sequence(), model.sequence(8)
    with pytest.raises(soniq.SoniqError, match=r"items\[1\]: .*0 positions and room for 8") as caught:
        decoder.run([(sequence, [1, 2]), (small, list(range(9)))])
    assert caught.value.status == "CAPACITY" and len(sequence) == len(small) == 0
    with pytest.raises(soniq.SoniqError, match="4 rows of logits, the decoder has room for 3"):
        decoder(sequence, [1, 2, 3, 4], "all")
    with pytest.raises(soniq.SoniqError, match=r"element 1 .* is 40, outside 0\.\.<40") as caught:
        decoder(sequence, [1, 40])
    assert caught.value.status == "DATA"
    with pytest.raises(soniq.SoniqError, match="twice in this call"):
        decoder.run([(sequence, [1]), (sequence, [2])])
    with pytest.raises(soniq.SoniqError, match="capacity is 65.*at most 64"):
        model.sequence(65)
    with pytest.raises(soniq.SoniqError, match="the model is no decoder"):
        soniq.load(MODELS.parents[1] / "Golden" / "tiny-bert.soniq").decoder()
    with pytest.raises(ValueError, match="wants logits of 'first'"):
        decoder(sequence, [1], "first")
    with pytest.raises(ValueError, match="not that of a list"):
        decoder(sequence, [])
    with pytest.raises(TypeError, match="for a Sequence"):
        decoder(3, [1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bytes"):
        sequence.load("text")  # type: ignore[arg-type]
    assert len(sequence) == 0
