"""One request to a decoder: one text or several behind the same prompt, and how it ends before it is done."""

from __future__ import annotations

import time

from .text import Text


class Job:
    """Texts that are written together. `cancel` may come from any thread; the rest is the scheduler's.

    Attributes:
        reused: tokens of the prompt that were not read, because an earlier text began with them.
        admitted: when it got its places; None: it waits.
        deadline: when its time is over, by time.monotonic.
    """

    def __init__(self, texts: list[Text], seconds: float) -> None:
        """Makes one of texts with the same prompt, which has so many seconds from now on."""
        self.texts = texts
        self.seconds = seconds
        self.reused = 0
        self.begin = time.monotonic()
        self.admitted: float | None = None
        self.deadline = self.begin + seconds
        self._is_cancelled = False

    def cancel(self) -> None:
        """Nobody waits for it any more: it makes room before the next run."""
        self._is_cancelled = True

    @property
    def is_cancelled(self) -> bool:
        return self._is_cancelled

    @property
    def is_done(self) -> bool:
        return all(text.is_done for text in self.texts)

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self.deadline

    def fail(self, error: BaseException) -> None:
        """Ends every text that has not ended."""
        for text in self.texts:
            text.fail(error)
