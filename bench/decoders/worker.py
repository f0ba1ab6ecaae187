"""One engine with one language model in a process of its own.

usage: worker.py soniq|llama.cpp MODEL --threads T --capacity C --longest L

Prints a JSON line about itself when the model is loaded. For every line {"test": "prefill"|"decode", "depth": D,
"tokens": N} on standard input it brings the sequence to D tokens untimed, then adds N tokens timed: in one run for
prefill, one by one for decode. It prints {"tokens_per_second": ..., "resident_bytes": ...}.

Token ids are the same for all engines and have no meaning: neither engine's time depends on them. Nothing is sampled.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

# Below the vocabulary of every model that is measured.
TOKENS = 30000


class Engine(Protocol):
    """A model with one sequence."""

    version: str

    def truncate(self, length: int) -> None:
        """Takes off what is behind the first `length` tokens."""

    def run(self, ids: np.ndarray) -> None:
        """Puts int32 ids [n] behind the sequence and computes the logits of the last."""


class Soniq:
    def __init__(self, path: str, threads: int, capacity: int, longest: int) -> None:
        import soniq

        self.version = soniq.build_info().split(" (")[0]
        model = soniq.load(path, threads=threads)
        self._session = model.session(maximums={"capacity": capacity, "sequence": longest, "batch": 1, "logits": 1})

    def truncate(self, length: int) -> None:
        self._session.truncate(length)

    def run(self, ids: np.ndarray) -> None:
        self._session(input_ids=ids[None, :])


class LlamaCpp:
    """Through llama.h, as llama-bench calls it."""

    def __init__(self, path: str, threads: int, capacity: int, longest: int) -> None:
        import llama_cpp

        self._api = llama_cpp
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        options = llama_cpp.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch = capacity, longest, 512
        options.n_threads = options.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(self._model, options)
        if not self._context:
            raise SystemExit(f"llama.cpp does not load {path}")
        self.version = f"llama.cpp of llama-cpp-python {llama_cpp.__version__}"

    def truncate(self, length: int) -> None:
        self._api.llama_memory_seq_rm(self._api.llama_get_memory(self._context), 0, length, -1)

    def run(self, ids: np.ndarray) -> None:
        tokens = (self._api.llama_token * len(ids))(*ids.tolist())
        status = self._api.llama_decode(self._context, self._api.llama_batch_get_one(tokens, len(ids)))
        if status:
            raise SystemExit(f"llama_decode returned {status}")
        self._api.llama_get_logits_ith(self._context, -1)


ENGINES = {"soniq": Soniq, "llama.cpp": LlamaCpp}


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tokens_per_second(
    engine: Engine, held: int, ids: np.ndarray, test: str, depth: int, count: int, threads: int
) -> float:
    """`held`: how many of the ids the sequence has. With one thread by the time that the process worked, which on an
    idle machine is the time that passed."""
    engine.truncate(min(held, depth))
    if held < depth:
        engine.run(ids[held:depth])
    clock = time.process_time if threads == 1 else time.perf_counter
    start = clock()
    if test == "prefill":
        engine.run(ids[depth : depth + count])
    else:
        for index in range(depth, depth + count):
            engine.run(ids[index : index + 1])
    return count / (clock() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--capacity", type=int, default=4096, help="tokens of a sequence")
    parser.add_argument("--longest", type=int, default=2048, help="tokens of a run")
    arguments = parser.parse_args()
    # What C code prints goes to standard error.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    # Before an engine is loaded: its threads inherit it. Interrupts prefer the first core.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-arguments.threads :])
    before, start = resident_bytes(), time.perf_counter()
    engine = ENGINES[arguments.engine](arguments.model, arguments.threads, arguments.capacity, arguments.longest)
    about: dict[str, Any] = {"version": engine.version, "load_ms": 1e3 * (time.perf_counter() - start)}
    print(json.dumps(about), file=answers)
    ids = np.random.default_rng(7).integers(0, TOKENS, arguments.capacity).astype(np.int32)
    held = 0
    for line in sys.stdin:
        question = json.loads(line)
        test, depth, count = question["test"], question["depth"], question["tokens"]
        speed = tokens_per_second(engine, held, ids, test, depth, count, arguments.threads)
        held = depth + count
        print(json.dumps({"tokens_per_second": speed, "resident_bytes": resident_bytes() - before}), file=answers)


if __name__ == "__main__":
    main()
