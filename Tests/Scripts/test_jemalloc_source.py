"""Where .ci/fetch-jemalloc gets the source from, on a machine whose apt has read no list yet."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci/fetch-jemalloc"


def fetch(work: Path, *ways: str, configuration: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the script with an empty folder of lists, into a folder with a space in its name."""
    lists = work / "empty lists"
    (lists / "partial").mkdir(parents=True)
    (work / "apt.conf").write_text(f'Dir::State::Lists "{lists}";\n{configuration}')
    command = [SCRIPT, work / "a source", *ways]
    settings = {**os.environ, "APT_CONFIG": str(work / "apt.conf"), **environment}
    answer = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=200)
    assert not [path for path in lists.rglob("*") if path.is_file()], "the machine's lists were written"
    return answer


@pytest.mark.parametrize("way", ["pinned", "distribution"])
def test_needs_no_lists_and_no_deb_src(tmp_path: Path, way: str) -> None:
    answer = fetch(tmp_path, way)
    if answer.returncode and ("resolving" in answer.stderr or "onnect" in answer.stderr):
        pytest.skip("no network: the archive of the distribution cannot be reached")
    assert answer.returncode == 0, answer.stderr
    version = answer.stdout.strip()
    assert version == "5.3.0" if way == "pinned" else version.startswith("5.")
    assert (tmp_path / "a source/include/jemalloc/internal/arena_externs.h").exists()


OFFLINE = "".join(f'Acquire::{method}::Proxy "http://127.0.0.1:9";\n' for method in ("http", "https"))


def test_without_a_network_it_says_what_to_do(tmp_path: Path) -> None:
    answer = fetch(tmp_path, configuration=OFFLINE)
    assert answer.returncode == 1 and answer.stdout == "" and not (tmp_path / "a source").exists()
    assert "is there a network" in answer.stderr and "JEMALLOC_SOURCE=" in answer.stderr


def test_a_file_that_is_not_the_release_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.tar.bz2").write_bytes(b"something else")
    answer = fetch(tmp_path, JEMALLOC_SOURCE=str(tmp_path / "other.tar.bz2"))
    assert answer.returncode == 1 and not (tmp_path / "a source").exists()
    assert "other.tar.bz2 is not the source of jemalloc" in answer.stderr
