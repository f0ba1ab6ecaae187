"""Samples of a model's inputs for `soniq.compare`, in runs that both libraries take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .reference import ComparisonError, Reference

if TYPE_CHECKING:
    from .inputs import TensorInfo
    from .model import Model

Array = npt.NDArray[Any]
# Samples of a run where the model does not say how many.
RUN_SAMPLES = 8
RANDOM_RUNS = 8
# What a dynamic size that does not count samples is in random ones, where the model allows that many.
RANDOM_SIZE = 64


class Samples:
    """Arrays [samples, ...] by input, of the types that ONNX Runtime takes."""

    def __init__(
        self,
        reference: Reference,
        packed: Model,
        inputs: Mapping[str, npt.ArrayLike] | None,
        limit: int,
        seed: int,
    ) -> None:
        """Raises ComparisonError for arrays that are missing, do not count as many samples or have another rank."""
        if limit < 1:
            raise ComparisonError(f"samples must be at least 1, not {limit}")
        self._infos = {info.name: info for info in packed.inputs}
        if not self._infos:
            raise ComparisonError("the model takes no inputs: there is nothing to compare on")
        self._length = self._run_length()
        if inputs is None:
            generator = np.random.default_rng(seed)
            count = min(limit, RANDOM_RUNS) * (self._fixed_length() or 1)
            made = {name: self._random(info, reference, count, generator) for name, info in self._infos.items()}
            self._arrays = {name: made[name].astype(reference.types[name]) for name in made}
        else:
            self._arrays = self._given(reference, inputs)
        self.count = len(next(iter(self._arrays.values())))
        if limit < self.count and inputs is not None:
            chosen = np.arange(limit) * self.count // limit
            self._arrays = {name: array[chosen] for name, array in self._arrays.items()}
            self.count = limit

    def runs(self) -> Iterator[tuple[dict[str, Array], int]]:
        """What each run is given, and its samples. Where the model fixes their number, the last run is filled up."""
        for begin in range(0, self.count, self._length):
            end = begin + self._length if self._fixed_length() else min(self.count, begin + self._length)
            rows = np.arange(begin, end) % self.count
            yield {name: array[rows] for name, array in self._arrays.items()}, len(rows)

    def for_soniq(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The same numbers in the types of the packed model."""
        return {name: array.astype(self._infos[name].dtype) for name, array in feeds.items()}

    def _fixed_length(self) -> int | None:
        sizes = [info.shape[0] for info in self._infos.values() if info.shape]
        return next((size for size in sizes if isinstance(size, int)), None)

    def _run_length(self) -> int:
        most = min((info.usual_shape[0] for info in self._infos.values() if info.shape), default=1)
        return self._fixed_length() or max(1, min(RUN_SAMPLES, most))

    def _given(self, reference: Reference, inputs: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
        unknown = sorted(set(inputs) - set(self._infos))
        missing = [name for name in self._infos if name not in inputs]
        if unknown or missing:
            problem = f"unknown input {unknown[0]}" if unknown else f"missing input {missing[0]}"
            raise ComparisonError(f"{problem}: the model takes {', '.join(self._infos)}")
        arrays = {name: np.asarray(inputs[name]) for name in self._infos}
        counts = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
        if len(set(counts.values())) != 1 or 0 in counts.values():
            found = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise ComparisonError(f"the arrays must have as many samples each, at least one: {found}")
        for name, array in arrays.items():
            shape = self._infos[name].shape
            fits = array.ndim == len(shape) and all(
                isinstance(wanted, str) or size == wanted
                for size, wanted in zip(array.shape[1:], shape[1:], strict=False)
            )
            if not fits:
                raise ComparisonError(f"input {name}: shape {list(array.shape)}, the model takes {list(shape)}")
            if array.dtype.kind not in "fiub":
                raise ComparisonError(f"input {name}: takes numbers, not {array.dtype}")
        return {name: array.astype(reference.types[name]) for name, array in arrays.items()}

    @staticmethod
    def _random(info: TensorInfo, reference: Reference, count: int, generator: np.random.Generator) -> Array:
        sizes = zip(info.shape[1:], info.maximum_shape[1:], strict=True)
        shape = [count, *(min(most, RANDOM_SIZE) if isinstance(size, str) else size for size, most in sizes)]
        if info.dtype.kind == "f":
            return generator.standard_normal(shape)
        if info.name == "attention_mask":
            return np.ones(shape, np.int64)
        if info.dtype.itemsize == 1:
            limits = np.iinfo(info.dtype)
            return generator.integers(limits.min, limits.max, shape, endpoint=True)
        return generator.integers(0, reference.table_rows(info.name) or 2, shape)
