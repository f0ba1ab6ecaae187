"""What a tiny folder is made of: a class with its configuration, and what is expected of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 8, "intermediate_size": 16}
WORDS = 40
POSITIONS = 24
TEXT = {**SIZES, "vocab_size": WORDS, "max_position_embeddings": POSITIONS}
PADDED = {**TEXT, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
NARROW = {**TEXT, "embedding_size": 4, "pad_token_id": 0}
ENDS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
IMAGE = {**SIZES, "image_size": 8, "patch_size": 4}
LENGTHS = (9, 6, 1)
SEED = 20261128

Outputs = dict[str, Tensor]


@dataclass
class Case:
    """A class of Transformers with its configuration, and how its output is called in the packed model."""

    model: type
    config: Any
    outputs: dict[str, str]
    types: bool = False
    padding: int = 0
    """The last id of each sequence, where the model looks for one."""
    ending: int | None = None
    """Stored as float16, bfloat16 or float32."""
    dtype: torch.dtype = torch.float32
    """What the first weights are multiplied with, so that every layer changes its input visibly."""
    scale: float = 10
    shards: str | None = None
    """Which of two encoders is packed, "text" or "vision"."""
    part: str | None = None
    """Which of two configurations is that of the one encoder."""
    only: str | None = None
    """What config.json has besides."""
    fields: dict[str, Any] | None = None
    """What the outputs are computed by, where it is not the model itself."""
    run: Callable[[Any, dict[str, Tensor]], dict[str, Tensor]] | None = None
    """modules.json and the files it names, from the hidden states and the mask to the vector."""
    modules: Callable[[Path, np.random.Generator], Callable[[Tensor, Tensor], Tensor]] | None = None


STATES = {"last_hidden_state": "last_hidden_state"}
POOLED = {**STATES, "pooler_output": "pooler_output"}
LOGITS = {"logits": "logits"}
SPANS = {"start_logits": "start_logits", "end_logits": "end_logits"}


def pooling(
    *modes: str, dense: int | None = None, normalizes: bool = True
) -> Callable[[Path, np.random.Generator], Callable[[Tensor, Tensor], Tensor]]:
    """The modules of a sentence encoder as sentence-transformers lays them out, and the same in PyTorch."""

    def write(folder: Path, random: np.random.Generator) -> Callable[[Tensor, Tensor], Tensor]:
        kinds = [("Transformer", ""), ("Pooling", "1_Pooling")]
        names = {"cls": "cls_token", "mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "lasttoken": "lasttoken"}
        keys = {f"pooling_mode_{names.get(mode, mode + '_tokens')}": True for mode in modes}
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": 8, **keys}))
        weights = bias = None
        if dense:
            kinds.append(("Dense", "2_Dense"))
            (folder / "2_Dense").mkdir()
            config = {"in_features": 8 * len(modes), "out_features": dense, "bias": True}
            config["activation_function"] = "torch.nn.modules.activation.Tanh"
            (folder / "2_Dense/config.json").write_text(json.dumps(config))
            weights = torch.from_numpy(random.standard_normal((dense, 8 * len(modes))).astype(np.float32))
            bias = torch.from_numpy(random.standard_normal(dense).astype(np.float32))
            from safetensors.torch import save_file

            save_file({"linear.weight": weights, "linear.bias": bias}, folder / "2_Dense/model.safetensors")
        if normalizes:
            kinds.append(("Normalize", f"{len(kinds)}_Normalize"))
        (folder / "modules.json").write_text(
            json.dumps(
                [
                    {"idx": i, "path": path, "type": f"sentence_transformers.models.{kind}"}
                    for i, (kind, path) in enumerate(kinds)
                ]
            )
        )

        def vector(states: Tensor, mask: Tensor) -> Tensor:
            result = torch.cat([pool(mode, states, mask) for mode in modes], dim=1)
            if weights is not None:
                result = torch.tanh(nn.functional.linear(result, weights, bias))
            return nn.functional.normalize(result, dim=1) if normalizes else result

        return vector

    return write


def pool(mode: str, states: Tensor, mask: Tensor) -> Tensor:
    kept = mask[:, :, None].to(states.dtype)
    if mode == "cls":
        return states[:, 0]
    if mode == "lasttoken":
        return states[torch.arange(len(states)), mask.sum(1) - 1]
    if mode == "max":
        return states.masked_fill(kept == 0, -1e9).max(1).values
    if mode == "weightedmean":
        kept = kept * torch.arange(1, states.shape[1] + 1)[None, :, None]
    total = kept.sum(1).clamp(min=1e-9)
    return (states * kept).sum(1) / (total.sqrt() if mode == "mean_sqrt_len_tokens" else total)
