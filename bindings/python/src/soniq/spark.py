"""Batch inference on Spark: `pip install "pyspark[sql]"`, and a Java for it.

    import soniq.spark

    embedding = soniq.spark.embedding("minilm.soniq")
    table.withColumn("embedding", embedding("text"))

A model is opened once for each Python worker and used in place: the workers of a machine share its bytes in memory. The
file has to be at the same path on every machine. Order, retries and where work is done are Spark's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import arguments, worker_models

if TYPE_CHECKING:
    import pandas


def embedding(
    model: str | os.PathLike[str],
    *,
    threads: int = 1,
    normalize: bool = False,
    max_length: int | None = None,
) -> Any:
    """A pandas UDF from a column of texts to `array<float>`, their embeddings. A text that is null has none: null.

    Args:
        threads: threads of each Python worker; Spark runs one for each core of an executor.
        normalize, max_length: as of `soniq.Encoder`.

    Raises:
        TypeError, ValueError: an option that cannot be. What a worker raises fails the task, as Spark has it.
    """
    path = worker_models.absolute(model)
    count = arguments.integer(threads, "threads", 1, arguments.UINT32_MAXIMUM)
    import pandas
    from pyspark.sql.functions import pandas_udf
    from pyspark.sql.types import ArrayType, FloatType

    def embed(batches: Iterator[pandas.Series]) -> Iterator[pandas.Series]:
        encoder = worker_models.encoder(path, count, max_length)
        for texts in batches:
            known = texts[texts.notna()]
            rows = encoder.encode(known.tolist(), normalize_embeddings=normalize)
            vectors = pandas.Series(list(rows), index=known.index, dtype=object)
            yield vectors.reindex(texts.index).where(texts.notna(), None)

    # The annotations are strings here, which pandas_udf cannot read.
    embed.__annotations__ = {"batches": Iterator[pandas.Series], "return": Iterator[pandas.Series]}
    return pandas_udf(embed, ArrayType(FloatType()))
