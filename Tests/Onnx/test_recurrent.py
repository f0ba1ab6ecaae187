"""LSTM, GRU and RNN: single nodes against ONNX Runtime, networks of both exporters of PyTorch, and streaming."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_import import distance, pack, reference, run

import soniq

Arrays = dict[str, np.ndarray]
NETWORKS = sorted((Path(__file__).parent / "recurrent").glob("*.onnx"))
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
TIME, BATCH, INPUTS, HIDDEN = 6, 3, 9, 17
# In float mode: sums in another order. Of the largest number, or 1.
TOLERANCE = 5e-6


def expect_close(got: np.ndarray, wanted: np.ndarray, what: str) -> None:
    least = TOLERANCE * max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=least, err_msg=what)


class Layer:
    """One node with all its outputs, in a file; batch and time are dynamic."""

    def __init__(
        self,
        folder: Path,
        random: np.random.Generator,
        kind: str,
        given: str = "",
        opset: int = 22,
        **attributes: object,
    ) -> None:
        self.path = folder / "layer.onnx"
        directions = 2 if attributes.get("direction") == "bidirectional" else 1
        rows = GATES[kind] * HIDDEN
        by_batch = attributes.get("layout") == 1

        def weights(*shape: int) -> np.ndarray:
            return (random.standard_normal(shape) * 0.5).astype(np.float32)

        constants = {"W": weights(directions, rows, INPUTS), "R": weights(directions, rows, HIDDEN)}
        if "B" in given:
            constants["B"] = weights(directions, 2 * rows)
        if "P" in given:
            constants["P"] = weights(directions, 3 * HIDDEN)
        state = ["batch", directions, HIDDEN] if by_batch else [directions, "batch", HIDDEN]
        inputs: dict[str, tuple[int, list]] = {
            "X": (TensorProto.FLOAT, ["batch", "time", INPUTS] if by_batch else ["time", "batch", INPUTS])
        }
        if "l" in given:
            inputs["l"] = (TensorProto.INT32, ["batch"])
        for name in "hc":
            if name in given:
                inputs[name] = (TensorProto.FLOAT, state)
        order = ["X", "W", "R", "B", "l", "h", "c", "P"]
        names = [name if name in inputs or name in constants else "" for name in order]
        while not names[-1]:
            names.pop()
        outputs = ["Y", "Y_h", "Y_c"] if kind == "LSTM" else ["Y", "Y_h"]
        node = helper.make_node(kind, names, outputs, name="layer", hidden_size=HIDDEN, **attributes)
        graph = helper.make_graph(
            [node], "graph",
            [helper.make_tensor_value_info(name, *info) for name, info in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", opset)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), self.path)
        self.by_batch, self.directions, self.inputs = by_batch, directions, inputs

    def arrays(self, random: np.random.Generator, batch: int = BATCH, time: int = TIME) -> Arrays:
        def floats(*shape: int) -> np.ndarray:
            return random.standard_normal(shape).astype(np.float32)

        x = floats(batch, time, INPUTS) if self.by_batch else floats(time, batch, INPUTS)
        arrays = {"X": x}
        if "l" in self.inputs:
            arrays["l"] = random.integers(1, time + 1, batch).astype(np.int32)
            arrays["l"][-1] = time
        for name in "hc":
            if name in self.inputs:
                shape = (batch, self.directions) if self.by_batch else (self.directions, batch)
                arrays[name] = floats(*shape, HIDDEN) * 0.3
        return arrays

    def expect(self, random: np.random.Generator) -> None:
        """At several sizes."""
        packed = pack(self.path, self.path.with_suffix(".soniq"), "--palette", "f32")
        for batch, time in ((1, 1), (BATCH, TIME), (2, 15)):
            arrays = self.arrays(random, batch, time)
            wanted = reference(self.path, arrays)
            got = run(packed, arrays)
            assert got.keys() == wanted.keys()
            for name, array in wanted.items():
                assert got[name].shape == array.shape, name
                expect_close(got[name], array, name)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("kind", "given"), [
    ("LSTM", ""), ("LSTM", "B"), ("LSTM", "Blhc"), ("LSTM", "h"), ("LSTM", "c"), ("GRU", ""), ("GRU", "Blh"),
    ("RNN", "B"), ("RNN", "lh"),
])  # fmt: skip
def test_inputs_and_directions(
    direction: str, kind: str, given: str, tmp_path: Path, random: np.random.Generator
) -> None:
    Layer(tmp_path, random, kind, given, direction=direction).expect(random)


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_a_gru_that_resets_behind_its_product(direction: str, tmp_path: Path, random: np.random.Generator) -> None:
    Layer(tmp_path, random, "GRU", "Blh", direction=direction, linear_before_reset=1).expect(random)


@pytest.mark.parametrize(("kind", "attributes"), [
    ("LSTM", {"activations": ["Relu", "Sigmoid", "Tanh"]}), ("LSTM", {"activations": ["sigmoid", "TANH", "relu"]}),
    ("GRU", {"activations": ["Sigmoid", "Relu"]}), ("RNN", {"activations": ["Relu"]}),
    ("RNN", {"activations": ["Sigmoid"]}),
    ("LSTM", {"clip": 0.7}), ("GRU", {"clip": 0.6}), ("GRU", {"clip": 0.6, "linear_before_reset": 1}),
    ("RNN", {"clip": 0.5}), ("LSTM", {"input_forget": 1}),
])  # fmt: skip
def test_attributes(kind: str, attributes: dict, tmp_path: Path, random: np.random.Generator) -> None:
    Layer(tmp_path, random, kind, "Bh", **attributes).expect(random)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("opset", [7, 13, 14, 22, 24])
def test_opsets(kind: str, opset: int, tmp_path: Path, random: np.random.Generator) -> None:
    Layer(tmp_path, random, kind, "Bl", opset=opset).expect(random)


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("kind", GATES)
def test_batch_first(kind: str, direction: str, tmp_path: Path, random: np.random.Generator) -> None:
    """ONNX Runtime has no layout 1: the same with layout 0 and turned tensors."""
    given = "Bhc" if kind == "LSTM" else "Bh"
    seed = int(random.integers(1 << 30))
    (tmp_path / "other").mkdir()
    turned = Layer(tmp_path, np.random.default_rng(seed), kind, given, direction=direction, layout=1)
    plain = Layer(tmp_path / "other", np.random.default_rng(seed), kind, given, direction=direction)
    arrays = turned.arrays(random)
    got = run(pack(turned.path, tmp_path / "layer.soniq", "--palette", "f32"), arrays)
    wanted = reference(plain.path, {name: np.ascontiguousarray(array.swapaxes(0, 1)) for name, array in arrays.items()})
    for name, array in wanted.items():
        axes = (2, 0, 1, 3) if name == "Y" else (1, 0, 2)
        expect_close(got[name], array.transpose(axes), name)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("given", "attributes"), [
    ("P", {}), ("BhcP", {"clip": 0.6}), ("BP", {"input_forget": 1}), ("BlhcP", {}),
])  # fmt: skip
def test_peepholes(
    given: str, attributes: dict, direction: str, tmp_path: Path, random: np.random.Generator
) -> None:
    """Gates that see the cell, of any and of a fixed number of steps."""
    layer = Layer(tmp_path, random, "LSTM", given, direction=direction, **attributes)
    arrays = layer.arrays(random)
    wanted = reference(layer.path, arrays)
    for options in ([], ["--shape", f"X={TIME},?,{INPUTS}"]):
        got = run(pack(layer.path, tmp_path / "layer.soniq", "--palette", "f32", *options), arrays)
        for name, array in wanted.items():
            expect_close(got[name], array, name)


def refusal(path: Path, *options: str | Path) -> str:
    command = [os.environ["SONIQ_PACK"], "pack", path, "--palette", "f32", *options]
    command += [] if "-o" in options else ["-o", path.with_suffix(".soniq")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode in (64, 65), result.stderr
    return result.stderr


@pytest.mark.parametrize(("kind", "given", "attributes", "words"), [
    ("GRU", "", {"activations": ["Sigmoid", "Elu"]}, "activation Elu is not supported"),
    ("RNN", "", {"activations": ["Tanh", "Tanh"]}, "2 activations, where it has 1"),
    ("RNN", "", {"direction": "backward"}, "direction backward"), ("RNN", "", {"layout": 2}, "layout 2"),
])  # fmt: skip
def test_refusals(
    kind: str, given: str, attributes: dict, words: str, tmp_path: Path, random: np.random.Generator
) -> None:
    assert words in refusal(Layer(tmp_path, random, kind, given, **attributes).path)


def test_weights_of_the_run_are_refused(tmp_path: Path, random: np.random.Generator) -> None:
    layer = Layer(tmp_path, random, "LSTM")
    model = onnx.load(layer.path)
    model.graph.initializer.pop(1)
    model.graph.input.append(helper.make_tensor_value_info("R", TensorProto.FLOAT, [1, 4 * HIDDEN, HIDDEN]))
    onnx.save(model, layer.path)
    assert "its recurrent weights R is computed at run time" in refusal(layer.path)


def test_a_length_beyond_the_time_is_refused(tmp_path: Path, random: np.random.Generator) -> None:
    layer = Layer(tmp_path, random, "GRU", "l")
    packed = pack(layer.path, tmp_path / "layer.soniq", "--palette", "f32")
    arrays = layer.arrays(random)
    for length in (-1, TIME + 1):
        arrays["l"][1] = length
        with pytest.raises(soniq.SoniqError, match=str(length)):
            run(packed, arrays)


# Networks


def network_inputs(path: Path, random: np.random.Generator, batch: int, time: int) -> Arrays:
    by_time = path.stem.startswith("gru")
    shape = (time, batch, 12) if by_time else (batch, time, 12)
    arrays = {"x": random.standard_normal(shape).astype(np.float32)}
    if path.stem.startswith("stream"):
        arrays |= {name: random.standard_normal((1, batch, 20)).astype(np.float32) * 0.3 for name in "hc"}
    return arrays


def network_options(path: Path) -> list[str]:
    """The new exporter fixes the number of steps without saying so."""
    if "dynamo" not in path.stem or path.stem.startswith("stream"):
        return []
    return ["--shape", "x=7,?,12" if path.stem.startswith("gru") else "x=?,7,12"]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda path: path.stem)
def test_networks(network: Path, tmp_path: Path, random: np.random.Generator) -> None:
    packed = pack(network, tmp_path / "network.soniq", "--palette", "f32", *network_options(network))
    for batch, time in ((3, 7), (1, 7), (2, 33), (1, 1)):
        if network_options(network) and time != 7:
            continue
        arrays = network_inputs(network, random, batch, time)
        wanted, got = reference(network, arrays), run(packed, arrays)
        for name, array in wanted.items():
            expect_close(got[name], array, f"{name} {batch} {time}")


# Of ||a - b|| / ||b||. Measured: below 0.01 at 8 bits, 0.12 at 4.
@pytest.mark.parametrize(("palette", "tolerance"), [("8", 0.02), ("4", 0.25), ("4,8", 0.25), ("w4a4", 0.5)])
@pytest.mark.parametrize("network", [path for path in NETWORKS if "legacy" in path.stem], ids=lambda path: path.stem)
def test_palettes(network: Path, palette: str, tolerance: float, tmp_path: Path, random: np.random.Generator) -> None:
    samples = tmp_path / "samples.npz"
    arrays = network_inputs(network, random, 4, 16)
    # Where the batch is not the first axis, an array holds whole runs.
    whole = (
        arrays if network.stem.startswith(("lstm", "rnn")) else {name: array[None] for name, array in arrays.items()}
    )
    np.savez(samples, **whole)
    options = ["--coarse-share", "0.5"] if palette == "4,8" else []
    packed = pack(network, tmp_path / "network.soniq", "--palette", palette, "--calibrate", samples, *options)
    operations = [kernel.operation for kernel in soniq.load(packed).kernels()]
    assert {"lstm", "gru", "rnn"} & set(operations), operations
    levels = [kernel.level for kernel in soniq.load(packed).kernels() if kernel.operation in ("lstm", "gru", "rnn")]
    assert "float32" not in levels, levels
    assert distance(run(packed, arrays)["y"], reference(network, arrays)["y"]) < tolerance


# States


STREAM = Path(__file__).parent / "recurrent/stream-legacy.onnx"


@pytest.mark.parametrize("palette", ["f32", "8"])
def test_a_stream_in_pieces_is_the_whole(palette: str, tmp_path: Path, random: np.random.Generator) -> None:
    """Bit for bit, and the host gives the audio alone."""
    whole = pack(STREAM, tmp_path / "whole.soniq", "--palette", "f32")
    options: list[str | Path] = ["--state", "h=hn", "--state", "c=cn", "--palette", palette]
    x = random.standard_normal((2, 40, 12)).astype(np.float32)
    if palette != "f32":
        np.savez(tmp_path / "samples.npz", x=x)
        options += ["--calibrate", tmp_path / "samples.npz"]
    model = soniq.load(pack(STREAM, tmp_path / "stream.soniq", *options))
    assert [info.name for info in model.inputs] == ["x"]
    assert [info.name for info in model.outputs] == ["y"]
    streaming = model.session()
    everything = np.array(streaming(x=x)["y"])
    if palette == "f32":
        zeros = np.zeros((1, 2, 20), np.float32)
        np.testing.assert_array_equal(everything, run(whole, {"x": x, "h": zeros, "c": zeros})["y"])
    for size in (1, 7, 13, 40):
        streaming.reset()
        pieces = [np.array(streaming(x=x[:, begin : begin + size])["y"]) for begin in range(0, 40, size)]
        np.testing.assert_array_equal(np.concatenate(pieces, axis=1), everything, err_msg=str(size))


@pytest.mark.parametrize(("states", "words"), [
    (["h"], "should be INPUT=OUTPUT"), (["h=zz"], "the model has no such output; it has y, hn, cn"),
    (["zz=hn"], "the model has no such input; it has x, h, c"), (["h=y"], "the output [batch, time, 3]"),
    (["h=hn", "h=cn"], "the input is a state already"), (["h=hn", "c=hn"], "replaces another state already"),
])  # fmt: skip
def test_states_that_are_refused(states: list[str], words: str, tmp_path: Path) -> None:
    options = [option for state in states for option in ("--state", state)]
    message = refusal(STREAM, *options, "-o", tmp_path / "stream.soniq")
    assert words in message, message


# Codes of the model


@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize(("kind", "attributes"), [("LSTM", {}), ("GRU", {}), ("GRU", {"linear_before_reset": 1})])
def test_stated_codes_are_kept(
    kind: str, attributes: dict, direction: str, axis: int | None, tmp_path: Path, random: np.random.Generator
) -> None:
    """Of 8 bits, one scale or one a row: no rounding but that of the activations."""
    layer = Layer(tmp_path, random, kind, "B", direction=direction, **attributes)
    model = onnx.load(layer.path)
    nodes = []
    for tensor in list(model.graph.initializer):
        if tensor.name == "B":
            continue
        shape = tuple(tensor.dims)
        scales = random.uniform(0.002, 0.006, () if axis is None else shape[1]).astype(np.float32)
        constants = {"codes": random.integers(-127, 128, shape).astype(np.int8), "scale": scales}
        names = [f"{tensor.name}.{part}" for part in constants]
        model.graph.initializer.remove(tensor)
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(array), name)
            for name, array in zip(names, constants.values(), strict=True)
        )
        nodes.append(helper.make_node("DequantizeLinear", names, [tensor.name], axis=1))
    nodes.extend(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, layer.path)
    arrays = layer.arrays(random)
    np.savez(tmp_path / "samples.npz", **{name: array[None] for name, array in arrays.items()})
    packed = pack(layer.path, tmp_path / "layer.soniq", "--palette", "8", "--calibrate", tmp_path / "samples.npz")
    levels = {kernel.level for kernel in soniq.load(packed).kernels() if kernel.operation in ("linear", kind.lower())}
    assert levels == {"8x8"}
    assert distance(run(packed, arrays)["Y"], reference(layer.path, arrays)["Y"]) < 0.02
