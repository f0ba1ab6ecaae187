"""One ONNX file through soniq in float and at 8 bits, against ONNX Runtime: prints its rows as a JSON list.

usage: trial.py FILE FOLDER SONIQ_PACK [--hints JSON] [--target TARGET] [--no-times]

A process of its own, so that a file that takes all memory or time takes only its own rows along.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from engines import Feeds, Run, onnxruntime_run, pack, quantized, soniq_run
from samples import BATCH, LENGTH, SampleError, make

CALIBRATION_RUNS, COMPARED_RUNS = 16, 4
ROUNDS, TURN_SECONDS = 5, 0.15
PACK_SECONDS = 900


def differences(results: list[list[np.ndarray]], references: list[list[np.ndarray]]) -> tuple[float, float]:
    """The largest relative error, to the largest magnitude of its output in all runs, and the lowest cosine of any
    output of any run. Raises ValueError where shapes differ."""
    error, cosine = 0.0, 1.0
    for place in range(len(references[0])):
        largest = max(float(np.abs(np.nan_to_num(run[place].astype(np.float64))).max(initial=0)) for run in references)
        for result, reference in zip(results, references, strict=True):
            got, wanted = (np.asarray(run[place], np.float64) for run in (result, reference))
            if got.size != wanted.size or got.shape[got.ndim - wanted.ndim:] != wanted.shape and wanted.ndim > 0:
                raise ValueError(f"output {place} has shape {list(got.shape)}, not {list(wanted.shape)}")
            got = got.reshape(wanted.shape)
            if not np.array_equal(np.isnan(got), np.isnan(wanted)):
                return float("inf"), 0.0
            got, wanted = np.nan_to_num(got), np.nan_to_num(wanted)
            # An output of which all runs hold next to nothing has no direction.
            if max(np.abs(got).max(initial=0), np.abs(wanted).max(initial=0)) < 1e-6 * (largest or 1):
                continue
            error = max(error, float(np.abs(got - wanted).max(initial=0)) / (largest or 1))
            cosine = min(cosine, cosine_of(got, wanted))
    return error, cosine


def cosine_of(got: np.ndarray, wanted: np.ndarray) -> float:
    """Of two arrays; nothing but zeros is equal to itself alone."""
    norms = float(np.linalg.norm(got) * np.linalg.norm(wanted))
    if norms == 0:
        return float(not got.any() and not wanted.any())
    return float((got * wanted).sum()) / norms


def times(engines: dict[str, Run], feeds: Feeds) -> dict[str, float]:
    """Median milliseconds of a run of each engine, in turns; the first run of a turn is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(ROUNDS):
        for name, run in engines.items():
            run(feeds)
            turn = time.perf_counter()
            while True:
                start = time.perf_counter()
                run(feeds)
                end = time.perf_counter()
                taken[name].append((end - start) * 1e3)
                if end - turn > TURN_SECONDS:
                    break
    return {name: statistics.median(values) for name, values in taken.items()}


def write_samples(path: Path, samples: list[Feeds]) -> None:
    """For --calibrate: every array has an axis more than its input, which counts runs."""
    arrays = {}
    for name in samples[0]:
        array = np.stack([feeds[name] for feeds in samples])
        arrays[name] = array.astype(np.int32) if array.dtype in (np.int64, np.bool_) else array
    np.savez(path, **arrays)


def whole(model: onnx.ModelProto) -> bool:
    """Whether the file is float: ONNX Runtime can quantise it, and 8 bits are compared with what that loses."""
    return not any("Quantize" in node.op_type or "Integer" in node.op_type for node in model.graph.node)


def needed_shapes(packed: Path, model: onnx.ModelProto) -> dict[str, list[int]]:
    """Sizes that the packed file has as numbers, also where the model leaves them open; 0 where any will do."""
    import soniq

    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in model.graph.input}
    # Scalars have a dimension here.
    return {info.name: [size if isinstance(size, int) else 0 for size in info.shape]
            for info in soniq.load(packed, threads=1).inputs if ranks.get(info.name) == len(info.shape)}  # fmt: skip


def run_samples(
    model: onnx.ModelProto, hints: dict[str, Any], reference: Run
) -> tuple[list[Feeds], list[list[np.ndarray]]]:
    """Runs, and what ONNX Runtime makes of the compared ones. A first dimension may count steps and not items: one is
    not enough then."""
    for first in (BATCH, LENGTH):
        samples = make(model, hints, CALIBRATION_RUNS + COMPARED_RUNS, seed=14, first=first)
        try:
            return samples, [reference(feeds) for feeds in samples[-COMPARED_RUNS:]]
        except Exception:  # ONNX Runtime raises its own kinds
            if first == LENGTH:
                raise
    raise AssertionError


