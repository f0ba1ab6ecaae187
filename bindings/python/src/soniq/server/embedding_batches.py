"""Rows of token ids to the embeddings of a model: by length, padded, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..model import Model, TensorInfo

Ids = npt.NDArray[np.int32]
Vector = npt.NDArray[np.float32]
# Positions of a batch, padding too: more take more memory and are hardly faster.
POSITIONS = 4096
ROWS = 64


@dataclass(frozen=True)
class Shape:
    """Which inputs and output an encoder has, and its most rows and tokens of a batch."""

    inputs: frozenset[str]
    output: str
    size: int
    rows: int
    tokens: int


def encoder_shape(model: Model) -> Shape:
    """That of an encoder of texts. Raises TypeError for a model that is none, with the reason."""
    names = {info.name: info for info in model.inputs}
    required = {info.name for info in model.inputs if not info.is_optional}
    known = {"input_ids", "attention_mask", "token_type_ids"}
    if "input_ids" not in names or not required <= known or names["input_ids"].shape[:1] == (1,):
        raise TypeError(f"it takes {', '.join(names)}, and a text encoder takes input_ids and attention_mask")
    output = next((info for info in model.outputs if _is_embedding(info)), None)
    if output is None:
        outputs = ", ".join(f"{info.name}{list(info.shape)}" for info in model.outputs)
        raise TypeError(f"it gives {outputs}, and no embedding of a text: [batch, channels]")
    rows, tokens = names["input_ids"].maximum_shape
    return Shape(frozenset(names) & known, output.name, int(output.shape[1]), min(rows, ROWS), tokens)


def _is_embedding(info: TensorInfo) -> bool:
    return len(info.shape) == 2 and info.dtype == np.float32 and isinstance(info.shape[1], int)


def embed(model: Model, shape: Shape, rows: list[Ids]) -> Iterator[tuple[list[int], npt.NDArray[np.float32]]]:
    """Embeddings of rows, batch by batch: places of the rows of a batch, and float32 [of these, size].

    Each is the one that its row has alone: what is padded is masked. Raises SoniqError for an id that is unknown.
    """
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    while order:
        # The longest is the last: it says how many rows there is room for.
        longest = len(rows[order[-1]])
        count = max(1, min(shape.rows, POSITIONS // longest))
        batch, order = order[-count:], order[:-count]
        yield batch, _run(model, shape, [rows[place] for place in batch], longest)


def _run(model: Model, shape: Shape, rows: list[Ids], longest: int) -> npt.NDArray[np.float32]:
    ids = np.zeros((len(rows), longest), np.int32)
    mask = np.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
        mask[place, : len(row)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    outputs = model(**{name: array for name, array in inputs.items() if name in shape.inputs})
    return np.array(outputs[shape.output])
