"""`soniq.spark` on a Spark of this machine with two workers, against the library itself."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import soniq
import soniq.spark

pytest.importorskip("pyspark")
pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs a Java", allow_module_level=True)

TEXTS = [" ".join("abcdefgh"[place % 7 :][: 1 + place % 5]) for place in range(60)]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    settings = {
        "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2", "spark.driver.memory": "512m", "spark.log.level": "ERROR",
    }  # fmt: skip
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def test_embeddings_are_those_of_the_encoder(spark: Any, encoder_path: Path) -> None:
    rows: list[tuple[int, str | None]] = [*enumerate(TEXTS), (len(TEXTS), None)]
    table = spark.createDataFrame(rows, "number int, text string").repartition(4)
    embedding = soniq.spark.embedding(encoder_path, normalize=True)
    found = {row.number: row.embedding for row in table.withColumn("embedding", embedding("text")).collect()}
    expected = soniq.Encoder(encoder_path, threads=1).encode(TEXTS, normalize_embeddings=True)
    assert found.pop(len(TEXTS)) is None
    assert np.array_equal(np.array([found[place] for place in range(len(TEXTS))], np.float32), expected)


def test_a_missing_file_fails_the_task(spark: Any, tmp_path: Path) -> None:
    table = spark.createDataFrame([("a",)], "text string")
    with pytest.raises(Exception, match=r"missing\.soniq"):
        table.withColumn("embedding", soniq.spark.embedding(tmp_path / "missing.soniq")("text")).collect()


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="threads"):
        soniq.spark.embedding("model.soniq", threads=0)
