"""One engine with one model in a process of its own: engines in one process evict each other's caches, and their
idle pools spin.

usage: worker.py ENGINE MODEL --threads T --batch B [--profile]

Prints one JSON line about itself when the model is loaded. For every line N on standard input it runs the model
once untimed and N times timed, and prints the milliseconds of each as a JSON list. With --profile (soniq only) it
prints what every step took instead, in milliseconds a run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Run = Callable[[], object]


def soniq_engine(path: str, images: np.ndarray, threads: int, profile: bool) -> tuple[Run, dict[str, Any]]:
    import soniq

    model = soniq.load(path, threads=threads, profile=profile, maximums={"batch": len(images)})
    name = model.inputs[0].name
    model(**{name: images})
    session = model._existing_sessions()[0]
    about = {"version": soniq.build_info().split(" (")[0], "memory": session.statistics(), "model": model}
    return (lambda: model(**{name: images})), about


def onnxruntime_engine(path: str, images: np.ndarray, threads: int, profile: bool) -> tuple[Run, dict[str, Any]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # What is known before the run may be used: the engines below are given fixed sizes too.
    options.add_free_dimension_override_by_name("batch", len(images))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    about = {"version": f"ONNX Runtime {onnxruntime.__version__}"}
    return (lambda: session.run(None, {"image": images})), about


def openvino_engine(path: str, images: np.ndarray, threads: int, profile: bool) -> tuple[Run, dict[str, Any]]:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(list(images.shape))
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(images, shared_memory=True))
    return request.infer, {"version": f"OpenVINO {openvino.get_version().split('-')[0]}"}


ENGINES = {
    "soniq": soniq_engine,
    "onnxruntime_f32": onnxruntime_engine,
    "onnxruntime_int8": onnxruntime_engine,
    "openvino_int8": openvino_engine,
}


def image_shape(path: str, batch: int) -> tuple[int, ...]:
    """Of the model's only input: [batch, channels, height, width]."""
    if path.endswith(".soniq"):
        import soniq

        return (batch, *soniq.load(path).inputs[0].maximum_shape[1:])
    import onnx

    dimensions = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    return (batch, *(dimension.dim_value for dimension in dimensions[1:]))


def milliseconds(run: Run, threads: int) -> float:
    """One thread: the time that the process worked, which on an idle machine is the time that passed."""
    clock = time.process_time if threads == 1 else time.perf_counter
    start = clock()
    run()
    return 1e3 * (clock() - start)


def profile_steps(model: Any, run: Run, count: int) -> list[dict[str, Any]]:
    """Of one run each: the library counts from the first run on."""
    before = model.profile()
    for _ in range(count):
        run()
    return [
        {"name": step.name, "operation": step.operation, "level": step.level, "kernel": step.kernel,
         "products": (step.multiply_accumulates - earlier.multiply_accumulates) // count,
         "ms": (step.milliseconds - earlier.milliseconds) / count}
        for step, earlier in zip(model.profile(), before, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    # Before an engine is loaded: its threads inherit it. Interrupts prefer the first core.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-arguments.threads :])
    shape = image_shape(arguments.model, arguments.batch)
    images = np.random.default_rng(3).standard_normal(shape, np.float32)
    run, about = ENGINES[arguments.engine](arguments.model, images, arguments.threads, arguments.profile)
    model = about.pop("model", None)
    run()
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        run()
        if arguments.profile:
            print(json.dumps(profile_steps(model, run, int(line))), flush=True)
        else:
            print(json.dumps([milliseconds(run, arguments.threads) for _ in range(int(line))]), flush=True)


if __name__ == "__main__":
    main()
