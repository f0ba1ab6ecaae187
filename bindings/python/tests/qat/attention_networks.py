"""Small transformers as people write them, and inputs for them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, HEADS, LENGTH, WORDS = 32, 2, 11, 40


class ImageBlock(nn.Module):
    """Norms first, queries, keys and values from one layer, PyTorch's attention."""

    def __init__(self, bias: bool, approximate: str) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=bias)
        self.projection = nn.Linear(WIDTH, WIDTH, bias=bias)
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * WIDTH, bias=bias), nn.Linear(2 * WIDTH, WIDTH, bias=bias)
        self.activation = nn.GELU(approximate=approximate)

    def context(self, x: Tensor) -> Tensor:
        split = self.qkv(x).reshape(*x.shape[:2], 3, HEADS, WIDTH // HEADS)
        context = functional.scaled_dot_product_attention(*split.permute(2, 0, 3, 1, 4).unbind(0))
        return self.projection(context.transpose(1, 2).reshape(x.shape))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.context(self.norms[0](x))
        return x + self.narrow(self.activation(self.wide(self.norms[1](x))))


class ByHandBlock(ImageBlock):
    """Norms last, queries scaled, the softmax written out."""

    def context(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).chunk(3, -1)
        query, key, value = (part.view(*x.shape[:2], HEADS, -1).transpose(1, 2) for part in parts)
        weights = (query * (WIDTH // HEADS) ** -0.5 @ key.transpose(-2, -1)).softmax(dim=-1)
        return self.projection((weights @ value).transpose(1, 2).reshape(x.shape))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norms[0](x + self.context(x))
        return self.norms[1](x + self.narrow(self.activation(self.wide(x))))


class Vision(nn.Module):
    """Images [batch, 3, 12, 12] to 5 classes."""

    def __init__(self, block: type[ImageBlock] = ImageBlock, bias: bool = True, approximate: str = "none") -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        self.first = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.1)
        self.places = nn.Parameter(torch.randn(1, 10, WIDTH) * 0.1)
        self.blocks = nn.Sequential(*(block(bias, approximate) for _ in range(2)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


class EncoderLayer(nn.Module):
    """Three layers for queries, keys and values; padding is hidden by a number that is added to scores."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.output = nn.Linear(WIDTH, WIDTH)
        self.dropout = nn.Dropout(0.1)
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        parts = (layer(x).view(*x.shape[:2], HEADS, -1).transpose(1, 2) for layer in self.inputs)
        query, key, value = parts
        scores = query @ key.transpose(-1, -2) / math.sqrt(WIDTH // HEADS) + bias
        context = self.dropout(functional.softmax(scores, dim=-1)) @ value
        x = self.norms[0](x + self.output(context.transpose(1, 2).reshape(x.shape)))
        return self.norms[1](x + self.narrow(functional.gelu(self.wide(x))))


class Encoder(nn.Module):
    """Ids and mask [batch, LENGTH] to 5 classes, by the mean over what the mask keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(2))
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        bias = (1 - mask[:, None, None, :].float()) * -1e9
        x = self.norm(self.words(ids) + self.places(torch.arange(ids.shape[1])))
        for layer in self.layers:
            x = layer(x, bias)
        weights = mask[:, :, None].float()
        return self.head((x * weights).sum(1) / weights.sum(1))


class TorchEncoder(nn.Module):
    """PyTorch's own encoder on ids and mask [batch, LENGTH]."""

    def __init__(self, batch_first: bool, norm_first: bool) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, activation="gelu", batch_first=batch_first, norm_first=norm_first
        )
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(WIDTH, 5)
        self.batch_first = batch_first

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = self.words(ids)
        x = self.encoder(x if self.batch_first else x.transpose(0, 1), src_key_padding_mask=mask == 0)
        return self.head(x[:, 0] if self.batch_first else x[0])


class DecoderBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.qkv, self.projection = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(self.norms[0](x)).split(WIDTH, 2)
        heads = (part.view(*x.shape[:2], HEADS, -1).transpose(1, 2) for part in parts)
        context = functional.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.projection(context.transpose(1, 2).contiguous().view(x.shape))
        return x + self.narrow(functional.gelu(self.wide(self.norms[1](x)), approximate="tanh"))


class Decoder(nn.Module):
    """Ids [batch, LENGTH] to numbers for the word behind each."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(DecoderBlock(), DecoderBlock())
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def inputs_of(network: nn.Module, count: int) -> dict[str, Tensor]:
    """By the names of forward's parameters; the keys of a mask are padding from a place of each row's own on."""
    if isinstance(network, Vision):
        return {"image": torch.randn(count, 3, 12, 12)}
    ids = torch.randint(WORDS, (count, LENGTH))
    if isinstance(network, Decoder):
        return {"ids": ids}
    lengths = torch.randint(3, LENGTH + 1, (count, 1))
    return {"ids": ids, "mask": (torch.arange(LENGTH) < lengths).int()}
