"""Norms by the root of the mean square, as exporters write them."""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import pytest
from small_graphs import Make, node, real

import soniq

ROOT = [node("ReduceMean", "q", "m", axes=[-1]), node("Add", "m epsilon", "e"), node("Sqrt", "e", "r")]
POWER, PRODUCT = node("Pow", "x two", "q"), node("Mul", "x x", "q")
RMS_FORMS = {
    "divided": [POWER, *ROOT, node("Div", "x r", "n"), node("Mul", "n gamma", "y")],
    "reciprocal": [POWER, *ROOT, node("Reciprocal", "r", "s"), node("Mul", "x s", "n"), node("Mul", "gamma n", "y")],
    "one over": [PRODUCT, *ROOT, node("Div", "one r", "s"), node("Mul", "s x", "n"), node("Mul", "gamma n", "y")],
    "without gamma": [PRODUCT, *ROOT, node("Div", "x r", "y")],
}


@pytest.mark.parametrize("form", RMS_FORMS)
def test_norms_by_the_root_of_the_mean_square(form: str, make: Make, random: np.random.Generator) -> None:
    constants = {
        "two": np.array(2, np.float32), "one": np.array(1, np.float32), "epsilon": np.array(1e-5, np.float32),
        "gamma": real(random, 24),
    }
    model = make(RMS_FORMS[form], {"x": ["batch", 3, 24]}, constants)
    model.expect({"x": 3 * real(random, 2, 3, 24)})
    assert [report.operation for report in soniq.load(model.output).kernels()] == ["rmsNorm"]


def test_a_mean_square_of_something_else_is_no_norm(make: Make, random: np.random.Generator) -> None:
    constants = {"epsilon": np.array(1e-5, np.float32), "gamma": real(random, 24)}
    nodes = [node("Mul", "x z", "q"), *ROOT, node("Div", "x r", "n"), node("Mul", "n gamma", "y")]
    model = make(nodes, {"x": ["batch", 24], "z": ["batch", 24]}, constants)
    positive = np.abs(real(random, 4, 24)) + 0.1
    model.expect({"x": positive, "z": positive[::-1].copy()})
    assert "rmsNorm" not in [report.operation for report in soniq.load(model.output).kernels()]


def test_the_norm_of_onnx_runtime_around_a_layer(make: Make, random: np.random.Generator) -> None:
    """SimplifiedLayerNormalization over two axes, first and last in a network, and the sum before the second one."""
    nodes = [
        node("SimplifiedLayerNormalization", "x first", "n", axis=1, epsilon=1e-4),
        node("MatMul", "n weights", "p"),
        node("Add", "p x", "s"),
        node("SimplifiedLayerNormalization", "s second", "y", epsilon=1e-6),
    ]
    constants = {"first": real(random, 4, 16), "second": real(random, 16), "weights": real(random, 16, 16)}
    model = make(nodes, {"x": ["batch", 4, 16]}, constants)
    model.expect({"x": real(random, 3, 4, 16)})
    operations = [report.operation for report in soniq.load(model.output).kernels()]
    assert operations.count("rmsNorm") == 1 and operations.count("add + rmsNorm") == 1, operations


def test_inspect_lists_nodes_with_their_attributes(make: Make, random: np.random.Generator) -> None:
    nodes = [node("SimplifiedLayerNormalization", "x gamma", "y", epsilon=0.25)]
    model = make(nodes, {"x": ["batch", 16]}, {"gamma": real(random, 16)})
    assert model.pack().returncode == 0
    command = [os.environ["SONIQ_PACK"], "inspect", str(model.output)]
    tree = subprocess.run([*command, "--nodes"], capture_output=True, text=True, check=True).stdout
    assert "the_y  rmsNorm gamma=0 epsilon=0.25  (x) -> y" in tree
    described = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout)
    assert described["operations"][0]["operation"] == "rmsNorm gamma=0 epsilon=0.25"


def test_the_packer_has_the_version_of_the_library() -> None:
    command = [os.environ["SONIQ_PACK"], "--version"]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert soniq.build_info().startswith(f"soniq {version} (")
