"""all-MiniLM-L6-v2 packed to a few bits: semantic search, quality and speed against ONNX Runtime INT8.

Prints a table and writes the same figures to build/demo.json. Run it by `make demo`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

import soniq

HERE = Path(__file__).parent
ROUNDS = 3
# Made by examples/train_minilm.py.
TRAINED = HERE / "minilm-2.5.soniq"


IS_ARM = platform.machine() == "aarch64"
INSTRUCTION_SETS = ("portable", "neon", "dotprod", "i8mm") if IS_ARM else ("portable", "avx2", "avx512")
RIVAL = "ONNX Runtime INT8 per channel"


@dataclass
class Case:
    """One packed model and what was measured of it. `options` pack it; None where it is packed already.

    `kernels` and `latency` are by instruction set; `latency` then by threads, and by tokens.
    """

    palette: str
    options: list[str] | None
    path: Path
    average_bits: float = 0.0
    file_bytes: int = 0
    cosines: np.ndarray = field(default_factory=lambda: np.zeros(0))
    kernels: dict[str, dict[str, int]] = field(default_factory=dict)
    latency: dict[str, dict[int, dict[str, float]]] = field(default_factory=dict)


def cpu_name() -> str:
    """As the machine calls itself."""
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown CPU")


def instruction_sets() -> list[str]:
    """Those to measure: the newest of this CPU, up to SONIQ_MAX_ISA, and AVX2 beside AVX-512."""
    cap = os.environ.get("SONIQ_MAX_ISA") or INSTRUCTION_SETS[-1]
    newest = min(soniq.cpu_isa(), cap, key=INSTRUCTION_SETS.index)
    return [newest, "avx2"] if newest == "avx512" else [newest]


def read_lines(name: str) -> list[str]:
    return [line for line in (HERE / name).read_text().splitlines() if line and not line.startswith("#")]


def tokenize(tokenizer: Tokenizer, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sentences to int32 ids and mask [count, longest], padded with 0."""
    encoded = tokenizer.encode_batch(sentences)
    length = max(len(sentence.ids) for sentence in encoded)
    ids = np.zeros((len(encoded), length), np.int32)
    mask = np.zeros_like(ids)
    for row, sentence in enumerate(encoded):
        ids[row, : len(sentence.ids)] = sentence.ids
        mask[row, : len(sentence.ids)] = 1
    return ids, mask


def calibration_sentences() -> list[str]:
    """The calibration text and the beginnings of its lines: a few words alone activate the model differently,
    and a model calibrated on whole sentences only is at its worst on them."""
    lines = read_lines("calibration.txt")
    return lines + [" ".join(line.split()[:count]) for line in lines for count in (1, 2, 3, 5)]


def embed(model: soniq.Model, ids: np.ndarray, mask: np.ndarray, batch: int = 8) -> np.ndarray:
    parts = []
    for start in range(0, len(ids), batch):
        part = slice(start, start + batch)
        length = int(mask[part].sum(1).max())
        outputs = model(input_ids=ids[part, :length], attention_mask=mask[part, :length])
        parts.append(outputs["sentence_embedding"].copy())
    return np.concatenate(parts)


