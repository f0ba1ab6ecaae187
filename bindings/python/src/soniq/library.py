"""Finds and loads libsoniq.so, once, and turns its statuses into exceptions."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import _abi
from .errors import SoniqError

ENVIRONMENT_VARIABLE = "SONIQ_LIBRARY"
# The name that the dynamic linker knows it by, and the link without a version.
NAMES = ("libsoniq.so.0", "libsoniq.so")
# An editable install lies in bindings/python/src/soniq of a checkout.
CHECKOUT = Path(__file__).resolve().parents[4]


class LibraryNotFoundError(ImportError):
    """libsoniq.so could not be found or loaded, or it does not fit this package."""


def folders() -> list[Path]:
    """Where `make install` puts the library with a usual PREFIX, nearest first."""
    result = [Path(__file__).resolve().parent, CHECKOUT / "build/lib", Path(sys.prefix) / "lib"]
    packer = shutil.which("soniq-pack")
    if packer:
        # Both as it is found and where a link to it leads.
        result += [Path(packer).absolute().parents[1] / "lib", Path(packer).resolve().parents[1] / "lib"]
    result += [Path.home() / ".local/lib", Path("/usr/local/lib"), Path("/usr/local/lib64")]
    architecture = sysconfig.get_config_var("MULTIARCH")
    if architecture:
        result += [Path("/usr/local/lib") / architecture, Path("/usr/lib") / architecture]
    result += [Path("/usr/lib64"), Path("/usr/lib"), Path("/opt/soniq/lib")]
    return list(dict.fromkeys(result))


def _pkg_config_folder() -> Path | None:
    """What pkg-config says, which knows a PREFIX of the user's own from PKG_CONFIG_PATH."""
    program = shutil.which("pkg-config")
    if program is None:
        return None
    asked = [program, "--variable=libdir", "soniq"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return Path(answer).resolve() if answer else None


def _candidates() -> Iterator[str]:
    """Names to load the library by, in the order in which they are tried."""
    own, checkout, *others = folders()
    yield from _existing(own)
    yield from _existing(checkout)
    # The dynamic linker's own search: LD_LIBRARY_PATH, its cache, the system's folders.
    yield NAMES[0]
    for folder in others:
        yield from _existing(folder)
    configured = _pkg_config_folder()
    if configured is not None:
        yield from _existing(configured)


def _existing(folder: Path) -> Iterator[str]:
    for name in NAMES:
        if (folder / name).exists():
            yield str(folder / name)
            return


def _load(path: str) -> ctypes.CDLL:
    """Loads a library and makes sure that it can do what this package asks for.

    Raises:
        OSError: it cannot be loaded.
        AttributeError: it lacks a function.
        SoniqError: it is too old.
    """
    loaded = ctypes.CDLL(path)
    _abi.declare(loaded)
    check(loaded, loaded.soniq_require_abi, _abi.ABI_VERSION)
    return loaded


@functools.lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The loaded library with all prototypes declared.

    A file that SONIQ_LIBRARY names is taken or is an error; else the first that can be used, wherever it is installed.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        try:
            return _load(named)
        except (OSError, AttributeError, ValueError, SoniqError) as error:
            raise LibraryNotFoundError(f"{named}, named by {ENVIRONMENT_VARIABLE}, cannot be used: {error}") from error
    unfit = []
    for path in _candidates():
        try:
            return _load(path)
        except (OSError, AttributeError, SoniqError) as error:
            # That the linker knows no such name is not worth a word.
            if os.path.isabs(path) or not isinstance(error, OSError) or "No such file" not in str(error):
                unfit.append(f"{path} cannot be used: {error}")
    raise LibraryNotFoundError(_explanation(unfit))


def _explanation(unfit: list[str]) -> str:
    found = "; ".join(unfit) if unfit else "libsoniq.so was not found"
    places = ", ".join(str(folder) for folder in folders())
    return (
        f"{found}. Looked in {places}, and where the dynamic linker and pkg-config look. Install it with "
        f"`make install` (PREFIX=/usr/local by default), or set {ENVIRONMENT_VARIABLE} to the path of libsoniq.so"
    )


def check(loaded: ctypes.CDLL, function: Callable[..., Any], *arguments: object) -> None:
    """Calls a function that returns a status; raises SoniqError when it is not OK."""
    error = ctypes.c_void_p()
    status = function(*arguments, ctypes.byref(error))
    if status != _abi.OK:
        raise _exception(loaded, status, error)


def call(name: str, *arguments: object) -> None:
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
    """The newest instruction set that this CPU runs: portable, avx2, avx512, or on ARM neon, dotprod, i8mm."""
    loaded = library()
    return text(loaded.soniq_isa_name(loaded.soniq_cpu_isa()))


def isa_code(name: str | None) -> int:
    """The constant of an instruction set's name; None is the default."""
    if name is None:
        return _abi.ISA["default"]
    if not isinstance(name, str):
        raise TypeError(f"max_isa must be a str or None, not {type(name).__name__}")
    if name not in _abi.ISA:
        raise ValueError(f"unknown instruction set {name!r}: expected one of {', '.join(_abi.ISA)}")
    return _abi.ISA[name]
