"""A model as a function of token ids to embeddings, and texts to such ids: what `soniq.Encoder` is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import _abi
from .errors import SoniqError
from .inputs import TensorInfo
from .model import Model
from .tokenizer import Tokenizer

Ids = npt.NDArray[np.int32]
Embeddings = npt.NDArray[np.float32]
OUTPUT = "sentence_embedding"
TOKENS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
# Names of the token to pad with.
PADDING = ("[PAD]", "<pad>")


class EmbeddingModel:
    """Inputs by name, the output, limits. Immutable: calls may come from several threads at once.

    Attributes:
        limit: the most tokens of a text, where nobody asks for more.
        longest: the most that the model allows.
        maximum_batch: the most texts of a run.
        dimension: numbers of an embedding.
    """

    def __init__(self, model: Model) -> None:
        """Raises TypeError where the model is none of texts."""
        self._model = model
        self._inputs = [info.name for info in model.inputs]
        tokens = _token_input(model)
        self.maximum_batch, self.limit = tokens.usual_shape
        self.longest = tokens.maximum_shape[1]
        # Sizes that the model takes no other than; None for those that change.
        self._rows, self._length = (size if isinstance(size, int) else None for size in tokens.shape)
        if self._length is not None and MASK not in self._inputs:
            raise TypeError(f"the model takes {self._length} tokens, no fewer, and no {MASK} to hide padding with")
        output = _output(model)
        self._output = output.name
        self.dimension = output.maximum_shape[1]

    def padded(self, ids: list[Ids], padding: int = 0) -> dict[str, Ids]:
        """The model's inputs, int32 [texts, longest], or of the model's one size, for texts of these ids.

        Which token pads does not matter to the model: the mask hides it.
        """
        shape = (self._rows or len(ids), self._length or max(map(len, ids), default=0))
        inputs = {TOKENS: np.full(shape, padding, np.int32), MASK: np.zeros(shape, np.int32)}
        for row, tokens in enumerate(ids):
            inputs[TOKENS][row, : len(tokens)] = tokens
            inputs[MASK][row, : len(tokens)] = 1
        if TYPES in self._inputs:
            inputs[TYPES] = np.zeros(shape, np.int32)
        return {name: array for name, array in inputs.items() if name in self._inputs}

    def embed(self, ids: list[Ids]) -> Embeddings:
        """float32 [texts, dimension], a copy."""
        if MASK in self._inputs:
            return self._run(ids)
        # Without a mask padding would change the result: texts of one length run together.
        result = np.empty((len(ids), self.dimension), np.float32)
        for length in {len(tokens) for tokens in ids}:
            places = [place for place, tokens in enumerate(ids) if len(tokens) == length]
            result[places] = self._run([ids[place] for place in places])
        return result

    def _run(self, ids: list[Ids]) -> Embeddings:
        inputs: dict[str, Any] = self.padded(ids)
        return np.array(self._model(**inputs)[self._output][: len(ids)], np.float32)


class EmbeddingText:
    """Texts to the ids that the model embeds. Immutable.

    Attributes:
        special: tokens that are set before and behind every text.
        padding: the token to pad with.
    """

    def __init__(self, model: Model, tokenizer: Tokenizer | None = None) -> None:
        """Takes the file's own tokenizer for None. Raises TypeError where it has none."""
        self._tokenizer = tokenizer or _tokenizer(model)
        found = (self._tokenizer.id(name) for name in PADDING)
        self.padding = next((token for token in found if token is not None), 0)
        self._behind, self.special = _special(self._tokenizer)

    def ids(self, text: str, length: int) -> Ids:
        """int32 [tokens] of a text, at most so many: what is too long loses its end, but not the tokens behind it."""
        ids = self._tokenizer.encode(text)
        if len(ids) <= length:
            return ids
        return np.concatenate((ids[: length - self._behind], ids[len(ids) - self._behind :]))


def _token_input(model: Model) -> TensorInfo:
    """The input of token ids; raises TypeError where there is none, or others have to be given too."""
    tokens = next((info for info in model.inputs if info.name == TOKENS), None)
    others = [info.name for info in model.inputs if not info.is_optional and info.name not in (TOKENS, MASK, TYPES)]
    if tokens is None or others or len(tokens.shape) != 2:
        names = ", ".join(info.name for info in model.inputs)
        raise TypeError(f"the model takes {names}: an encoder of texts takes {TOKENS}, and {MASK} and {TYPES} if any")
    return tokens


def _output(model: Model) -> TensorInfo:
    """The output of embeddings; raises TypeError where none can be told."""
    named = [info for info in model.outputs if info.name == OUTPUT]
    output = (named or model.outputs)[0]
    is_one = bool(named) or len(model.outputs) == 1
    if is_one and len(output.shape) == 2 and isinstance(output.shape[1], int) and output.dtype.kind == "f":
        return output
    shapes = ", ".join(f"{info.name}{list(info.shape)}" for info in model.outputs)
    raise TypeError(
        f"the model gives {shapes}, and no {OUTPUT}[batch, size]: pack the folder of sentence-transformers with "
        "modules.json and 1_Pooling, which say how tokens become one embedding"
    )


def _tokenizer(model: Model) -> Tokenizer:
    try:
        return model.tokenizer
    except SoniqError as error:
        if error.code != _abi.ERROR_NOT_FOUND:
            raise
        advice = "pack a folder that has tokenizer.json, or give the one of another file as tokenizer="
        raise TypeError(f"{error}: {advice}") from None


def _special(tokenizer: Tokenizer) -> tuple[int, int]:
    """How many tokens are set behind a text, and how many in all."""
    whole = tokenizer.encode("a").tolist()
    plain = tokenizer.encode("a", add_special=False).tolist()
    begin = next(place for place in range(len(whole) + 1) if whole[place : place + len(plain)] == plain)
    return len(whole) - begin - len(plain), len(whole) - len(plain)
