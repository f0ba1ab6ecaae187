"""The wheel and the sdist of `make wheel`, as people meet them: in an environment with nothing else of soniq."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
WHEELS = REPOSITORY / "build/wheel"
GOLDEN = REPOSITORY / "Tests/Golden"
# What would show the way to a library of this machine, or to its compiler.
STRIPPED = ("SONIQ_", "PYTHON", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "SWIFT")


def only(pattern: str) -> Path:
    found = list(WHEELS.glob(pattern))
    assert len(found) == 1, f"{WHEELS}/{pattern}: {found}: run `make wheel`"
    return found[0]


@pytest.fixture(scope="module")
def bare() -> dict[str, str]:
    """The environment of somebody who has a Python and no Swift."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(STRIPPED)}
    return {**kept, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, bare: dict[str, str]) -> Path:
    """bin/ of an environment with the wheel; numpy is that of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    here = f"python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    packages = folder / "lib" / here
    (packages / "tests.pth").write_text(f"{Path(sys.prefix) / 'lib' / here}\n")
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install", "--quiet", "--no-deps"]
    subprocess.run([*command, "--no-index", str(only("*.whl"))], check=True, env=bare, timeout=300)
    return folder / "bin"


def run(bare: dict[str, str], folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, env=bare, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_library_of_the_package_is_used(installed: Path, bare: dict[str, str], tmp_path: Path) -> None:
    code = f"""
import soniq, numpy, pathlib
model = soniq.load({str(GOLDEN / "tiny-bert.soniq")!r})
ids = numpy.ones((1, 3), numpy.int32)
print([array.shape for array in model(input_ids=ids, attention_mask=ids).values()])
mapped = {{line.split()[-1] for line in open("/proc/self/maps") if "libsoniq" in line}}
print(mapped == {{str(pathlib.Path(soniq.__file__).parent / "libsoniq.so.0")}})
"""
    result = run(bare, tmp_path, installed / "python", "-c", code)
    assert result.returncode == 0, result.stderr
    shapes, own = result.stdout.splitlines()
    assert shapes.startswith("[(1,") and own == "True", result.stdout


def test_commands_are_there(installed: Path, bare: dict[str, str], tmp_path: Path) -> None:
    packer = run(bare, tmp_path, installed / "soniq-pack", "inspect", GOLDEN / "tiny-bert.soniq")
    assert packer.returncode == 0 and "input_ids" in packer.stdout, packer.stderr
    version = run(bare, tmp_path, installed / "soniq", "--version")
    assert version.returncode == 0 and version.stdout.startswith("soniq "), version.stderr


def test_names_of_the_files() -> None:
    version = subprocess.run([REPOSITORY / ".ci/version"], check=True, capture_output=True, text=True).stdout.strip()
    assert only("*.whl").name == f"soniq-{version}-py3-none-manylinux_2_34_x86_64.whl"
    with zipfile.ZipFile(only("*.whl")) as archive:
        names = set(archive.namelist())
    assert {"soniq/libsoniq.so.0", "soniq/py.typed", f"soniq-{version}.data/scripts/soniq-pack"} <= names
    assert {f"soniq-{version}.dist-info/licenses/{name}" for name in ("LICENSE", "NOTICE")} <= names


def test_sdist_holds_all_that_is_built(tmp_path: Path) -> None:
    with tarfile.open(only("*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(
        ["git", "ls-files", "Sources", "include", "Package.swift"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert {f"native/{name}" for name in tracked} <= names


def test_swift_finds_all_targets_of_the_sdist(tmp_path: Path) -> None:
    """A target whose folder is not there is an error of the whole package."""
    with tarfile.open(only("*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    command = [os.environ.get("SWIFT", "swift"), "package", "describe"]
    result = subprocess.run(command, cwd=source / "native", capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr


def test_sdist_says_what_it_needs(bare: dict[str, str], tmp_path: Path) -> None:
    with tarfile.open(only("*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    result = run(bare, source, sys.executable, "setup.py", "build_py")
    assert result.returncode != 0
    assert "needs Swift 6.3" in result.stderr and "SONIQ_NATIVE" in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
