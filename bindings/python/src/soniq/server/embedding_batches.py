"""Rows of token ids to the embeddings of a model: by length, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator

from ..embedding_model import EmbeddingModel, Embeddings, Ids

# Positions of a batch, padding too: more take more memory and are hardly faster.
POSITIONS = 4096
ROWS = 64


def embed(model: EmbeddingModel, rows: list[Ids]) -> Iterator[tuple[list[int], Embeddings]]:
    """Embeddings of rows, batch by batch: places of the rows of a batch, and float32 [of these, size].

    Each is the one that its row has alone: what is padded is masked. Raises SoniqError for an id that is unknown.
    """
    most = min(model.maximum_batch, ROWS)
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    while order:
        # The longest is the last: it says how many rows there is room for.
        count = max(1, min(most, POSITIONS // len(rows[order[-1]])))
        batch, order = order[-count:], order[:-count]
        yield batch, model.embed([rows[place] for place in batch])
