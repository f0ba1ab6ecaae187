"""Quantised layers for linear layers, convolutions and embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .arithmetic import dynamic_bipolar, guarded
from .layers import QuantLayer
from .palette import AFFINE, Precision
from .rounding import instead

ROWS_AT_ONCE = 4096


class QuantLinear(QuantLayer):
    """y = x W^T + b, x [..., channels]."""

    def __init__(
        self, source: nn.Linear, levels: tuple[Precision, ...], *, dynamic: bool = True, estimator: str | None = None
    ) -> None:
        channels = source.in_features
        super().__init__(source.weight, source.bias, levels, channels, dynamic=dynamic, estimator=estimator)

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.linear(x, weight)


class _QuantConv(QuantLayer):
    """Convolutions with zero padding, x [batch, channels, ...]. Scales of activations are fixed; a pixel of padding
    contributes exactly 0, with bipolar codes too."""

    def __init__(
        self, source: nn.Conv1d | nn.Conv2d, levels: tuple[Precision, ...], *, estimator: str | None = None
    ) -> None:
        channels = source.weight.shape[1]
        super().__init__(source.weight, source.bias, levels, channels, dynamic=False, estimator=estimator)
        self.stride, self.dilation, self.groups = source.stride, source.dilation, source.groups
        self.kernel_size = source.kernel_size
        self.padding = source.padding


class QuantConv2d(_QuantConv):
    """x [batch, channels, height, width]"""

    channel_axis = -3

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.conv2d(x, weight, None, self.stride, self.padding, self.dilation, self.groups)


class QuantConv1d(_QuantConv):
    """x [batch, channels, length]"""

    channel_axis = -2

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.conv1d(x, weight, None, self.stride, self.padding, self.dilation, self.groups)


class QuantEmbedding(nn.Module):
    """Rows of a table [rows, channels] at one precision of weights, with one binary16 scale a row.

    A row's scale is its greatest magnitude / the greatest integer times `reach` [rows], found once so that the
    squared error is least (with one bit: its mean magnitude), rounded to binary16; gradients are straight-through.
    """

    def __init__(self, source: nn.Embedding, level: Precision) -> None:
        super().__init__()
        self.level = level
        self.padding_idx = source.padding_idx
        self.weight = nn.Parameter(source.weight.detach().clone(), requires_grad=source.weight.requires_grad)
        self.register_buffer("reach", torch.ones(self.weight.shape[0], device=self.weight.device))
        self.search_reach()

    @torch.no_grad()
    def search_reach(self) -> None:
        """Tries half of the greatest magnitude, and more in steps of a 24th, for every row."""
        if self.level.weight_bits == 1:
            return
        for part, best in zip(self.weight.split(ROWS_AT_ONCE), self.reach.split(ROWS_AT_ONCE), strict=True):
            least = torch.full_like(best, torch.inf)
            for tried in range(24, 11, -1):
                reach = torch.full_like(best, tried / 24)
                integers, scale = self._integers(part, reach)
                error = (integers * scale - part).square().sum(-1)
                best.copy_(torch.where(error < least, reach, best))
                least = torch.minimum(error, least)

    def _integers(self, rows: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
        """Integers [..., channels] and scales [..., 1] of rows."""
        bits = self.level.weight_bits
        affine = self.level.weight_code == AFFINE
        top = 2.0 ** (bits - 1) - 1 if affine else 2.0**bits - 1
        scale = guarded((dynamic_bipolar(rows, top) * reach[..., None]).half().float())
        steps = rows / scale
        if affine:
            return torch.round(steps.clamp(-top, top)), scale
        return 2 * torch.floor(steps * 0.5 + (top + 1) / 2).clamp(0, top) - top, scale

    def forward(self, ids: Tensor) -> Tensor:
        rows = functional.embedding(ids, self.weight, self.padding_idx)
        with torch.no_grad():
            integers, scale = self._integers(rows, self.reach[ids])
            value = integers * scale
        return instead(rows, value)

    @torch.no_grad()
    def weight_codes(self) -> Tensor:
        """uint8 [rows, channels]"""
        integers, _ = self._integers(self.weight, self.reach)
        if self.level.weight_code == AFFINE:
            return (integers + 2 ** (self.level.weight_bits - 1)).to(torch.uint8)
        return ((integers + 2**self.level.weight_bits - 1) / 2).to(torch.uint8)

    @torch.no_grad()
    def row_scales(self) -> Tensor:
        """binary16 [rows]"""
        return self._integers(self.weight, self.reach)[1].squeeze(-1).half()


class AttentionInputs(nn.Module):
    """Queries, keys and values as they are: for models that have it before the products of their attention, from the
    time when `prepare` did not find attention by itself."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return query, key, value
