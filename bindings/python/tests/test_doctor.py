"""`soniq doctor`: what it finds, and what it says where something is broken."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import soniq
from soniq import diagnosis, tool
from soniq.command import main
from soniq.machine import machine

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "MEASURED", 0.01)
    monkeypatch.setattr(diagnosis, "SIZE", 256)


def asked(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = main(["doctor", "--json"])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, answer


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    status, found = asked(capsys)
    assert (status, found["problems"]) == (0, [])
    assert found["package_version"] == found["library_version"] == found["tool_version"] == soniq.__version__
    assert found["tool_path"] == tool.find() and found["instruction_set"] == soniq.cpu_isa()
    assert list(found["speed"]) == ["8", "4", "2", "1"] and min(found["speed"].values()) > 0
    assert found["machine"]["threads"] >= 1 and found["machine"]["memory_bytes"] > 1 << 28
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert text.endswith("\nall is well\n")
    assert re.search(r"^speed: +[\d.]+ at 8 bits, .* at 1 bit \(GMAC/s", text, re.M)


def test_as_a_process_without_a_library() -> None:
    environment = {"SONIQ_LIBRARY": "/nowhere", "PYTHONPATH": str(PROJECT.parent / "src"), "PATH": "/nowhere"}
    command = [sys.executable, "-m", "soniq", "doctor"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 1 and answer.stderr == ""
    problem = r"^problem: /nowhere, named by SONIQ_LIBRARY, .*Correct SONIQ_LIBRARY, or unset it$"
    assert re.search(problem, answer.stdout, re.M)
    assert re.search("^library: +not found$", answer.stdout, re.M)


def test_without_the_tool_models_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONIQ_PACK", "/nowhere/soniq-pack")
    status, found = asked(capsys)
    assert status == 0 and found["tool_path"] is None
    assert found["notes"] == [
        "/nowhere/soniq-pack is no command: models run without it; to pack some, install it or set SONIQ_PACK"
    ]


def test_a_tool_that_does_not_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "soniq-pack"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("SONIQ_PACK", str(broken))
    status, found = asked(capsys)
    assert status == 1 and found["problems"][0].startswith(f"{broken} does not run: ")
    broken.write_text("#!/bin/sh\necho 9.9.9\n")
    status, found = asked(capsys)
    wanted = f"the soniq-pack is 9.9.9 and the package {soniq.__version__}: install both of one version"
    assert (status, found["problems"]) == (1, [wanted])


def test_wrong_results_are_a_problem(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(soniq.Matrix):
        def multiply(self, inputs: Any) -> Any:
            return super().multiply(inputs) + (self.shape[0] > 64)

    monkeypatch.setattr(diagnosis, "Matrix", Wrong)
    status, found = asked(capsys)
    assert status == 1 and len(found["problems"]) == 4 and "SONIQ_MAX_ISA=portable" in found["problems"][0]


def test_the_extras_are_those_of_the_package() -> None:
    tomllib = pytest.importorskip("tomllib")
    declared = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    names = {extra: tuple(re.split("[<>=~]", one)[0] for one in wanted) for extra, wanted in declared.items()}
    assert names == diagnosis.EXTRAS


@pytest.mark.parametrize(
    ("lines", "files", "memory", "cpus"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "500", "a/memory.current": "70", "cpu.max": "max 9"},
         (500, 70), None),
        ("0::/gone\n", {"memory.max": "800", "cpu.max": "150000 100000"}, (800, None), 1.5),
        ("5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n",
         {"memory/x/memory.limit_in_bytes": "600", "memory/memory.limit_in_bytes": "9223372036854771712",
          "cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, (600, None), None),
        ("", {}, (None, None), None),
    ],
)  # fmt: skip
def test_limits_of_control_groups(
    tmp_path: Path, lines: str, files: dict[str, str], memory: tuple[int | None, int | None], cpus: float | None
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(lines)
    (tmp_path / "proc/cpuinfo").write_text("processor : 0\nmodel name : A CPU: fast\n")
    for name, text in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    found = machine(tmp_path / "proc", tmp_path / "groups")
    assert (found.memory_limit_bytes, found.memory_used_bytes) == memory
    assert found.cpu_limit == cpus and found.cpu == "A CPU: fast"
