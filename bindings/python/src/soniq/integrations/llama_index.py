"""LlamaIndex: `SoniqEmbedding`. Needs llama-index-core."""

from __future__ import annotations

import os
from typing import Any

from ..encoder import Encoder
from ..model import Model

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import PrivateAttr
except ImportError as error:
    raise ImportError(
        f"SoniqEmbedding needs the package llama-index-core: pip install llama-index-core ({error})"
    ) from error


class SoniqEmbedding(BaseEmbedding):
    """Embeddings by a packed model, as `Settings.embed_model` and indexes take them.

    Calls may come from several threads at once.
    """

    _encoder: Encoder = PrivateAttr()
    _query_prompt: str | None = PrivateAttr()
    _text_prompt: str | None = PrivateAttr()
    _normalize: bool = PrivateAttr()

    def __init__(
        self,
        model: str | os.PathLike[str] | Model | Encoder,
        *,
        threads: int = 0,
        max_length: int | None = None,
        normalize: bool = True,
        query_prompt: str | None = None,
        text_prompt: str | None = None,
        embed_batch_size: int = 32,
        **others: Any,
    ) -> None:
        """`model`, `threads` and `max_length` as of `soniq.Encoder`, or an encoder; `others` as of BaseEmbedding."""
        if isinstance(model, Encoder):
            if threads or max_length is not None:
                raise TypeError("threads and max_length are those of the encoder that is given")
            encoder = model
        else:
            encoder = Encoder(model, threads=threads, max_length=max_length)
        name = str(encoder.model.metadata.get("general.name", "soniq"))
        super().__init__(embed_batch_size=embed_batch_size, **{"model_name": name, **others})
        self._encoder, self._normalize = encoder, normalize
        self._query_prompt, self._text_prompt = query_prompt, text_prompt

    @classmethod
    def class_name(cls) -> str:
        return "SoniqEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embed([query], self._query_prompt)[0]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._embed([text], self._text_prompt)[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embed(texts, self._text_prompt)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return (await self._aembed([query], self._query_prompt))[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return (await self._aembed([text], self._text_prompt))[0]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await self._aembed(texts, self._text_prompt)

    def _embed(self, texts: list[str], prompt: str | None) -> list[list[float]]:
        rows: list[list[float]] = self._encoder.encode(
            texts, prompt=prompt, batch_size=self.embed_batch_size, normalize_embeddings=self._normalize
        ).tolist()
        return rows

    async def _aembed(self, texts: list[str], prompt: str | None) -> list[list[float]]:
        found = await self._encoder.encode_async(
            texts, prompt=prompt, batch_size=self.embed_batch_size, normalize_embeddings=self._normalize
        )
        rows: list[list[float]] = found.tolist()
        return rows
