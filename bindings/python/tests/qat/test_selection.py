"""Which modules are quantised under all of their names, and what is refused before anyone trains."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from soniq.qat import BudgetError, QatError, QuantLinear, UnsupportedModuleError, prepare


def body(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(16, 16), *layers, nn.Linear(16, 4))


X = torch.randn(6, 16)
FOUR = {"palette": [(4, 4)]}


class Named(nn.Module):
    """One layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.inner = nn.Linear(16, 16)
        self.again = self.inner

    def forward(self, x):
        return self.again(torch.relu(self.inner(torch.relu(self.first(x)))))


def test_a_layer_with_two_names_is_quantised_under_both() -> None:
    quantization = prepare(Named(), [X], **FOUR)
    assert isinstance(quantization.model.inner, QuantLinear)
    assert quantization.model.again is quantization.model.inner
    assert set(quantization.layers()) == {"first", "inner"}
    skipped = prepare(Named(), [X], skip=["again"], **FOUR)
    assert isinstance(skipped.model.inner, nn.Linear) and skipped.model.again is skipped.model.inner


class Raw(nn.Module):
    def __init__(self, product) -> None:
        super().__init__()
        self.inner = nn.Linear(16, 16)
        self.table = nn.Parameter(torch.randn(16, 16))
        self.product = product

    def forward(self, x):
        return self.product(self.inner(x), self.table, self.inner.weight)


@pytest.mark.parametrize(
    "product",
    [
        lambda x, table, weight: functional.linear(x, table), lambda x, table, weight: x @ table.t(),
        lambda x, table, weight: torch.einsum("bi,oi->bo", x, table),
        lambda x, table, weight: functional.linear(x, weight=weight),
        lambda x, table, weight: functional.embedding(x.argmax(-1), table),
    ],
)  # fmt: skip
def test_products_with_parameters_themselves_are_refused(product) -> None:
    with pytest.raises(UnsupportedModuleError, match=r"multiplies by (table|inner.weight) itself.*make it the weight"):
        prepare(Raw(product), [X], **FOUR)


def test_parameters_of_modules_in_skip_may_be_multiplied_by() -> None:
    network = nn.Sequential(nn.Linear(16, 16), Raw(lambda x, table, weight: functional.linear(x, table)))
    assert set(prepare(network, [X], skip=["1"], **FOUR).layers()) == {"0"}


def test_weights_that_something_else_makes_are_refused() -> None:
    with pytest.raises(UnsupportedModuleError, match="parametrised weight, which .*remove_parametrizations"):
        prepare(body(parametrizations.weight_norm(nn.Linear(16, 16))), [X], **FOUR)
    with pytest.warns(FutureWarning):
        old = nn.utils.weight_norm(nn.Linear(16, 16))
    with pytest.raises(UnsupportedModuleError, match="1 has a weight norm of the old kind.*remove_weight_norm"):
        prepare(body(old), [X], **FOUR)


def test_recurrences_are_refused_with_what_skip_means() -> None:
    with pytest.raises(UnsupportedModuleError, match="put '0' into skip to train it in float .*--calibrate"):
        prepare(nn.Sequential(nn.LSTM(16, 16)), [X], **FOUR)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_models_of_other_types_are_told_to_be_float(kind: torch.dtype) -> None:
    with pytest.raises(QatError, match=r"0.weight is .*: call model.float\(\) before prepare"):
        prepare(body().to(kind), [X.to(kind)], **FOUR)


def test_examples_are_a_list_of_inputs() -> None:
    with pytest.raises(QatError, match=r"examples is one batch: give a list of batches, such as \[images"):
        prepare(body(), X, **FOUR)
    with pytest.raises(QatError, match="inputs alone, without labels"):
        prepare(body(), [(X, torch.zeros(6))], **FOUR)


class Odd(nn.ModuleDict):
    def __init__(self) -> None:
        super().__init__({"x[0]": nn.Linear(16, 16), "y": nn.Linear(16, 4)})

    def forward(self, x):
        return self["y"](self["x[0]"](x))


def test_patterns_of_skip() -> None:
    assert set(prepare(body(), [X], skip="0", **FOUR).layers()) == {"1"}
    with pytest.raises(QatError, match=r"layers.0 for layers\[0\]"):
        prepare(body(), [X], skip=["x[0]"], **FOUR)
    assert set(prepare(Odd(), [X], skip=["x[0]"], **FOUR).layers()) == {"y"}


def test_a_single_layer_is_refused() -> None:
    with pytest.raises(QatError, match=r"put it into nn.Sequential"):
        prepare(nn.Linear(16, 4), [X], **FOUR)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_targets_are_numbers_above_zero(value: float) -> None:
    with pytest.raises(BudgetError, match="give a number above 0"):
        prepare(body(), [X], target_bits=value)


@pytest.mark.parametrize("method", ["soniq", "gdnsq"])
def test_one_precision_has_no_target(method: str) -> None:
    with pytest.raises(BudgetError, match="one precision, w2a2, leaves nothing to choose: leave the target out"):
        prepare(body(), [X], palette=[(2, 2)], target_bits=2.0, method=method)


def test_what_small_models_need_is_named() -> None:
    for network in (body(), body(nn.Linear(16, 16))):
        with pytest.raises(BudgetError, match="end_bits=None"):
            prepare(network, [X], target_bits=2.0)


def test_frozen_weights_stay_frozen() -> None:
    network = body(nn.Linear(16, 16))
    network[1].requires_grad_(False)
    layer = prepare(network, [X], target_bits=14.0).layers()["1"]
    assert not any(parameter.requires_grad for parameter in (layer.weight, layer.bias, layer.weight_factor))
    assert prepare(network, [X], **FOUR).layers()["0"].weight.requires_grad


def test_compiled_models_are_prepared_as_what_they_were_made_from() -> None:
    network = body(torch.compile(nn.Linear(16, 16), backend="eager"))
    quantization = prepare(torch.compile(network, backend="eager"), [X], **FOUR)
    assert set(quantization.layers()) == {"0", "1", "2"}


class Attending(nn.Module):
    """Attention to itself, or to other positions."""

    def __init__(self, crossed: bool, **options) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, **options)
        self.crossed = crossed

    def forward(self, x, mask=None):
        return self.attention(x, x + 1 if self.crossed else x, x, key_padding_mask=mask)


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("options", [{"batch_first": True}, {"bias": False}, {"batch_first": True, "dropout": 0.2}])
def test_attention_modules_are_taken_apart(crossed: bool, options: dict) -> None:
    network = Attending(crossed, **options).eval()
    x = torch.randn(3, 3, 16)
    mask = torch.zeros(3, 3, dtype=torch.bool)
    mask[:, 2] = True
    quantization = prepare(network, [(x, mask)], palette=[(8, 8)])
    names = {"query", "key", "value"} if crossed else {"projection"}
    assert set(quantization.layers()) == {f"attention.{name}" for name in names | {"out_proj"}}
    for found, expected in zip(quantization(x, mask), network(x, mask), strict=True):
        assert (found - expected).abs().max() < 0.03
    single, _ = quantization(x[0]) if options.get("batch_first") else quantization(x)
    assert torch.isfinite(single).all()


def test_attention_with_keys_of_its_own_is_refused() -> None:
    with pytest.raises(UnsupportedModuleError, match="add_zero_attn.*put 'attention' into skip"):
        prepare(Attending(False, add_zero_attn=True), [torch.randn(3, 3, 16)], **FOUR)
