"""Answers in OpenAI's form: of a chat and of completions, whole and in pieces."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from ..tokenizer import Tokenizer
from .text import Chosen


class Form:
    """What all objects of one answer have in common."""

    prefix, whole, piece = "cmpl-", "text_completion", "text_completion"

    def __init__(self, model: str, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._head = {"id": self.prefix + secrets.token_hex(12), "created": int(time.time()), "model": model}

    def answer(self, choices: list[dict[str, Any]], usage: dict[str, Any]) -> dict[str, Any]:
        """The whole answer."""
        return {**self._head, "object": self.whole, "choices": choices, "usage": usage}

    def chunk(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """A piece of it."""
        return {**self._head, "object": self.piece, "choices": choices, **more}

    def choice(self, index: int, text: str, chosen: Sequence[Chosen] | None, reason: str | None) -> dict[str, Any]:
        """One text, whole."""
        return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}

    def delta(self, index: int, text: str, chosen: Sequence[Chosen] | None, reason: str | None) -> dict[str, Any]:
        """More of a text."""
        return self.choice(index, text, chosen, reason)

    def opening(self, index: int) -> dict[str, Any] | None:
        """What comes before the first piece of a text."""
        return None


class ChatForm(Form):
    prefix, whole, piece = "chatcmpl-", "chat.completion", "chat.completion.chunk"

    def choice(self, index: int, text: str, chosen: Sequence[Chosen] | None, reason: str | None) -> dict[str, Any]:
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"index": index, "message": message, "logprobs": self._logprobs(chosen), "finish_reason": reason}

    def delta(self, index: int, text: str, chosen: Sequence[Chosen] | None, reason: str | None) -> dict[str, Any]:
        delta = {"content": text} if text or chosen else {}
        return {"index": index, "delta": delta, "logprobs": self._logprobs(chosen), "finish_reason": reason}

    def opening(self, index: int) -> dict[str, Any] | None:
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def _logprobs(self, chosen: Sequence[Chosen] | None) -> dict[str, Any] | None:
        if chosen is None:
            return None
        content = [
            self._named(each.token, each.log_probability)
            | {"top_logprobs": [self._named(token, number) for token, number in each.likely]}
            for each in chosen
        ]
        return {"content": content, "refusal": None}

    def _named(self, token: int, number: float) -> dict[str, Any]:
        # Tokens without text, such as the end of a turn, go by their names.
        if token >= len(self._tokenizer):
            return {"token": f"<{token}>", "logprob": number, "bytes": None}
        data = self._tokenizer.decode_bytes([token], continues=True)
        data = data or self._tokenizer.decode_bytes([token], skip_special=False)
        return {"token": data.decode("utf-8", "replace"), "logprob": number, "bytes": list(data)}


def usage(prompt: int, answer: int, reused: int) -> dict[str, Any]:
    """Tokens of a request."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": reused},
    }
