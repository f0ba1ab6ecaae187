"""Decoders and sequences: several texts, which a language model goes on with in any order."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _abi, arguments
from ._abi_structs import ProgressFunction
from .errors import SoniqError
from .library import call, library
from .session import SessionSettings


class Sequence:
    """What a model holds of one text; made by `Model.sequence`. One thread at a time."""

    def __init__(self, model: ctypes.c_void_p, capacity: int) -> None:
        self._model = model
        self._capacity = arguments.integer(capacity, "capacity", 0, arguments.UINT64_MAXIMUM)
        options = _abi.SequenceOptions(capacity=self._capacity)
        self._handle = ctypes.c_void_p()
        call("soniq_sequence_create", ctypes.byref(self._handle), model, ctypes.byref(options))
        self._finalizer = weakref.finalize(self, library().soniq_sequence_destroy, self._handle)

    def __len__(self) -> int:
        """The number of tokens."""
        length = ctypes.c_uint64()
        call("soniq_sequence_length", self._handle, ctypes.byref(length))
        return length.value

    def truncate(self, length: int) -> None:
        """Forgets the tokens from `length` on, as if they had not been."""
        call("soniq_sequence_truncate", self._handle, arguments.integer(length, "length", 0, 2**63 - 1))

    def copy(self, length: int | None = None, *, capacity: int | None = None) -> Sequence:
        """A sequence of its own with the first `length` tokens of this one, all by default.

        It has this one's capacity unless another is given; 0 is the most that the model allows.
        """
        copy = Sequence(self._model, self._capacity if capacity is None else capacity)
        count = len(self) if length is None else arguments.integer(length, "length", 0, 2**63 - 1)
        call("soniq_sequence_copy", copy._handle, self._handle, count)
        return copy

    def save(self) -> bytes:
        """It as bytes, for `load` of a sequence of the same model, on any machine."""
        size = ctypes.c_size_t()
        call("soniq_sequence_save", self._handle, None, 0, ctypes.byref(size))
        data = ctypes.create_string_buffer(size.value)
        call("soniq_sequence_save", self._handle, data, size.value, ctypes.byref(size))
        return data.raw

    def load(self, data: bytes) -> None:
        """Takes the tokens of what `save` returned; raises SoniqError, and changes nothing, where they do not fit."""
        if not isinstance(data, bytes):
            raise TypeError(f"a saved sequence must be bytes, not {type(data).__name__}")
        call("soniq_sequence_load", self._handle, data, len(data))


class Decoder:
    """Puts tokens behind sequences; made by `Model.decoder`. One thread at a time.

    The logits of a token depend on the tokens of its text up to it and on the model, to the bit: not on how they are
    divided into runs, nor on other sequences of a run.
    """

    def __init__(
        self,
        model: ctypes.c_void_p,
        settings: SessionSettings,
        capacity: int,
        maximum_tokens: int,
        maximum_outputs: int,
        progress: Callable[[int, int], object] | None,
    ) -> None:
        self._raised: list[BaseException] = []
        # Kept, so that the library can call it.
        self._callback = _reporting(progress, self._raised)
        options = _abi.DecoderOptions(
            thread_count=settings.threads,
            maximum_isa=settings.maximum_isa,
            maximum_tokens=arguments.integer(maximum_tokens, "maximum_tokens", 0, arguments.UINT32_MAXIMUM),
            maximum_outputs=arguments.integer(maximum_outputs, "maximum_outputs", 0, arguments.UINT32_MAXIMUM),
            capacity=arguments.integer(capacity, "capacity", 0, arguments.UINT64_MAXIMUM),
            kernel_profile=settings.kernel_profile,
            progress=self._callback,
        )
        self._handle = ctypes.c_void_p()
        call("soniq_decoder_create", ctypes.byref(self._handle), model, ctypes.byref(options))
        self._finalizer = weakref.finalize(self, library().soniq_decoder_destroy, self._handle)

    def __call__(
        self, sequence: Sequence, tokens: npt.ArrayLike, outputs: str = "last"
    ) -> npt.NDArray[np.float32] | None:
        """`run` of one sequence."""
        return self.run([(sequence, tokens, outputs)])[0]

    def run(
        self, items: Iterable[tuple[Sequence, npt.ArrayLike] | tuple[Sequence, npt.ArrayLike, str]]
    ) -> list[npt.NDArray[np.float32] | None]:
        """Puts tokens behind sequences: behind all of them, or, where that fails, behind none.

        Args:
            items: sequence, ids of tokens, and which of them logits are wanted of: "last", "all" or "none".

        Returns:
            for each item float32 [tokens that were asked for, vocabulary], copies; None where none were.

        Raises:
            TypeError, ValueError: what is no such list.
            SoniqError: a sequence that is full (CAPACITY), an unknown token (DATA), more logits than there is room for;
                CANCELLED where `progress` returned False. What it raises, is raised.
        """
        entries = [item if len(item) == 3 else (*item, "last") for item in items]
        arrays = [_tokens(tokens, index) for index, (_, tokens, _) in enumerate(entries)]
        structs = (_abi.DecoderItem * len(entries))(
            *(
                _abi.DecoderItem(_handle(sequence, index), array.ctypes.data, array.size, _outputs(outputs, index))
                for index, ((sequence, _, outputs), array) in enumerate(zip(entries, arrays, strict=True))
            )
        )
        try:
            call("soniq_decoder_run", self._handle, structs, len(entries))
        except SoniqError:
            if self._raised:
                raise self._raised.pop() from None
            raise
        return [None if outputs == "none" else self._output(index) for index, (_, _, outputs) in enumerate(entries)]

    def _output(self, index: int) -> npt.NDArray[np.float32]:
        tensor = _abi.Tensor()
        call("soniq_decoder_output", self._handle, index, ctypes.byref(tensor))
        shape = tuple(tensor.dimensions[: tensor.rank])
        buffer = ctypes.string_at(tensor.data, tensor.byte_count)
        return np.frombuffer(bytearray(buffer), np.float32).reshape(shape)


def _reporting(progress: Callable[[int, int], object] | None, raised: list[BaseException]) -> Any:
    """A C function that calls `progress`, and keeps what it raises."""

    def report(_: object, done: int, total: int) -> int:
        try:
            return int(progress is not None and progress(done, total) is False)
        except BaseException as error:
            raised.append(error)
            return 1

    return ProgressFunction() if progress is None else ProgressFunction(report)


def _handle(sequence: Any, index: int) -> ctypes.c_void_p:
    if not isinstance(sequence, Sequence):
        raise TypeError(f"items[{index}] has a {type(sequence).__name__} for a Sequence")
    return sequence._handle


def _tokens(tokens: npt.ArrayLike, index: int) -> npt.NDArray[np.int32]:
    array = arguments.integers(tokens, f"items[{index}]", np.int32)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"items[{index}] has tokens of shape {array.shape}, not that of a list")
    return array


def _outputs(outputs: object, index: int) -> int:
    if outputs not in _abi.OUTPUTS:
        raise ValueError(f"items[{index}] wants logits of {outputs!r}: one of {', '.join(_abi.OUTPUTS)}")
    return _abi.OUTPUTS[str(outputs)]
