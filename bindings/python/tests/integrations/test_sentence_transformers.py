"""A packed model in a SentenceTransformer, where torch and sentence-transformers are installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import soniq
from soniq.integrations.sentence_transformers import transformer_module

TEXTS = ["a b c", "d", "", "e f g h i j k l m n o p", "q r"]


def test_it_stands_for_the_transformer(encoder: soniq.Encoder, encoder_path: Path) -> None:
    pytest.importorskip("torch")
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(modules=[transformer_module(encoder_path, threads=1)], device="cpu")
    assert np.array_equal(model.encode(TEXTS), encoder.encode(TEXTS))
    assert np.array_equal(model.encode(TEXTS * 3, batch_size=10), encoder.encode(TEXTS * 3))
    assert np.array_equal(model.encode("a b", prompt="x "), encoder.encode("a b", prompt="x "))
    for option in ({"normalize_embeddings": True}, {"truncate_dim": 3}):
        assert np.allclose(model.encode(TEXTS, **option), encoder.encode(TEXTS, **option), atol=1e-6)
    assert model.max_seq_length == 12
    model.max_seq_length = 5
    assert np.array_equal(model.encode(TEXTS), soniq.Encoder(encoder_path, max_length=5).encode(TEXTS))
    rows = model.encode(TEXTS)
    assert np.allclose(model.similarity(rows, rows).numpy(), encoder.similarity(rows, rows), atol=1e-6)


def test_pooling_may_stand_behind_it(encoder: soniq.Encoder) -> None:
    pytest.importorskip("torch")
    library = pytest.importorskip("sentence_transformers")
    others = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    modules = [transformer_module(encoder), others.Pooling(8, "mean"), others.Normalize()]
    model = library.SentenceTransformer(modules=modules, device="cpu")
    # What the file itself does with the tokens.
    assert np.allclose(model.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


@pytest.mark.parametrize("name", ["torch", "sentence_transformers"])
def test_without_them(encoder: soniq.Encoder, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "torch":
        pytest.importorskip("sentence_transformers")
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"needs torch and sentence-transformers .*soniq\.Encoder"):
        transformer_module(encoder)
