"""An answer as it comes: pieces of text, and how fast they were."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from ..generation import Generation, TextGeneration, free_positions
from ..grammar import Grammar
from ..model import Model
from ..sampler import Sampler
from ..states import StatefulSession
from ..tokenizer import TextStream
from .opening import CommandError


class Answer(TextGeneration):
    """The text behind a prompt of token ids, computed as it is iterated over; `speed` says what it took."""

    def __init__(
        self,
        model: Model,
        prompt: npt.NDArray[np.int32],
        sampler: Sampler,
        session: StatefulSession,
        *,
        max_tokens: int,
        stops: tuple[str, ...],
        lookup: int = 0,
        grammar: Grammar | None = None,
        continues: bool = True,
    ) -> None:
        """Goes on with what the session holds. Raises CommandError where it has no room for the prompt.

        `continues`: a space that the answer begins with is part of it.
        """
        # A grammar counts every space, the first one too.
        self._clock = _TimedStream(model.tokenizer.stream(continues=continues or grammar is not None))
        room = free_positions(session)
        fits = len(prompt) + max_tokens - 1 <= room
        try:
            generation = model.generate(
                prompt,
                max_tokens=max_tokens if fits else None,
                grammar=grammar,
                session=session,
                sampler=sampler,
                lookup=lookup,
            )
        except ValueError as error:
            raise CommandError(f"{error}. Give less text" if len(prompt) > room else str(error)) from None
        self._prompt_length = len(prompt)
        super().__init__(generation, self._clock, stops)
        self.ids: Generation = generation

    @property
    def prompt_work(self) -> tuple[int, float]:
        """Tokens of the prompt, and the seconds until the first token of the answer; (0, 0) where none came."""
        clock = self._clock
        seconds = clock.first - clock.begin
        return (self._prompt_length, seconds) if seconds else (0, 0.0)

    @property
    def answer_work(self) -> tuple[int, float]:
        """Tokens behind the first of the answer, and their seconds; (0, 0) where there are none."""
        clock = self._clock
        return (clock.count - 1, clock.last - clock.first) if clock.count > 1 else (0, 0.0)

    def speed(self) -> str:
        """Tokens per second, of the prompt and of what follows the first token of the answer."""
        count, seconds = self.prompt_work
        if count == 0:
            return "interrupted before the first token"
        parts = [f"prompt {_rate(count, seconds)}"]
        count, seconds = self.answer_work
        if count:
            parts.append(f"answer {_rate(count, seconds, count + 1)}")
        if self.ids.runs < self._clock.count:
            parts.append(f"in {self.ids.runs} runs")
        return ", ".join(parts)


class _TimedStream:
    """A stream of text that knows when its first and its last token came."""

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream
        self.count = 0
        self.begin = self.first = self.last = time.perf_counter()

    def push(self, ids: int) -> str:
        self.last = time.perf_counter()
        self.count += 1
        if self.count == 1:
            self.first = self.last
        return self._stream.push(ids)

    def finish(self) -> str:
        if self.count == 0:
            # The first token ended it.
            self.first = self.last = time.perf_counter()
        return self._stream.finish()


def _rate(count: int, seconds: float, shown: int | None = None) -> str:
    tokens = count if shown is None else shown
    return f"{tokens} token{'' if tokens == 1 else 's'} at {count / max(seconds, 1e-9):.1f} tokens/s"
