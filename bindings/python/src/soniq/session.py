"""Sessions of a model: one call at a time each, handed out and taken back."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from . import _abi, arguments
from ._abi_structs import SizedStruct
from .errors import SoniqError
from .library import call, check, library

Entry = TypeVar("Entry", bound=SizedStruct)

ELEMENT_TYPES: dict[int, np.dtype[Any]] = {
    _abi.FLOAT32: np.dtype(np.float32),
    _abi.INT32: np.dtype(np.int32),
    _abi.FLOAT16: np.dtype(np.float16),
    _abi.INT8: np.dtype(np.int8),
    _abi.UINT8: np.dtype(np.uint8),
}
ELEMENT_CODES = {dtype: code for code, dtype in ELEMENT_TYPES.items()}
TYPE_TEXTS = {code: dtype.str for code, dtype in ELEMENT_TYPES.items()}


@dataclass(frozen=True)
class SessionSettings:
    """What every session of a model is made with."""

    threads: int = 0
    maximum_isa: int = 0
    profile: bool = False
    maximums: tuple[tuple[bytes, int], ...] = ()
    kernel_profile: bytes | None = None


class Session:
    """A session handle and the arrays it borrows. Not shared between threads."""

    def __init__(self, model_handle: ctypes.c_void_p, settings: SessionSettings) -> None:
        options = _abi.SessionOptions(
            thread_count=settings.threads,
            maximum_isa=settings.maximum_isa,
            flags=_abi.SESSION_PROFILE if settings.profile else 0,
            kernel_profile=settings.kernel_profile,
        )
        limits = (_abi.SizeLimit * len(settings.maximums))(
            *(_abi.SizeLimit(name, maximum) for name, maximum in settings.maximums)
        )
        if settings.maximums:
            options.size_limit_count = len(limits)
            options.size_limits = limits
        self.settings = settings
        self.handle = ctypes.c_void_p()
        self._borrowed: list[npt.NDArray[Any]] = []
        self._named: list[int] = []
        # Of every input its last shape, as Python and as C have it: most calls repeat it.
        self._shapes: dict[int, tuple[tuple[int, ...], ctypes.Array[ctypes.c_int64]]] = {}
        call("soniq_session_create", ctypes.byref(self.handle), model_handle, ctypes.byref(options))
        self._library = library()
        self._finalizer = weakref.finalize(self, self._library.soniq_session_destroy, self.handle)
        self.has_states = bool(self._state_count())

    def run(self, inputs: list[tuple[int, npt.NDArray[Any]]]) -> None:
        """Runs on C-contiguous, aligned arrays of the model's element types; inputs not named keep their default."""
        loaded, handle = self._library, self.handle
        named = [index for index, _ in inputs]
        if named != self._named:
            check(loaded, loaded.soniq_session_clear_inputs, handle)
            self._named = named
        for index, array in inputs:
            kind, shape = ELEMENT_CODES[array.dtype], self._shape(index, array.shape)
            address = array.__array_interface__["data"][0]
            check(loaded, loaded.soniq_session_set_input, handle, index, kind, len(shape), shape, address)
        # Only now has the library forgotten the arrays of the run before.
        self._borrowed = [array for _, array in inputs]
        check(loaded, loaded.soniq_session_run, handle)

    def _shape(self, index: int, shape: tuple[int, ...]) -> ctypes.Array[ctypes.c_int64]:
        known = self._shapes.get(index)
        if known is None or known[0] != shape:
            known = self._shapes[index] = (shape, (ctypes.c_int64 * len(shape))(*shape))
        return known[1]

    def output(self, index: int) -> _abi.Tensor:
        tensor = _abi.Tensor()
        check(self._library, self._library.soniq_session_output, self.handle, index, ctypes.byref(tensor))
        return tensor

    def _state_count(self) -> int:
        count = ctypes.c_uint32()
        call("soniq_session_state_count", self.handle, ctypes.byref(count))
        return count.value

    def states(self) -> list[_abi.StateInfo]:
        states = [_abi.StateInfo() for _ in range(self._state_count())]
        for index, state in enumerate(states):
            call("soniq_session_get_state_info", self.handle, index, ctypes.byref(state))
        return states

    def reset(self) -> None:
        call("soniq_session_reset", self.handle)

    def truncate(self, length: int) -> None:
        call("soniq_session_truncate", self.handle, arguments.integer(length, "length", 0, 2**63 - 1))

    def save_states(self) -> bytes:
        size = ctypes.c_size_t()
        call("soniq_session_read_states", self.handle, None, 0, ctypes.byref(size))
        data = ctypes.create_string_buffer(size.value)
        call("soniq_session_read_states", self.handle, data, size.value, ctypes.byref(size))
        return data.raw

    def restore_states(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"states must be bytes, not {type(data).__name__}")
        call("soniq_session_write_states", self.handle, data, len(data))

    def profile(self) -> list[_abi.ProfileEntry]:
        return self._entries("profile", _abi.ProfileEntry)

    def kernels(self) -> list[_abi.KernelReport]:
        return self._entries("kernel", _abi.KernelReport)

    def _entries(self, kind: str, structure: type[Entry]) -> list[Entry]:
        count = ctypes.c_uint32()
        call(f"soniq_session_{kind}_count", self.handle, ctypes.byref(count))
        entries = [structure() for _ in range(count.value)]
        for index, entry in enumerate(entries):
            call(f"soniq_session_{kind}_get", self.handle, index, ctypes.byref(entry))
        return entries

    def statistics(self) -> dict[str, int]:
        statistics = _abi.SessionStatistics()
        call("soniq_session_get_statistics", self.handle, ctypes.byref(statistics))
        skipped = {"struct_size", "reserved"}
        return {name: getattr(statistics, name) for name, *_ in statistics._fields_ if name not in skipped}


