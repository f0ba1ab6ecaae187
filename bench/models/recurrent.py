"""Times one LSTM layer against ONNX Runtime, dynamically quantised to INT8 and in float32, in turns.

    .ci/bench recurrent [--inputs 256] [--hidden 256] [--steps 100]

One sequence, one thread. The baseline is what ONNX Runtime's own tool makes of the file (DynamicQuantizeLSTM). soniq is
packed at 8, 4 and 2 bits. All engines are in one process, pinned to one core, and take turns. Prints a table: medians
over rounds of what an engine took, and of the ratio in the same round; and the distance of the outputs from float32.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from measure import context
from onnx import TensorProto, helper, numpy_helper

import soniq

PALETTES = ("8", "4", "2")
Run = Callable[[], np.ndarray]


def write(path: Path, inputs: int, hidden: int) -> None:
    """An LSTM as PyTorch begins one: uniform weights within 1 / sqrt(hidden)."""
    random = np.random.default_rng(3)
    bound = hidden**-0.5
    shapes = {"W": (1, 4 * hidden, inputs), "R": (1, 4 * hidden, hidden), "B": (1, 8 * hidden)}
    constants = [
        numpy_helper.from_array(random.uniform(-bound, bound, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    node = helper.make_node("LSTM", ["X", "W", "R", "B"], ["Y"], name="lstm", hidden_size=hidden)
    graph = helper.make_graph(
        [node],
        "lstm",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["time", 1, inputs])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["time", 1, 1, hidden])],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def baseline(path: Path, x: np.ndarray) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"X": x})[0]


def packed(path: Path, tool: Path, palette: str, x: np.ndarray) -> Run:
    samples, output = path.with_name("samples.npz"), path.with_suffix(f".{palette}.soniq")
    # One whole run: its first axis is no batch.
    np.savez(samples, X=x[None])
    command = [tool, "pack", path, "-o", output, "--palette", palette, "--calibrate", samples]
    command += ["--maximum", f"time={len(x)}"]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(answer.stderr)
    session = soniq.load(output, threads=1).session()
    return lambda: session(X=x)["Y"]


def rounds(runs: dict[str, Run], count: int, seconds: float) -> dict[str, list[float]]:
    """Milliseconds of a run, by engine and round."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(count):
        for name, run in runs.items():
            run()
            repeats, start = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - start) < seconds:
                run()
                repeats += 1
            times[name].append(1000 * elapsed / max(1, repeats))
    return times


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=256)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.2, help="of one turn")
    parser.add_argument("--folder", type=Path, default=Path("build/bench-recurrent"))
    parser.add_argument("--tool", type=Path, default=Path("build/bin/soniq-pack"))
    return parser.parse_args()


def main() -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    arguments = parse()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    arguments.folder.mkdir(parents=True, exist_ok=True)
    model, small = arguments.folder / "lstm.onnx", arguments.folder / "lstm-int8.onnx"
    write(model, arguments.inputs, arguments.hidden)
    logging.getLogger().setLevel(logging.ERROR)
    quantize_dynamic(model, small, per_channel=True, weight_type=QuantType.QInt8)
    kinds = [node.op_type for node in onnx.load(small).graph.node]
    if "DynamicQuantizeLSTM" not in kinds:
        sys.exit(f"recurrent.py: the baseline was not quantised: {kinds}")
    x = np.random.default_rng(4).standard_normal((arguments.steps, 1, arguments.inputs)).astype(np.float32)
    runs = {"ONNX Runtime float32": baseline(model, x), "ONNX Runtime INT8": baseline(small, x)}
    runs |= {f"soniq, {palette} bits": packed(model, arguments.tool, palette, x) for palette in PALETTES}
    truth = runs["ONNX Runtime float32"]()
    times = rounds(runs, arguments.rounds, arguments.seconds)
    about = context()
    print(
        f"{about['cpu']}, {about['class']}; LSTM {arguments.inputs} x {arguments.hidden}, {arguments.steps} steps, ",
        end="",
    )
    print(f"one sequence, one thread; {about['revision']}\n")
    print("| engine | ms | times as fast as INT8 | times as fast as float32 | distance from float32 |")
    print("|---|---:|---:|---:|---:|")
    for name, run in runs.items():
        ratios = [
            statistics.median(other / own for own, other in zip(times[name], times[base], strict=True))
            for base in ("ONNX Runtime INT8", "ONNX Runtime float32")
        ]
        distance = np.linalg.norm(np.asarray(run()) - truth) / np.linalg.norm(truth)
        print(f"| {name} | {statistics.median(times[name]):.3f} | {ratios[0]:.2f} | {ratios[1]:.2f} | {distance:.4f} |")


if __name__ == "__main__":
    main()
