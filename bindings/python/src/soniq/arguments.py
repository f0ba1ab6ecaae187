"""Checks what a caller gives before C sees it: ctypes cuts numbers to their type and text at a NUL, without a word.

A wrong type is a TypeError, a value out of range a ValueError; both name the parameter.
"""

from __future__ import annotations

import math
import operator
import os
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

UINT32_MAXIMUM = 2**32 - 1
UINT64_MAXIMUM = 2**64 - 1


def integer(value: object, name: str, least: int, most: int) -> int:
    """An int, or anything that Python counts as one, within least...most."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}") from None
    if not least <= number <= most:
        raise ValueError(f"{name} is {number}, outside {least}...{most}")
    return number


def scale(value: object, name: str) -> float:
    """A number above 0 that float32 holds as a normal number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number or None, not {type(value).__name__}")
    limits = np.finfo(np.float32)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not float(limits.tiny) <= number <= float(limits.max):
        raise ValueError(f"{name} is {number}, outside {limits.tiny}...{limits.max}, the normal numbers of float32")
    return number


def number(value: object, name: str) -> float:
    """A finite number that float32 holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not abs(result) <= float(np.finfo(np.float32).max):
        raise ValueError(f"{name} is {result}, no finite number of float32")
    return result


def text(value: object, name: str) -> bytes:
    """A str as NUL-terminated C text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{name} contains a NUL character, which would end it")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} cannot be written as UTF-8: {error.reason}") from error


def path(value: str | bytes | os.PathLike[str] | os.PathLike[bytes], name: str) -> bytes:
    """A path as NUL-terminated C text."""
    try:
        encoded = os.fsencode(value)
    except TypeError:
        raise TypeError(f"{name} must be a str, bytes or os.PathLike, not {type(value).__name__}") from None
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} cannot be written as a path: {error.reason}") from error
    if b"\0" in encoded:
        raise ValueError(f"{name} contains a NUL character, which would end it")
    return encoded


def _array(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked elements: fill them first")
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{name} is no array: {error}") from error


def _placed(array: npt.NDArray[Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
    """The array as C reads it: this type in the machine's byte order, dense, aligned. Itself where it is so already."""
    if array.size == 0:
        return np.empty(array.shape, dtype)
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])


def is_placed(values: npt.ArrayLike, dtype: np.dtype[Any]) -> TypeGuard[npt.NDArray[Any]]:
    """Whether C can read an array as it is. Not said of a scalar, whose shape may be another."""
    if type(values) is not np.ndarray or values.dtype != dtype or values.ndim == 0:
        return False
    flags = values.flags
    return bool(flags.c_contiguous and flags.aligned)


def floats(
    values: npt.ArrayLike, name: str, dtype: type[np.floating[Any]] = np.float32
) -> npt.NDArray[Any]:
    """Numbers of a type for C. Those that are finite stay finite; NaN and infinity pass."""
    array = _array(values, name)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} takes numbers, not {array.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        placed = _placed(array, dtype)
    if not np.can_cast(array.dtype, dtype) and np.any(np.isinf(placed) & np.isfinite(array)):
        raise ValueError(f"{name} has values that do not fit {np.dtype(dtype).name}")
    return placed


def integers(
    values: npt.ArrayLike, name: str, dtype: type[np.integer[Any]], *, whole_floats: bool = False
) -> npt.NDArray[Any]:
    """Integers of a type for C; `whole_floats`: floats without a fraction are taken too."""
    array = _array(values, name)
    if array.dtype.kind == "f" and (whole_floats or array.size == 0):
        if not np.all(np.isfinite(array)) or np.any(array != np.trunc(array)):
            raise ValueError(f"{name} takes integers: some values are none")
    elif array.dtype.kind not in "iub":
        raise ValueError(f"{name} takes integers, not {array.dtype}")
    limits = np.iinfo(dtype)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise ValueError(f"{name} has values that do not fit {np.dtype(dtype).name}: {limits.min}...{limits.max}")
    return _placed(array, dtype)
