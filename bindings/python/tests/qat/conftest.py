"""Tests of training. They need PyTorch, and each file of them is skipped where it is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


class Skipped(pytest.Module):
    """A file of tests that cannot even be imported here."""

    def collect(self):
        pytest.skip("PyTorch is not installed", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    # None: as usual.
    return None if importlib.util.find_spec("torch") else Skipped.from_parent(parent, path=module_path)


@pytest.fixture(autouse=True)
def reproducible() -> None:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(20)
