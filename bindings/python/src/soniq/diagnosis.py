"""What `soniq doctor` finds out: versions, places, the machine, its speed, and what is wrong."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np

from . import tool
from .errors import SoniqError
from .library import ENVIRONMENT_VARIABLE, LibraryNotFoundError, build_info, cpu_isa, library, library_version
from .machine import Machine, machine
from .matrix import Level, Matrix

# Packages of each extra of the package, as pyproject.toml has them.
EXTRAS = {
    "chat": ("jinja2",),
    "grammar": ("llguidance",),
    "server": ("fastapi", "jinja2", "llguidance", "prometheus-client", "uvicorn"),
    "images": ("pillow",),
    "compare": ("onnx", "onnxruntime"),
    "train": ("torch", "onnx", "matplotlib"),
}
FRAMEWORKS = ("scikit-learn", "langchain-core", "llama-index-core", "sentence-transformers")
# 1 bit has no zero.
LEVELS = {**{bits: Level(bits, bits) for bits in (8, 4, 2)}, 1: Level(1, 1, "bipolar", "bipolar")}
ROWS, SIZE = 32, 1024
# Seconds that each speed is measured for, with what comes before it under three in all.
MEASURED = 0.25


@dataclass
class Diagnosis:
    """What was found. `problems` are what keeps soniq from working, and what to do about each.

    `extras` has a version, or None, for each package of each extra; `speed` GMAC/s by the bits of weights and
    activations, of one thread.
    """

    package_version: str
    python: str
    numpy: str
    machine: Machine
    library_version: str | None = None
    library_build: str | None = None
    library_path: str | None = None
    instruction_set: str | None = None
    tool_path: str | None = None
    tool_version: str | None = None
    extras: dict[str, dict[str, str | None]] = field(default_factory=dict)
    speed: dict[int, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)


def diagnose() -> Diagnosis:
    """Looks at all of it, in less than three seconds."""
    from . import __version__

    found = Diagnosis(
        __version__, f"{platform.python_version()} at {sys.executable}", np.__version__, machine(), extras=_extras()
    )
    _look_for_tool(found)
    try:
        found.library_version, found.library_build = library_version(), build_info()
        found.library_path, found.instruction_set = library()._name, cpu_isa()
    except LibraryNotFoundError as error:
        named = os.environ.get(ENVIRONMENT_VARIABLE)
        found.problems.append(f"{error}{f'. Correct {ENVIRONMENT_VARIABLE}, or unset it' if named else ''}")
        return found
    for name, version in (("library", found.library_version), ("soniq-pack", found.tool_version)):
        if version is not None and version != __version__:
            found.problems.append(f"the {name} is {version} and the package {__version__}: install both of one version")
    try:
        _measure(found)
    except SoniqError as error:
        found.problems.append(f"multiplying a matrix failed: {error}")
    return found


def _look_for_tool(found: Diagnosis) -> None:
    try:
        found.tool_path = tool.find()
    except tool.ToolNotFoundError as error:
        advice = f"models run without it; to pack some, install it or set {tool.ENVIRONMENT_VARIABLE}"
        found.notes.append(f"{error}: {advice}")
        return
    try:
        answer = subprocess.run(
            [found.tool_path, "--version"], capture_output=True, text=True, timeout=10, check=True, errors="replace"
        )
        found.tool_version = answer.stdout.split()[-1]
    except (OSError, IndexError, subprocess.SubprocessError) as error:
        found.problems.append(
            f"{found.tool_path} does not run: {error}. Install soniq again, or set {tool.ENVIRONMENT_VARIABLE}"
        )


def _extras() -> dict[str, dict[str, str | None]]:
    wanted = {**EXTRAS, "frameworks": FRAMEWORKS}
    return {extra: {name: _version(name) for name in names} for extra, names in wanted.items()}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _measure(found: Diagnosis) -> None:
    """Multiplies at each precision, and compares with the portable kernels, which all others have to equal."""
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((SIZE, SIZE), np.float32)
    inputs = rng.standard_normal((ROWS, SIZE), np.float32)
    for bits, level in LEVELS.items():
        matrix = Matrix(weights, [level])
        few = Matrix(weights[:64], [level], max_isa="portable").multiply(inputs[:2])
        if not np.array_equal(matrix.multiply(inputs[:2])[:, :64], few):
            advice = "set SONIQ_MAX_ISA=portable, and report this with the lines above"
            found.problems.append(f"{matrix.kernel} of {bits} bits differs from the portable kernel: {advice}")
        found.speed[bits] = _speed(matrix, inputs)


def _speed(matrix: Matrix, inputs: Any) -> float:
    """GMAC/s of the fastest run: others share the machine."""
    best, end = float("inf"), time.perf_counter() + MEASURED
    while time.perf_counter() < end:
        begin = time.perf_counter()
        matrix.multiply(inputs)
        best = min(best, time.perf_counter() - begin)
    return round(ROWS * SIZE * SIZE / best / 1e9, 1)
