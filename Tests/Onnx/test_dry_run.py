"""`soniq-pack pack --dry-run`: what would be packed how, and what cannot be, without samples and without a file."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import Make, node


def tool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [os.environ["SONIQ_PACK"], "pack", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def source(make: Make, random: np.random.Generator) -> Path:
    tensors = {"w": random.standard_normal((64, 96)), "v": random.standard_normal((96, 48))}
    nodes = [node("MatMul", "x w", "h"), node("Relu", "h", "a"), node("MatMul", "a v", "y")]
    return make(nodes, {"x": ["batch", 64]}, {name: np.float32(array) for name, array in tensors.items()}).source


@pytest.mark.parametrize("palette", ["8", "4", "2,8", "f32"])
def test_the_plan_is_what_is_packed(source: Path, palette: str, random: np.random.Generator) -> None:
    planned = tool(source, "--palette", palette, "--dry-run", "--json")
    assert planned.returncode == 0, planned.stderr
    assert [path.name for path in source.parent.iterdir()] == ["model.onnx"]
    plan = json.loads(planned.stdout)
    samples, output = source.with_name("samples.npz"), source.with_name("model.soniq")
    np.savez(samples, x=np.float32(random.standard_normal((32, 64))))
    packed = tool(source, "--palette", palette, "-o", output, "--calibrate", samples)
    assert packed.returncode == 0, packed.stderr
    shown = subprocess.run(
        [os.environ["SONIQ_PACK"], "inspect", output, "--json"], capture_output=True, text=True, check=True
    )
    document = json.loads(shown.stdout)
    assert plan["weight_count"] == document["weight_count"] == 64 * 96 + 96 * 48
    assert plan["bytes_min"] <= document["weight_bytes"] <= plan["bytes_max"]
    for layer, weight in zip(plan["layers"], document["weights"], strict=True):
        assert layer["bytes_min"] <= weight["bytes"] <= layer["bytes_max"]
    assert plan["samples_needed"] == ([] if palette == "f32" else ["x"])
    assert sum(plan["operations"].values()) == document["nodes"] == 3


def test_the_table_names_layers_levels_and_activations(source: Path) -> None:
    result = tool(source, "--palette", "4", "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "nothing is written" in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if "96 x 64" in line]
    for word in ("the_h", "linear", "w4a8", "nibbles", "8 bits affine, a scale a row"):
        assert word in line
    assert "--calibrate needs samples of x" in result.stdout


def test_every_node_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Odd", ["x"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="between"),
        helper.make_node("Odder", ["b"], ["c"], name="second"),
        helper.make_node("Odd", ["c"], ["y"], name="third"),
    ]
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "xy"]
    tensors = [numpy_helper.from_array(np.zeros(4, np.float32), "t")]
    graph = helper.make_graph(nodes, "odd", sides[:1], sides[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    for options in (("--dry-run",), ("--dry-run", "--json"), ("-o", tmp_path / "m.soniq")):
        result = tool(tmp_path / "m.onnx", *options)
        assert result.returncode == 65
        assert result.stdout == ""
        assert "3 nodes cannot be imported" in result.stderr
        assert "Odd (2: first, third), Odder (1: second)" in result.stderr
    assert not (tmp_path / "m.soniq").exists()


def test_faults_are_those_of_packing(source: Path, tmp_path: Path) -> None:
    existing = tmp_path / "kept.soniq"
    existing.write_bytes(b"of the user")
    assert tool(source, "-o", existing, "--dry-run").returncode == 0
    assert existing.read_bytes() == b"of the user"
    faults = [
        (64, ("--palette", "9", "--dry-run")),
        (64, ("--palette", "4,8", "--target-bits", "1", "--dry-run")),
        (64, ("--json", "-o", existing)),
        (64, ()),
        (65, ("--calibrate", source, "--dry-run")),
        (66, ("--calibrate", tmp_path / "none.npz", "--dry-run")),
        (73, ("-o", tmp_path / "none" / "m.soniq", "--dry-run")),
    ]
    for code, options in faults:
        result = tool(source, *options)
        assert result.returncode == code, (options, result.stderr)
        assert result.stdout == ""
    assert tool(tmp_path / "none.onnx", "--dry-run").returncode == 66


def test_version() -> None:
    result = subprocess.run([os.environ["SONIQ_PACK"], "--version"], capture_output=True, text=True, check=True)
    header = (Path(__file__).parents[2] / "include/soniq.h").read_text()
    parts = [header.split(f"SONIQ_VERSION_{part} ")[1].split()[0] for part in ("MAJOR", "MINOR", "PATCH")]
    assert result.stdout.strip() == ".".join(parts)
