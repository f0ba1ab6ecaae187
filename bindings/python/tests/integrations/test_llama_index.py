"""LlamaIndex, where llama-index-core is installed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

import soniq

TEXTS = ["a b c", "d", "e f g h"]


def test_embeddings(encoder: soniq.Encoder, encoder_path: Path) -> None:
    pytest.importorskip("llama_index.core")
    from llama_index.core import Document, Settings, VectorStoreIndex

    from soniq.integrations.llama_index import SoniqEmbedding

    model = SoniqEmbedding(encoder, text_prompt="x ", query_prompt="q ")
    rows = model.get_text_embedding_batch(TEXTS)
    assert rows == encoder.encode(TEXTS, prompt="x ", normalize_embeddings=True).tolist()
    query = model.get_query_embedding("a b")
    assert query == encoder.encode("q a b", normalize_embeddings=True).tolist()
    assert model.get_text_embedding("d") == rows[1]
    assert asyncio.run(model.aget_text_embedding_batch(TEXTS)) == rows
    assert asyncio.run(model.aget_query_embedding("a b")) == query
    assert asyncio.run(model.aget_text_embedding("d")) == rows[1]
    assert model.model_name == "tiny" and model.embed_batch_size == 32
    assert SoniqEmbedding(encoder_path, threads=1, max_length=5)._encoder.max_seq_length == 5
    with pytest.raises(TypeError, match="encoder that is given"):
        SoniqEmbedding(encoder, max_length=5)

    Settings.embed_model = plain = SoniqEmbedding(encoder)
    index = VectorStoreIndex([], embed_model=plain)
    for text in TEXTS:
        index.insert(Document(text=text))
    (found,) = index.as_retriever(similarity_top_k=1).retrieve("d")
    assert found.text == "d" and found.score == pytest.approx(1, abs=1e-5)


def test_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "soniq.integrations.llama_index", raising=False)
    monkeypatch.setitem(sys.modules, "llama_index.core.base.embeddings.base", None)
    with pytest.raises(ImportError, match="pip install llama-index-core"):
        import soniq.integrations.llama_index  # noqa: F401