class SessionPool:
    """Sessions of one model: a call takes a free one or makes one, and gives it back.

    Where a call needs more than a session is planned for by default, larger sessions take the place of those there are.
    """

    def __init__(self, model_handle: ctypes.c_void_p, settings: SessionSettings) -> None:
        self._model_handle = model_handle
        self._settings = settings
        # Sizes that the caller bounds; others grow.
        self._bounded = {name for name, _ in settings.maximums}
        self._lock = threading.Lock()
        self._free: list[Session] = []
        self._all: weakref.WeakSet[Session] = weakref.WeakSet()

    def take(self) -> Session:
        with self._lock:
            if self._free:
                return self._free.pop()
            settings = self._settings
        session = Session(self._model_handle, settings)
        with self._lock:
            self._all.add(session)
        return session

    def give_back(self, session: Session) -> None:
        with self._lock:
            if session.settings == self._settings:
                self._free.append(session)

    def run(self, inputs: list[tuple[int, npt.NDArray[Any]]], sizes: Callable[[], Mapping[str, int]]) -> Lease:
        """Runs a session; `sizes` says the dynamic ones of the inputs. The lease holds its outputs."""
        while True:
            session = self.take()
            lease = Lease(self, session)
            try:
                # Calls of a model with states begin at the start.
                if session.has_states:
                    session.reset()
                session.run(inputs)
            except SoniqError as error:
                if error.field != "size_limits" and not self._is_outgrown(session.settings, sizes()):
                    raise
                self._grow(sizes())
            else:
                return lease

    def _is_outgrown(self, settings: SessionSettings, sizes: Mapping[str, int]) -> bool:
        """Whether a size is larger than what the session was made for in an earlier call."""
        limits = {name.decode(): size for name, size in settings.maximums if name not in self._bounded}
        return any(size > limits.get(name, size) for name, size in sizes.items())

    def _grow(self, sizes: Mapping[str, int]) -> None:
        """Makes a session that runs these sizes together, and those that were asked for before; so do later ones.
        Where it cannot be made, nothing changes."""
        with self._lock:
            settings = self._settings
        limits = dict(settings.maximums)
        for name, size in sizes.items():
            limits[name.encode()] = max(size, limits.get(name.encode(), 0))
        larger = replace(settings, maximums=tuple(limits.items()))
        session = Session(self._model_handle, larger)
        with self._lock:
            self._settings = larger
            self._free = [session]
            self._all.add(session)

    def sessions(self) -> list[Session]:
        with self._lock:
            return list(self._all)


class Lease:
    """Holds a session while outputs of its last run are in use; gives it back when they are gone."""

    def __init__(self, pool: SessionPool, session: Session) -> None:
        self._pool = pool
        self.session = session

    def __del__(self) -> None:
        self._pool.give_back(self.session)


class _View:
    """Memory of a session as numpy sees it; keeps the lease alive."""

    def __init__(self, lease: Any, tensor: _abi.Tensor) -> None:
        self._lease = lease
        shape = tuple(tensor.dimensions[: tensor.rank])
        kind = TYPE_TEXTS[tensor.element_type]
        # Read-only: the library owns the memory.
        self.__array_interface__ = {"shape": shape, "typestr": kind, "data": (tensor.data, True), "version": 3}


def view(owner: Any, tensor: _abi.Tensor) -> npt.NDArray[Any]:
    """A tensor where the library holds it; keeps `owner` alive."""
    return np.asarray(_View(owner, tensor))


class Outputs(Mapping[str, npt.NDArray[Any]]):
    """Outputs of one call by name: read-only views of the library's memory, no copies.

    While one of them is alive its session serves no other call; `.copy()` what you keep for long.
    """

    def __init__(self, lease: Lease, names: list[str]) -> None:
        self._lease = lease
        self._names = names

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._names:
            raise KeyError(f"no output {name!r}: the model has {', '.join(self._names)}")
        return np.asarray(_View(self._lease, self._lease.session.output(self._names.index(name))))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"Outputs({', '.join(f'{name}={array.shape}' for name, array in self.items())})"

