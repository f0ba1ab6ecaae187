"""`soniq.ray` on a Ray of this machine, against the library itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import soniq
import soniq.ray

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

TEXTS = [" ".join("abcdefgh"[place % 7 :][: 1 + place % 5]) for place in range(90)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    # Actors keep theirs; reading needs another.
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def test_embeddings_are_those_of_the_encoder(cluster: None, encoder_path: Path) -> None:
    texts = ray.data.from_items([{"number": place, "words": text} for place, text in enumerate(TEXTS)])
    texts = texts.repartition(6)
    embedded = soniq.ray.embed(texts, encoder_path, column="words", workers=2, batch_size=16, normalize=True)
    rows = sorted(embedded.take_all(), key=lambda row: row["number"])
    assert [row["words"] for row in rows] == TEXTS
    expected = soniq.Encoder(encoder_path, threads=1).encode(TEXTS, normalize_embeddings=True)
    assert np.array_equal(np.stack([row["embedding"] for row in rows]), expected)


def test_any_model_runs(cluster: None, model_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 30, (24, 8)).astype(np.int32)
    table = ray.data.from_numpy(ids)
    (column,) = table.schema().names
    found = soniq.ray.run(table, model_path, inputs={"input_ids": column}, workers=(1, 2), batch_size=5).take_all()
    model = soniq.load(model_path, threads=1)
    output = model.outputs[0].name
    for row in found:
        assert np.array_equal(row[output], model(input_ids=row[column][None])[output][0])
    assert len(found) == 24


def test_what_cannot_be_is_told(cluster: None, encoder_path: Path) -> None:
    texts = ray.data.from_items([{"text": "a b"}])
    with pytest.raises(ValueError, match="workers"):
        soniq.ray.embed(texts, encoder_path, workers=0)
    with pytest.raises(TypeError, match="column"):
        soniq.ray.embed(texts, encoder_path, column=3)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="no column 'words'"):
        soniq.ray.embed(texts, encoder_path, column="words").take_all()
