"""What parts of the server tell about their work, for whoever counts it."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Takes what happened to one model. Calls come from the threads that work."""

    def ran(self, texts: int, tokens: int, seconds: float) -> None:
        """A run of the model: with so many texts and tokens."""

    def read(self, tokens: int, reused: int) -> None:
        """A prompt has its place: so many tokens, of which some are known already."""

    def wrote(self, tokens: int) -> None:
        """Tokens of answers."""

    def levels(self, running: int, waiting: int, kept: int) -> None:
        """Texts that are written, requests that wait, tokens that are kept."""


class Uncounted:
    """Counts nothing."""

    def ran(self, texts: int, tokens: int, seconds: float) -> None:
        pass

    def read(self, tokens: int, reused: int) -> None:
        pass

    def wrote(self, tokens: int) -> None:
        pass

    def levels(self, running: int, waiting: int, kept: int) -> None:
        pass
