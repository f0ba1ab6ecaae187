"""PyTorch's functions of the runtime against libsoniq: the same bits."""

from __future__ import annotations

import os
import subprocess
import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional

import soniq
from soniq.qat import attention, functions

pytest.importorskip("onnx")
TOOL = os.environ.get("SONIQ_PACK")
pytestmark = pytest.mark.skipif(not TOOL, reason="SONIQ_PACK does not name the packer")

NORM = torch.nn.LayerNorm(50)
CASES = {
    "gelu": (functional.gelu, functions.gelu),
    "gelu, tanh form": (lambda x: functional.gelu(x, approximate="tanh"), functions.gelu_tanh),
    "sigmoid": (torch.sigmoid, functions.sigmoid),
    "silu": (functional.silu, functions.silu),
    "tanh": (torch.tanh, functions.tanh),
    "exponential": (torch.exp, functions.exponential),
    "softmax": (lambda x: x.softmax(-1), functions.softmax),
    "layer norm": (NORM, lambda x: functions.layer_norm(x, NORM.weight, NORM.bias, NORM.eps)),
}


class Function(torch.nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def of_runtime(module: torch.nn.Module, x: torch.Tensor, folder) -> np.ndarray:
    np.save(folder / "x.npy", x.numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x,), str(folder / "m.onnx"), dynamo=False, input_names=["x"], output_names=["y"])
    command = [TOOL, "pack", folder / "m.onnx", "-o", folder / "m.soniq", "--calibrate", folder / "x.npy"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return soniq.load(folder / "m.soniq", threads=1)(x=x.numpy())["y"]


@pytest.mark.parametrize("name", CASES)
def test_functions(tmp_path, name: str) -> None:
    plain, runtime = CASES[name]
    torch.nn.init.normal_(NORM.weight)
    torch.nn.init.normal_(NORM.bias)
    x = torch.randn(60, 40, 50) * torch.tensor([0.3, 1, 3, 12]).repeat(15)[:, None, None]
    with torch.no_grad():
        values = runtime(x)
        torch.testing.assert_close(values, plain(x), rtol=1e-5, atol=2e-6)
        np.testing.assert_array_equal(of_runtime(Function(plain), x, tmp_path), values.numpy())


class Attention(torch.nn.Module):
    """[batch, positions, 3 * 48]; with a layer of its own the packer gives attention integers."""

    def __init__(self, has_layer: bool) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(48, 8) if has_layer else None

    @staticmethod
    def heads(x):
        return (part.reshape(*x.shape[:2], 3, 16).transpose(1, 2) for part in x.chunk(3, -1))

    def forward(self, x):
        query, key, value = self.heads(x)
        context = (query @ key.transpose(-1, -2) * 0.3).softmax(-1) @ value
        context = context.transpose(1, 2).reshape(x.shape[0], x.shape[1], 48)
        return context if self.layer is None else torch.cat([context, self.layer(x[..., :48])], -1)


@pytest.mark.parametrize("positions", [5, 16, 33])
@pytest.mark.parametrize("has_integers", [False, True])
def test_attention(tmp_path, positions: int, has_integers: bool) -> None:
    x = torch.randn(4, positions, 144) * 2
    function = attention.integer_attention if has_integers else attention.float_attention
    expected = function(*Attention.heads(x), 0.3).transpose(1, 2).reshape(4, positions, 48)
    actual = of_runtime(Attention(has_integers).eval(), x, tmp_path)[..., :48]
    np.testing.assert_array_equal(actual, expected.numpy())


def test_a_query_that_sees_no_key_gives_zeros() -> None:
    query, key, value = torch.randn(3, 2, 2, 7, 16).unbind(0)
    bias = torch.zeros(2, 1, 7, 7)
    bias[:, :, 3] = -torch.inf
    for function in (attention.float_attention, attention.integer_attention):
        output = function(query, key, value, 0.25, bias)
        assert torch.isfinite(output).all() and not output[:, :, 3].any() and output[:, :, 2].any()


def test_training_computes_integer_attention_but_for_ties() -> None:
    query, key, value = torch.randn(3, 2, 4, 20, 16).unbind(0)
    exact = attention.integer_attention(query, key, value, 0.25)
    close = attention.integer_attention(query, key, value, 0.25, exact=False)
    assert (exact - close).abs().max() < 0.02 and float((exact - close).abs().median()) < 1e-5
    reference = functional.scaled_dot_product_attention(query, key, value)
    assert 1e-4 < (exact - reference).abs().max() < 0.05


def test_gradients_of_integer_attention_are_those_of_softmax() -> None:
    torch.manual_seed(2)
    operands = [torch.randn(2, 2, 9, 16, requires_grad=True) for _ in range(3)]
    bias = torch.randn(1, 2, 1, 9, requires_grad=True)
    kept = functional.dropout(torch.ones(2, 2, 9, 9), 0.3)
    target = torch.randn(2, 2, 9, 16)
    gradients = torch.autograd.grad(
        (attention.integer_attention(*operands, 0.25, bias, kept=kept, exact=False) * target).sum(), [*operands, bias]
    )
    weights = (operands[0] @ operands[1].transpose(-1, -2) * 0.25 + bias).softmax(-1) * kept
    expected = torch.autograd.grad(((weights @ operands[2]) * target).sum(), [*operands, bias])
    for own, other in zip(gradients, expected, strict=True):
        assert (own - other).abs().max() < 0.05 * other.abs().max()
