"""The transformer of scikit-learn: alone, and in what scikit-learn has, where that is installed."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import soniq
from soniq.integrations.sklearn import TextEmbedder

TEXTS = ["a b c", "d", "e f g h", "i", "j k", "l m n o", "a", "b c d e"]


def test_transforms(encoder: soniq.Encoder, encoder_path: Path) -> None:
    step = TextEmbedder(encoder_path, threads=1, prompt="x ", normalize=True, batch_size=3)
    rows = encoder.encode(TEXTS, prompt="x ", normalize_embeddings=True)
    assert step.fit(TEXTS) is step
    for texts in (TEXTS, np.array(TEXTS), np.array(TEXTS, object), iter(TEXTS)):
        assert np.array_equal(step.transform(texts), rows)
    assert np.array_equal(step.fit_transform(TEXTS, range(8)), rows)
    assert step.get_feature_names_out().tolist() == [f"soniq{place}" for place in range(8)]
    with pytest.raises(TypeError, match="single str"):
        step.transform("a b c")
    with pytest.raises(ValueError, match="single column"):
        step.transform(np.array([["a"], ["b"]]))


def test_parameters(encoder_path: Path) -> None:
    step = TextEmbedder(str(encoder_path))
    assert list(step.get_params()) == ["model", "threads", "max_length", "batch_size", "normalize", "prompt"]
    assert step.encoder().max_seq_length == 12
    assert step.set_params(max_length=5, batch_size=2) is step and step.encoder().max_seq_length == 5
    with pytest.raises(ValueError, match="invalid parameter 'size'"):
        step.set_params(size=3)
    assert "max_length=5, batch_size=2, normalize=False, prompt=None)" in repr(step)
    with pytest.raises(soniq.SoniqError):
        TextEmbedder("/nowhere").fit(TEXTS)


def test_pickles(encoder_path: Path) -> None:
    step = TextEmbedder(str(encoder_path), max_length=5)
    rows = step.fit_transform(TEXTS)
    again = pickle.loads(pickle.dumps(step))
    assert np.array_equal(again.transform(TEXTS), rows) and again.encoder() is not step.encoder()


def test_scikit_learn_takes_it(encoder_path: Path) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import FeatureUnion, make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils import estimator_html_repr

    step = TextEmbedder(str(encoder_path), threads=1)
    copy = clone(step)
    assert copy is not step and copy.get_params() == step.get_params()
    labels = [0, 1] * 4
    pipeline = make_pipeline(step, StandardScaler(), LogisticRegression())
    assert pipeline.fit(TEXTS, labels).predict(TEXTS).shape == (8,)
    assert pipeline[:-1].get_feature_names_out().tolist() == step.get_feature_names_out().tolist()
    assert len(cross_val_score(pipeline, TEXTS, labels, cv=2)) == 2
    search = GridSearchCV(pipeline, {"textembedder__max_length": [4, 12]}, cv=2).fit(TEXTS, labels)
    assert search.best_params_["textembedder__max_length"] in (4, 12)
    both = FeatureUnion([("short", TextEmbedder(str(encoder_path), max_length=4)), ("long", step)])
    assert both.fit_transform(TEXTS).shape == (8, 16)
    assert "TextEmbedder" in estimator_html_repr(pipeline)


def test_it_imports_no_scikit_learn() -> None:
    code = "import sys, soniq.integrations.sklearn; print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
