"""Inputs of a call: what the model says of them, and what a caller gives as the library reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from . import arguments


@dataclass(frozen=True)
class TensorInfo:
    """An input or output. A dimension is a number, or the name of a dynamic size.

    `usual_shape` is what a session is planned for at first: `maximum_shape`, or less where the file states no maximum.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str, ...]
    maximum_shape: tuple[int, ...]
    is_optional: bool
    usual_shape: tuple[int, ...]


def prepared(
    infos: Sequence[TensorInfo], inputs: Mapping[str, npt.ArrayLike]
) -> list[tuple[int, npt.NDArray[Any]]]:
    """Places and arrays for `Session.run`: an array that C can read is itself, another is converted.

    Raises TypeError for an unknown or missing name, ValueError for values that do not convert.
    """
    arrays = []
    for index, info in enumerate(infos):
        if info.name in inputs:
            arrays.append((index, _converted(inputs[info.name], info)))
        elif not info.is_optional:
            _refuse(infos, inputs)
    if len(arrays) != len(inputs):
        _refuse(infos, inputs)
    return arrays


def _refuse(infos: Sequence[TensorInfo], inputs: Mapping[str, npt.ArrayLike]) -> NoReturn:
    known = [info.name for info in infos]
    unknown = [name for name in inputs if name not in known]
    missing = [info.name for info in infos if not info.is_optional and info.name not in inputs]
    problem = f"unknown input {unknown[0]!r}" if unknown else f"missing input {missing[0]!r}"
    raise TypeError(f"{problem}: the model takes {', '.join(known)}")


def _converted(values: npt.ArrayLike, info: TensorInfo) -> npt.NDArray[Any]:
    if arguments.is_placed(values, info.dtype):
        return values
    name = f"input {info.name!r}"
    convert = arguments.floats if info.dtype.kind == "f" else arguments.integers
    array = convert(values, name, info.dtype.type)
    # Scalars of ONNX are tensors of one element here.
    return array.reshape(1) if array.ndim == 0 and info.shape == (1,) else array
