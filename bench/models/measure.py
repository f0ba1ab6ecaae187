"""Times whole networks, soniq at several levels against INT8 baselines, and writes build/bench-models.json.

Rows are {"model", "engine", "scheme", "threads", "batch", "ms_median"}. One process an engine, pinned to its
cores; in every round each runs for a while, so that a slow moment of the machine hits all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import baselines
import networks
import schemes
from contestants import ConvolutionSum, EngineError, Setting, Worker, take_turns
from reports.disturbance import BUSY
from reports.machine import Machine, older, this_machine

import soniq

DEFAULT_BASELINES = "onnxruntime_f32,onnxruntime_int8,openvino_int8,onednn_conv_sum"
# The threads of OpenMP, TBB and ONNX Runtime spin for some milliseconds after their last work.
PAUSE_SECONDS = 0.02


def pack(tool: Path, model: Path, scheme: str, kind: str = "") -> Path:
    """Packs the ONNX file at a scheme, as a class of machines (`kind`) wants it, unless that is done.

    Returns the path of the .soniq file.
    Raises subprocess.CalledProcessError when soniq-pack refuses.
    """
    options = schemes.options(scheme, kind)
    target = "-for-avx2" if "--target" in options else ""
    path = model.with_name(f"{model.stem}-{scheme.replace('@', '-').replace('+', '-')}{target}.soniq")
    if not path.exists() or path.stat().st_mtime < max(tool.stat().st_mtime, model.stat().st_mtime):
        start = time.perf_counter()
        calibration = ["--calibrate", str(baselines.calibration_file(model))]
        command = [str(tool), "pack", str(model), "-o", str(path), *calibration]
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
        print(f"  {path.name}: {path.stat().st_size / 1e6:.1f} MB in {time.perf_counter() - start:.0f} s", flush=True)
    return path


def contestants(arguments: argparse.Namespace, model: Path, kind: str) -> list[tuple[str, str, Path]]:
    """Engine, scheme and file of each."""
    chosen = [("soniq", scheme, pack(arguments.tool, model, scheme, kind)) for scheme in arguments.schemes]
    files = {"onnxruntime_f32": ("f32", lambda: model), "onnxruntime_int8": ("w8a8", lambda: baselines.quantize(model)),
             "openvino_int8": ("w8a8", lambda: baselines.quantize(model))}
    return chosen + [(name, files[name][0], files[name][1]()) for name in arguments.baselines if name in files]


def busy_cores() -> float:
    """Cores that others keep busy while this process sleeps."""
    def idle_and_total() -> tuple[int, int]:
        with open("/proc/stat") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
        return ticks[3] + ticks[4], sum(ticks)

    idle, total = idle_and_total()
    time.sleep(0.5)
    later_idle, later_total = idle_and_total()
    share = 1 - (later_idle - idle) / max(1, later_total - total)
    return round((os.cpu_count() or 1) * share, 2)


def note_load(threads: int, report: dict[str, Any]) -> None:
    """Keeps the most that others were working before rows of so many threads."""
    busy, most = busy_cores(), report["context"]["busy_cores"]
    most[str(threads)] = max(busy, most.get(str(threads), 0))
    if busy > BUSY:
        print(f"others keep {busy:.2f} cores busy: times will be worse", file=sys.stderr)


def measure(arguments: argparse.Namespace, setting: Setting, report: dict[str, Any]) -> None:
    """Adds the rows of one network, number of threads and batch."""
    model = networks.write(arguments.folder, setting.model)
    chosen = contestants(arguments, model, report["context"]["class"])
    note_load(setting.threads, report)
    with contextlib.ExitStack() as stack:
        players: list[Worker | ConvolutionSum] = []
        for engine, scheme, path in chosen:
            worker = stack.enter_context(Worker(engine, scheme, path, setting))
            report["context"]["engines"][engine] = worker.about["version"]
            players.append(worker)
        if "onednn_conv_sum" in arguments.baselines:
            players.append(ConvolutionSum(arguments.conv_bench, model.with_suffix(".txt"), setting))
        pause = PAUSE_SECONDS if setting.threads > 1 else 0
        take_turns(players, arguments.rounds, arguments.seconds, pause)
    for player in players:
        row = {"model": setting.model, "engine": player.engine, "scheme": player.scheme, "threads": setting.threads,
               "batch": setting.batch, "ms_median": round(player.median(), 4)}
        print(f"{setting.model:18} {player.engine:18} {player.scheme:14} threads {setting.threads} "
              f"batch {setting.batch}  {row['ms_median']:9.3f} ms", flush=True)
        report["rows"].append(row)
        memory = player.about.get("memory") if isinstance(player, Worker) else None
        if memory:
            report["memory"].append({key: row[key] for key in ("model", "scheme", "threads", "batch")} | {
                "workspace_bytes": memory["workspace_bytes"], "heap_bytes": memory["heap_bytes"]})


def profiled(name: str, report: dict[str, Any]) -> tuple[str, ...]:
    """The schemes at which the steps of a network are shown."""
    return schemes.profiled(name, report["context"]["class"], name in networks.CHAINS)


def profile(arguments: argparse.Namespace, name: str, report: dict[str, Any]) -> None:
    """Adds what every step of a network took, and every convolution of oneDNN, one thread and one image."""
    model, setting = networks.write(arguments.folder, name), Setting(name, 1, 1)
    kind = report["context"]["class"]
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker("soniq", scheme, pack(arguments.tool, model, scheme, kind), setting, profile=True))
            for scheme in profiled(name, report)
        ]
        baseline = ConvolutionSum(arguments.conv_bench, model.with_suffix(".txt"), setting, destinations=("u8", "s32"))
        steps: dict[str, list[list[dict[str, Any]]]] = {worker.scheme: [] for worker in workers}
        for _ in range(arguments.rounds):
            baseline.take_turn(0)
            for worker in workers:
                steps[worker.scheme].append(worker.ask(20))
    shapes = networks.convolutions(networks.build(name))
    for scheme, rounds in steps.items():
        for step in zip(*rounds, strict=True):
            # Names of nodes joined by " + ", and ".2" after one that was made of several.
            nodes = [node.split(".")[0] for node in step[0]["name"].split(" + ")]
            shape = next((shapes[node].name for node in nodes if step[0]["products"] and node in shapes), "")
            ms = statistics.median(one["ms"] for one in step)
            report["steps"].append({"model": name, "scheme": scheme, "shape": shape, **step[0], "ms": ms})
    for key, times in baseline.microseconds.items():
        shape, destination = key.split("/")
        report["convolutions"].append({
            "model": name, "shape": shape, "destination": destination, "occurrences": baseline.occurrences[key],
            "kernel": baseline.kernels[key], "ms": statistics.median(times) / 1e3})


def context() -> dict[str, Any]:
    return machine().context() | {
        "cores": len(os.sched_getaffinity(0)), "engines": {}, "date": datetime.date.today().isoformat(),
        "busy_cores": {}, "revision": revision()}


def machine() -> Machine:
    """With what soniq may use of it."""
    isa = older(soniq.cpu_isa(), os.environ.get("SONIQ_MAX_ISA", ""))
    return this_machine(isa, soniq.cpu_isa(), Path("/proc/cpuinfo").read_text())


def revision() -> str:
    answer = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return answer.stdout.strip() or "unknown"


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def names(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def parse(of_class: list[str]) -> argparse.Namespace:
    """of_class: the schemes where none are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=names, default=[*networks.NETWORKS, *networks.CHAINS])
    parser.add_argument("--schemes", type=names, default=of_class, help="of soniq; empty: baselines only")
    parser.add_argument("--baselines", type=names, default=names(DEFAULT_BASELINES))
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--batches", type=numbers, default=[1, 8])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.15, help="of each engine in each round")
    parser.add_argument("--no-profile", action="store_true", help="leave out the steps one by one, and the chains")
    parser.add_argument("--folder", type=Path, default=Path("build/bench-models"), help="where models are kept")
    parser.add_argument("--tool", type=Path, default=Path("build/bin/soniq-pack"))
    parser.add_argument("--conv-bench", type=Path, default=Path("build/bench/conv_bench"))
    parser.add_argument("--output", type=Path, default=Path("build/bench-models.json"))
    arguments = parser.parse_args()
    known = {"--models": networks.NETWORKS | networks.CHAINS, "--schemes": schemes.SCHEMES,
             "--baselines": dict.fromkeys(names(DEFAULT_BASELINES))}
    for option, chosen in (("--models", arguments.models), ("--schemes", arguments.schemes),
                           ("--baselines", arguments.baselines)):
        unknown = [name for name in chosen if name not in known[option]]
        if unknown:
            parser.error(f"{option}: no {unknown[0]} (have: {', '.join(known[option])})")
    return arguments


def main() -> int:
    about = context()
    arguments = parse(schemes.of_class(about["class"]))
    method = {"rounds": arguments.rounds, "seconds": arguments.seconds}
    report: dict[str, Any] = {"context": about | method, "rows": [], "memory": [], "steps": [], "convolutions": []}
    available = len(os.sched_getaffinity(0))
    for name in arguments.models:
        for threads in [] if name in networks.CHAINS else arguments.threads:
            if threads > available:
                print(f"{threads} threads are not measured: the machine has {available} cores")
                continue
            for batch in arguments.batches:
                measure(arguments, Setting(name, threads, batch), report)
        if arguments.schemes and not arguments.no_profile and profiled(name, report):
            profile(arguments, name, report)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {arguments.output}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (EngineError, subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"measure.py: {error}")
