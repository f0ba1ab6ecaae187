"""What a report shows: what a file holds, and what a run of it costs on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..inputs import TensorInfo
from ..library import build_info, cpu_isa
from ..model import KernelReport, Model, StepProfile, load

# What a dynamic size is in the measured run where the caller does not say; that of a batch is 1.
USUAL_SIZE = 64
RUNS = 9


@dataclass(frozen=True)
class Part:
    """Channels of a weight with one precision: 32 bits for floats, activations None where they are no codes."""

    bits: int
    activations: int | None
    channels: int


@dataclass(frozen=True)
class Weight:
    """A matrix, table or filter of `count` numbers. `average_bits` has its scales in it."""

    name: str
    kind: str
    shape: str
    parts: tuple[Part, ...]
    levels: tuple[str, ...]
    count: int
    average_bits: float
    byte_count: int


@dataclass(frozen=True)
class Measured:
    """Runs with made-up inputs and one thread: of each step the least of some runs; `milliseconds` is their sum."""

    sizes: Mapping[str, int]
    steps: tuple[StepProfile, ...]
    kernels: tuple[KernelReport, ...]
    milliseconds: float
    machine: str


@dataclass(frozen=True)
class Contents:
    """All that a page is made of. `measured` is None where nothing was run, and `reason` says why."""

    path: str
    file_bytes: int
    parameters: int
    average_bits: float
    metadata: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: tuple[Weight, ...]
    measured: Measured | None
    reason: str


def weights(inspected: Mapping[str, Any]) -> tuple[Weight, ...]:
    """Of what `soniq-pack inspect --json` writes."""
    return tuple(
        Weight(
            each["name"],
            each["kind"],
            each["shape"],
            tuple(Part(one["weight_bits"], one["activation_bits"], one["channels"]) for one in each["precisions"]),
            tuple(each["levels"]),
            each["count"],
            each["bits"],
            each["bytes"],
        )
        for each in inspected["weights"]
    )


def contents(path: Path, inspected: str, sizes: Mapping[str, int] | None) -> Contents:
    """Of a file and what `soniq-pack inspect --json` says of it.

    Args:
        sizes: dynamic sizes of the measured run; None measures nothing.

    Raises:
        SoniqError: the file cannot be opened, or not run with these sizes.
        ValueError: a size that the model does not have, or more than it takes.
    """
    about = json.loads(inspected)
    measured, reason = None, "not asked for"
    if sizes is not None:
        measured, reason = _measured(load(path, profile=True, threads=1), sizes), ""
    return Contents(
        str(path),
        about["file_bytes"],
        about["weight_count"],
        about["average_bits"],
        about["metadata"],
        tuple(_described(each) for each in about["inputs"]),
        tuple(_described(each) for each in about["outputs"]),
        weights(about),
        measured,
        reason,
    )


def _described(tensor: Mapping[str, Any]) -> str:
    return f"{tensor['name']}: {tensor['type']} {tensor['shape']}"


def _measured(model: Model, sizes: Mapping[str, int]) -> Measured:
    known = {name: most for info in model.inputs for name, most in _named(info)}
    unknown = [name for name in sizes if name not in known]
    if unknown:
        raise ValueError(f"the model has no size {unknown[0]!r}: it has {', '.join(known) or 'none'}")
    for name, size in sizes.items():
        if size > known[name]:
            raise ValueError(f"{name} is {size}, and the model takes at most {known[name]}")
    used = {name: sizes.get(name, 1 if name == "batch" else min(USUAL_SIZE, most)) for name, most in known.items()}
    # What may be left out mostly chooses among outputs: it keeps its default.
    needed = [info for info in model.inputs if not info.is_optional]
    used = {name: size for name, size in used.items() if any(name in info.shape for info in needed) or name in sizes}
    inputs = {info.name: _made_up(info, used) for info in needed}
    runs = [_one_run(model, inputs) for _ in range(RUNS)]
    # Of each step: what else the machine does falls on one run or another.
    best = [min(same, key=lambda step: step.milliseconds) for same in zip(*runs, strict=True)]
    total = sum(step.milliseconds for step in best)
    machine = f"{cpu_isa()}; {build_info()}"
    return Measured(used, tuple(best), tuple(model.kernels()), total, machine)


def _named(info: TensorInfo) -> list[tuple[str, int]]:
    pairs = zip(info.shape, info.maximum_shape, strict=True)
    return [(size, most) for size, most in pairs if isinstance(size, str)]


def _made_up(info: TensorInfo, sizes: Mapping[str, int]) -> npt.NDArray[Any]:
    """Numbers of a normal distribution, or zeros where whole numbers are asked for: those are in every table."""
    shape = [sizes[size] if isinstance(size, str) else size for size in info.shape]
    if info.dtype.kind == "f":
        return np.random.default_rng(0).standard_normal(shape).astype(info.dtype)
    return np.zeros(shape, info.dtype)


def _one_run(model: Model, inputs: Mapping[str, npt.NDArray[Any]]) -> list[StepProfile]:
    """What a run cost: the profile is a sum over all of them."""
    before = [step.milliseconds for step in model.profile()]
    model(**inputs)
    steps = zip(model.profile(), before, strict=True)
    return [replace(step, milliseconds=step.milliseconds - spent) for step, spent in steps]
