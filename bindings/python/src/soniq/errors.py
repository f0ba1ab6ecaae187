"""Errors of the library as exceptions."""

from __future__ import annotations


class SoniqError(RuntimeError):
    """A call of the library failed.

    Attributes:
        code: the number, one of SONIQ_ERROR_* of soniq.h.
        status: its name, "FORMAT" say.
        node: name of the node, tensor or symbol it is about, or None.
        field: the parameter, option or field of the file, or None.
        offset: byte offset in the file, or None.
    """

    def __init__(
        self,
        message: str,
        code: int,
        status: str,
        node: str | None = None,
        field: str | None = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(f"{status}: {message}")
        self.code = code
        self.status = status
        self.node = node
        self.field = field
        self.offset = offset


class GrammarError(RuntimeError):
    """A grammar could not go on while an answer was made, as where its limits or the model's tokens do not allow it."""


class PackError(RuntimeError):
    """`soniq-pack` failed, or could not be run.

    Attributes:
        message: what it said.
        status: its exit status, 64 for wrong options, 65 for wrong data, 66 for a missing input and so on
            (`soniq-pack --help`); negative: the signal that ended it; None: it did not run.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
