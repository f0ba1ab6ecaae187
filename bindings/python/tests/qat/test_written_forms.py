"""Attention, activations, norms and sums as people write them: what PyTorch computes is what libsoniq computes."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch
from attention_networks import HEADS, LENGTH, WIDTH, WORDS
from test_transformers import arrays, packed
from torch import Tensor, nn
from torch.nn import functional

from soniq.qat import prepare

pytest.importorskip("onnx")
pytestmark = pytest.mark.skipif(not os.environ.get("SONIQ_PACK"), reason="SONIQ_PACK does not name the packer")
SIZE = WIDTH // HEADS


class Form(nn.Module):
    """Ids [batch, LENGTH] through a form [batch, LENGTH, 3 * WIDTH] to [batch, LENGTH, any] between layers."""

    def __init__(self, form, channels: int = WIDTH) -> None:
        super().__init__()
        self.words, self.first = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
        self.last = nn.Linear(channels, 5)
        self.places = nn.Parameter(torch.randn(1, HEADS, LENGTH, LENGTH))
        self.gain = nn.Parameter(torch.rand(3 * WIDTH) + 0.5)
        self.norm = nn.RMSNorm(3 * WIDTH, eps=1e-6)
        self.warmth = nn.Parameter(torch.tensor(0.3))
        self.register_buffer("seen", torch.tril(torch.ones(1, 1, LENGTH, LENGTH)))
        self.form = form

    def forward(self, ids: Tensor) -> Tensor:
        return self.last(self.form(self, self.first(self.words(ids))))


def heads(x: Tensor) -> tuple[Tensor, ...]:
    return x.view(*x.shape[:2], 3, HEADS, SIZE).permute(2, 0, 3, 1, 4).unbind(0)


def joined(context: Tensor) -> Tensor:
    return context.transpose(1, 2).flatten(2)


def masked_later(form: Form, x: Tensor) -> Tensor:
    query, key, value = heads(x)
    scores = (query @ key.transpose(-2, -1)) * (1.0 / math.sqrt(key.size(-1)))
    scores = scores.masked_fill(form.seen == 0, float("-inf"))
    return joined(functional.dropout(functional.softmax(scores, dim=-1), 0.1, form.training) @ value)


def chosen_later(form: Form, x: Tensor) -> Tensor:
    query, key, value = heads(x)
    scores = torch.where(form.seen > 0, torch.matmul(query, key.transpose(-2, -1)) / 4, torch.tensor(-1e9))
    return joined(torch.matmul(scores.softmax(-1), value))


def in_place(form: Form, x: Tensor) -> Tensor:
    query, key, value = heads(x)
    scores = query @ key.transpose(-1, -2)
    scores /= math.sqrt(SIZE)
    scores += form.places
    return joined(scores.softmax(-1) @ value)


def einsums(form: Form, x: Tensor) -> Tensor:
    query, key, value = (part.transpose(1, 2) for part in heads(x))
    weights = (torch.einsum("bqhd,bkhd->bhqk", query, key) * SIZE**-0.5).softmax(-1)
    return torch.einsum("bhqk,bkhd->bqhd", weights, value).flatten(2)


def shared_keys(form: Form, x: Tensor) -> Tensor:
    query, key, value = heads(x)
    return joined(functional.scaled_dot_product_attention(query, key[:, :1], value[:, :1], enable_gqa=True))


def fewer_keys(form: Form, x: Tensor) -> Tensor:
    query, key, value = heads(x)
    return joined(functional.scaled_dot_product_attention(query, key[:, :, :7], value[:, :, :7]))


def rotated(form: Form, x: Tensor) -> Tensor:
    query, key, value = heads(x)
    angles = torch.arange(x.shape[1])[:, None] * torch.pow(100.0, -torch.arange(0, SIZE, 2) / SIZE)
    sine, cosine = angles.sin(), angles.cos()

    def turn(part: Tensor) -> Tensor:
        low, high = part.chunk(2, -1)
        return torch.cat([low * cosine - high * sine, low * sine + high * cosine], -1)

    return joined(functional.scaled_dot_product_attention(turn(query), turn(key), value, attn_mask=form.seen.bool()))


def flat_heads(form: Form, x: Tensor) -> Tensor:
    query, key, value = (part.reshape(-1, LENGTH, SIZE) for part in heads(x))
    weights = torch.softmax(torch.bmm(query, key.transpose(1, 2)) / math.sqrt(SIZE), -1)
    return joined(torch.bmm(weights, value).view(x.shape[0], HEADS, LENGTH, SIZE))


def capped(form: Form, x: Tensor) -> Tensor:
    query, key, value = heads(x)
    return joined((torch.tanh(query @ key.transpose(-1, -2) / 5) * 5).softmax(-1) @ value)


def learned_scale(form: Form, x: Tensor) -> Tensor:
    query, key, value = heads(x)
    return joined(((query * form.warmth) @ key.transpose(-1, -2)).softmax(-1) @ value)


ATTENTION = [
    learned_scale, masked_later, chosen_later, in_place, einsums, shared_keys, fewer_keys, rotated, flat_heads, capped,
]  # fmt: skip
WIDE = {
    "erf written out": lambda form, x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2))),
    "tanh written out": lambda form, x: 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * x.pow(3)))),
    "sigmoid written out": lambda form, x: x * torch.sigmoid(x),
    "quick gelu": lambda form, x: x * torch.sigmoid(1.702 * x),
    "mish": lambda form, x: functional.mish(x),
    "hard swish": lambda form, x: functional.hardswish(x),
    "softplus": lambda form, x: functional.softplus(x),
    "elu": lambda form, x: functional.elu(x),
    "root mean square": lambda form, x: form.norm(x),
    "the same by hand": lambda form, x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * form.gain,
    "softmax over positions": lambda form, x: x.softmax(1),
    "unit rows": lambda form, x: functional.normalize(x, dim=-1),
    "mean": lambda form, x: x.mean(1),
    "sum": lambda form, x: x.sum(1, keepdim=True),
}


def differences(form: Form, folder) -> None:
    """Also of coarse codes, which turn a last bit into another code."""
    ids = torch.randint(WORDS, (48, LENGTH))
    for palette in ([(1, 1)], [(8, 8)]):
        quantization = prepare(form.eval(), [ids], palette=palette, end_bits=None).eval()
        model = packed(quantization, {"ids": ids}, folder)
        with torch.no_grad():
            expected = quantization(ids).numpy()
        answers = model(**arrays({"ids": ids}))["y"]
        np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("form", ATTENTION, ids=lambda form: form.__name__)
def test_attention(tmp_path, form) -> None:
    differences(Form(form), tmp_path)


@pytest.mark.parametrize("name", WIDE)
def test_functions(tmp_path, name: str) -> None:
    differences(Form(WIDE[name], 3 * WIDTH), tmp_path)


def test_gradients_in_evaluation_mode_are_those_of_pytorch() -> None:
    """Codes have straight-through gradients; 8 bits are close to the float network."""
    for form in (masked_later, WIDE["erf written out"], WIDE["root mean square"]):
        network = Form(form, WIDTH if form is masked_later else 3 * WIDTH).eval()
        ids = torch.randint(WORDS, (16, LENGTH))
        quantization = prepare(network, [ids], palette=[(8, 8)]).eval()
        quantization(ids).square().sum().backward()
        network(ids).square().sum().backward()
        own, other = quantization.model.first.weight.grad, network.first.weight.grad
        assert float(torch.cosine_similarity(own.flatten(), other.flatten(), dim=0)) > 0.95


class Signal(nn.Module):
    """Signals [batch, 6, 20] through convolutions with batch norms, one of which is added to what came in."""

    def __init__(self, pool) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(6, 32, 5, padding=2), nn.BatchNorm1d(32), nn.GELU())
        self.inner = nn.Sequential(nn.Conv1d(32, 32, 3, padding=1), nn.BatchNorm1d(32))
        self.pool, self.last = pool, nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(self.pool(functional.gelu(x + self.inner(x))))


POOLS = {"mean": lambda x: x.mean(-1), "module": nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("mode", [{"palette": [1]}, {"palette": [8]}, {"method": "gdnsq", "palette": [2]}], ids=str)
def test_signals(tmp_path, mode: dict, pool: str) -> None:
    network, x = Signal(POOLS[pool]), torch.randn(48, 6, 20)
    for norm in (network.first[1], network.inner[1]):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    network(x)
    quantization = prepare(network.eval(), [x], **mode)
    quantization.freeze()
    model = packed(quantization.eval(), {"x": x}, tmp_path)
    expected = quantization(x).detach().numpy()
    np.testing.assert_allclose(model(x=x.numpy())["y"], expected, rtol=0, atol=1e-6 * np.abs(expected).max())
