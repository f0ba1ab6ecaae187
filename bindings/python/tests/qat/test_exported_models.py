"""What `export` takes, and models that it once failed on."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from test_transformers import arrays, packed
from torch import nn

from soniq.qat import PhaseError, QatError, prepare

onnx = pytest.importorskip("onnx")
needs_packer = pytest.mark.skipif(not os.environ.get("SONIQ_PACK"), reason="SONIQ_PACK does not name the packer")
FOUR = {"palette": [(4, 4)]}


class Repeated(nn.Module):
    """A layer that is called twice, also under another name."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 4)
        self.again = self.inner

    def forward(self, x):
        x = torch.relu(self.inner(torch.relu(self.inner(self.first(x)))))
        return self.last(torch.relu(self.again(x)))


@needs_packer
def test_layers_that_are_called_several_times(tmp_path) -> None:
    x = torch.randn(20, 16)
    quantization = prepare(Repeated(), [x], **FOUR).eval()
    model = packed(quantization, {"x": x}, tmp_path)
    np.testing.assert_allclose(model(x=x.numpy())["y"], quantization(x).detach().numpy(), rtol=1e-5, atol=1e-6)


class Table(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 16)

    def forward(self, ids):
        return self.table(ids)


@needs_packer
def test_embeddings_alone(tmp_path) -> None:
    ids = torch.randint(9, (5, 3))
    quantization = prepare(Table(), [ids], **FOUR).eval()
    model = packed(quantization, {"ids": ids}, tmp_path)
    np.testing.assert_array_equal(model(**arrays({"ids": ids}))["y"], quantization(ids).detach().numpy())


class Keywords(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 4)

    def forward(self, x, *, scale, shift=None):
        return self.layer(x * scale) if shift is None else self.layer(x * scale + shift)


@needs_packer
def test_inputs_that_are_keyword_only(tmp_path) -> None:
    inputs = {"x": torch.randn(5, 16), "scale": torch.rand(5, 16), "shift": torch.rand(5, 16)}
    quantization = prepare(Keywords(), [inputs], **FOUR).eval()
    model = packed(quantization, inputs, tmp_path)
    expected = quantization(**inputs).detach().numpy()
    np.testing.assert_allclose(model(**arrays(inputs))["y"], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(QatError, match="keyword-only as a dict"):
        quantization.export(tmp_path / "m.onnx", (inputs["x"], inputs["scale"]))


def test_compiled_models_are_exported(tmp_path) -> None:
    x = torch.randn(5, 16)
    quantization = prepare(Repeated(), [x], **FOUR).eval()
    quantization.model = torch.compile(quantization.model, backend="eager")
    quantization.export(tmp_path / "m.onnx", x)
    assert [node.op_type for node in onnx.load(str(tmp_path / "m.onnx")).graph.node].count("QuantLinear") == 5


def test_names_and_metadata_are_checked(tmp_path) -> None:
    x = torch.randn(5, 16)
    quantization = prepare(Repeated(), [x], **FOUR)
    path = tmp_path / "m.onnx"
    with pytest.raises(QatError, match=r"dynamic names 'imaeg', which is none of the inputs \(image\) and outputs"):
        quantization.export(path, x, inputs=["image"], dynamic={"imaeg": {0: "batch"}})
    with pytest.raises(QatError, match="give the names of axes by number"):
        quantization.export(path, x, inputs=["image"], dynamic={"image": [0]})
    with pytest.raises(QatError, match="inputs names 2 values, and the example has 1"):
        quantization.export(path, x, inputs=["image", "mask"])
    with pytest.raises(QatError, match="metadata 'tags' is .*: give text or a number"):
        quantization.export(path, x, metadata={"tags": ["a"]})
    assert not list(tmp_path.iterdir())
    quantization.export(path, x, metadata={"epoch": 3, "accuracy": 0.5})
    stated = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    assert stated["epoch"] == "3" and stated["accuracy"] == "0.5"


def test_evaluation_in_the_search_has_no_chance() -> None:
    x = torch.randn(5, 16)
    for mode in ({"target_bits": 15.0}, {"method": "gdnsq", "palette": [(2, 2)]}):
        quantization = prepare(Repeated(), [x], **mode).eval()
        assert torch.equal(quantization(x), quantization(x))
    searched = prepare(Repeated(), [x], target_bits=15.0)
    assert not torch.equal(searched.train()(x), searched(x))
    with pytest.raises(PhaseError):
        searched.deployed()


def test_evaluation_in_the_search_rounds_to_the_precision() -> None:
    """At either end of the search it is the grid of that level."""
    x = torch.randn(50, 16)
    quantization = prepare(Repeated(), [x], palette=[(2, 2), (4, 4)], target_bits=15.0, static_linear=True).eval()
    layer = quantization.layers()["inner"]
    for level, s in enumerate([9.0, -9.0]):
        layer.precision.data[:] = s
        weight = layer.quantized_weight()
        layer.set_channel_levels(torch.full((16,), level, dtype=torch.uint8))
        torch.testing.assert_close(weight, layer.quantized_weight())
        layer.phase = "search"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"palette": [(2, 2)]}, {"palette": [(4, 4)]}),
        ({"palette": [(1, 1), (4, 4)], "target_bits": 15.0}, {"palette": [(2, 2), (4, 4)], "target_bits": 15.0}),
        ({"palette": [(2, 2)]}, {"palette": [(2, 2)], "end_bits": None}),
    ],
)
def test_states_of_other_palettes_are_refused(first: dict, second: dict) -> None:
    x = torch.randn(5, 16)
    state = prepare(Repeated(), [x], **first).state_dict()
    other = prepare(Repeated(), [x], **second)
    before = {name: value.clone() for name, value in other.state_dict().items() if isinstance(value, torch.Tensor)}
    with pytest.raises(QatError, match="the state is of another model or palette: .* there and .* here"):
        other.load_state_dict(state)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in before.items())
    prepare(Repeated(), [x], **first).load_state_dict(state)


class Placed(nn.Module):
    """Positions by the size of the words' rows, and a look at a layer's type."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places, self.layer = nn.Embedding(9, 16), nn.Embedding(6, 16), nn.Linear(16, 4)
        self.register_buffer("numbers", torch.arange(6)[None])

    def forward(self, ids):
        x = self.words(ids)
        x = x + self.places(self.numbers[:, : x.size(1)])
        return self.layer(x.to(self.layer.weight.dtype))


@needs_packer
@pytest.mark.parametrize("dynamic", [(0,), (0, 1)])
def test_positions_are_constants(tmp_path, dynamic: tuple) -> None:
    ids = torch.randint(9, (5, 4))
    quantization = prepare(Placed(), [ids], **FOUR).eval()
    model = packed(quantization, {"ids": ids}, tmp_path, dynamic=dynamic)
    np.testing.assert_array_equal(model(**arrays({"ids": ids}))["y"], quantization(ids).detach().numpy())
