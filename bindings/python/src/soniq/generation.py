"""Tokens that follow a prompt, one by one: what `Model.generate` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

import numpy as np
import numpy.typing as npt

from . import _abi, arguments
from .errors import SoniqError
from .grammar import Grammar
from .lookup import Lookup
from .sampler import Sampler, mask_words

if TYPE_CHECKING:
    from . import tokenizer as text_tokenizer
    from .matcher import Matcher
    from .model import Model
    from .states import StatefulSession

# Positions that a prompt goes through the model at a time: more need more memory and are hardly faster.
PIECE = 256
# Tokens that are guessed at a time.
MOST_GUESSES = 64
ENDS = ("tokenizer.eos_token_id", "tokenizer.eot_token_id", "tokenizer.eom_token_id")


class SamplingOptions(TypedDict, total=False):
    """What `soniq.Sampler` takes beside the vocabulary."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    frequency_penalty: float
    presence_penalty: float
    penalty_window: int
    bias: Mapping[int, float] | None
    seed: int


class Tokenizer(Protocol):
    """What text is generated with."""

    def encode(self, text: str) -> npt.NDArray[np.int32]: ...
    def stream(self, *, continues: bool = ...) -> TextStream: ...


class TextStream(Protocol):
    """Text of tokens that come one after the other."""

    def push(self, ids: int) -> str: ...
    def finish(self) -> str: ...


class Generation(Iterator[int]):
    """The tokens that follow a prompt; each is computed when it is asked for.

    Attributes:
        tokens: those that came so far, without the one that ended it.
        log_probabilities: of these tokens, by the logits as the model gave them.
        logits: float32 [vocabulary], of which the last token was chosen; None before the first.
        stop_reason: "stop" after a token that ends a text, or where a grammar lets nothing follow; "length" after
            max_tokens; "capacity" where the session has no room for another; None until then.
        session: holds the prompt and all tokens but the last.
        runs: how often the model ran; with `lookup` fewer times than there are tokens.
    """

    def __init__(
        self,
        session: StatefulSession,
        prompt: npt.NDArray[np.int32],
        sampler: Sampler,
        *,
        room: int,
        max_tokens: int | None,
        ends: frozenset[int],
        allowed: Callable[[list[int]], npt.ArrayLike | None] | None,
        matcher: Matcher | None,
        lookup: int,
    ) -> None:
        self.runs = 0
        self.tokens: list[int] = []
        self.log_probabilities: list[float] = []
        self.logits: npt.NDArray[np.float32] | None = None
        self.stop_reason: str | None = None
        self._session = session
        self._next = prompt
        self._sampler = sampler
        self._room = room
        self._lookup = Lookup(lookup) if lookup else None
        # Tokens that were guessed and run, and the logits behind each.
        self._ahead: list[tuple[int, npt.NDArray[np.float32]]] = []
        self._guessed = 0
        self._length = session_length(session)
        self._is_settled = True
        self._max_tokens = max_tokens
        self._ends = ends
        self._allowed = allowed
        self._matcher = matcher

    def __next__(self) -> int:
        if self.stop_reason is None:
            self.stop_reason = self._end()
        if self.stop_reason is not None:
            raise StopIteration
        self._go_on()
        assert self.logits is not None
        choice = self._sampler.sample(self.logits, self._mask())
        # An end is no token of the text, but the sequence goes on with it where it is continued.
        self._next = np.array([choice.token], np.int32)
        if choice.token in self._ends:
            self.stop_reason = "stop"
            raise StopIteration
        self.tokens.append(choice.token)
        self.log_probabilities.append(choice.log_probability)
        return choice.token

    def _end(self) -> str | None:
        """Why no token is to come next, or None."""
        if self._matcher is not None and self._matcher.is_finished(self.tokens):
            return "stop"
        if len(self.tokens) == self._max_tokens:
            return "length"
        return "capacity" if len(self._next) > self._room else None

    def _mask(self) -> npt.ArrayLike | None:
        """Which tokens may come next, or None for all."""
        mask = None if self._allowed is None else self._allowed(self.tokens)
        if self._matcher is None:
            return mask
        words = self._matcher.allowed(self.tokens)
        return words if mask is None else words & mask_words(mask, self._sampler.vocabulary)

    @property
    def session(self) -> StatefulSession:
        """The session, without what was guessed."""
        self._forget()
        return self._session

    def _go_on(self) -> None:
        """Makes the logits behind what is to come next."""
        if self._lookup is not None:
            self._lookup.push(self._next.tolist())
        if self._ahead and len(self._next) == 1 and self._ahead[0][0] == self._next[0]:
            self.logits = self._ahead.pop(0)[1]
            self._move(1)
            return
        while len(self._next):
            self._forget()
            piece = self._next[:PIECE]
            guesses = self._guesses(len(piece)) if len(piece) == len(self._next) else []
            self._run(piece, guesses)

    def _guesses(self, length: int) -> list[int]:
        if self._lookup is None:
            return []
        left = self._room - length
        if self._max_tokens is not None:
            left = min(left, self._max_tokens - len(self.tokens) - 1)
        return self._lookup.guess(min(left, PIECE - length))

    def _run(self, piece: npt.NDArray[np.int32], guesses: list[int]) -> None:
        inputs = {"input_ids": np.concatenate((piece, np.array(guesses, np.int32)))[None]}
        if guesses:
            inputs["logit_positions"] = np.arange(-1 - len(guesses), 0, dtype=np.int32)
        # An interrupt may come at any place: until all is noted, the session may hold more than is known.
        self._is_settled = False
        logits = self._session(**inputs)["logits"][0]
        self.runs += 1
        self.logits = logits[0]
        self._guessed = len(guesses)
        self._ahead = list(zip(guesses, logits[1:], strict=True))
        self._move(len(piece))
        self._is_settled = not guesses

    def _move(self, count: int) -> None:
        """So many of the next tokens are in the session."""
        self._length += count
        self._room -= count
        self._next = self._next[count:]

    def _forget(self) -> None:
        """Takes what nothing came of out of the session."""
        if self._guessed and self._lookup is not None:
            self._lookup.learn(self._guessed, self._guessed - len(self._ahead))
        if not self._is_settled and session_length(self._session) > self._length:
            self._session.truncate(self._length)
        self._ahead, self._guessed, self._is_settled = [], 0, True


