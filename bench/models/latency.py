"""Packs five networks under targets for the time of a run, and times what came out: are the packer's predictions true?

    .ci/bench latency [--networks resnet18 ...] [--rounds 11]

For each network `soniq-pack measure-layers` gives the times at both levels; targets lie a third and two thirds of the
way between the fastest and all channels at the fine level. Then `soniq-pack pack --target-latency` packs, and the file
is run in this process, one thread, pinned to one core. Prints a table: what was asked for, what the times of the layers
added up to, and the median of what a run takes. Exits with 1 when a prediction is off by more than --most.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import baselines
import numpy as np
from measure import machine
from networks import write

import soniq

# Each with two levels that gain where it runs; MiniLM at a length of sentences.
PALETTES = {
    "resnet18": "w1a1+w4a4",
    "resnet20": "w1a1+w4a4",
    "super_resolution": "w1a1+w4a4",
    "mobilenet_v2": "w1a1+w8a8",
    "minilm": "4,8",
}
TOKENS = 64


def tool(path: Path, *words: str) -> str:
    return subprocess.run([str(path), *words], check=True, capture_output=True, text=True).stdout


def source(name: str, folder: Path) -> tuple[Path, list[str], list[str]]:
    """The model, how it is calibrated and at which sizes it is timed."""
    if name == "minilm":
        return Path("build/minilm"), [], ["--at", f"sequence={TOKENS}"]
    model = write(folder, name)
    return model, ["--calibrate", str(baselines.calibration_file(model))], []


def targets(times: dict) -> list[float]:
    """Milliseconds."""
    fine = times["whole_ns"]
    saved = sum(max(0.0, layer["fine_ns"] - layer["coarse_ns"]) for layer in times["layers"])
    return [(fine - saved * share) / 1e6 for share in (2 / 3, 1 / 3)]


def timed(path: Path, rounds: int, seconds: float) -> float:
    """The median of rounds of what a run takes, in milliseconds."""
    model = soniq.load(path, threads=1)
    random = np.random.default_rng(1)
    feed = {}
    for info in model.inputs:
        shape = [size if isinstance(size, int) else 1 if axis == 0 else TOKENS for axis, size in enumerate(info.shape)]
        if np.issubdtype(np.dtype(info.dtype), np.floating):
            feed[info.name] = np.float32(random.standard_normal(shape))
        else:
            feed[info.name] = np.ones(shape, np.int64)
    model(**feed)
    samples = []
    for _ in range(rounds):
        repeats, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            model(**feed)
            repeats += 1
        samples.append(1000 * elapsed / repeats)
    return statistics.median(samples)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=PALETTES, default=list(PALETTES))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.1, help="of one round")
    parser.add_argument("--most", type=float, default=0.15, help="by how much a prediction may be off")
    parser.add_argument("--target", choices=("any", "avx2"), help="as of soniq-pack; default: avx2 without VNNI")
    parser.add_argument("--folder", type=Path, default=Path("build/bench-models"))
    parser.add_argument("--tool", type=Path, default=Path("build/bin/soniq-pack"))
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    own = machine()
    target = arguments.target or ("avx2" if own.name == "avx2" else "any")
    print(f"{own.title}, SONIQ_MAX_ISA {os.environ.get('SONIQ_MAX_ISA', 'not set')}, one thread, --target {target}\n")
    print("| network | palette | all fine, ms | asked for | predicted | measured | predicted / measured | cosine |")
    print("|---|---|---|---|---|---|---|---|")
    worst = 0.0
    for name in arguments.networks:
        model, calibration, sizes = source(name, arguments.folder)
        palette = ["--palette", PALETTES[name], "--target", target]
        times_file, packed = arguments.folder / f"{name}-times.json", arguments.folder / f"{name}-timed.soniq"
        tool(arguments.tool, "measure-layers", str(model), "-o", str(times_file), *palette, *sizes)
        times = json.loads(times_file.read_text())
        for wanted in targets(times):
            words = [*palette, *calibration, *sizes, "--target-latency", f"{wanted:.4f}"]
            report = tool(arguments.tool, "pack", str(model), "-o", str(packed), *words)
            predicted = float(re.search(r"takes ([\d.]+) ms by the times", report)[1])
            cosine = re.search(r"cosine mean ([\d.]+)", report)[1]
            measured = timed(packed, arguments.rounds, arguments.seconds)
            worst = max(worst, abs(predicted / measured - 1))
            print(
                f"| {name} | {PALETTES[name]} | {times['whole_ns'] / 1e6:.3f} | {wanted:.3f} | {predicted:.3f} "
                f"| {measured:.3f} | {predicted / measured:.3f} | {cosine} |",
                flush=True,
            )
    print(f"\nThe worst prediction is off by {100 * worst:.1f} %.")
    return worst > arguments.most


if __name__ == "__main__":
    sys.exit(main())
