"""An encoder as a module of torch; `soniq.integrations.sentence_transformers` makes one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ..encoder import Encoder

NAMES = {"sentence_embedding": "sentence_embedding", "last_hidden_state": "token_embeddings"}


class EncoderModule(nn.Module):
    """Features with token ids in, the same with embeddings out, as modules of sentence-transformers hand them on."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self._batch = encoder.maximum_batch
        self._outputs = {name: NAMES[name] for name in (info.name for info in encoder.model.outputs) if name in NAMES}

    @property
    def max_seq_length(self) -> int:
        """Tokens that a text is cut to. May be set."""
        return self.encoder.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, length: int) -> None:
        self.encoder.max_seq_length = length

    def get_embedding_dimension(self) -> int:
        """How many numbers an embedding has."""
        return self.encoder.get_sentence_embedding_dimension()

    get_sentence_embedding_dimension = get_word_embedding_dimension = get_embedding_dimension

    def preprocess(self, inputs: list[str], prompt: str | None = None, **_: Any) -> dict[str, torch.Tensor]:
        """int64 [texts, tokens] tensors of the texts behind the prompt, padded."""
        texts = [(prompt or "") + text for text in inputs]
        return {name: torch.from_numpy(array).long() for name, array in self.encoder.tokenize(texts).items()}

    def tokenize(self, texts: list[str], **_: Any) -> dict[str, torch.Tensor]:
        """`preprocess`, as older versions of sentence-transformers call it."""
        return self.preprocess(texts)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds `sentence_embedding`, and `token_embeddings` where the model has them, on the CPU."""
        known = [info.name for info in self.encoder.model.inputs]
        inputs = {name: features[name].cpu().numpy() for name in known if name in features}
        parts: dict[str, list[Any]] = {name: [] for name in self._outputs}
        for first in range(0, len(inputs["input_ids"]), self._batch):
            outputs = self.encoder.model(**{name: each[first : first + self._batch] for name, each in inputs.items()})
            for name in parts:
                parts[name].append(np.array(outputs[name]))
        made = {self._outputs[name]: torch.from_numpy(np.concatenate(arrays)) for name, arrays in parts.items()}
        return {**features, **made}

    def save(self, *_: Any, **__: Any) -> None:
        """Refused: the packed file is what is kept."""
        raise NotImplementedError("a packed model is not saved by sentence-transformers: keep its .soniq file")
