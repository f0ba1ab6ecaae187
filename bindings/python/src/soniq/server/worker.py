"""A model's own thread: how it begins, waits and ends."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from .meter import Meter, Uncounted


class Worker(ABC):
    """Runs a model on a thread of its own. `retire`, `cancel_all` and `join` may be called from any thread."""

    def __init__(self, name: str, meter: Meter | None) -> None:
        self._meter: Meter = meter or Uncounted()
        # Guards what requests and the thread share, and wakes the thread.
        self._changed = threading.Condition()
        self._is_retired = False
        self._thread = threading.Thread(target=self._work, name=f"soniq {name}", daemon=True)

    @abstractmethod
    def _work(self) -> None:
        """What the thread does, until it is retired and has nothing left to do."""

    @abstractmethod
    def cancel_all(self) -> None:
        """Ends every request that it has with an error."""

    def retire(self) -> None:
        """Takes no more requests, does those it has, and ends."""
        with self._changed:
            self._is_retired = True
            self._changed.notify()

    def join(self, seconds: float | None = None) -> bool:
        """Waits for the end behind `retire`; whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Whether the thread works."""
        return self._thread.is_alive()
