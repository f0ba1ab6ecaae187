"""The bytes of each token of a tokenizer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .tokenizer import Tokenizer

# Tokens that are decoded at a time.
BLOCK = 256
# The byte that divides tokens from each other, as vocabularies spell it; hardly a token but its own has it.
DIVIDER = b"\x7f"
SPELLINGS = (DIVIDER, "<0x7F>")


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """What each token adds to a text that has begun; b"" for those that stand for no text, as control tokens do."""
    result: list[bytes] = []
    divider = _divider(tokenizer)
    for begin in range(0, len(tokenizer), BLOCK):
        block = np.arange(begin, min(begin + BLOCK, len(tokenizer)), dtype=np.int32)
        result += _block(tokenizer, block, divider)
    return result


def _divider(tokenizer: Tokenizer) -> int | None:
    """The token of the byte that divides, or None where there is none."""
    for spelling in SPELLINGS:
        token = tokenizer.id(spelling)
        if token is not None and tokenizer.decode_bytes([token], continues=True) == DIVIDER:
            return token
    return None


def _block(tokenizer: Tokenizer, block: npt.NDArray[np.int32], divider: int | None) -> list[bytes]:
    if divider is not None:
        # One call for all is many times as fast as a call for each.
        divided = np.full(2 * len(block), divider, np.int32)
        divided[::2] = block
        parts = tokenizer.decode_bytes(divided, continues=True).split(DIVIDER)
        # More parts: a token of the block has the byte too.
        if len(parts) == len(block) + 1:
            return parts[:-1]
    return [tokenizer.decode_bytes([token], continues=True) for token in block.tolist()]
