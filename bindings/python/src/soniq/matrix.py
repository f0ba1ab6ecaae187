"""The matrix entry point: pack one weight matrix, multiply activations by it."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _abi, arguments
from .library import call, isa_code, library, text


@dataclass(frozen=True)
class Level:
    """A precision of weights and activations.

    `weight_code` and `activation_code` are "affine" (1..8 bits) or "bipolar" (1..7 bits, odd integers, no
    zero). `activation_scale` None measures the scale of every row; a number above 0 fixes it, and
    `activation_zero` is then the code of 0.
    """

    weight_bits: int = 8
    activation_bits: int = 8
    weight_code: str = "default"
    activation_code: str = "default"
    activation_scale: float | None = None
    activation_zero: int = 0

    def _c(self) -> _abi.Level:
        scale = self.activation_scale
        limit = arguments.UINT32_MAXIMUM
        return _abi.Level(
            weight_code=_code(self.weight_code, "weight_code"),
            weight_bits=arguments.integer(self.weight_bits, "weight_bits", 1, limit),
            activation_code=_code(self.activation_code, "activation_code"),
            activation_bits=arguments.integer(self.activation_bits, "activation_bits", 1, limit),
            activation_scale=0.0 if scale is None else arguments.scale(scale, "activation_scale"),
            activation_zero=arguments.integer(self.activation_zero, "activation_zero", -(2**31), 2**31 - 1),
        )


def _code(name: object, parameter: str) -> int:
    if not isinstance(name, str):
        raise TypeError(f"{parameter} must be a str, not {type(name).__name__}")
    if name not in _abi.CODE:
        raise ValueError(f"unknown code {name!r} of {parameter}: expected affine or bipolar")
    return _abi.CODE[name]


class Matrix:
    """A packed weight matrix, immutable; `multiply` may be called from several threads at once.

    Args:
        weights: [outputs, inputs], finite.
        levels: one or two precisions.
        channel_levels: with two levels, 0 or 1 for every input channel.
        bias: [outputs], added to every row of results.
        threads: threads of each multiplication; 0 or 1 for serial.
        max_isa: use no newer instruction set than this.
        kernel_profile: as in `soniq.load`.
        copies: as in `soniq.load`.

    Arrays may have any number type, byte order, strides and alignment: they are converted where they must be. Values
    that do not fit are a ValueError, here and in all methods.

    Raises:
        TypeError, ValueError: a parameter of a wrong type, shape or size; the message names it.
        SoniqError: what the library refuses: bits, codes, numbers that are not finite, memory.
    """

    def __init__(
        self,
        weights: npt.ArrayLike,
        levels: Sequence[Level] = (Level(),),
        *,
        channel_levels: npt.ArrayLike | None = None,
        bias: npt.ArrayLike | None = None,
        threads: int = 1,
        max_isa: str | None = None,
        kernel_profile: str | None = None,
        copies: bool = True,
    ) -> None:
        array = arguments.floats(weights, "weights")
        if array.ndim != 2:
            raise ValueError(f"weights must be [outputs, inputs], not {array.shape}")
        if not isinstance(levels, Sequence) or not all(isinstance(level, Level) for level in levels):
            raise TypeError("levels must be a sequence of soniq.Level")
        if not 1 <= len(levels) <= _abi.MAXIMUM_LEVELS:
            raise ValueError(f"levels must be one or two, not {len(levels)}")
        self.shape: tuple[int, int] = (array.shape[0], array.shape[1])
        self.level_count = len(levels)
        options = _abi.MatrixOptions(
            level_count=len(levels),
            maximum_isa=isa_code(max_isa),
            thread_count=arguments.integer(threads, "threads", 0, arguments.UINT32_MAXIMUM),
            kernel_profile=None if kernel_profile is None else arguments.text(kernel_profile, "kernel_profile"),
            flags=0 if copies else _abi.MATRIX_NO_COPIES,
        )
        for index, level in enumerate(levels):
            options.levels[index] = level._c()
        kept = self._attach(options, channel_levels, bias)
        self._handle = ctypes.c_void_p()
        sizes = (array.ctypes.data, *array.shape)
        call("soniq_matrix_pack", ctypes.byref(self._handle), *sizes, ctypes.byref(options))
        del kept
        self._finalizer = weakref.finalize(self, library().soniq_matrix_destroy, self._handle)

    def _attach(
        self, options: _abi.MatrixOptions, channel_levels: npt.ArrayLike | None, bias: npt.ArrayLike | None
    ) -> list[npt.NDArray[Any]]:
        kept: list[npt.NDArray[Any]] = []
        if channel_levels is not None:
            levels = arguments.integers(channel_levels, "channel_levels", np.uint8, whole_floats=True)
            if levels.shape != (self.shape[1],):
                raise ValueError(f"channel_levels must be [{self.shape[1]}], not {levels.shape}")
            options.channel_levels = levels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
            kept.append(levels)
        if bias is not None:
            values = arguments.floats(bias, "bias")
            if values.shape != (self.shape[0],):
                raise ValueError(f"bias must be [{self.shape[0]}], not {values.shape}")
            options.bias = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            kept.append(values)
        return kept

    def multiply(self, inputs: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """inputs [rows, inputs] -> [rows, outputs] float32."""
        array = arguments.floats(inputs, "inputs")
        if array.ndim != 2 or array.shape[1] != self.shape[1]:
            raise ValueError(f"inputs must be [rows, {self.shape[1]}], not {array.shape}")
        output = np.empty((array.shape[0], self.shape[0]), np.float32)
        if array.shape[0] == 0:
            return output
        results = (output.ctypes.data, 0)
        call("soniq_matrix_multiply", self._handle, array.ctypes.data, 0, array.shape[0], *results)
        return output

    def multiply_codes(
        self, codes: npt.ArrayLike, zeros: npt.ArrayLike | None = None
    ) -> npt.NDArray[np.int32]:
        """The exact integer product: codes [rows, inputs] -> [rows, outputs] int32.

        Codes are integers of 0...2**bits - 1 of their level; `zeros` [rows, levels] are the codes of 0 of affine
        levels, None: 0 everywhere.
        """
        array = arguments.integers(codes, "codes", np.uint8, whole_floats=True)
        if array.ndim != 2 or array.shape[1] != self.shape[1]:
            raise ValueError(f"codes must be [rows, {self.shape[1]}], not {array.shape}")
        kept = None if zeros is None else arguments.integers(zeros, "zeros", np.int32, whole_floats=True)
        if kept is not None and kept.shape != (array.shape[0], self.level_count):
            raise ValueError(f"zeros must be [{array.shape[0]}, {self.level_count}], not {kept.shape}")
        output = np.empty((array.shape[0], self.shape[0]), np.int32)
        if array.shape[0] == 0:
            return output
        operands = (array.ctypes.data, None if kept is None else kept.ctypes.data)
        call("soniq_matrix_multiply_codes", self._handle, *operands, len(array), output.ctypes.data, 0)
        return output

    def unpack(self) -> npt.NDArray[np.float32]:
        """The weights as they are stored, [outputs, inputs]: compare to see the error of quantisation."""
        weights = np.empty(self.shape, np.float32)
        call("soniq_matrix_unpack", self._handle, weights.ctypes.data, weights.size)
        return weights

    def scales(self, level: int = 0) -> npt.NDArray[np.float32]:
        """The real value of one weight integer, per output."""
        index = arguments.integer(level, "level", 0, arguments.UINT32_MAXIMUM)
        pointer = ctypes.POINTER(ctypes.c_float)()
        call("soniq_matrix_scales", self._handle, index, ctypes.byref(pointer))
        return np.array(np.ctypeslib.as_array(pointer, (self.shape[0],)), np.float32)

    @property
    def kernel(self) -> str:
        """Name of the kernel."""
        report = _abi.KernelReport()
        call("soniq_matrix_get_kernel", self._handle, ctypes.byref(report))
        return text(report.kernel)

    @property
    def nbytes(self) -> int:
        """Bytes of the packed matrix: weights, scales, sums, maps and bias."""
        info = _abi.MatrixInfo()
        call("soniq_matrix_get_info", self._handle, ctypes.byref(info))
        return int(info.byte_count)
