"""Where the library is looked for, in processes of their own: it is loaded once in each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import soniq
from soniq import _abi, library

WHERE = "import soniq.library as l; print(l.library()._name)"
PACKAGE = Path(soniq.__file__).resolve().parent


@pytest.fixture(scope="module")
def built() -> Path:
    """The library under test."""
    return Path(library.library()._name).resolve()


@pytest.fixture()
def package(tmp_path: Path) -> Path:
    """A copy of the package outside of the checkout, as pip installs it."""
    copy = tmp_path / "site-packages"
    shutil.copytree(PACKAGE, copy / "soniq", ignore=shutil.ignore_patterns("__pycache__", "qat"))
    return copy


def install(built: Path, prefix: Path) -> Path:
    """What `make install PREFIX=prefix` puts there, as far as it matters."""
    (prefix / "lib/pkgconfig").mkdir(parents=True)
    (prefix / "bin").mkdir()
    shutil.copy(built, prefix / "lib/libsoniq.so.0.1.0")
    (prefix / "lib/libsoniq.so.0").symlink_to("libsoniq.so.0.1.0")
    (prefix / "lib/libsoniq.so").symlink_to("libsoniq.so.0")
    packer = prefix / "bin/soniq-pack"
    packer.write_text("#!/bin/sh\n")
    packer.chmod(0o755)
    (prefix / "lib/pkgconfig/soniq.pc").write_text(
        "prefix=${pcfiledir}/../..\nlibdir=${prefix}/lib\nName: soniq\nDescription: x\nVersion: 0.1.0\n"
    )
    return prefix / "lib/libsoniq.so.0"


def ask(package: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Loads the library in a process that knows no more than these variables."""
    return subprocess.run(
        [sys.executable, "-c", WHERE],
        env={"PYTHONPATH": str(package), "HOME": str(package / "nobody"), "PATH": "/nowhere", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def found(package: Path, **environment: str) -> Path:
    answer = ask(package, **environment)
    assert answer.returncode == 0, answer.stderr
    return Path(answer.stdout.strip())


def test_the_variable_comes_first(built: Path, package: Path, tmp_path: Path) -> None:
    named = install(built, tmp_path / "named")
    install(built, tmp_path / "other")
    path = f"{tmp_path / 'other/bin'}"
    assert found(package, SONIQ_LIBRARY=str(named), PATH=path) == named


def test_beside_the_package(built: Path, package: Path) -> None:
    shutil.copy(built, package / "soniq/libsoniq.so")
    assert found(package) == package / "soniq/libsoniq.so"


def test_the_prefix_of_the_packer_on_the_path(built: Path, package: Path, tmp_path: Path) -> None:
    installed = install(built, tmp_path / "a prefix")
    assert found(package, PATH=str(tmp_path / "a prefix/bin")) == installed
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/soniq-pack").symlink_to(tmp_path / "a prefix/bin/soniq-pack")
    assert found(package, PATH=str(tmp_path / "bin")) == installed


def test_the_home_of_the_user(built: Path, package: Path) -> None:
    installed = install(built, package / "nobody/.local")
    assert found(package) == installed


def test_the_search_of_the_linker(built: Path, package: Path, tmp_path: Path) -> None:
    installed = install(built, tmp_path / "prefix")
    assert found(package, LD_LIBRARY_PATH=str(installed.parent)) == Path("libsoniq.so.0")


@pytest.mark.skipif(shutil.which("pkg-config") is None, reason="there is no pkg-config")
def test_what_pkg_config_says(built: Path, package: Path, tmp_path: Path) -> None:
    installed = install(built, tmp_path / "prefix")
    own = ask(package)
    if own.returncode == 0:
        pytest.skip(f"this machine has a library of its own: {own.stdout.strip()}")
    program = shutil.which("pkg-config")
    assert program is not None
    answer = found(package, PATH=os.path.dirname(program), PKG_CONFIG_PATH=str(installed.parent / "pkgconfig"))
    assert answer == installed


def test_the_usual_prefix_is_looked_at(package: Path) -> None:
    folders = [str(folder) for folder in library.folders()]
    assert {"/usr/local/lib", "/usr/local/lib64", "/usr/lib", "/usr/lib64"} <= set(folders)
    assert str(Path(sys.prefix) / "lib") in folders


def test_nothing_found_says_where_it_looked_and_what_to_do(package: Path) -> None:
    answer = ask(package)
    if answer.returncode == 0:
        pytest.skip(f"this machine has a library of its own: {answer.stdout.strip()}")
    last = answer.stderr.strip().splitlines()[-1]
    assert "LibraryNotFoundError: libsoniq.so was not found" in last
    for word in ("/usr/local/lib", str(package / "nobody/.local/lib"), "make install", "SONIQ_LIBRARY"):
        assert word in last


def test_an_unfit_library_is_passed_over_and_named(built: Path, package: Path, tmp_path: Path) -> None:
    unfit = package / "soniq/libsoniq.so.0"
    unfit.write_bytes(b"no library")
    installed = install(built, tmp_path / "prefix")
    assert found(package, PATH=str(installed.parent.parent / "bin")) == installed
    answer = ask(package)
    if answer.returncode != 0:
        assert f"{unfit} cannot be used" in answer.stderr


def test_a_variable_that_names_no_library_is_an_error(built: Path, package: Path, tmp_path: Path) -> None:
    installed = install(built, tmp_path / "prefix")
    for wrong in (tmp_path / "absent.so", tmp_path, Path(__file__)):
        answer = ask(package, SONIQ_LIBRARY=str(wrong), LD_LIBRARY_PATH=str(installed.parent))
        assert answer.returncode != 0 and f"{wrong}, named by SONIQ_LIBRARY" in answer.stderr


def test_a_library_that_is_too_old_is_an_error(package: Path, tmp_path: Path) -> None:
    """A stub with every function, whose version check fails as that of an older library would."""
    results = {name: -51 if name == "soniq_require_abi" else 0 for name in _abi.PROTOTYPES}
    source = tmp_path / "old.c"
    source.write_text("".join(f"int {name}(void) {{ return {result}; }}\n" for name, result in results.items()))
    old = tmp_path / "libsoniq.so"
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", old, source], check=True)
    answer = ask(package, SONIQ_LIBRARY=str(old))
    assert answer.returncode != 0 and "cannot be used" in answer.stderr
    source.write_text("int soniq_version(void) { return 0; }\n")
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", old, source], check=True)
    answer = ask(package, SONIQ_LIBRARY=str(old))
    assert answer.returncode != 0 and "undefined symbol" in answer.stderr
