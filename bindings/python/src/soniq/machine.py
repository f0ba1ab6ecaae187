"""What this machine gives the process: CPU, threads, memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
# Version 1 of control groups says this much where it means no limit.
NO_LIMIT = 1 << 60


@dataclass(frozen=True)
class Machine:
    """Attributes:
        cpu: the CPU's own name.
        threads: CPUs that the process may run on.
        cpu_limit: CPUs' worth of time that its control group gets; None: no limit.
        memory_bytes: memory of the machine.
        memory_limit_bytes: what its control group may use; None: no limit.
        memory_used_bytes: what its control group uses now, with cached files; None where there is no limit.
    """

    cpu: str
    threads: int
    cpu_limit: float | None
    memory_bytes: int
    memory_limit_bytes: int | None
    memory_used_bytes: int | None


def machine(process: Path = Path("/proc"), groups: Path = GROUPS) -> Machine:
    """This machine, as /proc and the control groups describe it."""
    limit, used = _memory(process, groups)
    return Machine(
        cpu=_cpu(process),
        threads=len(os.sched_getaffinity(0)),
        cpu_limit=_cpu_limit(process, groups),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        memory_limit_bytes=limit,
        memory_used_bytes=used,
    )


def _cpu(process: Path) -> str:
    lines = _text(process / "cpuinfo").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _folders(process: Path, groups: Path, controller: str) -> Iterator[Path]:
    """The control group of the process and those around it, each of which may limit it."""
    for line in _text(process / "self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = groups / controller if controllers else groups
        # In a container the path may be one that only the host has: the root is then its own group.
        inside = Path(path.lstrip("/"))
        yield from (root / part for part in (inside, *inside.parents))


def _memory(process: Path, groups: Path) -> tuple[int | None, int | None]:
    """The lowest limit, and what is used of it."""
    found: list[tuple[int, int | None]] = []
    names = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    for folder in _folders(process, groups, "memory"):
        for limit_name, used_name in names:
            limit, used = (_text(folder / name).strip() for name in (limit_name, used_name))
            if limit.isdigit() and int(limit) < NO_LIMIT:
                found.append((int(limit), int(used) if used.isdigit() else None))
    return min(found, key=lambda each: each[0]) if found else (None, None)


def _cpu_limit(process: Path, groups: Path) -> float | None:
    found = []
    for folder in _folders(process, groups, "cpu"):
        parts = _text(folder / "cpu.max").split()
        parts = parts or [_text(folder / name).strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
        if all(part.isdigit() for part in parts) and len(parts) == 2:
            found.append(int(parts[0]) / int(parts[1]))
    return min(found, default=None)


def _text(path: Path) -> str:
    """A file of the system; "" where there is none."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
