"""Times networks that a recipe of examples/ trained against ONNX Runtime INT8 of their float parent, in one run.

    .ci/with-library build bench-models -- bench/models/trained.py build/training/digits [--seed 1] [--batch 1]

Takes every NAME-SEED.soniq of the folder. The baseline is static QDQ per channel of float-SEED.onnx, calibrated on the
training images that the recipe left in float-SEED.npz. One process an engine, pinned to its core; engines take turns.
Prints a table, with medians over rounds of what an engine took, and of its ratio to the baseline in the same round.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
from pathlib import Path

import baselines
from contestants import EngineError, Setting, Worker, take_turns

BASELINE = "onnxruntime_int8"


def measure(folder: Path, setting: Setting, seed: int, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Milliseconds of every round by name."""
    parent = folder / f"float-{seed}.onnx"
    networks = {path.stem.rsplit("-", 1)[0]: path for path in sorted(folder.glob(f"*-{seed}.soniq"))}
    if not networks or not parent.exists():
        raise EngineError(f"{folder} holds no trained networks of seed {seed}: run the recipe first")
    chosen = [(BASELINE, baselines.quantize(parent)), ("onnxruntime_f32", parent)]
    chosen += [("soniq", path) for path in networks.values()]
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(engine, path.stem, path, setting)) for engine, path in chosen]
        take_turns(workers, rounds, seconds)
    names = ["ONNX Runtime INT8", "ONNX Runtime float32", *networks]
    return {name: worker.round_ms[1:] for name, worker in zip(names, workers, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.15, help="of one turn")
    arguments = parser.parse_args()
    setting = Setting(arguments.folder.name, arguments.threads, arguments.batch)
    times = measure(arguments.folder, setting, arguments.seed, arguments.rounds, arguments.seconds)
    baseline = next(iter(times.values()))
    print(f"| network | ms, {setting.threads} thread(s), batch {setting.batch} | times as fast as ONNX Runtime INT8 |")
    print("|---|---:|---:|")
    for name, rounds in times.items():
        ratio = statistics.median(other / one for one, other in zip(rounds, baseline, strict=True))
        print(f"| {name} | {statistics.median(rounds):.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    try:
        main()
    except (EngineError, subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"trained.py: {error}")
