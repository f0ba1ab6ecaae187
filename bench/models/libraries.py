"""Times two builds of libsoniq.so on the same models, in turns: what a change costs.

    .ci/bench libraries OLD.so [MODEL.soniq ...] [--rounds 15] [--least 0.98]      (new: build/lib/libsoniq.so)

Without models: MiniLM at 8 bits when build/minilm is there, ResNet-18 at 8 bits and with one bit, MobileNetV2 at 8
bits, packed by --tool into build/bench-libraries. One process a library, both pinned to one core, one thread; they
take turns, in the other order every other round. Prints a table: the median over rounds of what each took, and of the
ratio old / new in the same round. Exits with 1 when a ratio is below --least.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
from pathlib import Path

from contestants import Setting, Worker
from measure import context, pack
from networks import write

FOLDER = Path("build/bench-libraries")
SCHEMES = [("resnet18", "w8a8"), ("resnet18", "w1a1"), ("mobilenet_v2", "w8a8")]


def packed_models(tool: Path) -> list[Path]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    models = []
    checkpoint = Path("build/minilm")
    if checkpoint.is_dir():
        models.append(FOLDER / "minilm-w8a8.soniq")
        command = [str(tool), "pack", str(checkpoint), "-o", str(models[0]), "--palette", "8"]
        subprocess.run(command, check=True, capture_output=True)
    for name, scheme in SCHEMES:
        models.append(pack(tool, write(FOLDER, name), scheme))
    return models


def compare(
    model: Path, libraries: list[Path], setting: Setting, rounds: int, seconds: float
) -> tuple[float, float, float]:
    """Milliseconds of the old and the new library, and the ratio."""
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(Worker("soniq", path.name, model, setting, library=path)) for path in libraries
        ]
        for turn in range(rounds + 1):
            for worker in workers if turn % 2 else reversed(workers):
                worker.take_turn(seconds)
        old, new = workers
        # take_turn's first entry only sizes the others.
        ratios = [a / b for a, b in zip(old.round_ms[2:], new.round_ms[2:], strict=True)]
        return old.median(), new.median(), statistics.median(ratios)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("libraries", nargs=2, type=Path, metavar="LIBRARY", help="the old and the new libsoniq.so")
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.soniq")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.2, help="of a turn")
    parser.add_argument("--sequence", type=int, default=64, help="length of token sequences")
    parser.add_argument("--least", type=float, default=0.98, help="the ratio below which a model fails")
    parser.add_argument("--tool", type=Path, default=Path("build/bin/soniq-pack"))
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"{context()['cpu']}, SONIQ_MAX_ISA {os.environ.get('SONIQ_MAX_ISA') or 'not set'}, one thread\n")
    print("| model | old, ms | new, ms | old / new |\n|---|---|---|---|")
    slower = 0
    for model in arguments.models or packed_models(arguments.tool):
        setting = Setting(model.stem, threads=1, batch=1, sequence=arguments.sequence)
        old, new, ratio = compare(model, arguments.libraries, setting, arguments.rounds, arguments.seconds)
        slower += ratio < arguments.least
        print(f"| {model.stem} | {old:.3f} | {new:.3f} | {ratio:.3f} |", flush=True)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