def reference_embeddings(path: Path, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The same tokens through ONNX Runtime in float32, one sentence at a time, without padding."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows = []
    for row in range(len(ids)):
        length = int(mask[row].sum())
        inputs = {
            "input_ids": ids[row : row + 1, :length].astype(np.int64),
            "attention_mask": np.ones((1, length), np.int64),
            "token_type_ids": np.zeros((1, length), np.int64),
        }
        rows.append(session.run(["sentence_embedding"], inputs)[0][0])
    return np.stack(rows)


def pack(case: Case, tool: Path, folder: Path, calibration: Path) -> None:
    if case.options is None:
        took = "trained, in the repository"
    else:
        command = [str(tool), "pack", str(folder), "-o", str(case.path), "--calibrate", str(calibration)]
        start = time.perf_counter()
        subprocess.run([*command, *case.options], check=True, stdout=subprocess.DEVNULL)
        took = f"in {time.perf_counter() - start:.0f} s"
    case.file_bytes = case.path.stat().st_size
    print(f"  {case.path.name}: {case.file_bytes / 1e6:.1f} MB, {took}")


def latency(model: Path, threads: int, isa: str | None) -> dict[str, float]:
    """Milliseconds by tokens, of soniq with this instruction set, or of ONNX Runtime where it is None."""
    engine = ["onnxruntime", str(model)] if isa is None else ["soniq", str(model), "--isa", isa]
    command = [sys.executable, str(HERE / "latency_worker.py"), *engine, "--threads", str(threads)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def median_latencies(
    engines: dict[tuple[str, str | None], Path], threads: int
) -> dict[tuple[str, str | None], dict[str, float]]:
    """By name and instruction set. Engines take turns, a process each, so that a slow moment of the machine hits all
    of them."""
    runs: dict[tuple[str, str | None], list[dict[str, float]]] = {key: [] for key in engines}
    for _ in range(ROUNDS):
        for (name, isa), model in engines.items():
            runs[name, isa].append(latency(model, threads, isa))
    return {
        key: {length: statistics.median(run[length] for run in results) for length in results[0]}
        for key, results in runs.items()
    }


def time_all(cases: list[Case], rival_model: Path) -> dict[int, dict[str, float]]:
    """Fills in the latencies of the cases, with two threads on the newest instruction set only; returns the rival's."""
    sets = instruction_sets()
    rival = {}
    for threads in (1, 2):
        engines = {(case.palette, isa): case.path for case in cases for isa in (sets if threads == 1 else sets[:1])}
        medians = median_latencies({**engines, (RIVAL, None): rival_model}, threads)
        rival[threads] = medians[RIVAL, None]
        for case in cases:
            for isa in sets:
                if (case.palette, isa) in medians:
                    case.latency.setdefault(isa, {})[threads] = medians[case.palette, isa]
    return rival


def count_kernels(model: soniq.Model) -> dict[str, int]:
    counts: dict[str, int] = {}
    for report in model.kernels():
        counts[report.kernel] = counts.get(report.kernel, 0) + 1
    return counts


def search(case: Case, tokenizer: Tokenizer, sentences: list[str], embeddings: np.ndarray) -> None:
    queries = read_lines("queries.txt")
    answers = embed(soniq.load(case.path), *tokenize(tokenizer, queries)) @ embeddings.T
    print(f"\nSemantic search, {case.palette} palette, {case.file_bytes / 1e6:.1f} MB:")
    for query, scores in zip(queries, answers, strict=True):
        best = int(scores.argmax())
        print(f"  {query}\n    {scores[best]:.2f}  {sentences[best]}")


def cosines(embeddings: np.ndarray, exact: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(embeddings, axis=1)
    return (embeddings * exact).sum(1) / lengths


def print_table(cases: list[Case], rival: dict[int, dict[str, float]], rival_cosines: np.ndarray) -> None:
    columns = "bits/weight  file MB  cosine mean  min     threads  ms at 16 / 64 / 256 tokens (ratio to INT8)"
    print(f"\nOn {cpu_name()}:\n{'palette':11}  {'kernels':7}  {columns}")
    for isa in cases[0].latency:
        for case in cases:
            for threads, times in case.latency[isa].items():
                row = " / ".join(f"{times[n]:.2f} ({rival[threads][n] / times[n]:.2f}x)" for n in times)
                quality = f"{case.cosines.mean():.5f}      {case.cosines.min():.4f}"
                size = f"{case.average_bits:11.3f}  {case.file_bytes / 1e6:7.1f}"
                print(f"{case.palette:11}  {isa:7}  {size}  {quality}  {threads:7}  {row}")
    for threads, times in rival.items():
        row = " / ".join(f"{value:.2f}" for value in times.values())
        quality = f"{rival_cosines.mean():.5f}      {rival_cosines.min():.4f}"
        print(f"{RIVAL + ' *':44} {quality}  {threads:7}  {row}")
    print("* on whatever instructions of this CPU it chooses: ONNX Runtime cannot be kept to an older set")


def write_json(
    path: Path, cases: list[Case], rival: dict[int, dict[str, float]], rival_cosines: np.ndarray
) -> None:
    rows = []
    for isa, case in ((isa, case) for isa in cases[0].latency for case in cases):
        row = {
            "cpu": cpu_name(),
            "isa": isa,
            "palette": case.palette,
            "average_bits": case.average_bits,
            "file_bytes": case.file_bytes,
            "cosine_mean": float(case.cosines.mean()),
            "cosine_min": float(case.cosines.min()),
            "latency_ms": case.latency[isa][1],
            "onnxruntime_int8_ms": rival[1],
            "onnxruntime_int8_cosine_mean": float(rival_cosines.mean()),
            "onnxruntime_int8_cosine_min": float(rival_cosines.min()),
            "kernels": case.kernels[isa],
        }
        if 2 in case.latency[isa]:
            row |= {"latency_ms_two_threads": case.latency[isa][2], "onnxruntime_int8_ms_two_threads": rival[2]}
        rows.append(row)
    path.write_text(json.dumps({"cases": rows}, indent=2) + "\n")
    print(f"\nwritten to {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("build/minilm"), help="Hugging Face folder")
    parser.add_argument("--tool", type=Path, default=Path("build/bin/soniq-pack"))
    parser.add_argument("--work", type=Path, default=Path("build/demo"))
    parser.add_argument("--json", type=Path, default=Path("build/demo.json"))
    arguments = parser.parse_args()
    # In a pipe or a log, too, every step is told before it runs.
    sys.stdout.reconfigure(line_buffering=True)
    arguments.work.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(HERE))
    import reference

    tokenizer = Tokenizer.from_file(str(arguments.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    print("Writing the baseline as ONNX files, in float32 and INT8 ...")
    fp32, int8 = reference.build(arguments.model, arguments.work)
    ids, mask = tokenize(tokenizer, calibration_sentences())
    calibration = arguments.work / "calibration.npz"
    np.savez(calibration, input_ids=ids, attention_mask=mask)
    cases = [
        Case("8", ["--palette", "8"], arguments.work / "minilm-8.soniq"),
        Case("4,8", ["--palette", "4,8", "--target-bits", "5.0"], arguments.work / "minilm-4-8.soniq"),
        Case("trained 2,3", None, TRAINED),
    ]
    print("Packing all-MiniLM-L6-v2 ...")
    for case in cases:
        pack(case, arguments.tool, arguments.model, calibration)

    sentences = read_lines("sentences.txt")
    ids, mask = tokenize(tokenizer, sentences)
    exact = reference_embeddings(fp32, ids, mask)
    rival_cosines = cosines(reference_embeddings(int8, ids, mask), exact)
    print(f"Embedding {len(sentences)} sentences ...")
    for case in cases:
        model = soniq.load(case.path, threads=1)
        embeddings = embed(model, ids, mask)
        case.cosines = cosines(embeddings, exact)
        case.average_bits = float(model.metadata["soniq.average_bits"])
        for isa in instruction_sets():
            case.kernels[isa] = count_kernels(soniq.load(case.path, threads=1, max_isa=isa))
    search(cases[-1], tokenizer, sentences, embeddings)

    print(f"\nTiming, {ROUNDS} rounds, engines taking turns ...")
    rival = time_all(cases, int8)
    print_table(cases, rival, rival_cosines)
    for case in cases:
        kernels = case.kernels[instruction_sets()[0]]
        print(f"kernels of {case.palette}: " + ", ".join(f"{name} x{count}" for name, count in kernels.items()))
    write_json(arguments.json, cases, rival, rival_cosines)


if __name__ == "__main__":
    main()
