"""The choice of the next token by its logits."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from . import _abi, arguments
from .library import call, library


class Choice(NamedTuple):
    """A token, and the natural logarithm of its probability by the logits as they were given."""

    token: int
    log_probability: float


class Sampler:
    """Chooses tokens: the same ones on every machine. One thread at a time."""

    def __init__(
        self,
        vocabulary: int,
        *,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        frequency_penalty: float = 0.0,
        presence_penalty: float = 0.0,
        penalty_window: int = 64,
        bias: Mapping[int, float] | None = None,
        seed: int = 0,
    ) -> None:
        """Makes a sampler; `soniq.h` says in which order the options work.

        Args:
            vocabulary: how many tokens there are.
            temperature: divides the logits; 0 for the most likely token, without chance.
            top_k: only so many of the most likely tokens; 0 for all.
            top_p: only the most likely tokens that together have this probability.
            min_p: only tokens with at least this part of the greatest probability.
            repetition_penalty: divides positive logits of recent tokens and multiplies the others.
            frequency_penalty: taken from the logit for each time that a token is among the recent ones.
            presence_penalty: taken from the logits of recent tokens.
            penalty_window: how many tokens are recent.
            bias: what to add to the logits of tokens.
            seed: of the random numbers.

        Raises:
            TypeError, ValueError: a parameter of a wrong type or that C cannot hold.
            SoniqError: one out of its range; `field` names it.
        """
        for name, value in (("top_p", top_p), ("repetition_penalty", repetition_penalty)):
            # 0 stands for the default in C.
            if arguments.number(value, name) == 0:
                raise ValueError(f"{name} is 0, not above it")
        self.vocabulary = arguments.integer(vocabulary, "vocabulary", 1, arguments.UINT32_MAXIMUM)
        biases = _biases(bias, self.vocabulary)
        options = _abi.SamplerOptions(
            seed=arguments.integer(seed, "seed", 0, arguments.UINT64_MAXIMUM),
            biases=biases if len(biases) else None,
            bias_count=len(biases),
            penalty_window=arguments.integer(penalty_window, "penalty_window", 1, arguments.UINT32_MAXIMUM),
            repetition_penalty=repetition_penalty,
            frequency_penalty=arguments.number(frequency_penalty, "frequency_penalty"),
            presence_penalty=arguments.number(presence_penalty, "presence_penalty"),
            top_k=arguments.integer(top_k, "top_k", 0, arguments.UINT32_MAXIMUM),
            top_p=top_p,
            min_p=arguments.number(min_p, "min_p"),
            temperature=arguments.number(temperature, "temperature"),
        )
        self._handle = ctypes.c_void_p()
        call("soniq_sampler_create", ctypes.byref(self._handle), self.vocabulary, ctypes.byref(options))
        self._finalizer = weakref.finalize(self, library().soniq_sampler_destroy, self._handle)

    def sample(self, logits: npt.ArrayLike, allowed: npt.ArrayLike | None = None) -> Choice:
        """Chooses a token and remembers it for the penalties.

        Args:
            logits: float32 [vocabulary], finite.
            allowed: which tokens may be chosen: bool [vocabulary], or the bits of uint32 or int32 words, lowest first.

        Raises:
            TypeError, ValueError: what is no such array.
            SoniqError: a logit that is not finite, or no token that is allowed.
        """
        numbers = arguments.floats(logits, "logits")
        if numbers.shape != (self.vocabulary,):
            raise ValueError(f"logits has shape {numbers.shape}, not ({self.vocabulary},)")
        words = None if allowed is None else mask_words(allowed, self.vocabulary)
        token, probability = ctypes.c_int32(), ctypes.c_float()
        call(
            "soniq_sampler_sample",
            self._handle,
            numbers.ctypes.data,
            numbers.size,
            None if words is None else words.ctypes.data,
            ctypes.byref(token),
            ctypes.byref(probability),
        )
        return Choice(token.value, probability.value)

    def accept(self, tokens: npt.ArrayLike) -> None:
        """Remembers tokens that others have chosen, as those of a prompt; raises SoniqError for one that is unknown."""
        ids = arguments.integers(tokens, "tokens", np.int32).ravel()
        call("soniq_sampler_accept", self._handle, ids.ctypes.data, ids.size)

    def reset(self) -> None:
        """Forgets all tokens and begins the random numbers again."""
        call("soniq_sampler_reset", self._handle)


def _biases(bias: Mapping[int, float] | None, vocabulary: int) -> ctypes.Array[_abi.TokenBias]:
    entries = {} if bias is None else bias
    if not isinstance(entries, Mapping):
        raise TypeError(f"bias must be a mapping of tokens to numbers, not {type(bias).__name__}")
    return (_abi.TokenBias * len(entries))(
        *(
            _abi.TokenBias(arguments.integer(token, "a token in bias", 0, vocabulary - 1), value)
            for token, value in ((token, arguments.number(entries[token], f"bias[{token}]")) for token in entries)
        )
    )


def mask_words(allowed: npt.ArrayLike, vocabulary: int) -> npt.NDArray[np.uint32]:
    """The bits of tokens that may be chosen, as `Sampler.sample` takes them: uint32 words, lowest first."""
    array = np.asarray(allowed)
    if array.dtype == np.bool_:
        if array.shape != (vocabulary,):
            raise ValueError(f"allowed has shape {array.shape}, not ({vocabulary},)")
        bits = np.zeros((vocabulary + 31) // 32 * 32, np.bool_)
        bits[:vocabulary] = array
        return np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)
    if array.dtype not in (np.uint32, np.int32):
        raise TypeError(f"allowed must be bool, uint32 or int32, not {array.dtype}")
    if array.shape != ((vocabulary + 31) // 32,):
        raise ValueError(f"allowed has shape {array.shape}, not ({(vocabulary + 31) // 32},)")
    return np.ascontiguousarray(array).view(np.uint32)
