"""Sessions that the caller holds: runs that follow each other in a model with states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _abi
from .library import text
from .session import ELEMENT_TYPES, Session, view

if TYPE_CHECKING:
    from .model import Model


@dataclass(frozen=True)
class StateInfo:
    """A tensor that lives between runs.

    `shape` is the largest of this session; a growing state holds `length` positions. `bits` are those of an element: of
    its dtype, or 4, 6 or 8 of codes, whose dtype is int8.
    """

    name: str
    kind: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    length: int
    byte_count: int
    bits: int


KINDS = {_abi.STATE_RECURRENT: "recurrent", _abi.STATE_GROWING: "growing"}


class StatefulSession:
    """Runs of a model that follow each other; made by `Model.session`. One thread at a time.

    A run that fails leaves the states as they were. Results do not depend on how a sequence is divided into runs.
    """

    def __init__(self, model: Model, session: Session) -> None:
        self._model = model
        self._session = session

    def __call__(self, **inputs: npt.ArrayLike) -> dict[str, npt.NDArray[Any]]:
        """Runs the model on inputs given by name, as `Model.__call__`; returns copies of the outputs.

        Raises SoniqError with status CAPACITY where a state has no room for the positions of this run.
        """
        self._session.run(self._model._prepare(inputs))
        outputs = enumerate(self._model.outputs)
        return {info.name: np.array(view(self, self._session.output(index))) for index, info in outputs}

    @property
    def states(self) -> list[StateInfo]:
        """All states, with their lengths now."""
        return [
            StateInfo(
                name=text(info.name),
                kind=KINDS[info.kind],
                dtype=ELEMENT_TYPES[info.element_type],
                shape=tuple(info.dimensions[: info.rank]),
                length=info.length,
                byte_count=info.byte_count,
                bits=info.element_bits,
            )
            for info in self._session.states()
        ]

    def reset(self) -> None:
        """Brings all states back to the start."""
        self._session.reset()

    def truncate(self, length: int) -> None:
        """Shortens growing states to `length` positions, as if the runs behind had not been."""
        self._session.truncate(length)

    def save(self) -> bytes:
        """The states as bytes, for `restore` of a session of the same model, on any machine."""
        return self._session.save_states()

    def restore(self, data: bytes) -> None:
        """Takes the states from what `save` returned; raises SoniqError, and changes nothing, where they do not fit."""
        self._session.restore_states(data)
