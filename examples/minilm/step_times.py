"""Where the time of one run goes: milliseconds and GMAC/s by kind of step, one thread pinned to a core.

    python step_times.py model.soniq [tokens]
"""

from __future__ import annotations

import os
import sys

import numpy as np

import soniq

RUNS = 30


def main(path: str, length: int) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    model = soniq.load(path, threads=1, profile=True)
    ids = np.random.default_rng(1).integers(2000, 20000, (1, length), dtype=np.int32)
    for _ in range(RUNS):
        model(input_ids=ids)
    kinds: dict[tuple[str, str, str], list[float]] = {}
    for step in model.profile():
        kind = kinds.setdefault((step.operation, step.kernel, step.level), [0, 0, 0])
        kind[0] += 1
        kind[1] += step.milliseconds / RUNS
        kind[2] += step.multiply_accumulates / RUNS
    for (operation, kernel, level), (count, time, products) in sorted(kinds.items(), key=lambda item: -item[1][1]):
        rate = f"{products / time / 1e6:5.0f} GMAC/s" if products else " " * 12
        print(f"{time:8.3f} ms  {rate}  {count:3.0f} x {operation:20} {level:10} {kernel}")
    print(f"{sum(time for _, time, _ in kinds.values()):8.3f} ms  in all, {length} tokens")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 256)
