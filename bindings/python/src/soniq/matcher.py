"""Which tokens may follow those of an answer, by its grammar: the package llguidance."""

from __future__ import annotations

import threading
import weakref
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import GrammarError
from .sampler import mask_words
from .token_bytes import token_bytes

if TYPE_CHECKING:
    from .tokenizer import Tokenizer

# What llguidance tells tokens by that stand for no text.
SPECIAL = b"\xff"


def llguidance() -> ModuleType:
    """The package. Raises ImportError that says how to install it."""
    try:
        import llguidance
    except ImportError as error:
        raise ImportError(f"grammars need the package llguidance: pip install 'soniq[grammar]' ({error})") from None
    package: ModuleType = llguidance
    return package


def limits() -> Any:
    """How much work a grammar may be: as llguidance has it, with errors that do not repeat the answer."""
    return llguidance().LLParserLimits(verbose_errors=False)


def one_line(message: str) -> str:
    """What is wrong, without the picture of the place that a message may have."""
    lines = message.splitlines() or ["unknown error"]
    causes = [line.removeprefix("error: ") for line in lines[1:] if line.startswith("error: ")]
    return " ".join([lines[0], *causes])


class Matcher:
    """The state of a grammar behind the tokens of one answer. One thread at a time."""

    def __init__(
        self, definition: str, name: str, tokenizer: Tokenizer, vocabulary: int, ends: frozenset[int]
    ) -> None:
        """Begins at the start of the grammar.

        Args:
            definition: the grammar, in the JSON of llguidance.
            name: what errors call it.
            tokenizer: of the model.
            vocabulary: how many logits the model gives.
            ends: tokens that may follow a whole text.

        Raises:
            ValueError: a grammar that does not fit the tokenizer.
        """
        known = _VOCABULARIES.get(tokenizer, vocabulary)
        self._matcher = llguidance().LLMatcher(known, definition, log_level=0, limits=limits())
        if self._matcher.is_error():
            raise ValueError(f"{name} cannot be used: {one_line(self._matcher.get_error())}")
        self._name = name
        self._vocabulary = vocabulary
        is_end = np.zeros(vocabulary, np.bool_)
        is_end[[end for end in ends if 0 <= end < vocabulary]] = True
        self._ends = mask_words(is_end, vocabulary)
        self._consumed = 0
        self._words: npt.NDArray[np.uint32] | None = None
        self._failure: str | None = None

    def is_finished(self, tokens: list[int]) -> bool:
        """Whether these tokens of the answer are a whole text that nothing can follow.

        `tokens` begin with those of the call before. Raises GrammarError where the grammar cannot go on.
        """
        return not self._following(tokens).any()

    def allowed(self, tokens: list[int]) -> npt.NDArray[np.uint32]:
        """A bit for each token that may follow these, in words, lowest first; of ends too where the text is whole."""
        words = self._following(tokens)
        return words | self._ends if self._matcher.is_accepting() else words

    def _following(self, tokens: list[int]) -> npt.NDArray[np.uint32]:
        """The bits of tokens that go on with the text."""
        if self._failure is not None:
            # A matcher that failed allows what it takes for an end: it must not be asked again.
            raise GrammarError(self._failure)
        if self._words is not None and self._consumed == len(tokens):
            return self._words
        if self._words is None:
            # The first call, or behind one that was interrupted, at whatever place.
            self._matcher.reset()
            self._consumed = 0
        self._words = None
        while self._consumed < len(tokens):
            token = tokens[self._consumed]
            if not self._matcher.consume_token(token):
                self._fail(f"token {token}: ")
            self._consumed += 1
        words = np.frombuffer(self._matcher.compute_bitmask(), "<u4")[: (self._vocabulary + 31) // 32].astype(np.uint32)
        if self._vocabulary % 32:
            # The last bits are of no logits: the end of llguidance is the first of them.
            words[-1] &= (1 << self._vocabulary % 32) - 1
        if self._matcher.is_error() or not (words.any() or self._matcher.is_accepting()):
            self._fail("")
        self._words = words
        return words

    def _fail(self, place: str) -> None:
        message = one_line(self._matcher.get_error())
        if message == "NoExtensionBias":
            message = "no token of the model goes on with the text"
        self._failure = f"{self._name} cannot go on behind {self._consumed} tokens: {place}{message}"
        raise GrammarError(self._failure)


class _Vocabularies:
    """Vocabularies as llguidance has them, one for each tokenizer. Calls may come from several threads at once."""

    def __init__(self) -> None:
        self._made: weakref.WeakKeyDictionary[Tokenizer, Any] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, tokenizer: Tokenizer, vocabulary: int) -> Any:
        """That of a tokenizer, with as many tokens as there are logits, and one more that ends a text."""
        with self._lock:
            made = self._made.get(tokenizer)
            if made is None:
                made = self._made[tokenizer] = _vocabulary(tokenizer, vocabulary)
            return made


_VOCABULARIES = _Vocabularies()


def _vocabulary(tokenizer: Tokenizer, size: int) -> Any:
    texts = token_bytes(tokenizer)[:size]
    names = [b"" if text else tokenizer.decode_bytes([token], skip_special=False) for token, text in enumerate(texts)]
    # No UTF-8 has the byte that marks special tokens.
    tokens = [
        b"" if text.startswith(SPECIAL) else text or (SPECIAL + name if name else b"")
        for text, name in zip(texts, names, strict=True)
    ]
    tokens += [b""] * (size - len(tokens))
    # Ends differ from call to call, and a model may have none: llguidance gets one that is no token of the model.
    tokens.append(SPECIAL + b"<end of text>")
    # It asks for tokens of a text only to force them, which the grammars rule out: no function makes some.
    wrapper = SimpleNamespace(
        tokens=tokens, eos_token_id=size, bos_token_id=None, special_token_ids=[], is_tokenizer_wrapper=True
    )
    return llguidance().LLTokenizer(wrapper)
