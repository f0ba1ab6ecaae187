"""Exported files against an independent reading of docs/training.md, and their form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import residual, tokens

from soniq.qat import Quantization, prepare

onnx = pytest.importorskip("onnx")

MODES = [
    {"target_bits": 4.5}, {"palette": [(2, 2)]}, {"palette": [(4, 4)], "static_linear": True},
    {"method": "gdnsq", "palette": [(2, 2)]}, {"palette": [(2, 8)]},
]  # fmt: skip


def trained(network, inputs, mode: dict) -> Quantization:
    quantization = prepare(network, [inputs], steps=10, **mode)
    if quantization._searching() and quantization.method == "soniq":
        with torch.no_grad():
            for layer in quantization._searching().values():
                layer.precision.normal_(-1, 2)
    quantization.freeze()
    return quantization.eval()


def reference(path, feeds: dict[str, np.ndarray]) -> np.ndarray:
    from onnx.reference import ReferenceEvaluator
    from soniq_operators import QuantConv, QuantEmbedding, QuantLinear

    return ReferenceEvaluator(str(path), new_ops=[QuantConv, QuantEmbedding, QuantLinear]).run(None, feeds)[0]


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_convolutions_are_exported_with_their_batch_norms_folded(tmp_path, mode: dict) -> None:
    network, images = residual()
    quantization = trained(network, images, mode)
    path = tmp_path / "model.onnx"
    axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
    quantization.export(path, images[:2], inputs=["image"], outputs=["logits"], dynamic=axes)
    document = onnx.load(str(path))
    kinds = [node.op_type for node in document.graph.node]
    assert kinds.count("QuantConv") == 5 and kinds.count("QuantLinear") == 1
    assert not {"BatchNormalization", "Conv", "Gemm", "Identity"} & set(kinds)
    assert {entry.domain: entry.version for entry in document.opset_import} == {"": 17, "soniq": 1}
    expected = quantization(images).detach().numpy()
    # A value that float rounding moves over the edge of a bin becomes another code; there are few.
    difference = np.abs(reference(path, {"image": images.numpy()}) - expected)
    assert np.median(difference) < 1e-4 * np.abs(expected).max()
    assert difference.max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("mode", [{"target_bits": 8.5}, *MODES[1:]], ids=str)
def test_tokens(tmp_path, mode: dict) -> None:
    network, ids = tokens()
    quantization = trained(network, ids, mode)
    path = tmp_path / "model.onnx"
    quantization.export(
        path, {"ids": ids}, inputs=["ids"], dynamic={"ids": {0: "batch", 1: "positions"}},
        metadata={"general.license": "MIT"},
    )  # fmt: skip
    document = onnx.load(str(path))
    stated = {entry.key: entry.value for entry in document.metadata_props}
    assert stated["general.license"] == "MIT" and stated["soniq.palette"] == quantization.palette()
    names = {tensor.name for tensor in document.graph.initializer}
    assert {"inner.codes", "inner.channel_levels", "inner.scales", "inner.bias", "table.codes"} <= names
    expected = quantization(ids[:, :5]).detach().numpy()
    difference = np.abs(reference(path, {"ids": ids[:, :5].numpy()}) - expected)
    assert np.median(difference) < 1e-4 * np.abs(expected).max()


def test_codes_of_the_file_are_those_of_the_layer(tmp_path) -> None:
    from onnx import numpy_helper

    network, images = residual()
    quantization = trained(network, images, MODES[0])
    quantization.export(tmp_path / "model.onnx", images)
    document = onnx.load(str(tmp_path / "model.onnx"))
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in document.graph.initializer}
    for name in ("wide", "depthwise", "head"):
        layer = quantization.layers()[name]
        assert np.array_equal(arrays[f"{name}.codes"], layer.weight_codes().numpy())
        assert np.array_equal(arrays[f"{name}.channel_levels"], layer.channel_levels.numpy())
        assert np.array_equal(arrays[f"{name}.scales"], layer.scales_of_weights().detach().numpy())
    turned = arrays["stem.0.codes"].astype(int)
    codes = quantization.layers()["stem.0"].weight_codes().numpy().astype(int)
    negative = (network.stem[1].weight < 0).numpy()
    assert negative.any() and not negative.all()
    assert np.array_equal(turned[~negative], codes[~negative])
    assert np.array_equal(turned[negative], 256 - codes[negative])


def test_a_model_in_search_is_not_exported(tmp_path) -> None:
    network, images = residual()
    with pytest.raises(ValueError, match=r"call freeze\(\) first"):
        prepare(network, [images], target_bits=4.5).export(tmp_path / "model.onnx", images)
    assert not list(tmp_path.iterdir())
