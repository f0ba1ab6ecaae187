"""What pyproject.toml cannot say: a wheel with libsoniq.so and soniq-pack in it, and an sdist that can build them.

Without SONIQ_NATIVE the package is Python alone and finds an installed library. `make wheel` names in it the folder
that holds lib/ and bin/ (build/ of the checkout); an sdist, which has the sources in native/, builds them there.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

# setuptools brings distutils to Pythons that have none.
from distutils.command.build_scripts import build_scripts  # isort: skip

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "native"
# What libsoniq.so and soniq-pack are built from and how.
SOURCE_PATHS = ("Package.swift", "Makefile", "LICENSE", "NOTICE", "Sources", "Tests", "bench/groups", "include", ".ci")
LIBRARY, PROGRAM = "libsoniq.so.0", "soniq-pack"
# The newest symbol of glibc that they need, which auditwheel checks, and the architecture: SONIQ_ARCH, where what was
# built is for another machine.
PLATFORM = f"manylinux_2_34_{os.environ.get('SONIQ_ARCH') or platform.machine()}"


NAMED = os.environ.get("SONIQ_NATIVE")
# The folder with lib/ and bin/, or None for Python alone.
NATIVE = Path(NAMED).resolve() if NAMED else SOURCES / "build" if SOURCES.exists() else None


def build_native() -> None:
    """Raises SystemExit, with what to do, when there is no Swift."""
    swift = os.environ.get("SWIFT", "swift")
    if shutil.which(swift) is None:
        raise SystemExit(
            f"soniq: building from source needs Swift 6.3 (https://www.swift.org/install), and there is no `{swift}` on"
            f" PATH. A wheel needs none; nor does SONIQ_NATIVE=/path/of/a/prefix with lib/{LIBRARY} and bin/{PROGRAM}"
        )
    for command in (".ci/build-jemalloc", ".ci/build"):
        subprocess.run([SOURCES / command], cwd=SOURCES, check=True)


class NativeDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return NATIVE is not None


class BuildPackage(build_py):
    """Puts the library beside the package, where soniq.library looks first."""

    def run(self) -> None:
        super().run()
        if NATIVE is not None:
            if not NAMED:
                build_native()
            target = Path(self.build_lib) / "soniq" / LIBRARY
            shutil.copyfile(NATIVE / "lib" / LIBRARY, target)
            target.chmod(0o755)


class BuildPrograms(build_scripts):
    """Copies the program as it is: setuptools would read it as text."""

    def run(self) -> None:
        folder = Path(self.build_dir)
        folder.mkdir(parents=True, exist_ok=True)
        for script in self.scripts:
            shutil.copy(script, folder / Path(script).name)


class Wheel(bdist_wheel):
    """The library is loaded by ctypes: one wheel for every Python 3 of the platform."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", PLATFORM) if NATIVE is not None else super().get_tag()


class SourceDistribution(sdist):
    """Adds the sources of the library as native/."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        repository = SOURCES if SOURCES.exists() else HERE.parents[1]
        ignored = shutil.ignore_patterns("__pycache__")
        for name in SOURCE_PATHS:
            source, target = repository / name, Path(base_dir) / "native" / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=ignored, symlinks=True, dirs_exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)


setup(
    distclass=NativeDistribution,
    scripts=[str(NATIVE / "bin" / PROGRAM)] if NATIVE is not None else [],
    cmdclass={
        "build_py": BuildPackage,
        "build_scripts": BuildPrograms,
        "bdist_wheel": Wheel,
        "sdist": SourceDistribution,
    },
)
