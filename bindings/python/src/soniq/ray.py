"""Batch inference on Ray Data: `pip install "ray[data]"`.

    import ray, soniq.ray

    texts = ray.data.read_parquet("texts.parquet")
    soniq.ray.embed(texts, "minilm.soniq", column="text").write_parquet("embedded")

A model is opened once for each actor and used in place: the actors of a node share its bytes in memory. The file has to
be at the same path on every node. Order, retries and where actors run are Ray's. Actors keep their CPUs: leave one to
reading.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arguments, worker_models

Batch = dict[str, npt.NDArray[Any]]


def embed(
    dataset: Any,
    model: str | os.PathLike[str],
    *,
    column: str = "text",
    output: str = "embedding",
    workers: int | tuple[int, int] = 1,
    threads: int = 1,
    batch_size: int = 256,
    normalize: bool = False,
    max_length: int | None = None,
    **options: Any,
) -> Any:
    """A `ray.data.Dataset` with the embedding of a column of texts, float32 [dim], as a column more.

    Args:
        dataset: a `ray.data.Dataset`.
        workers: actors, or the least and the most of them.
        threads: threads of each, and the CPUs that Ray reserves for it.
        batch_size: rows that an actor gets at a time.
        normalize, max_length: as of `soniq.Encoder`.
        options: what else `Dataset.map_batches` takes.

    Raises:
        TypeError, ValueError: an option that cannot be. What an actor raises comes when the dataset is computed.
    """
    path, name = worker_models.absolute(model), arguments.text(column, "column").decode()
    given = (path, name, output, threads, normalize, max_length)
    return _mapped(dataset, _Embed, given, workers, threads, batch_size, options)


def run(
    dataset: Any,
    model: str | os.PathLike[str],
    *,
    inputs: Mapping[str, str] | None = None,
    outputs: Sequence[str] | None = None,
    workers: int | tuple[int, int] = 1,
    threads: int = 1,
    batch_size: int = 64,
    **options: Any,
) -> Any:
    """A `ray.data.Dataset` with the outputs of any model as columns more, for models whose first axis counts samples.

    Args:
        inputs: the column of each input; None: columns are named as the inputs are.
        outputs: the outputs that are kept, None: all.
        workers, threads, batch_size, options: as of `embed`. The model gets no more rows at a time than it takes.
    """
    given = (worker_models.absolute(model), dict(inputs or {}), None if outputs is None else list(outputs), threads)
    return _mapped(dataset, _Run, given, workers, threads, batch_size, options)


def _mapped(
    dataset: Any,
    actor: type,
    given: tuple[Any, ...],
    workers: int | tuple[int, int],
    threads: int,
    batch_size: int,
    options: dict[str, Any],
) -> Any:
    count = arguments.integer(threads, "threads", 1, arguments.UINT32_MAXIMUM)
    least, most = (workers, workers) if isinstance(workers, int) else workers
    arguments.integer(least, "workers", 1, arguments.UINT32_MAXIMUM)
    arguments.integer(most, "workers", least, arguments.UINT32_MAXIMUM)
    # Here, because whoever reads the documentation of this package need not have it.
    from ray.data import ActorPoolStrategy

    strategy = ActorPoolStrategy(min_size=least, max_size=most)
    settings = {"batch_format": "numpy", "num_cpus": count, "compute": strategy, **options}
    size = arguments.integer(batch_size, "batch_size", 1, arguments.UINT32_MAXIMUM)
    return dataset.map_batches(actor, fn_constructor_args=given, batch_size=size, **settings)


class _Embed:
    """An actor. Ray calls it with a batch at a time."""

    def __init__(
        self, path: str, column: str, output: str, threads: int, normalize: bool, max_length: int | None
    ) -> None:
        self._encoder = worker_models.encoder(path, threads, max_length)
        self._column, self._output, self._normalize = column, output, normalize

    def __call__(self, batch: Batch) -> Batch:
        if self._column not in batch:
            raise ValueError(f"no column {self._column!r}: there are {', '.join(batch)}")
        rows = self._encoder.encode(batch[self._column].tolist(), normalize_embeddings=self._normalize)
        return {**batch, self._output: rows}


class _Run:
    def __init__(self, path: str, columns: dict[str, str], outputs: list[str] | None, threads: int) -> None:
        self._model = worker_models.model(path, threads)
        self._columns = {info.name: columns.get(info.name, info.name) for info in self._model.inputs}
        self._outputs = outputs
        self._most = min(info.usual_shape[0] for info in self._model.inputs)

    def __call__(self, batch: Batch) -> Batch:
        needed = {info.name for info in self._model.inputs if not info.is_optional}
        missing = [name for name in needed if self._columns[name] not in batch]
        if missing:
            raise ValueError(f"no column for input {missing[0]!r}: there are {', '.join(batch)}")
        inputs = {name: np.asarray(batch[column]) for name, column in self._columns.items() if column in batch}
        rows = len(next(iter(inputs.values())))
        parts = [self._part(inputs, first) for first in range(0, rows, self._most)]
        return {**batch, **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}}

    def _part(self, inputs: Batch, first: int) -> Batch:
        """As many rows as a session takes."""
        found = self._model(**{name: rows[first : first + self._most] for name, rows in inputs.items()})
        names = list(found) if self._outputs is None else self._outputs
        # Copies: the next run overwrites what the model gives.
        return {name: np.array(found[name]) for name in names}
