"""Which instruction sets a test may ask for: those of this CPU, up to the SONIQ_MAX_ISA that the run was started with.

What a test asks for must then have run. That the library sees what the CPU has is checked apart from it, by the ABI
tests.
"""

from __future__ import annotations

import os
import platform

import pytest

import soniq

ALL = ("portable", "neon", "dotprod", "i8mm") if platform.machine() == "aarch64" else ("portable", "avx2", "avx512")


def obstacle(isa: str) -> str | None:
    """Why the instruction set may not be asked for; None when it may."""
    if ALL.index(isa) > ALL.index(soniq.cpu_isa()):
        return f"{isa}: the newest of this CPU is {soniq.cpu_isa()}"
    cap = os.environ.get("SONIQ_MAX_ISA") or ALL[-1]
    return f"{isa}: SONIQ_MAX_ISA is {cap}" if ALL.index(isa) > ALL.index(cap) else None


def require(isa: str) -> None:
    """Skips the test, saying why, where the instruction set cannot run."""
    if reason := obstacle(isa):
        pytest.skip(reason)


def of_kernels(reports: list[soniq.KernelReport]) -> set[str]:
    """The instruction sets that the kernels of a session or a matrix are compiled for."""
    return {report.kernel.rsplit("__", 1)[-1] for report in reports if "__" in report.kernel}
