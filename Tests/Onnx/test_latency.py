"""`soniq-pack measure-layers`, and `pack --target-latency`: what a user sees of them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from small_graphs import Make, node

import soniq


def tool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [os.environ["SONIQ_PACK"], *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def source(make: Make, random: np.random.Generator) -> Path:
    """Two convolutions, of which one has two groups, between two ends, with a dynamic side."""
    sizes = {"a": (32, 3, 3, 3), "b": (64, 32, 3, 3), "c": (64, 32, 1, 1), "d": (8, 64, 3, 3)}
    tensors = {name: np.float32(random.standard_normal(size)) for name, size in sizes.items()}
    nodes = [
        node("Conv", "x a", "p", pads=[1, 1, 1, 1]), node("Relu", "p", "q"),
        node("Conv", "q b", "r", pads=[1, 1, 1, 1]), node("Relu", "r", "s"),
        node("Conv", "s c", "t", group=2), node("Conv", "t d", "y"),
    ]  # fmt: skip
    return make(nodes, {"x": [1, 3, 16, "width"]}, tensors).source


def test_layers_are_measured_and_the_times_used(source: Path, random: np.random.Generator, tmp_path: Path) -> None:
    times, samples, output = tmp_path / "times.json", tmp_path / "x.npy", tmp_path / "m.soniq"
    result = tool("measure-layers", source, "--palette", "4,8", "--at", "width=40", "-o", times)
    assert result.returncode == 0, result.stderr
    document = json.loads(times.read_text())
    assert document["levels"] == ["w4a8", "w8a8"] and document["sizes"] == {"width": 40} and document["threads"] == 1
    assert len(document["layers"]) == 5 and all(layer["fine_ns"] > 0 for layer in document["layers"])
    assert "width 40" in result.stdout and "all else" in result.stdout
    np.save(samples, np.float32(random.standard_normal((4, 3, 16, 24))))
    pack = ["pack", source, "-o", output, "--palette", "4,8", "--calibrate", samples]
    result = tool(*pack, "--target-latency", "1000", "--layer-times", times)
    assert result.returncode == 0, result.stderr
    assert "not measured here" in result.stdout and "w4a8" not in result.stdout
    outputs = soniq.load(output, verify=True)(x=np.zeros((1, 3, 16, 40), np.float32))
    assert outputs["y"].shape == (1, 8, 14, 38)
    # What half of the channels take is between the others here, whatever was measured.
    for layer in document["layers"]:
        layer.update(coarse_ns=1e5, mixed_ns=1.5e5, fine_ns=2e5)
    times.write_text(json.dumps({**document, "whole_ns": 1e6}))
    result = tool(*pack, "--target-latency", "0.75", "--layer-times", times)
    assert result.returncode == 0, result.stderr
    assert "w4a8" in result.stdout and "0.75" in result.stdout
    result = tool(*pack, "--target-latency", "60000", "--at", "width=40")
    assert result.returncode == 0 and "measured 0" in result.stdout, result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--at", "width=8"], "needs --target-latency"),
        (["--target-latency", "0"], "above 0"),
        (["--target-latency", "0.0000001"], "too short"),
        (["--target-latency", "5", "--target-bits", "5"], "--target-bits"),
        (["--target-latency", "5", "--at", "height=8"], "no dynamic size of the model's inputs: width are"),
        (["--target-latency", "5", "--at", "width"], "NAME=SIZE"),
        (["--target-latency", "5", "--threads", "0"], "1 to 256"),
        (["--target-latency", "5", "--palette", "8"], "two levels"),
        (["--target-latency", "5", "--layer-times", "t.json", "--threads", "2"], "says itself"),
    ],
)
def test_what_makes_no_sense_is_refused(
    options: list[str], words: str, source: Path, random: np.random.Generator, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.float32(random.standard_normal((4, 3, 16, 24))))
    palette = [] if "--palette" in options else ["--palette", "4,8"]
    result = tool("pack", source, "-o", tmp_path / "m.soniq", "--calibrate", tmp_path / "x.npy", *palette, *options)
    assert result.returncode == 64 and words in result.stderr, result.stderr
    assert not (tmp_path / "m.soniq").exists()


def test_times_that_are_none_are_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{}")
    pack = ["pack", source, "--dry-run", "--palette", "4,8", "--target-latency", "5", "--layer-times"]
    result = tool(*pack, tmp_path / "t.json")
    assert result.returncode == 65 and "measure-layers" in result.stderr
    assert tool(*pack, tmp_path / "none.json").returncode == 66
    result = tool("measure-layers", source, "--palette", "8")
    assert result.returncode == 64 and "two levels" in result.stderr
