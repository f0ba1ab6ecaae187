"""Accuracy of packed networks on held-out images, without any training, against float32.

    make images

Every network of the folder is packed at each palette, calibrated on images of its training set, and run through
libsoniq.so on the held-out set; float32 is ONNX Runtime's on the same file. Prints a table and writes
build/images/accuracy.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

import soniq

HERE = Path(__file__).parent
CALIBRATION_IMAGES = 256
# Palette, options of soniq-pack, most points of accuracy that it may lose (None: no target), most bits a weight.
PALETTES = [
    ("8", [], 0.2, None),
    ("4,8", ["--target-bits", "5.0"], 1.0, 5.0),
    ("4", [], None, None),
]


@dataclass(frozen=True)
class Result:
    """Of one set at one palette. Accuracies in per cent."""

    set: str
    palette: str
    images: int
    accuracy: float
    float_accuracy: float
    same_answers: float
    average_bits: float
    file_bytes: int
    float_bytes: int
    target_points: float | None
    target_bits: float | None

    @property
    def lost(self) -> float:
        return self.float_accuracy - self.accuracy

    @property
    def verdict(self) -> str:
        if self.target_points is None:
            return ""
        bits_kept = self.target_bits is None or self.average_bits <= self.target_bits
        return "met" if self.lost <= self.target_points and bits_kept else "MISSED"


def normalised(images: np.ndarray) -> np.ndarray:
    """uint8 pixels to what the networks were trained on (train.py)."""
    return (images.astype(np.float32) - 128) / 64


def float_answers(model: Path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    parts = np.array_split(images, max(1, len(images) // 100))
    return np.concatenate([session.run(["logits"], {"image": part})[0].argmax(1) for part in parts])


def packed_answers(model: soniq.Model, images: np.ndarray, batch: int) -> np.ndarray:
    name = model.inputs[0].name
    starts = range(0, len(images), batch)
    return np.concatenate([model(**{name: images[start : start + batch]})["logits"].argmax(1) for start in starts])


def pack(tool: Path, model: Path, path: Path, palette: str, options: list[str], calibration: Path) -> None:
    command = [str(tool), "pack", str(model), "-o", str(path), "--palette", palette, "--calibrate", str(calibration),
               "--calibration-samples", str(CALIBRATION_IMAGES)]
    start = time.perf_counter()
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    print(f"  {path.name}: {path.stat().st_size / 1e3:.0f} kB in {time.perf_counter() - start:.0f} s", flush=True)


def evaluate(name: str, arguments: argparse.Namespace) -> list[Result]:
    arrays = importlib.import_module(name).load(arguments.work)
    images, labels = normalised(arrays["test_images"]), arrays["test_labels"]
    model = HERE / f"{name}.onnx"
    calibration = arguments.work / f"{name}-calibration.npz"
    np.savez(calibration, image=normalised(arrays["train_images"][:CALIBRATION_IMAGES]))
    exact = float_answers(model, images)
    results = []
    for palette, options, points, bits in PALETTES:
        path = arguments.work / f"{name}-{palette.replace(',', '-')}.soniq"
        pack(arguments.tool, model, path, palette, options, calibration)
        packed = soniq.load(path, threads=arguments.threads, maximums={"batch": arguments.batch})
        answers = packed_answers(packed, images, arguments.batch)
        results.append(Result(
            set=name, palette=palette, images=len(labels), accuracy=100 * float((answers == labels).mean()),
            float_accuracy=100 * float((exact == labels).mean()), same_answers=100 * float((answers == exact).mean()),
            average_bits=float(packed.metadata["soniq.average_bits"]), file_bytes=path.stat().st_size,
            float_bytes=model.stat().st_size, target_points=points, target_bits=bits,
        ))
    return results


HEAD = ["set", "palette", "bits a weight", "file", "held out", "float32", "packed", "lost, points", "same answers",
        "target", ""]  # fmt: skip


def cells(r: Result) -> list[str]:
    target = "" if r.target_points is None else f"<= {r.target_points}"
    target += "" if r.target_bits is None else f", <= {r.target_bits} bits"
    size = f"{r.file_bytes / 1e3:.0f} of {r.float_bytes / 1e3:.0f} kB"
    return [r.set, r.palette, f"{r.average_bits:.3f}", size, str(r.images), f"{r.float_accuracy:.2f} %",
            f"{r.accuracy:.2f} %", f"{r.lost:+.2f}", f"{r.same_answers:.2f} %", target, r.verdict]


def print_table(results: list[Result]) -> None:
    print()
    for line in (HEAD, ["---"] * len(HEAD), *map(cells, results)):
        print(f"| {' | '.join(line)} |")
    for name in dict.fromkeys(r.set for r in results):
        first = next(r for r in results if r.set == name)
        share = first.float_accuracy / 100
        error = 100 * math.sqrt(share * (1 - share) / first.images)
        print(f"\n{name}: one image: {100 / first.images:.3f} points; standard error of an accuracy {error:.2f}.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="digits,glyphs")
    parser.add_argument("--tool", type=Path, default=Path("build/bin/soniq-pack"))
    parser.add_argument("--work", type=Path, default=Path("build/images"), help="where sets and packed networks go")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--check", action="store_true", help="fail when a target is missed")
    arguments = parser.parse_args()
    results = [result for name in arguments.sets.split(",") for result in evaluate(name, arguments)]
    print_table(results)
    path = arguments.work / "accuracy.json"
    rows = [vars(result) | {"lost": result.lost, "verdict": result.verdict} for result in results]
    path.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"\nwritten to {path}")
    missed = sum(result.verdict == "MISSED" for result in results)
    if arguments.check:
        print(f"{len(results) - missed} passed, {missed} failed")
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (subprocess.CalledProcessError, soniq.SoniqError, OSError) as error:
        sys.exit(f"evaluate.py: {error}")
