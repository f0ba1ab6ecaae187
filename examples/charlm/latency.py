"""Times one engine on one context and prints milliseconds: the median over a second, one thread pinned to a core.

    python examples/charlm/latency.py soniq build/training/charlm/soniq-1.soniq
    python examples/charlm/latency.py onnxruntime build/training/charlm/float-1-int8.onnx

A process an engine: engines in one process evict each other's caches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from decoder import CONTEXT
from measure import in_library, in_onnxruntime

import soniq

SECONDS = 1.0
ROUNDS = 5


def in_turns(models: dict[str, tuple[str, Path]]) -> dict[str, float]:
    """Milliseconds of each (engine, file) by name: the median of rounds in which the engines take turns."""
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(ROUNDS):
        for name, (engine, path) in models.items():
            command = [sys.executable, __file__, engine, str(path)]
            times[name].append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=("soniq", "onnxruntime"))
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    is_ours = arguments.engine == "soniq"
    run = in_library(soniq.load(arguments.model, threads=1)) if is_ours else in_onnxruntime(arguments.model)
    ids = np.random.default_rng(1).integers(0, 60, (1, CONTEXT), dtype=np.int32)
    for _ in range(5):
        run(ids)
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        run(ids)
        times.append(time.perf_counter() - start)
    print(1e3 * statistics.median(times))


if __name__ == "__main__":
    main()
