"""Tests of training. They need PyTorch, and are left out where it is not installed."""

from __future__ import annotations

import importlib.util

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]


@pytest.fixture(autouse=True)
def reproducible() -> None:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(20)
