"""MiniLM in PyTorch, from its Hugging Face folder: the sentence encoder that `train_minilm.py` trains at low precision.

Queries, keys and values are one linear layer, so that they share the precisions of their input channels, and the
runtime makes one product of them.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Self-attention of [batch, positions, channels]."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.output = nn.Linear(channels, channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, positions, channels = x.shape
        split = (batch, positions, self.heads, channels // self.heads)
        query, key, value = (part.view(split).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        scores = query @ key.transpose(2, 3) / split[3] ** 0.5 + mask
        context = scores.softmax(-1) @ value
        return self.output(context.transpose(1, 2).reshape(batch, positions, channels))


class Layer(nn.Module):
    def __init__(self, channels: int, inner: int, heads: int, epsilon: float) -> None:
        super().__init__()
        self.attention = Attention(channels, heads)
        self.attention_norm = nn.LayerNorm(channels, epsilon)
        self.expand = nn.Linear(channels, inner)
        self.contract = nn.Linear(inner, channels)
        self.norm = nn.LayerNorm(channels, epsilon)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention_norm(x + self.attention(x, mask))
        return self.norm(x + self.contract(functional.gelu(self.expand(x))))


class SentenceEncoder(nn.Module):
    """Token ids and mask [batch, positions] to embeddings [batch, channels] of length 1."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        channels, epsilon = config["hidden_size"], config["layer_norm_eps"]
        self.words = nn.Embedding(config["vocab_size"], channels)
        # The row of token type 0, the only one of sentence embeddings, is added to every row of positions.
        self.positions = nn.Embedding(config["max_position_embeddings"], channels)
        self.norm = nn.LayerNorm(channels, epsilon)
        self.layers = nn.ModuleList(
            Layer(channels, config["intermediate_size"], config["num_attention_heads"], epsilon)
            for _ in range(config["num_hidden_layers"])
        )

    @classmethod
    def load(cls, folder: Path) -> SentenceEncoder:
        """From a folder with config.json and model.safetensors of a BERT."""
        encoder = cls(json.loads((folder / "config.json").read_text()))
        encoder.load_state_dict(_renamed(load_file(folder / "model.safetensors"), len(encoder.layers)))
        return encoder.eval()

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """The output of every layer, [batch, positions, channels]."""
        mask = (1 - attention_mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.norm(self.words(input_ids) + self.positions(positions))
        states = []
        for layer in self.layers:
            x = layer(x, mask)
            states.append(x)
        return states

    @staticmethod
    def pooled(state: Tensor, attention_mask: Tensor) -> Tensor:
        weights = attention_mask[:, :, None].float()
        mean = (state * weights).sum(1) / weights.sum(1)
        return mean / mean.norm(dim=1, keepdim=True)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.pooled(self.states(input_ids, attention_mask)[-1], attention_mask)


def _renamed(source: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The checkpoint's tensors under the names of `SentenceEncoder`."""
    table = "embeddings.{}_embeddings.weight".format
    state = {
        "words.weight": source[table("word")],
        "positions.weight": source[table("position")] + source[table("token_type")][0],
    }
    names = {"embeddings.LayerNorm": "norm"}
    for index in range(layers):
        old, new = f"encoder.layer.{index}", f"layers.{index}"
        names |= {
            f"{old}.attention.output.dense": f"{new}.attention.output",
            f"{old}.attention.output.LayerNorm": f"{new}.attention_norm",
            f"{old}.intermediate.dense": f"{new}.expand",
            f"{old}.output.dense": f"{new}.contract",
            f"{old}.output.LayerNorm": f"{new}.norm",
        }
        for kind in ("weight", "bias"):
            parts = [source[f"{old}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            state[f"{new}.attention.qkv.{kind}"] = torch.cat(parts)
    for old, new in names.items():
        for kind in ("weight", "bias"):
            state[f"{new}.{kind}"] = source[f"{old}.{kind}"]
    return state