def rows(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    hints = json.loads(arguments.hints)
    model = onnx.load(arguments.file, load_external_data=False)
    found: list[dict[str, Any]] = []
    fixed = hints.get("fixed", {})
    options = [*hints.get("options", []), *(word for name in fixed for word in ("--value", f"{name}={fixed[name]}"))]
    floats = arguments.folder / "f32.soniq"
    packing = pack(arguments.tool, arguments.file, floats, ["--palette", "f32", *options], PACK_SECONDS)
    if not packing.reason:
        hints["shapes"] = needed_shapes(floats, model) | hints.get("shapes", {})
    try:
        reference = onnxruntime_run(arguments.file)
        samples, wanted = run_samples(model, hints, reference)
        compared = samples[-COMPARED_RUNS:]
    except SampleError as error:
        return [{"packs": None, "palette": None, "reason": str(error)}]
    except Exception as error:  # ONNX Runtime raises its own kinds
        return [{"packs": None, "palette": None, "reason": f"ONNX Runtime does not run it: {error}"[:400]}]
    calibration = arguments.folder / "samples.npz"
    write_samples(calibration, [{name: array for name, array in feeds.items() if name not in fixed}
                                for feeds in samples[:CALIBRATION_RUNS]])  # fmt: skip
    # Of weights that are quantised already none can be chosen.
    target = arguments.target if whole(model) else "any"
    engines: dict[str, Run] = {"onnxruntime_f32": reference}
    for palette in ("f32", "8"):
        output = arguments.folder / f"{palette}.soniq"
        if palette != "f32":
            more = [*options, "--calibrate", str(calibration), "--target", target]
            packing = pack(arguments.tool, arguments.file, output, ["--palette", palette, *more], PACK_SECONDS)
        row: dict[str, Any] = {
            "packs": not packing.reason, "palette": palette, "reason": packing.reason,
            "pack_seconds": round(packing.seconds, 2), "pack_peak_bytes": packing.peak_bytes,
            "file_bytes": arguments.file.stat().st_size,
        }  # fmt: skip
        found.append(row)
        if packing.reason:
            continue
        row["bytes"] = output.stat().st_size
        try:
            engines[palette] = soniq_run(output, compared[0])
            row["max_relative_error"], row["cosine_min"] = differences(
                [[np.array(array) for array in engines[palette](feeds)] for feeds in compared], wanted)
        except Exception as error:  # an error of the library is a verdict, not the end of the list
            engines.pop(palette, None)
            row["reason"] = f"it packs and does not run: {error}"[:400]
    if whole(model) and any(row["packs"] for row in found):
        compare_quantized(arguments, samples, wanted, found, engines)
    if not arguments.no_times:
        add_times(times(engines, compared[0]), found)
    return found


def compare_quantized(
    arguments: argparse.Namespace, samples: list[Feeds], wanted: list[list[np.ndarray]], found: list[dict[str, Any]],
    engines: dict[str, Run],
) -> None:
    """ONNX Runtime's INT8 forms of the file: the closer one is the measure of accuracy, the faster one of speed."""
    best: tuple[float, float] | None = None
    for name, path in quantized(arguments.file, arguments.folder, samples[:CALIBRATION_RUNS]):
        try:
            run = onnxruntime_run(path)
            error, cosine = differences([run(feeds) for feeds in samples[-COMPARED_RUNS:]], wanted)
        except Exception as error:  # its tools write files that it refuses
            print(f"{arguments.file.name}: {name}: {error}"[:300], file=sys.stderr)
            continue
        engines[f"onnxruntime_int8_{name}"] = run
        if best is None or cosine > best[1]:
            best = (error, cosine)
    for row in found:
        if row["palette"] == "8" and best:
            row["max_relative_error_onnxruntime_int8"], row["cosine_min_onnxruntime_int8"] = best


def add_times(taken: dict[str, float], found: list[dict[str, Any]]) -> None:
    eight = [value for name, value in taken.items() if name.startswith("onnxruntime_int8")]
    for row in found:
        row["ms"] = taken.get(row["palette"])
        row["ms_onnxruntime_f32"] = taken["onnxruntime_f32"]
        row["ms_onnxruntime_int8"] = min(eight) if eight else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path, help="for what it makes")
    parser.add_argument("tool", help="soniq-pack")
    parser.add_argument("--hints", default="{}")
    parser.add_argument("--target", default="any", help="what 8 bits are packed for")
    parser.add_argument("--no-times", action="store_true")
    arguments = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    json.dump(rows(arguments), sys.stdout)


if __name__ == "__main__":
    main()