class TextGeneration(Iterator[str]):
    """The text that follows a prompt, piece by piece; a piece is never empty and ends with a whole character.

    Attributes:
        text: what came so far. It ends before a text of `stop`.
        generation: the tokens that it is made of.
        stop_reason: as of `Generation`.
    """

    def __init__(self, generation: Generation, stream: TextStream, stops: tuple[str, ...]) -> None:
        self.generation = generation
        self.text = ""
        self.stop_reason: str | None = None
        self._stream = stream
        self._stops = stops
        self._held = ""

    def __next__(self) -> str:
        while self.stop_reason is None:
            token = next(self.generation, None)
            self._held += self._stream.finish() if token is None else self._stream.push(token)
            place = min((at for at in map(self._held.find, self._stops) if at >= 0), default=None)
            if place is not None:
                self.stop_reason = "stop"
            elif token is None:
                self.stop_reason = self.generation.stop_reason
                place = len(self._held)
            else:
                place = len(self._held) - begun_stop(self._held, self._stops)
            piece, self._held = self._held[:place], self._held[place:]
            self.text += piece
            if piece:
                return piece
        raise StopIteration


def begun_stop(text: str, stops: tuple[str, ...]) -> int:
    """How much of the end of a text may be the beginning of a stop."""
    lengths = (length for stop in stops for length in range(1, len(stop)) if text.endswith(stop[:length]))
    return max(lengths, default=0)


