"""One engine with one model in a process of its own: engines in one process evict each other's caches, and their
idle pools spin.

usage: worker.py ENGINE MODEL --threads T --batch B [--sequence S] [--profile]

Prints one JSON line about itself when the model is loaded. For every line N on standard input it runs the model
once untimed and N times timed, and prints the milliseconds of each as a JSON list. With --profile (soniq only) it
prints what every step took instead, in milliseconds a run.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Run = Callable[[], object]
Feeds = dict[str, np.ndarray]
# Token ids are below it: the smallest vocabulary that is measured.
TOKENS = 1000


def soniq_engine(path: str, feeds: Feeds, threads: int, profile: bool) -> tuple[Run, dict[str, Any]]:
    import soniq

    sizes = {
        size: feeds[tensor.name].shape[axis]
        for tensor in soniq.load(path).inputs for axis, size in enumerate(tensor.shape) if isinstance(size, str)
    }
    model = soniq.load(path, threads=threads, profile=profile, maximums=sizes)
    model(**feeds)
    session = model._existing_sessions()[0]
    about = {"version": soniq.build_info().split(" (")[0], "memory": session.statistics(), "model": model}
    return (lambda: model(**feeds)), about


def accept_older_library(path: str) -> None:
    """A library from before a function was there is measured by those that it has."""
    from soniq import _abi
    from soniq.session import Session

    loaded = ctypes.CDLL(path)
    missing = [name for name in _abi.PROTOTYPES if not hasattr(loaded, name)]
    for name in missing:
        del _abi.PROTOTYPES[name]
    if "soniq_session_reset" in missing:
        Session.reset = lambda _: None  # it knows no states


def onnxruntime_engine(path: str, feeds: Feeds, threads: int, profile: bool) -> tuple[Run, dict[str, Any]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # What is known before the run may be used: the engines below are given fixed sizes too.
    for name, size in onnx_sizes(path, feeds).items():
        options.add_free_dimension_override_by_name(name, size)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    about = {"version": f"ONNX Runtime {onnxruntime.__version__}"}
    return (lambda: session.run(None, feeds)), about


def openvino_engine(path: str, feeds: Feeds, threads: int, profile: bool) -> tuple[Run, dict[str, Any]]:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({name: list(array.shape) for name, array in feeds.items()})
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    for name, array in feeds.items():
        request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
    return request.infer, {"version": f"OpenVINO {openvino.get_version().split('-')[0]}"}


ENGINES = {
    "soniq": soniq_engine,
    "onnxruntime_f32": onnxruntime_engine,
    "onnxruntime_int8": onnxruntime_engine,
    "openvino_int8": openvino_engine,
}


def onnx_inputs(path: str) -> list[tuple[str, np.dtype[Any], list[int | str]]]:
    """Name, element type and sizes of each input of an ONNX file; dynamic sizes by name."""
    import onnx

    described = []
    for value in onnx.load(path, load_external_data=False).graph.input:
        tensor = value.type.tensor_type
        sizes = [dimension.dim_value or dimension.dim_param for dimension in tensor.shape.dim]
        described.append((value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), sizes))
    return described


def onnx_sizes(path: str, feeds: Feeds) -> dict[str, int]:
    """What the dynamic sizes of an ONNX file are in these feeds."""
    return {
        size: feeds[name].shape[axis]
        for name, _, sizes in onnx_inputs(path) for axis, size in enumerate(sizes) if isinstance(size, str)
    }


def make_feeds(path: str, batch: int, sequence: int) -> Feeds:
    """Normally distributed floats, token ids of one type, masks that hide nothing. The first size is the batch, any
    other dynamic one the sequence. The same for every engine."""
    if path.endswith(".soniq"):
        import soniq

        inputs = [(tensor.name, tensor.dtype, list(tensor.shape)) for tensor in soniq.load(path).inputs]
    else:
        inputs = onnx_inputs(path)
    generator, feeds = np.random.default_rng(3), {}
    for name, dtype, sizes in inputs:
        shape = [batch, *(sequence if isinstance(size, str) else size for size in sizes[1:])]
        if np.issubdtype(dtype, np.floating):
            feeds[name] = generator.standard_normal(shape, np.float32)
        elif "mask" in name:
            feeds[name] = np.ones(shape, dtype)
        elif "type" in name:
            feeds[name] = np.zeros(shape, dtype)
        else:
            feeds[name] = generator.integers(0, TOKENS, shape, dtype)
    return feeds


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
    parser.add_argument("--sequence", type=int, default=128)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    # Before an engine is loaded: its threads inherit it. Interrupts prefer the first core.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-arguments.threads :])
    if arguments.engine == "soniq" and "SONIQ_LIBRARY" in os.environ:
        accept_older_library(os.environ["SONIQ_LIBRARY"])
    feeds = make_feeds(arguments.model, arguments.batch, arguments.sequence)
    run, about = ENGINES[arguments.engine](arguments.model, feeds, arguments.threads, arguments.profile)
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
