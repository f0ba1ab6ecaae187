"""soniq and ONNX Runtime on one file: packing, running, quantising."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Feeds = dict[str, np.ndarray]
Run = Callable[[Feeds], list[np.ndarray]]


@dataclass(frozen=True)
class Packing:
    """What soniq-pack did: its last words where it refused, its time and largest memory."""

    reason: str
    seconds: float
    peak_bytes: int


def pack(tool: str, model: Path, output: Path, arguments: list[str], limit_seconds: float) -> Packing:
    """Runs soniq-pack; memory is that of its process alone."""
    output.unlink(missing_ok=True)
    start = time.perf_counter()
    log = output.with_suffix(".log")
    with log.open("wb") as file:
        process = subprocess.Popen([tool, "pack", str(model), "-o", str(output), *arguments],
                                   stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)  # fmt: skip
        deadline = start + limit_seconds
        while True:
            identity, status, usage = os.wait4(process.pid, os.WNOHANG)
            if identity:
                break
            if time.perf_counter() > deadline:
                process.kill()
            time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    reason = ""
    if process.returncode and seconds >= limit_seconds:
        reason = f"packing took more than {limit_seconds:.0f} s"
    elif process.returncode:
        text = log.read_text(errors="replace")
        words = text[text.rfind("soniq-pack: ") :].removeprefix("soniq-pack: ").removeprefix(f"{model}: ").strip()
        reason = " ".join(words.split()) or f"soniq-pack ended with {process.returncode}"
    return Packing(reason, seconds, usage.ru_maxrss * 1024)


def soniq_run(path: Path, feeds: Feeds) -> Run:
    """The packed file, planned for the sizes of these inputs, one thread; inputs that became constants are left out."""
    import soniq

    model = soniq.load(path, threads=1)
    inputs = {tensor.name: tensor.shape for tensor in model.inputs}
    sizes: dict[str, int] = {}
    for name, dimensions in inputs.items():
        for size, dimension in zip(feeds[name].shape, dimensions, strict=False):
            if isinstance(dimension, str):
                sizes[dimension] = max(size, sizes.get(dimension, 0))
    model = soniq.load(path, threads=1, maximums=sizes)

    def run(feeds: Feeds) -> list[np.ndarray]:
        return list(model(**{name: np.atleast_1d(feeds[name]) for name in inputs}).values())

    return run


def onnxruntime_run(path: Path) -> Run:
    """ONNX Runtime on the CPU, one thread; raises what it raises."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def is_quantized(path: Path) -> bool:
    """Whether anything of a model computes with codes: recurrent layers stay float in ONNX Runtime's static form."""
    import onnx

    nodes = onnx.load(path, load_external_data=False).graph.node
    return any("Quantize" in node.op_type or "Integer" in node.op_type for node in nodes)


def quantized(model: Path, folder: Path, samples: list[Feeds]) -> Iterator[tuple[str, Path]]:
    """ONNX Runtime's own INT8 models: static QDQ with a scale a channel, and dynamic; those that it can make."""
    from onnxruntime import quantization
    from onnxruntime.quantization import QuantFormat, QuantType

    class Samples(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter(samples)

        def get_next(self) -> Feeds | None:
            return next(self._left, None)

    makers: dict[str, Callable[[Path], Any]] = {
        "static": lambda path: quantization.quantize_static(
            model, path, Samples(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8),
        "dynamic": lambda path: quantization.quantize_dynamic(
            model, path, weight_type=QuantType.QInt8, per_channel=True),
    }  # fmt: skip
    for name, make in makers.items():
        path = folder / f"onnxruntime-{name}.onnx"
        try:
            path.unlink(missing_ok=True)
            make(path)
            if not is_quantized(path):
                raise ValueError("it quantises nothing of this file")
        except Exception as error:  # its tools raise anything
            print(f"{model.name}: ONNX Runtime's {name} quantisation: {error}"[:300], file=sys.stderr)
            continue
        yield name, path
