"""`soniq doctor`: what is installed where, what the machine can do, and what is wrong."""

from __future__ import annotations

import argparse
import json

from ..diagnosis import Diagnosis, diagnose

GIB = 1 << 30


def run(options: argparse.Namespace) -> int:
    """Writes what was found; the status is 1 where something keeps soniq from working."""
    found = diagnose()
    print(json.dumps(found.as_dict(), indent=2) if options.json else report(found))
    return 1 if found.problems else 0


def report(found: Diagnosis) -> str:
    """Lines for people."""
    machine = found.machine
    rows = [
        ("package", found.package_version),
        ("library", _placed(found.library_version, found.library_path)),
        ("soniq-pack", _placed(found.tool_version, found.tool_path)),
        ("build", found.library_build or "unknown"),
        ("Python", f"{found.python}, numpy {found.numpy}"),
        ("CPU", f"{machine.cpu}, instruction set {found.instruction_set or 'unknown'}"),
        ("threads", _threads(found)),
        ("memory", _memory(found)),
    ]
    for extra, packages in found.extras.items():
        state = ", ".join(f"{name} {version or 'missing'}" for name, version in packages.items())
        rows.append((extra, state))
    if found.speed:
        speeds = ", ".join(f"{value:g} at {bits} bit{'s' if bits > 1 else ''}" for bits, value in found.speed.items())
        rows.append(("speed", f"{speeds} (GMAC/s of one thread)"))
    lines = [f"{name + ':':12} {text}" for name, text in rows]
    lines += [f"note: {note}" for note in found.notes]
    lines += [f"problem: {problem}" for problem in found.problems] or ["all is well"]
    return "\n".join(lines)


def _placed(version: str | None, path: str | None) -> str:
    if path is None:
        return "not found"
    return f"{version or 'does not run'}, {path}"


def _threads(found: Diagnosis) -> str:
    limit = found.machine.cpu_limit
    return f"{found.machine.threads}" + (f", of which {limit:g} CPUs' time may be used" if limit is not None else "")


def _memory(found: Diagnosis) -> str:
    machine = found.machine
    text = f"{machine.memory_bytes / GIB:.1f} GiB"
    if machine.memory_limit_bytes is None:
        return f"{text}, no limit"
    used = "" if machine.memory_used_bytes is None else f", {machine.memory_used_bytes / GIB:.1f} GiB in use"
    return f"{text}, limited to {machine.memory_limit_bytes / GIB:.1f} GiB{used}"
