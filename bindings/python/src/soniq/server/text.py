"""One text that is written: from the logits behind it to the next token and to what may be shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..decoder import Sequence
from ..generation import begun_stop
from ..matcher import Matcher
from ..sampler import Sampler
from ..tokenizer import TextStream

Ids = npt.NDArray[np.int32]
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Chosen:
    """A token of an answer: its log-probability, and the most likely tokens at its place with theirs."""

    token: int
    log_probability: float
    likely: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Piece:
    """What came of a text; the last piece has a reason ("stop" or "length") or an error."""

    text: str
    chosen: tuple[Chosen, ...] = ()
    reason: str | None = None
    error: BaseException | None = None

    @property
    def is_last(self) -> bool:
        return self.reason is not None or self.error is not None


@dataclass
class Manner:
    """How an answer is written; each text has parts of its own.

    Attributes:
        max_tokens: the most tokens.
        ends: tokens that end it.
        stops: texts that end it, and are not shown.
        likely: how many likely tokens are told beside the chosen one; None: no log-probabilities.
    """

    sampler: Sampler
    stream: TextStream
    max_tokens: int
    ends: frozenset[int]
    stops: tuple[str, ...] = ()
    matcher: Matcher | None = None
    likely: int | None = None


class Text:
    """A prompt and its answer so far. `next` are the tokens that the model has not seen yet. One thread at a time."""

    def __init__(self, prompt: Ids, manner: Manner, sink: Callable[[Piece], None]) -> None:
        """Makes one whose pieces go to `sink`, on the thread that writes."""
        self.prompt = prompt
        self.next = prompt
        self.tokens: list[int] = []
        self.sequence: Sequence | None = None
        self.is_done = False
        self._manner = manner
        self._sink = sink
        self._held = ""
        self._untold: list[Chosen] = []
        manner.sampler.accept(prompt)

    @property
    def is_reading(self) -> bool:
        """Whether the model has not seen the whole prompt."""
        return not self.tokens

    @property
    def capacity(self) -> int:
        """How many positions it may need: the last token is not run."""
        return len(self.prompt) + self._manner.max_tokens - 1

    def written(self) -> Ids:
        """Prompt and answer; the last token may not have been run."""
        return np.concatenate((self.prompt, np.array(self.tokens, np.int32)))

    def accept(self, logits: Logits) -> None:
        """Goes on by the logits behind its last token. Raises SoniqError or GrammarError where that cannot be."""
        manner = self._manner
        if manner.matcher is not None and manner.matcher.is_finished(self.tokens):
            self._finish("stop")
            return
        mask = None if manner.matcher is None else manner.matcher.allowed(self.tokens)
        choice = manner.sampler.sample(logits, mask)
        if choice.token in manner.ends:
            self._finish("stop")
            return
        self.tokens.append(choice.token)
        self.next = np.array([choice.token], np.int32)
        if manner.likely is not None:
            self._untold.append(Chosen(choice.token, choice.log_probability, likely(logits, manner.likely)))
        self._show(manner.stream.push(choice.token))
        if self.is_done:
            return
        if manner.matcher is not None and manner.matcher.is_finished(self.tokens):
            self._finish("stop")
        elif len(self.tokens) == manner.max_tokens:
            self._finish("length")

    def fail(self, error: BaseException) -> None:
        """Ends it with an error, unless it has ended."""
        if not self.is_done:
            self.is_done = True
            self._sink(Piece("", error=error))

    def _show(self, text: str) -> None:
        """Hands on what cannot be the beginning of a text that ends the answer."""
        self._held += text
        place = min((at for at in map(self._held.find, self._manner.stops) if at >= 0), default=None)
        if place is not None:
            self.is_done = True
            self._sink(Piece(self._held[:place], self._tell(), "stop"))
            return
        place = len(self._held) - begun_stop(self._held, self._manner.stops)
        piece, self._held = self._held[:place], self._held[place:]
        if piece:
            self._sink(Piece(piece, self._tell()))

    def _finish(self, reason: str) -> None:
        self._show(self._manner.stream.finish())
        if not self.is_done:
            self.is_done = True
            self._sink(Piece(self._held, self._tell(), reason))

    def _tell(self) -> tuple[Chosen, ...]:
        told, self._untold = tuple(self._untold), []
        return told


def likely(logits: Logits, count: int) -> tuple[tuple[int, float], ...]:
    """The most likely tokens with their log-probabilities, the first of equal ones first."""
    if count == 0:
        return ()
    best = np.argsort(-logits, kind="stable")[:count]
    exact = logits.astype(np.float64)
    most = exact.max()
    total = most + np.log(np.exp(exact - most).sum())
    return tuple((int(token), float(exact[token] - total)) for token in best)
