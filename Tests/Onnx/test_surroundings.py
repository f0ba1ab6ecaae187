"""The command in odd surroundings: streams, limits and variables that its caller decides."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(15)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With an ONNX model, samples of its input, and what it packs to at 4 bits."""
    weights = RANDOM.standard_normal((32, 64)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 64])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "model.onnx")
    np.savez(tmp_path / "samples.npz", x=RANDOM.standard_normal((16, 32)).astype(np.float32))
    result = tool(tmp_path, *PACK, "-o", "four.soniq")
    assert result.returncode == 0, result.stderr
    return tmp_path


PACK = ["pack", "model.onnx", "--palette", "4", "--calibrate", "samples.npz"]
COMMANDS = {
    "pack": [*PACK, "-o", "made.soniq"],
    "slice": ["slice", "four.soniq", "-o", "made.soniq", "--bits", "2"],
    "inspect": ["inspect", "four.soniq"],
    "inspect --json": ["inspect", "four.soniq", "--json"],
    "verify": ["verify", "four.soniq"],
}


def tool(
    folder: Path, *arguments: str, before: Callable[[], None] | None = None, **streams: object
) -> subprocess.CompletedProcess[str]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [os.environ["SONIQ_PACK"], *arguments]
    return subprocess.run(command, cwd=folder, text=True, timeout=120, preexec_fn=before, check=False, **streams)


@pytest.mark.parametrize("name", COMMANDS)
def test_an_answer_that_cannot_be_written_is_an_error(name: str, folder: Path) -> None:
    with open("/dev/full", "w") as full:
        result = tool(folder, *COMMANDS[name], stdout=full)
    assert result.returncode == 74
    assert "standard output: No space left on device" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1], [0, 1, 2]])
def test_closed_streams_change_nothing(name: str, closed: list[int], folder: Path) -> None:
    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    assert tool(folder, *COMMANDS[name], before=close).returncode == 0
    if (folder / "made.soniq").exists():
        made = (folder / "made.soniq").read_bytes()
        assert tool(folder, *COMMANDS[name]).returncode == 0
        assert (folder / "made.soniq").read_bytes() == made


@pytest.mark.parametrize("name", ["pack", "slice"])
@pytest.mark.parametrize("limit", [0, 1, 1000])
def test_a_limit_of_file_sizes_is_an_error_that_leaves_nothing(name: str, limit: int, folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    result = tool(
        folder, *COMMANDS[name], before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    assert result.returncode in (73, 74)
    assert "File too large" in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("value", ["AVX2", "avx1024", " avx2", "\x1b[31m", "a" * 100_000])
def test_an_unknown_instruction_set_is_wrong_usage(value: str, folder: Path) -> None:
    result = tool(folder, *COMMANDS["pack"], env={**os.environ, "SONIQ_MAX_ISA": value})
    assert result.returncode == 64
    assert "SONIQ_MAX_ISA" in result.stderr
    assert "portable, avx2 or avx512" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "\x1b" not in result.stderr
    assert not (folder / "made.soniq").exists()


@pytest.mark.parametrize("name", ["samples.npz", "four.soniq", "/dev/null", "/proc/self/maps"])
def test_what_is_no_model_is_said_to_be_none(name: str, folder: Path) -> None:
    result = tool(folder, "pack", name, "-o", "made.soniq")
    assert result.returncode == 66
    assert "neither an ONNX file nor a folder" in result.stderr


def test_what_is_not_there_is_said_not_to_be(folder: Path) -> None:
    result = tool(folder, "pack", "nothing", "-o", "made.soniq")
    assert result.returncode == 66
    assert "nothing: no such file or folder" in result.stderr
