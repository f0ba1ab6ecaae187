"""Runs ONNX's own tests of every claimed operator through soniq-pack and libsoniq.so.

usage: conformance.py SONIQ_PACK [--write | --check] [NAME_PATTERN...]

Every test is packed with the palette f32 and run through the Python binding (SONIQ_LIBRARY names the library). A
test of a claimed operator passes, or is skipped for a reason in operators.py, or fails the run. --write puts the
result into docs/operators.md, --check compares with what is there. The last line is "N passed, N failed, N skipped".
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
from cases import Case, collect
from document import document

import soniq

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "operators.md"


def run(case: Case, packer: str, folder: Path) -> str:
    """Empty when the test passes, else what is wrong."""
    model_path = folder / f"{case.name}.onnx"
    packed_path = folder / f"{case.name}.soniq"
    onnx.save(case.model, model_path)
    packed = subprocess.run(
        [packer, "pack", model_path, "-o", packed_path, "--palette", "f32"], capture_output=True, text=True, check=False
    )
    if packed.returncode != 0:
        return (packed.stderr or packed.stdout).strip().replace("\n", " | ") or f"exit status {packed.returncode}"
    try:
        model = soniq.load(packed_path, threads=1)
        outputs = model(**case.inputs)
    except (soniq.SoniqError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        model_path.unlink()
        packed_path.unlink(missing_ok=True)
    names = [info.name for info in case.model.graph.output]
    for name, expected in zip(names, case.expected, strict=True):
        wrong = difference(np.asarray(outputs[name]), expected, case)
        if wrong:
            return f"output {name}: {wrong}"
    return ""


def difference(actual: np.ndarray, expected: np.ndarray, case: Case) -> str:
    if actual.shape != expected.shape:
        return f"shape {actual.shape}, not {expected.shape}"
    if actual.dtype != expected.dtype:
        return f"type {actual.dtype}, not {expected.dtype}"
    close = np.isclose(actual, expected, rtol=case.rtol, atol=case.atol, equal_nan=True)
    if close.all():
        return ""
    place = tuple(int(index) for index in np.argwhere(~close)[0])
    return f"{(~close).sum()} of {close.size} elements differ, first {place}: {actual[place]}, not {expected[place]}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("packer")
    parser.add_argument("patterns", nargs="*")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    arguments = parser.parse_args()

    cases = collect()
    if arguments.patterns:
        cases = [case for case in cases if any(fnmatch.fnmatchcase(case.name, text) for text in arguments.patterns)]
    wanted = [case for case in cases if not case.skip]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = list(pool.map(lambda case: run(case, arguments.packer, Path(folder)), wanted))
    failures = {case.name: text for case, text in zip(wanted, wrong, strict=True) if text}
    for name, text in failures.items():
        print(f"FAILED {name}: {text}")
    stale = False
    text = document(cases, set(failures))
    if arguments.write:
        DOCUMENT.write_text(text, encoding="utf-8")
    elif arguments.check:
        stale = not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != text
        if stale:
            print(f"FAILED {DOCUMENT.name} is not what this run gives: run 'make operators' and commit it")
    passed = len(wanted) - len(failures)
    print(f"{passed} passed, {len(failures) + stale} failed, {len(cases) - len(wanted)} skipped")
    sys.exit(1 if failures or stale or not wanted else 0)


main()
