"""SmolLM2-135M-Instruct, packed from its GGUF file: a short conversation, and its speed against llama.cpp.

Adds its figures to build/demo.json as "language_model". Run it by `make demo`; bench/ must be in PYTHONPATH.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from decoders import files, measure

import soniq
from soniq.command.answer import Answer
from soniq.command.chat import Chat
from soniq.command.template import ChatTemplate

QUESTIONS = (
    "What is the capital of France?",
    "What is it famous for? Answer in one sentence.",
    "Explain in two short sentences why the sky is blue.",
)
MAX_TOKENS = 100
# As `make bench-llm` names them: tokens one by one behind an empty sequence, and a prompt in one run.
TESTS = {"decode@0": "answers", "prefill128": "prompts"}
ROUNDS = 3


def pack(tool: Path, gguf: Path, packed: Path) -> float:
    """Seconds that it took."""
    start = time.perf_counter()
    subprocess.run([str(tool), "pack", str(gguf), "-o", str(packed)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def resident_bytes() -> int:
    """Of this process, with what it has touched of mapped files."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def converse(model: soniq.Model) -> list[Answer]:
    """Asks the questions, each behind the turns before it, and writes the answers as they come."""
    # Greedy: the most likely token, for which every machine has the same bits.
    sampler = soniq.Sampler(len(model.tokenizer))
    chat = Chat(model, ChatTemplate(model), sampler)
    answers = []
    for question in QUESTIONS:
        print(f"\n> {question}")
        answer = chat.ask(question, max_tokens=MAX_TOKENS)
        for piece in answer:
            print(piece, end="", flush=True)
        chat.close(answer)
        print(f"\n  [{answer.speed()}]")
        answers.append(answer)
    return answers


def rate(works: Iterable[tuple[int, float]]) -> float:
    """Tokens per second of several pieces of work."""
    tokens, seconds = map(sum, zip(*works, strict=True))
    return tokens / seconds if seconds else 0.0


def against_llama_cpp(gguf: Path, packed: Path) -> list[dict[str, Any]] | None:
    """Rows of both engines, as in build/bench-llm.json; None, and a line that says why, without llama.cpp."""
    print()
    if importlib.util.find_spec("llama_cpp") is None:
        print("llama.cpp is not there to compare with: `make bench-llm` builds it (minutes), and measures more.")
        return None
    print("Against llama.cpp on the same file, one thread, the engines taking turns ...")
    try:
        rows = measure.compare(gguf, packed, threads=1, tests=list(TESTS), rounds=ROUNDS)
    except measure.EngineError as error:
        print(f"No comparison, an engine failed: {error}")
        return None
    # A row of each engine for each test.
    for name, ours, theirs in zip(TESTS.values(), rows[::2], rows[1::2], strict=True):
        speeds = [f"{row['engine']} {row['tokens_per_second']:.0f}" for row in (ours, theirs)]
        print(f"  {name}: {', '.join(speeds)} tokens/s ({ours['times_llama_cpp']:.2f}x)")
    return rows


def add_json(path: Path, figures: dict[str, Any]) -> None:
    """Beside what the semantic search left."""
    everything = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(everything | {"language_model": figures}, indent=2) + "\n")
    print(f"\nwritten to {path}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, default=files.SMOLLM2)
    parser.add_argument("--tool", type=Path, default=Path("build/bin/soniq-pack"))
    parser.add_argument("--work", type=Path, default=Path("build/demo"))
    parser.add_argument("--json", type=Path, default=Path("build/demo.json"))
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    arguments.work.mkdir(parents=True, exist_ok=True)
    packed = arguments.work / "smollm2.soniq"

    print(f"\nA conversation. Packing {arguments.gguf.name}, with the codes of the file ...")
    pack_seconds = pack(arguments.tool, arguments.gguf, packed)
    before, start = resident_bytes(), time.perf_counter()
    model = soniq.load(packed)
    load_ms = 1e3 * (time.perf_counter() - start)
    bits, size = float(model.metadata["soniq.average_bits"]), packed.stat().st_size
    print(f"  {packed.name}: {size / 1e6:.1f} MB, {bits:.2f} bits a weight, in {pack_seconds:.1f} s; "
          f"loaded in {load_ms:.1f} ms")  # fmt: skip
    print("  Temperature 0, and the same bits on every CPU: these answers are the same on every machine.")
    answers = converse(model)
    memory = resident_bytes() - before
    prompt, answer = rate(one.prompt_work for one in answers), rate(one.answer_work for one in answers)
    cores = len(os.sched_getaffinity(0))
    print(f"\nOn {files.cpu()}, {soniq.cpu_isa()}, {cores} thread{'' if cores == 1 else 's'}: prompts {prompt:.0f}, "
          f"answers {answer:.0f} tokens/s; {memory / 1e6:.0f} MB of memory, the file's among them.")  # fmt: skip
    add_json(arguments.json, {
        "cpu": files.cpu(), "isa": soniq.cpu_isa(), "threads": cores, "file": arguments.gguf.name,
        "file_bytes": size, "average_bits": bits, "pack_seconds": pack_seconds, "load_ms": load_ms,
        "prompt_tokens_per_second": prompt, "answer_tokens_per_second": answer, "resident_bytes": memory,
        "conversation": [{"question": asked, "answer": one.text}
                         for asked, one in zip(QUESTIONS, answers, strict=True)],
        "against_llama_cpp": against_llama_cpp(arguments.gguf, packed),
    })  # fmt: skip
    print(f"Go on talking:  .ci/with-library build demo -- -m soniq chat {packed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
