"""The matrix door: pack one weight matrix, multiply activations by it."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import _abi
from .library import call, isa_code, library, text


@dataclass(frozen=True)
class Level:
    """A precision of weights and activations.

    `weight_code` and `activation_code` are "affine" (1..8 bits) or "bipolar" (1..7 bits, odd integers, no
    zero). `activation_scale` None measures the scale of every row; a number fixes it.
    """

    weight_bits: int = 8
    activation_bits: int = 8
    weight_code: str = "default"
    activation_code: str = "default"
    activation_scale: float | None = None
    activation_zero: int = 0

    def _c(self) -> _abi.Level:
        for code in (self.weight_code, self.activation_code):
            if code not in _abi.CODE:
                raise ValueError(f"unknown code {code!r}: expected affine or bipolar")
        return _abi.Level(
            weight_code=_abi.CODE[self.weight_code],
            weight_bits=self.weight_bits,
            activation_code=_abi.CODE[self.activation_code],
            activation_bits=self.activation_bits,
            activation_scale=self.activation_scale or 0.0,
            activation_zero=self.activation_zero,
        )


class Matrix:
    """A packed weight matrix, immutable; `multiply` may be called from several threads at once.

    Args:
        weights: [outputs, inputs], finite.
        levels: one or two precisions.
        channel_levels: with two levels, 0 or 1 for every input channel.
        bias: [outputs], added to every row of results.
        threads: threads of each multiplication.
        max_isa: use no newer instruction set than this.
        kernel_profile: as in `soniq.load`.
    """

    def __init__(
        self,
        weights: np.ndarray,
        levels: Sequence[Level] = (Level(),),
        *,
        channel_levels: np.ndarray | None = None,
        bias: np.ndarray | None = None,
        threads: int = 1,
        max_isa: str | None = None,
        kernel_profile: str | None = None,
    ) -> None:
        array = np.ascontiguousarray(weights, np.float32)
        if array.ndim != 2:
            raise ValueError(f"weights must be [outputs, inputs], not {array.shape}")
        if not 1 <= len(levels) <= _abi.MAXIMUM_LEVELS:
            raise ValueError(f"one or two levels, not {len(levels)}")
        self.shape: tuple[int, int] = array.shape
        self.level_count = len(levels)
        options = _abi.MatrixOptions(
            level_count=len(levels), maximum_isa=isa_code(max_isa), thread_count=threads,
            kernel_profile=kernel_profile.encode() if kernel_profile else None,
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
        self, options: _abi.MatrixOptions, channel_levels: np.ndarray | None, bias: np.ndarray | None
    ) -> list[np.ndarray]:
        kept = []
        if channel_levels is not None:
            levels = np.ascontiguousarray(channel_levels, np.uint8)
            if levels.shape != (self.shape[1],):
                raise ValueError(f"channel_levels must be [{self.shape[1]}], not {levels.shape}")
            options.channel_levels = levels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
            kept.append(levels)
        if bias is not None:
            values = np.ascontiguousarray(bias, np.float32)
            if values.shape != (self.shape[0],):
                raise ValueError(f"bias must be [{self.shape[0]}], not {values.shape}")
            options.bias = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            kept.append(values)
        return kept

    def multiply(self, inputs: np.ndarray) -> np.ndarray:
        """inputs [rows, inputs] float32 -> [rows, outputs] float32."""
        array = np.ascontiguousarray(inputs, np.float32)
        if array.ndim != 2 or array.shape[1] != self.shape[1]:
            raise ValueError(f"inputs must be [rows, {self.shape[1]}], not {array.shape}")
        output = np.empty((array.shape[0], self.shape[0]), np.float32)
        results = (output.ctypes.data, 0)
        call("soniq_matrix_multiply", self._handle, array.ctypes.data, 0, array.shape[0], *results)
        return output

    def multiply_codes(self, codes: np.ndarray, zeros: np.ndarray | None = None) -> np.ndarray:
        """The exact integer product: codes [rows, inputs] uint8 -> [rows, outputs] int32.

        `zeros` [rows, levels] int32 are the codes of 0 of affine levels; None: 0 everywhere.
        """
        array = np.ascontiguousarray(codes, np.uint8)
        if array.ndim != 2 or array.shape[1] != self.shape[1]:
            raise ValueError(f"codes must be [rows, {self.shape[1]}], not {array.shape}")
        kept = None if zeros is None else np.ascontiguousarray(zeros, np.int32)
        if kept is not None and kept.shape != (array.shape[0], self.level_count):
            raise ValueError(f"zeros must be [{array.shape[0]}, {self.level_count}], not {kept.shape}")
        output = np.empty((array.shape[0], self.shape[0]), np.int32)
        operands = (array.ctypes.data, None if kept is None else kept.ctypes.data)
        call("soniq_matrix_multiply_codes", self._handle, *operands, len(array), output.ctypes.data, 0)
        return output

    def unpack(self) -> np.ndarray:
        """The weights as they are stored, [outputs, inputs]: compare to see the error of quantisation."""
        weights = np.empty(self.shape, np.float32)
        call("soniq_matrix_unpack", self._handle, weights.ctypes.data, weights.size)
        return weights

    def scales(self, level: int = 0) -> np.ndarray:
        """The real value of one weight integer, per output."""
        pointer = ctypes.POINTER(ctypes.c_float)()
        call("soniq_matrix_scales", self._handle, level, ctypes.byref(pointer))
        return np.ctypeslib.as_array(pointer, (self.shape[0],)).copy()

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