def generate(
    model: Model,
    prompt: str | npt.ArrayLike,
    *,
    max_tokens: int | None,
    stop: str | int | Iterable[str | int] | None,
    ignore_end: bool,
    allowed: Callable[[list[int]], npt.ArrayLike | None] | None,
    grammar: Grammar | None,
    session: StatefulSession | None,
    sampler: Sampler | None,
    lookup: int,
    options: SamplingOptions,
) -> Generation | TextGeneration:
    """`Model.generate`, which describes it."""
    vocabulary = vocabulary_size(model)
    if max_tokens is not None:
        max_tokens = arguments.integer(max_tokens, "max_tokens", 1, arguments.UINT32_MAXIMUM)
    if sampler is not None and options:
        raise TypeError(f"{next(iter(options))} is an option of the sampler, which is given too")
    stops = [stop] if isinstance(stop, (str, int)) else list(stop or ())
    texts = tuple(entry for entry in stops if isinstance(entry, str))
    tokenizer = None
    if isinstance(prompt, str):
        tokenizer = _tokenizer(model, "the prompt is text", "give the ids of its tokens")
    if tokenizer is None and texts:
        raise TypeError(f"stop has the text {texts[0]!r}: a prompt of token ids takes tokens")
    if "" in texts:
        raise ValueError("stop has an empty text")
    ends = {arguments.integer(entry, "stop", 0, vocabulary - 1) for entry in stops if not isinstance(entry, str)}
    if not ignore_end:
        ends |= {int(model.metadata[key]) for key in ENDS if key in model.metadata}
    matcher = None if grammar is None else _matcher(model, grammar, frozenset(ends))
    ids = _ids(prompt if tokenizer is None else tokenizer.encode(str(prompt)))
    lookup = arguments.integer(lookup, "lookup", 0, MOST_GUESSES)
    if session is None:
        session = model.session(maximums=session_limits(model, len(ids), max_tokens, lookup))
    if lookup and any(state.kind != "growing" for state in session.states):
        raise ValueError("lookup takes guesses back, and the model has states that do not go back")
    room = _room(session, len(ids), max_tokens)
    sampler = sampler or Sampler(vocabulary, **options)
    sampler.accept(ids)
    generation = Generation(
        session,
        ids,
        sampler,
        room=room,
        max_tokens=max_tokens,
        ends=frozenset(ends),
        allowed=allowed,
        matcher=matcher,
        lookup=lookup,
    )
    if tokenizer is None:
        return generation
    return TextGeneration(generation, tokenizer.stream(continues=True), texts)


def _room(session: StatefulSession, length: int, max_tokens: int | None) -> int:
    """How many tokens the session has room for; raises ValueError where that is too few for the prompt and these."""
    room = free_positions(session)
    if length + (max_tokens or 1) - 1 > room:
        asked = f"max_tokens={max_tokens}" if max_tokens else "a token"
        raise ValueError(
            f"the prompt has {length} tokens, and with {asked} there is no room: {room} positions are free"
        )
    return room


def _matcher(model: Model, grammar: object, ends: frozenset[int]) -> Matcher:
    if not isinstance(grammar, Grammar):
        raise TypeError(f"grammar must be a soniq.Grammar, not {type(grammar).__name__}: Grammar.json_schema makes one")
    tokenizer = _tokenizer(model, "a grammar is given", "generate without one")
    return grammar.matcher(tokenizer, vocabulary_size(model), ends)


def vocabulary_size(model: Model) -> int:
    """How many logits a decoder gives; raises TypeError where the model is none."""
    logits = next((info for info in model.outputs if info.name == "logits"), None)
    inputs = {info.name for info in model.inputs if not info.is_optional}
    if logits is None or inputs != {"input_ids"} or not isinstance(logits.shape[-1], int):
        raise TypeError("the model is no decoder: it does not take input_ids alone and give logits")
    return logits.shape[-1]


def _tokenizer(model: Model, reason: str, advice: str) -> text_tokenizer.Tokenizer:
    try:
        return model.tokenizer
    except SoniqError as error:
        if error.code != _abi.ERROR_NOT_FOUND:
            raise
        raise TypeError(f"{reason}, and {error}: {advice}") from None


def _ids(prompt: Any) -> npt.NDArray[np.int32]:
    ids = arguments.integers(prompt, "prompt", np.int32)
    if ids.ndim != 1 or len(ids) == 0:
        raise ValueError(f"prompt has shape {ids.shape}, not that of a list of tokens")
    return ids


def session_limits(model: Model, length: int, max_tokens: int | None, lookup: int = 0) -> dict[str, int]:
    """Sizes of a session for one sequence: as little memory as it needs."""
    most = {
        name: size
        for info in (*model.inputs, *model.outputs)
        for name, size in zip(info.shape, info.maximum_shape, strict=True)
        if isinstance(name, str)
    }
    wanted = {"batch": 1, "logits": 1 + lookup, "sequence": min(PIECE, length + lookup)}
    limits = {name: min(size, most[name]) for name, size in wanted.items() if name in most}
    if max_tokens is not None:
        limits["capacity"] = min(length + max_tokens, model.maximums.get("capacity", length + max_tokens))
    return limits


def session_length(session: StatefulSession) -> int:
    """How many positions the session holds."""
    return max(state.length for state in session.states)


def free_positions(session: StatefulSession) -> int:
    """How many tokens the session has room for."""
    growing = [state for state in session.states if state.kind == "growing"]
    if not growing:
        raise TypeError("the model is no decoder: it has no states that grow")
    return min(state.shape[1] - state.length for state in growing)
