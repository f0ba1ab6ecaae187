"""LangChain: `SoniqEmbeddings` and `chat_model`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..encoder import Encoder
from ..model import Model

if TYPE_CHECKING:
    from .langchain_chat import SoniqChat


class SoniqEmbeddings:
    """Embeddings with the methods of langchain_core.embeddings.Embeddings, of which it also counts as an instance
    where langchain-core is installed. Calls may come from several threads at once.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Model | Encoder,
        *,
        threads: int = 0,
        max_length: int | None = None,
        batch_size: int = 32,
        normalize: bool = True,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
    ) -> None:
        """`model`, `threads` and `max_length` as of `soniq.Encoder`, or an encoder. The prompts are set before each
        query and each document.
        """
        is_open = isinstance(model, Encoder)
        if is_open and (threads or max_length is not None):
            raise TypeError("threads and max_length are those of the encoder that is given")
        self.encoder = model if isinstance(model, Encoder) else Encoder(model, threads=threads, max_length=max_length)
        self._options: dict[str, Any] = {"batch_size": batch_size, "normalize_embeddings": normalize}
        self._query_prompt, self._document_prompt = query_prompt, document_prompt

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """An embedding for each text, in their order."""
        rows: list[list[float]] = self.encoder.encode(texts, prompt=self._document_prompt, **self._options).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """The embedding of a query."""
        row: list[float] = self.encoder.encode(text, prompt=self._query_prompt, **self._options).tolist()
        return row

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """`embed_documents` in threads of asyncio's executor."""
        found = await self.encoder.encode_async(texts, prompt=self._document_prompt, **self._options)
        rows: list[list[float]] = found.tolist()
        return rows

    async def aembed_query(self, text: str) -> list[float]:
        """`embed_query` in threads of asyncio's executor."""
        row: list[float] = (await self.encoder.encode_async(text, prompt=self._query_prompt, **self._options)).tolist()
        return row


def chat_model(model: str | os.PathLike[str] | Model, *, threads: int = 0, **options: Any) -> SoniqChat:
    """A language model as LangChain's chat model, which is a Runnable. Needs langchain-core and jinja2.

    Args:
        model: a packed language model with a chat template, or the open one.
        threads: of each call; 0 for all.
        options: `max_tokens` (512), `template` (a chat template in Jinja, in place of the file's), and those of
            `soniq.Sampler`, such as `temperature`. `bind` and calls may override all but the template.

    Raises:
        ImportError: langchain-core is not installed.
        TypeError: the model is no decoder or has no tokenizer, or an option is unknown.
        ValueError: there is no chat template that works.
    """
    from . import langchain_chat

    return langchain_chat.SoniqChat.of(model, threads, options)


try:
    from langchain_core.embeddings import Embeddings
except ImportError:
    # Without LangChain nobody asks what it is an instance of.
    pass
else:
    Embeddings.register(SoniqEmbeddings)
