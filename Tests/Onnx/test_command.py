"""The command with odd files: every fault is the user's, in plain words, and nothing is left or overwritten."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
RANDOM = np.random.default_rng(12)
WEIGHTS = RANDOM.standard_normal((8, 8)).astype(np.float32)
SAMPLES = RANDOM.standard_normal((16, 8)).astype(np.float32)


def info(name: str, shape: list | None, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes: list, inputs: list, outputs: list, tensors: dict | None = None, opset: int = 17) -> onnx.ModelProto:
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in (tensors or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def layer() -> onnx.ModelProto:
    product = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    return model([product], [info("x", ["batch", 8])], [info("y", ["batch", 8])], {"w": WEIGHTS})


def tool(*arguments: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run([os.environ["SONIQ_PACK"], *arguments], capture_output=True, text=True, timeout=120)


def pack(made: onnx.ModelProto, folder: Path, *options: str | Path) -> subprocess.CompletedProcess:
    onnx.save(made, folder / "model.onnx")
    return tool("pack", folder / "model.onnx", "-o", folder / "model.soniq", *options)


def node(kind: str, inputs: list, outputs: list, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, outputs, **attributes)


X, Y = info("x", ["batch", 8]), info("y", None)
BRANCH = helper.make_graph([node("Strange", ["x"], ["t"], name="inner")], "branch", [], [info("t", None)])
ODD_MODELS = {
    "no nodes, input is output": model([], [X], [info("x", ["batch", 8])]),
    "output is a constant": model([], [X], [info("w", [8, 8])], {"w": WEIGHTS}),
    "no inputs": model([node("Relu", ["w"], ["y"])], [], [Y], {"w": WEIGHTS}),
    "unused input": model([node("Relu", ["x"], ["y"])], [X, info("z", [3])], [Y]),
    "output twice": model([node("Relu", ["x"], ["y"])], [X], [Y, Y]),
    "size 0": model([node("Relu", ["x"], ["y"])], [info("x", [0, 8])], [Y]),
    "weights of no channels": model([node("MatMul", ["x", "w"], ["y"])], [X], [Y], {"w": np.zeros((8, 0), np.float32)}),
    "tensor that is an input too": model([node("Add", ["x", "w"], ["y"])], [X, info("w", [8])], [Y], {"w": WEIGHTS[0]}),
    "missing tensor": model([node("MatMul", ["x", "w"], ["y"])], [X], [Y]),
    "wrong shapes": model([node("MatMul", ["x", "w"], ["y"])], [X], [Y], {"w": np.zeros((7, 8), np.float32)}),
    "rank 9": model([node("Relu", ["x"], ["y"])], [info("x", [1] * 9)], [Y]),
    "huge": model([node("Relu", ["x"], ["y"])], [info("x", [2**31 - 1, 2**31 - 1])], [Y]),
    "larger than huge": model([node("Relu", ["x"], ["y"])], [info("x", [2**40, 8])], [Y]),
    "opset 6": model([node("Relu", ["x"], ["y"])], [X], [Y], opset=6),
    "strings": model([node("Identity", ["x"], ["y"])], [info("x", [1], TensorProto.STRING)], [Y]),
    "no shape": model([node("Relu", ["x"], ["y"])], [info("x", None)], [Y]),
    "scalar": model([node("Relu", ["x"], ["y"])], [info("x", [])], [Y]),
    "scales of 0": model(
        [
            node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            node("DequantizeLinear", ["q", "s", "z"], ["d"]),
            node("DequantizeLinear", ["c", "s", "z"], ["e"]),
            node("MatMul", ["d", "e"], ["y"]),
        ],
        [X],
        [Y],
        {"s": np.float32(0), "z": np.int8(0), "c": np.ones((8, 8), np.int8)},
    ),
    "denormal weights": model([node("MatMul", ["x", "w"], ["y"])], [X], [Y], {"w": WEIGHTS * np.float32(1e-42)}),
    "largest weights": model([node("MatMul", ["x", "w"], ["y"])], [X], [Y], {"w": np.sign(WEIGHTS) * np.float32(3e38)}),
    "zero weights": model([node("MatMul", ["x", "w"], ["y"])], [X], [Y], {"w": WEIGHTS * 0}),
    "largest table": model(
        [node("Gather", ["t", "i"], ["e"]), node("MatMul", ["e", "w"], ["y"])],
        [info("i", ["batch", 4], INT64)],
        [Y],
        {"t": np.sign(WEIGHTS) * np.float32(3e38), "w": WEIGHTS},
    ),
    "denormal table": model(
        [node("Gather", ["t", "i"], ["y"])],
        [info("i", ["batch", 4], INT64)],
        [Y],
        {"t": WEIGHTS * np.float32(1e-42)},
    ),
    "nan output": model([node("MatMul", ["x", "w"], ["h"]), node("Sqrt", ["h"], ["y"])], [X], [Y], {"w": WEIGHTS}),
    "infinite output": model(
        [node("MatMul", ["x", "w"], ["h"]), node("Mul", ["h", "z"], ["l"]), node("Log", ["l"], ["y"])],
        [X],
        [Y],
        {"w": WEIGHTS, "z": np.float32(0)},
    ),
    "branches": model(
        [node("If", ["c"], ["y"], name="choice", then_branch=BRANCH, else_branch=BRANCH)],
        [X, info("c", [], TensorProto.BOOL)],
        [Y],
    ),
    "many nodes": model(
        [node("Neg", [f"v{i}" if i else "x"], [f"v{i + 1}"]) for i in range(17000)], [X], [info("v17000", None)]
    ),
    "wide concatenation": model([node("Concat", ["x"] * 3000, ["y"], axis=1)], [X], [Y]),
    "long axis list": model([node("Transpose", ["x"], ["y"], perm=[0, 1, 2])], [X], [Y]),
}


@pytest.mark.parametrize("palette", ["f32", "8", "4,8", "w1a1+w4a4"])
@pytest.mark.parametrize("name", ODD_MODELS)
def test_odd_models_are_packed_or_refused_in_plain_words(name: str, palette: str, tmp_path: Path) -> None:
    made = ODD_MODELS[name]
    np.savez(tmp_path / "samples.npz", x=SAMPLES, i=np.arange(64).reshape(16, 4) % 8)
    result = pack(made, tmp_path, "--palette", palette, "--calibrate", tmp_path / "samples.npz")
    assert result.returncode in (0, 65), result.stderr
    output = tmp_path / "model.soniq"
    if result.returncode == 0:
        verified = tool("verify", output)
        assert verified.returncode == 0, verified.stderr
    else:
        assert result.stderr.count("\n") == 1
        assert not output.exists()
    assert not list(tmp_path.glob("*.part"))


def test_too_little_memory_is_the_machines_fault(tmp_path: Path) -> None:
    """4 GiB of values under a limit of 2: exit code 71, and nothing is written."""
    nodes = [
        node("Expand", ["x", "large"], ["wide"]),
        node("ReduceMax", ["wide"], ["h"], axes=[0], keepdims=1),
        node("MatMul", ["h", "w"], ["y"]),
    ]
    tensors = {"large": np.array([1 << 27, 8]), "w": WEIGHTS}
    onnx.save(model(nodes, [info("x", [1, 8])], [Y], tensors), tmp_path / "model.onnx")
    np.savez(tmp_path / "samples.npz", x=SAMPLES)
    command = [
        os.environ["SONIQ_PACK"], "pack", tmp_path / "model.onnx", "-o", tmp_path / "model.soniq",
        "--calibrate", tmp_path / "samples.npz",
    ]
    limit = (2 << 30, 2 << 30)
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )
    assert result.returncode == 71, result.stderr
    assert result.stderr.count("\n") == 1
    assert "memory" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "samples.npz"]


def test_nodes_of_branches_are_named(tmp_path: Path) -> None:
    result = pack(ODD_MODELS["branches"], tmp_path, "--palette", "f32")
    assert result.returncode == 65
    assert "2 nodes" in result.stderr
    assert "Strange (2: choice/then/inner, choice/else/inner)" in result.stderr


def numpy_file(path: Path, arrays: dict, *, compressed: bool = False) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-70])
    return path


ODD_SAMPLES = {
    "wrong name": lambda path: numpy_file(path, {"z": SAMPLES}),
    "nothing": lambda path: numpy_file(path, {}),
    "wrong width": lambda path: numpy_file(path, {"x": SAMPLES[:, :5]}),
    "wrong rank": lambda path: numpy_file(path, {"x": SAMPLES[0]}),
    "no samples": lambda path: numpy_file(path, {"x": SAMPLES[:0]}),
    "whole numbers": lambda path: numpy_file(path, {"x": SAMPLES.astype(np.int64)}),
    "complex": lambda path: numpy_file(path, {"x": SAMPLES.astype(np.complex64)}),
    "texts": lambda path: numpy_file(path, {"x": np.array([["a"] * 8] * 16)}),
    "objects": lambda path: numpy_file(path, {"x": np.array([[None] * 8] * 16, dtype=object)}),
    "nan": lambda path: numpy_file(path, {"x": np.where(SAMPLES > 1, np.nan, SAMPLES)}),
    "infinite": lambda path: numpy_file(path, {"x": np.where(SAMPLES > 1, np.inf, SAMPLES)}),
    "too large": lambda path: numpy_file(path, {"x": SAMPLES.astype(np.float64) * 1e300}),
    "big-endian": lambda path: numpy_file(path, {"x": SAMPLES.astype(">f4")}),
    "column-major": lambda path: numpy_file(path, {"x": np.asfortranarray(SAMPLES)}),
    "compressed": lambda path: numpy_file(path, {"x": SAMPLES}, compressed=True),
    "truncated": lambda path: cut(numpy_file(path, {"x": SAMPLES})),
    "empty file": lambda path: (path.write_bytes(b""), path)[1],
    "a folder": lambda path: (path.mkdir(), path)[1],
    "a pipe": lambda path: (os.mkfifo(path), path)[1],
    "a device": lambda path: (path.symlink_to("/dev/zero"), path)[1],
    "missing": lambda path: path,
}
GOOD_SAMPLES = {
    "double": {"x": SAMPLES.astype(np.float64)},
    "half": {"x": SAMPLES.astype(np.float16)},
    "more arrays": {"x": SAMPLES, "z": np.arange(3), "other": np.zeros((0, 3))},
    "one sample": {"x": SAMPLES[:1]},
    "large numbers": {"x": SAMPLES * np.float32(1e15)},
    "zeros": {"x": SAMPLES * 0},
}


@pytest.mark.parametrize("name", ODD_SAMPLES)
def test_odd_samples_are_refused(name: str, tmp_path: Path) -> None:
    result = pack(layer(), tmp_path, "--calibrate", ODD_SAMPLES[name](tmp_path / "samples.npz"))
    assert result.returncode in (65, 66), result.stderr
    assert "samples.npz" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("palette", ["8", "4,8"])
@pytest.mark.parametrize("name", GOOD_SAMPLES)
def test_other_samples_are_taken(name: str, palette: str, tmp_path: Path) -> None:
    samples = numpy_file(tmp_path / "samples.npz", GOOD_SAMPLES[name])
    result = pack(layer(), tmp_path, "--palette", palette, "--calibrate", samples)
    assert result.returncode == 0, result.stderr
    assert tool("verify", tmp_path / "model.soniq").returncode == 0


def test_samples_may_have_the_full_name_of_an_input(tmp_path: Path) -> None:
    name = "input/" * 60
    product = node("MatMul", [name, "w"], ["y"])
    made = model([product], [info(name, ["batch", 8])], [Y], {"w": WEIGHTS})
    np.savez(tmp_path / "samples.npz", **{name: SAMPLES})
    result = pack(made, tmp_path, "--calibrate", tmp_path / "samples.npz")
    assert result.returncode == 0, result.stderr
    assert f'"{name}" is called "input/' in result.stderr


def test_no_command_writes_over_what_it_reads(tmp_path: Path) -> None:
    onnx.save(layer(), tmp_path / "large.onnx", save_as_external_data=True, location="large.bin", size_threshold=0)
    onnx.save(layer(), tmp_path / "model.onnx")
    np.savez(tmp_path / "samples.npz", x=SAMPLES)
    options = ("--palette", "4", "--calibrate", tmp_path / "samples.npz")
    assert tool("pack", tmp_path / "model.onnx", "-o", tmp_path / "model.soniq", *options).returncode == 0
    os.link(tmp_path / "model.onnx", tmp_path / "hard.onnx")
    (tmp_path / "soft.npz").symlink_to("samples.npz")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for source, output in [
        ("model.onnx", "model.onnx"),
        ("model.onnx", "./../" + tmp_path.name + "/model.onnx"),
        ("model.onnx", "hard.onnx"),
        ("model.onnx", "samples.npz"),
        ("model.onnx", "soft.npz"),
        ("large.onnx", "large.bin"),
    ]:
        result = tool("pack", tmp_path / source, "-o", f"{tmp_path}/{output}", *options)
        assert (result.returncode, "input" in result.stderr) == (64, True), (source, output, result.stderr)
    result = tool("slice", tmp_path / "model.soniq", "-o", tmp_path / "model.soniq", "--bits", "2")
    assert result.returncode == 64, result.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_outputs_are_files(kind: str, tmp_path: Path) -> None:
    output = tmp_path / "output"
    {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda path: path.symlink_to("/dev/null")}[kind](output)
    onnx.save(layer(), tmp_path / "model.onnx")
    result = tool("pack", tmp_path / "model.onnx", "-o", output, "--palette", "f32")
    assert result.returncode == 73, result.stderr


@pytest.fixture()
def undisturbed(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that children take as by default: whoever runs the tests in the background may ignore it."""
    before = signal.signal(request.param, signal.SIG_DFL)
    if before not in (signal.SIG_IGN, signal.SIG_DFL):
        # A function: children do not inherit it.
        signal.signal(request.param, before)
    yield request.param
    signal.signal(request.param, before)


