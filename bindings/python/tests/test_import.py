"""What `import soniq` brings along: numpy, and little of Python itself."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ["argparse", "asyncio", "email", "http", "logging", "zipfile", "jinja2", "llguidance", "onnxruntime", "torch"]


def test_it_stays_light() -> None:
    code = f"import numpy, sys; old = set(sys.modules); import soniq; print(*set({HEAVY}) & (set(sys.modules) - old))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []


def test_all_names_are_there() -> None:
    import soniq

    assert sorted(soniq.__all__) == soniq.__all__
    assert all(hasattr(soniq, name) for name in soniq.__all__)
