"""Times one engine on one context and prints milliseconds: the median over half a second, one thread on one core.

    python examples/charlm/latency.py soniq build/training/charlm/soniq-1.soniq
    python examples/charlm/latency.py onnxruntime build/training/charlm/float-1-int8.onnx

A process an engine: engines in one process evict each other's caches. What counts is the thread's own CPU time, so
that turns of other processes do not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

INPUT, CONTEXT = "input_ids", 128
SECONDS = 0.5
ROUNDS = 5


def in_turns(models: dict[str, tuple[str, Path]]) -> dict[str, float]:
    """Milliseconds of each (engine, file) by name: the median of rounds in which the engines take turns."""
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(ROUNDS):
        for name, (engine, path) in models.items():
            command = [sys.executable, __file__, engine, str(path)]
            times[name].append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {name: statistics.median(values) for name, values in times.items()}


def soniq_runner(path: Path) -> Callable[[np.ndarray], object]:
    import soniq

    model = soniq.load(path, threads=1)
    return lambda ids: model(**{INPUT: ids})


def onnxruntime_runner(path: Path) -> Callable[[np.ndarray], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda ids: session.run(None, {INPUT: ids})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=("soniq", "onnxruntime"))
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    run = (soniq_runner if arguments.engine == "soniq" else onnxruntime_runner)(arguments.model)
    ids = np.random.default_rng(1).integers(0, 60, (1, CONTEXT), dtype=np.int32)
    for _ in range(5):
        run(ids)
    times = []
    while sum(times) < SECONDS:
        start = time.thread_time()
        run(ids)
        times.append(time.thread_time() - start)
    print(1e3 * statistics.median(times))


if __name__ == "__main__":
    main()
