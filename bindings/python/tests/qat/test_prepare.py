"""What `prepare` makes of a model, and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from networks import residual, tokens
from torch import nn

import soniq
from soniq.qat import (
    BudgetError,
    NotFiniteError,
    PaletteError,
    PhaseError,
    Precision,
    QatError,
    QuantEmbedding,
    UnsupportedModuleError,
    prepare,
)


def test_importing_soniq_does_not_import_torch() -> None:
    code = "import sys, soniq; assert 'torch' not in sys.modules"
    path = str(soniq.__path__[0]).removesuffix("/soniq")
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": path})


def test_ends_and_depthwise_layers_have_8_bits_and_the_original_is_untouched() -> None:
    network, images = residual()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    quantization = prepare(network, [images], target_bits=4.5)
    bits = {name: [level.weight_bits for level in layer.levels] for name, layer in quantization.layers().items()}
    assert bits == {
        "stem.0": [8], "body.0": [1, 4], "body.3": [1, 4], "depthwise": [8], "wide": [1, 4], "head": [8],
    }  # fmt: skip
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    codes = {name: layer.levels[0].activation_code for name, layer in quantization.layers().items()}
    assert codes["body.0"] == "affine" and codes["wide"] == "bipolar"


def test_eight_bits_are_close_to_the_float_model() -> None:
    for network, inputs in (residual(), tokens()):
        quantization = prepare(network, [inputs], palette=[(8, 8)])
        expected = network(inputs)
        assert (quantization(inputs) - expected).abs().max() < 0.05 * expected.abs().max()


def test_skip_leaves_modules_in_float() -> None:
    network, ids = tokens()
    quantization = prepare(network, [ids], palette=[(4, 4)], skip=["table", "inn*"])
    assert set(quantization.layers()) == {"outer", "head"}
    assert isinstance(quantization.model.inner, nn.Linear) and not quantization.embeddings()
    assert isinstance(prepare(network, [ids], palette=[(4, 4)]).model.table, QuantEmbedding)


def test_embeddings_have_bits_of_their_own() -> None:
    network, ids = tokens()
    quantization = prepare(network, [ids], palette=[(2, 8)], embedding_bits=4)
    assert quantization.model.table.level.weight_bits == 4
    assert quantization.model.inner.levels[0].weight_bits == 2
    assert quantization.model.head.levels[0].weight_bits == 8


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rows_of_embeddings_have_the_scale_of_least_error(bits: int) -> None:
    torch.manual_seed(1)
    source = nn.Embedding(500, 256)
    table = QuantEmbedding(source, Precision(bits, 8).resolved(False))
    ids = torch.arange(500)
    found = (table(ids) - source(ids)).square().sum(1)
    table.reach.fill_(1)
    of_greatest = (table(ids) - source(ids)).square().sum(1)
    assert bool((found <= of_greatest * 1.0001).all())
    assert bits == 8 or found.mean() < 0.9 * of_greatest.mean()


def test_autocast_leaves_the_codes_alone() -> None:
    network, ids = tokens()
    quantization = prepare(network, [ids], palette=[(2, 8), (4, 8)], target_bits=6, steps=2)
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            output = quantization(ids)
        output.float().sum().backward()
        quantization.freeze()
    assert torch.isfinite(quantization.model.inner.weight.grad).all()


@pytest.mark.parametrize(
    ("palette", "words"),
    [
        ([], "one or two"), ([1, 2, 4], "one or two"), ([(0, 4)], "from 1 to 8"), ([(9, 9)], "from 1 to 8"),
        ([(2, 2), (2, 2)], "give one"), ([(2, 8), (4, 4)], "order them alike"), ("w1a1", "give a list"),
        ([(1, 2, 3)], "weight bits, activation bits"), ([2.5], "weight bits, activation bits"),
        ([Precision(1, 1, "affine")], "use bipolar codes"),
    ],
)  # fmt: skip
def test_palettes_that_the_runtime_cannot_run(palette: object, words: str) -> None:
    network, images = residual()
    with pytest.raises(PaletteError, match=words):
        prepare(network, [images], palette=palette, target_bits=4)


def test_precisions_are_checked() -> None:
    with pytest.raises(PaletteError, match="1 to 7 bits"):
        Precision(8, 8, "bipolar")
    with pytest.raises(PaletteError, match="unknown code"):
        Precision(4, 4, "ternary")


def test_budgets_that_cannot_be_met() -> None:
    network, images = residual()
    with pytest.raises(BudgetError, match=r"target of 1 bits per weight cannot be met.*Raise the target"):
        prepare(network, [images], target_bits=1.0)
    with pytest.raises(BudgetError, match="need a target"):
        prepare(network, [images])
    with pytest.raises(BudgetError, match="not both"):
        prepare(network, [images], target_bits=2, target_latency_ms=1)
    with pytest.raises(BudgetError, match="calibrate-cost"):
        prepare(network, [images], target_latency_ms=1)


def test_modules_that_cannot_be_quantised() -> None:
    images = torch.randn(2, 4, 6)
    for module in (nn.LSTM(4, 4), nn.ConvTranspose1d(4, 4, 3)):
        with pytest.raises(UnsupportedModuleError, match="put '0' into skip"):
            prepare(nn.Sequential(module), [images], palette=[4])
    with pytest.raises(UnsupportedModuleError, match="pads with reflect"):
        prepare(nn.Sequential(nn.Conv1d(4, 4, 3, padding=1, padding_mode="reflect")), [images], palette=[4])
    with pytest.raises(UnsupportedModuleError, match="nothing to quantise"):
        prepare(nn.Sequential(nn.ReLU()), [images], palette=[4])


def test_other_bad_use() -> None:
    network, images = residual()
    with pytest.raises(QatError, match="skip names no module: nothing"):
        prepare(network, [images], palette=[4], skip=["nothing"])
    with pytest.raises(QatError, match="examples is empty"):
        prepare(network, [], palette=[4])
    with pytest.raises(QatError, match="unknown method"):
        prepare(network, [images], palette=[4], method="best")
    with pytest.raises(QatError, match="takes one precision"):
        prepare(network, [images], target_bits=2, method="gdnsq")
    with pytest.raises(NotFiniteError, match="the input of stem.0"):
        prepare(network, [images * torch.nan], palette=[4])
    with pytest.raises(QatError, match="quantised already"):
        prepare(prepare(network, [images], palette=[4]).model, [images], palette=[4])


def test_calls_that_come_too_early() -> None:
    network, images = residual()
    quantization = prepare(network, [images], target_bits=4.5)
    for call in (quantization.precision_map, quantization.code_bits, quantization.deployed):
        with pytest.raises(PhaseError, match=r"call freeze\(\) first"):
            call()
    with pytest.raises(PhaseError, match=r"call freeze\(\) first"):
        quantization.layers()["body.0"].weight_codes()


def test_a_loss_that_is_not_a_number() -> None:
    network, images = residual()
    quantization = prepare(network, [images], target_bits=4.5)
    with pytest.raises(NotFiniteError, match="lower the learning rate"):
        quantization.regularizer(torch.tensor(torch.nan))
    with torch.no_grad():
        quantization.model.head.weight[0, 0] = torch.inf
    with pytest.raises(NotFiniteError, match="model.head.weight"):
        quantization.check_finite()
