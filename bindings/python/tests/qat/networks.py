"""Small networks and data of the tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """Convolutions of several kinds with batch norm and a residual connection, images [batch, 3, 8, 8]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.body = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, (3, 1), padding=(1, 0)), nn.BatchNorm2d(32),
        )  # fmt: skip
        self.depthwise = nn.Conv2d(32, 32, 3, stride=2, padding=1, groups=32)
        self.wide = nn.Conv2d(32, 64, 1)
        self.head = nn.Linear(64, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        x = torch.relu(x + self.body(x))
        x = torch.relu(self.wide(self.depthwise(x)))
        return self.head(x.mean((2, 3)))


class Tokens(nn.Module):
    """An embedding and linear layers on signed inputs; ids [batch, positions]."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 64)
        self.norm = nn.LayerNorm(64)
        self.inner = nn.Linear(64, 96)
        self.outer = nn.Linear(96, 64)
        self.head = nn.Linear(64, 7)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.norm(self.table(ids))
        x = x + self.outer(nn.functional.gelu(self.inner(x)))
        return self.head(x.mean(1))


class Attending(nn.Module):
    """Self-attention of 2 heads on ids [batch, positions], with one linear layer for queries, keys and values or
    with three."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 64)
        self.inputs = nn.ModuleList([nn.Linear(64, 192)] if fused else [nn.Linear(64, 64) for _ in range(3)])
        self.head = nn.Linear(64, 7)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.table(ids)
        split = (*ids.shape, 2, 32)
        parts = self.inputs[0](x).chunk(3, -1) if len(self.inputs) == 1 else [layer(x) for layer in self.inputs]
        query, key, value = (part.view(split).transpose(1, 2) for part in parts)
        weights = (query @ key.transpose(2, 3) / 32**0.5).softmax(-1)
        context = (weights @ value).transpose(1, 2).reshape(*ids.shape, 64)
        return self.head(context)


def residual() -> tuple[Residual, Tensor]:
    """A network whose batch norms have seen data and scale some channels by negative numbers, and images."""
    network, images = Residual(), torch.randn(16, 3, 8, 8)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(-1.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
        network(images)
    return network.eval(), images


def tokens() -> tuple[Tokens, Tensor]:
    return Tokens().eval(), torch.randint(50, (8, 12))
