"""Finds and loads libsoniq.so, once, and turns its statuses into exceptions."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
from pathlib import Path

from . import _abi
from .errors import SoniqError

ENVIRONMENT_VARIABLE = "SONIQ_LIBRARY"
CHECKOUT_LIBRARY = Path("build/lib/libsoniq.so")


class LibraryNotFoundError(ImportError):
    """libsoniq.so could not be found or loaded, or it does not fit this package."""


def _candidate() -> str:
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return named
    # An editable install lies in bindings/python/src/soniq of a checkout.
    checkout = Path(__file__).resolve().parents[4] / CHECKOUT_LIBRARY
    if checkout.exists():
        return str(checkout)
    found = ctypes.util.find_library("soniq")
    if found:
        return found
    raise LibraryNotFoundError(
        f"libsoniq.so not found: set {ENVIRONMENT_VARIABLE} to its path, or install it with "
        "`make install PREFIX=...` where the system's linker looks"
    )


@functools.lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The loaded library with all prototypes declared."""
    path = _candidate()
    try:
        loaded = ctypes.CDLL(path)
        _abi.declare(loaded)
    except (OSError, AttributeError) as error:
        raise LibraryNotFoundError(f"{path} cannot be used: {error}") from error
    try:
        check(loaded, loaded.soniq_require_abi, _abi.ABI_VERSION)
    except SoniqError as error:
        raise LibraryNotFoundError(f"{path} cannot be used: {error}") from error
    return loaded


def check(loaded: ctypes.CDLL, function, *arguments) -> None:
    """Calls a function that returns a status; raises SoniqError when it is not OK."""
    error = ctypes.c_void_p()
    status = function(*arguments, ctypes.byref(error))
    if status != _abi.OK:
        raise _exception(loaded, status, error)


def call(name: str, *arguments) -> None:
    """`check` by name on the loaded library."""
    loaded = library()
    check(loaded, getattr(loaded, name), *arguments)


def _exception(loaded: ctypes.CDLL, status: int, error: ctypes.c_void_p) -> SoniqError:
    try:
        node, field = loaded.soniq_error_node(error), loaded.soniq_error_field(error)
        offset = loaded.soniq_error_offset(error)
        return SoniqError(
            text(loaded.soniq_error_message(error)),
            code=status,
            status=text(loaded.soniq_status_name(status)),
            node=text(node) if node is not None else None,
            field=text(field) if field is not None else None,
            offset=offset if offset >= 0 else None,
        )
    finally:
        loaded.soniq_error_destroy(error)


def text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def library_version() -> str:
    """Version of the loaded library."""
    return text(library().soniq_version())


def build_info() -> str:
    """One line on how the library was built; for bug reports."""
    return text(library().soniq_build_info())


def cpu_isa() -> str:
    """The newest instruction set that this CPU runs: portable, avx2 or avx512."""
    loaded = library()
    return text(loaded.soniq_isa_name(loaded.soniq_cpu_isa()))


def isa_code(name: str | None) -> int:
    """The constant of an instruction set's name; None is the default."""
    if name is None:
        return _abi.ISA["default"]
    if name not in _abi.ISA:
        raise ValueError(f"unknown instruction set {name!r}: expected one of {', '.join(_abi.ISA)}")
    return _abi.ISA[name]
