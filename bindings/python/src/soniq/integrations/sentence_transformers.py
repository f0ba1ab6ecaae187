"""sentence-transformers: a packed model in the place of its Transformer module."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..encoder import Encoder
from ..model import Model

if TYPE_CHECKING:
    from torch import nn


def transformer_module(
    model: str | os.PathLike[str] | Model | Encoder, *, threads: int = 0, max_length: int | None = None
) -> nn.Module:
    """A module for `SentenceTransformer(modules=[...])`, which then encodes, evaluates and searches as with any other.

        SentenceTransformer(modules=[transformer_module("minilm.soniq")], device="cpu")

    It gives the embedding that the file's own pooling makes, and the tokens' where the file has them
    (`last_hidden_state`), so that a Pooling module may stand behind it. It cannot be trained or saved.

    Args:
        model, threads, max_length: as of `soniq.Encoder`; or an encoder.

    Raises:
        ImportError: torch or sentence_transformers is not installed.
    """
    try:
        import sentence_transformers  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"transformer_module needs torch and sentence-transformers ({error}); soniq.Encoder has the same calls "
            "and needs neither"
        ) from error
    from .torch_module import EncoderModule

    if isinstance(model, Encoder):
        if threads or max_length is not None:
            raise TypeError("threads and max_length are those of the encoder that is given")
        return EncoderModule(model)
    module: Any = EncoderModule(Encoder(model, threads=threads, max_length=max_length))
    return module