@pytest.mark.parametrize("undisturbed", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], indirect=True)
def test_a_signal_ends_the_command_and_leaves_nothing(undisturbed: signal.Signals, tmp_path: Path) -> None:
    width = 1024
    stored = {f"w{i}": RANDOM.standard_normal((width, width)).astype(np.float32) for i in range(6)}
    nodes = [node("MatMul", [f"v{i}" if i else "x", f"w{i}"], [f"v{i + 1}"]) for i in range(6)]
    onnx.save(model(nodes, [info("x", ["batch", width])], [info("v6", None)], stored), tmp_path / "model.onnx")
    np.savez(tmp_path / "samples.npz", x=RANDOM.standard_normal((16, width)).astype(np.float32))
    (tmp_path / "model.soniq").write_bytes(b"older")
    before = sorted(path.name for path in tmp_path.iterdir())
    command = [os.environ["SONIQ_PACK"], "pack", tmp_path / "model.onnx", "-o", tmp_path / "model.soniq", "--progress"]
    options = ["--calibrate", tmp_path / "samples.npz", "--palette", "4"]
    # On a busy machine the command may be done before the signal comes: then it is tried again.
    for _ in range(20):
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            process.stderr.readline()
            process.send_signal(undisturbed)
            process.communicate(timeout=120)
        if process.returncode != 0:
            break
        (tmp_path / "model.soniq").write_bytes(b"older")
    assert process.returncode == -undisturbed
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / "model.soniq").read_bytes() == b"older"


def test_a_signal_that_the_parent_ignores_stays_ignored(tmp_path: Path) -> None:
    onnx.save(layer(), tmp_path / "model.onnx")
    command = [os.environ["SONIQ_PACK"], "pack", tmp_path / "model.onnx", "-o", tmp_path / "model.soniq"]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with subprocess.Popen([*command, "--palette", "f32"], stderr=subprocess.PIPE) as process:
            process.send_signal(signal.SIGHUP)
            process.communicate(timeout=120)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.returncode == 0 and (tmp_path / "model.soniq").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    onnx.save(layer(), tmp_path / "model.onnx")
    limited = 'ulimit -f 0; trap "" XFSZ; exec "$@"'
    arguments = ["pack", tmp_path / "model.onnx", "-o", tmp_path / "model.soniq", "--palette", "f32"]
    command = ["bash", "-c", limited, "bash", os.environ["SONIQ_PACK"], *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 73, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
