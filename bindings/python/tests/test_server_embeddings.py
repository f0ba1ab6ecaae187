"""The embedding queue of `soniq serve`: each row is the one that it is alone, whoever else asks."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import soniq
from soniq.embedding_model import EmbeddingModel
from soniq.server.embedding_batches import embed
from soniq.server.embedding_queue import EmbeddingQueue, Order
from soniq.server.problems import Problem


@pytest.fixture(scope="module")
def model(model_path: Path) -> soniq.Model:
    return soniq.load(model_path, threads=1)


@pytest.fixture
def running(model: soniq.Model) -> Iterator[EmbeddingQueue]:
    result = EmbeddingQueue(model, 4)
    yield result
    result.cancel_all()
    result.retire()
    assert result.join(60)


def some_rows(model: soniq.Model, lengths: list[int]) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.integers(1, model.metadata["test.vocabulary"], length).astype(np.int32) for length in lengths]


def alone(model: soniq.Model, row: np.ndarray) -> np.ndarray:
    outputs = model(input_ids=row[None], attention_mask=np.ones((1, len(row)), np.int32))
    return np.array(outputs["sentence_embedding"][0])


def order(rows: list[np.ndarray], seconds: float = 60) -> tuple[Order, queue.Queue]:
    results: queue.Queue = queue.Queue()
    return Order(rows, results.put, seconds), results


def test_batches_are_the_rows_alone(model: soniq.Model) -> None:
    rows = some_rows(model, [9, 1, 32, 5, 5, 17, 2, 30, 8])
    found = {}
    for places, vectors in embed(EmbeddingModel(model), rows):
        assert len(places) <= 4
        found |= dict(zip(places, vectors, strict=True))
    assert sorted(found) == list(range(9))
    for place, row in enumerate(rows):
        assert np.array_equal(found[place], alone(model, row))


def test_requests_share_batches(model: soniq.Model, running: EmbeddingQueue) -> None:
    asked = [some_rows(model, lengths) for lengths in ([3, 9, 2], [12], [30, 1] * 20)]
    orders = [order(rows) for rows in asked]
    for each, _ in orders:
        running.submit(each)
    for rows, (_, results) in zip(asked, orders, strict=True):
        vectors = results.get(timeout=60)
        assert len(vectors) == len(rows)
        assert all(np.array_equal(vector, alone(model, row)) for vector, row in zip(vectors, rows, strict=True))


def test_one_that_fails_takes_no_other_with_it(model: soniq.Model, running: EmbeddingQueue) -> None:
    bad, good = order([np.array([5, 64], np.int32)]), order(some_rows(model, [4, 6]))
    for each, _ in (bad, good):
        running.submit(each)
    error = bad[1].get(timeout=60)
    assert isinstance(error, Problem) and error.status == 500
    vectors = good[1].get(timeout=60)
    assert np.array_equal(vectors[1], alone(model, good[0].rows[1]))


def test_late_and_cancelled(model: soniq.Model, running: EmbeddingQueue) -> None:
    late = order(some_rows(model, [4]), seconds=-1)
    running.submit(late[0])
    assert late[1].get(timeout=60).status == 504
    left = order(some_rows(model, [4]))
    left[0].is_cancelled = True
    running.submit(left[0])
    assert left[1].get(timeout=60).status == 503


def test_a_full_queue(model: soniq.Model) -> None:
    running = EmbeddingQueue(model, 0)
    with pytest.raises(Problem) as caught:
        running.submit(order(some_rows(model, [4]))[0])
    assert caught.value.status == 429 and caught.value.retry_after == 1
    running.retire()
    with pytest.raises(Problem, match="shutting down"):
        running.submit(order(some_rows(model, [4]))[0])
    assert running.join(60)


def test_models_that_are_no_encoders(model: soniq.Model) -> None:
    assert EmbeddingModel(model).dimension == 32

    class Other:
        inputs = [soniq.TensorInfo("image", np.dtype(np.float32), (1, 3), (1, 3), False, (1, 3))]
        outputs: list[soniq.TensorInfo] = []

    with pytest.raises(TypeError, match="the model takes image"):
        EmbeddingModel(Other())
