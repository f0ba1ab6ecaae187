"""What kind of machine a report is of: results of several kinds stand side by side, each with its own targets.

A class says what kernels may use, more finely than SONIQ_MAX_ISA does: AVX-VNNI doubles the speed of bytes where the
instruction set is called avx2 either way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# In the order in which a document shows them.
CLASSES = ("avx512", "avx_vnni", "avx2", "portable", "aarch64")
# The names of SONIQ_MAX_ISA, oldest first.
X86_64, AARCH64 = ("portable", "avx2", "avx512"), ("portable", "neon", "dotprod", "i8mm")


@dataclass(frozen=True)
class Machine:
    """name: the class. capped: the CPU has newer instructions than the run was allowed to use."""

    name: str
    capped: bool
    cpu: str

    @property
    def section(self) -> str:
        """Its place in a document. What a capped machine measured never replaces the results of a real one."""
        return f"{self.name}-capped" if self.capped else self.name

    @property
    def title(self) -> str:
        return f"{self.name}{' (capped)' if self.capped else ''}: {self.cpu}"

    @property
    def isa(self) -> str:
        """The newest instruction set in rows of matrix products."""
        return "avx2" if self.name == "avx_vnni" else self.name

    def context(self) -> dict[str, Any]:
        """How a report keeps it."""
        return {"class": self.name, "capped": self.capped, "cpu": self.cpu}

    def benchmark_context(self) -> str:
        """The same for Google Benchmark's option, where commas and equals signs belong to the list."""
        texts = {**self.context(), "capped": "true" if self.capped else "false"}
        return ",".join(f"{key}={re.sub('[,=]', ' ', text)}" for key, text in texts.items())


# Every section that a document can have, in its order.
SECTIONS = tuple(Machine(name, capped, "").section for name in CLASSES for capped in (False, True))


def machine_of(context: Mapping[str, Any], source: object) -> Machine:
    """Of a report's context. Google Benchmark keeps texts only. Raises ValueError where there is no class."""
    name = context.get("class")
    if name not in CLASSES:
        found = "names no class of machine" if name is None else f"names the class {name!r}"
        raise ValueError(f"{source}: the report {found} (one of {', '.join(CLASSES)}): measure again")
    return Machine(name, context.get("capped") in (True, "true"), context["cpu"])


def refuse_mixed(contexts: Iterable[Mapping[str, Any]]) -> None:
    """Raises ValueError when the runs are not all of one machine."""
    if len({tuple(context.get(key) for key in ("class", "capped", "cpu")) for context in contexts}) > 1:
        raise ValueError("the runs are of different machines")


def older(newest: str, cap: str) -> str:
    """What a CPU whose newest instruction set is `newest` uses under a cap; "" is none. Raises ValueError for a cap of
    another architecture."""
    order = AARCH64 if newest in AARCH64[1:] else X86_64
    if cap and cap not in order:
        raise ValueError(f"no instruction set of this machine: {cap} (have: {', '.join(order)})")
    return min(newest, cap or newest, key=order.index)


def this_machine(isa: str, newest: str, cpuinfo: str) -> Machine:
    """isa: the newest that the run may use; newest: that the CPU has; cpuinfo: what Linux says of the CPU."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = "aarch64" if isa in AARCH64[1:] else isa
    # A cap at avx2 allows AVX-VNNI as well.
    if isa == "avx2" and "avx_vnni" in fields.get("flags", "").split():
        name = "avx_vnni"
    return Machine(name, isa != newest, cpu_name(fields))


def cpu_name(fields: Mapping[str, str]) -> str:
    """As it calls itself, with its family: in clouds the name alone does not tell one CPU from another."""
    name = fields.get("model name", "unknown CPU")
    if "cpu family" in fields and "model" in fields:
        name += f" (family {fields['cpu family']} model {fields['model']})"
    return name
