"""Text to token ids and back: `Model.tokenizer`."""

from __future__ import annotations

import codecs
import ctypes
import operator
import weakref
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from . import _abi, arguments
from .errors import SoniqError
from .library import call, library


class Tokenizer:
    """The tokenizer of a model's file. Immutable: calls may come from several threads at once."""

    def __init__(self, model: ctypes.c_void_p) -> None:
        self._handle = ctypes.c_void_p()
        call("soniq_tokenizer_create", ctypes.byref(self._handle), model)
        self._finalizer = weakref.finalize(self, library().soniq_tokenizer_destroy, self._handle)
        count = ctypes.c_uint32()
        call("soniq_tokenizer_count", self._handle, ctypes.byref(count))
        self._count = count.value

    def __len__(self) -> int:
        """The number of tokens; the vocabulary of the model's logits may be larger."""
        return self._count

    def encode(
        self, text: str | bytes, *, add_special: bool = True, parse_special: bool = False
    ) -> npt.NDArray[np.int32]:
        """The ids of a text, int32 [tokens].

        Args:
            text: a str, or bytes, of which what is no UTF-8 is taken byte by byte. Lone surrogates of a str are such
                bytes too.
            add_special: set what the file says before and behind a text, such as the token that begins it.
            parse_special: names of control tokens become these tokens; for prompts made from a template, not for what
                users write.
        """
        if not isinstance(text, (str, bytes)):
            raise TypeError(f"text must be a str or bytes, not {type(text).__name__}")
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        flags = (_abi.ENCODE_ADD_SPECIAL if add_special else 0) | (_abi.ENCODE_PARSE_SPECIAL if parse_special else 0)
        tokens = np.empty(len(data) + 64, np.int32)
        count = self._encode(data, flags, tokens)
        if count > len(tokens):
            # Normalising can make a text longer.
            tokens = np.empty(count, np.int32)
            self._encode(data, flags, tokens)
        return np.array(tokens[:count])

    def _encode(self, data: bytes, flags: int, tokens: npt.NDArray[np.int32]) -> int:
        count = ctypes.c_size_t()
        target = ctypes.c_void_p(tokens.ctypes.data)
        call("soniq_tokenizer_encode", self._handle, data, len(data), flags, target, len(tokens), ctypes.byref(count))
        return count.value

    def decode_bytes(self, ids: Iterable[int] | int, *, skip_special: bool = True, continues: bool = False) -> bytes:
        """The bytes of tokens, which may begin or end within a character.

        Args:
            ids: one id or several.
            skip_special: control tokens give nothing; else their names.
            continues: the tokens go on with a text that was decoded before: a space at their beginning is part of it.
        """
        numbers = _ids(ids)
        flags = (_abi.DECODE_SKIP_SPECIAL if skip_special else 0) | (_abi.DECODE_CONTINUES if continues else 0)
        arguments_of_ids = (self._handle, ctypes.c_void_p(numbers.ctypes.data), len(numbers), flags)
        count = ctypes.c_size_t()
        call("soniq_tokenizer_decode", *arguments_of_ids, None, 0, ctypes.byref(count))
        buffer = ctypes.create_string_buffer(max(1, count.value))
        call("soniq_tokenizer_decode", *arguments_of_ids, buffer, count.value, ctypes.byref(count))
        return buffer.raw[: count.value]

    def decode(self, ids: Iterable[int] | int, *, skip_special: bool = True) -> str:
        """The text of tokens. Bytes that are no UTF-8 become U+FFFD."""
        return self.decode_bytes(ids, skip_special=skip_special).decode("utf-8", "replace")

    def id(self, piece: str | bytes) -> int | None:
        """The id of the token that is this piece of text, or None."""
        if not isinstance(piece, (str, bytes)):
            raise TypeError(f"piece must be a str or bytes, not {type(piece).__name__}")
        data = piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
        token = ctypes.c_int32()
        try:
            call("soniq_tokenizer_find", self._handle, data, len(data), ctypes.byref(token))
        except SoniqError as error:
            if error.code == _abi.ERROR_NOT_FOUND:
                return None
            raise
        return token.value

    def stream(self, *, skip_special: bool = True, continues: bool = False) -> TextStream:
        """Decodes tokens as they come; `skip_special` and `continues` as of `decode_bytes`."""
        return TextStream(self, skip_special, continues)


class TextStream:
    """Text of tokens that come one after the other; what ends within a character waits for the rest of it."""

    def __init__(self, tokenizer: Tokenizer, skip_special: bool, continues: bool) -> None:
        self._tokenizer, self._skips, self._continues = tokenizer, skip_special, continues
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._has_begun = continues

    def push(self, ids: Iterable[int] | int) -> str:
        """The text that is whole with these tokens, maybe ""."""
        data = self._tokenizer.decode_bytes(ids, skip_special=self._skips, continues=self._has_begun)
        # A space at the beginning belongs to the first token that has text.
        self._has_begun = self._has_begun or bool(data)
        return self._decoder.decode(data)

    def finish(self) -> str:
        """What is left: U+FFFD where a character was not finished, else "". The stream begins anew."""
        self._has_begun = self._continues
        left = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return left


def _ids(ids: Iterable[int] | int) -> npt.NDArray[np.int32]:
    if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu":
        numbers = ids.reshape(-1).tolist()
    elif isinstance(ids, Iterable):
        numbers = list(ids)
    else:
        numbers = [operator.index(ids)]
    checked = [arguments.integer(number, f"ids[{place}]", 0, 2**31 - 1) for place, number in enumerate(numbers)]
    return np.array(checked, np.int32)
