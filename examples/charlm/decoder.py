"""A small decoder: a causal transformer over characters."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

CONTEXT = 128
# Added to the scores of positions to come.
HIDDEN = -1e4


class Block(nn.Module):
    """Attention, then two layers with a ReLU between them; both on normalised inputs, added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [batch, positions, width], mask [positions, positions] added to scores."""
        batch, positions, width = x.shape
        projected = self.query_key_value(shifted(self.attention_norm(x))).view(batch, positions, 3, self.heads, -1)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / math.sqrt(width / self.heads) + mask
        mixed = (functional.softmax(scores, -1) @ value).transpose(1, 2).reshape(batch, positions, width)
        x = x + self.dropout(self.mixed(mixed))
        return x + self.dropout(self.narrow(functional.relu(self.wide(shifted(self.norm(x))))))


class Decoder(nn.Module):
    """Ids [batch, CONTEXT] to logits [batch, CONTEXT, characters] of the character that follows each position."""

    def __init__(self, characters: int, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, characters)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mask", torch.full((CONTEXT, CONTEXT), HIDDEN).triu(1))
        self.register_buffer("places", sines(CONTEXT, width))
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                is_last = name.endswith(("mixed.weight", "narrow.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if is_last else 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.dropout(self.embedding(ids) + self.places)
        for block in self.blocks:
            x = block(x, self.mask)
        return self.head(self.norm(x))


def shifted(x: Tensor) -> Tensor:
    """Half of the channels [batch, positions, width] from the position before, zeros before the first: neighbours are
    seen without attention, so that a small model learns in far fewer steps."""
    half = x.shape[-1] // 2
    return torch.cat([functional.pad(x[:, :-1, :half], (0, 0, 1, 0)), x[..., half:]], -1)


def sines(positions: int, width: int) -> Tensor:
    """Fixed places [positions, width], as in Vaswani et al. 2017, of the size that embeddings begin with."""
    rates = torch.exp(-math.log(10000) * torch.arange(0, width, 2) / width)
    angles = torch.arange(positions)[:, None] * rates
    return 0.02 * torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
