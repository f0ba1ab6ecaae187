"""Times one engine in a process of its own and prints one JSON line: {"16": ms, "64": ms, "256": ms}.

A process an engine: engines in one process evict each other's caches and their idle pools spin.
"""

from __future__ import annotations

import argparse
import json
import os
import time

import numpy as np

LENGTHS = (16, 64, 256)
SECONDS_PER_LENGTH = 0.5


def tokens(length: int) -> dict[str, np.ndarray]:
    """One sequence of ordinary word ids; the time of no engine depends on which words they are."""
    ids = np.random.default_rng(length).integers(2000, 20000, (1, length))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def soniq_runner(path: str, threads: int, isa: str | None):
    import soniq

    model = soniq.load(path, threads=threads, max_isa=isa)

    def run(inputs: dict[str, np.ndarray]) -> None:
        model(**inputs)

    return run, lambda values: values.astype(np.int32)


def onnxruntime_runner(path: str, threads: int, isa: None):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(inputs: dict[str, np.ndarray]) -> None:
        types = np.zeros_like(inputs["input_ids"])
        session.run(["sentence_embedding"], {**inputs, "token_type_ids": types})

    return run, lambda values: values.astype(np.int64)


def median_milliseconds(run, inputs: dict[str, np.ndarray]) -> float:
    for _ in range(3):
        run(inputs)
    times, end = [], time.perf_counter() + SECONDS_PER_LENGTH
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        run(inputs)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=("soniq", "onnxruntime"))
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--isa", help="soniq uses none newer; ONNX Runtime cannot be told")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-arguments.threads :])
    make = soniq_runner if arguments.engine == "soniq" else onnxruntime_runner
    run, convert = make(arguments.model, arguments.threads, arguments.isa)
    result = {}
    for length in LENGTHS:
        inputs = {name: convert(values) for name, values in tokens(length).items()}
        result[str(length)] = median_milliseconds(run, inputs)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
