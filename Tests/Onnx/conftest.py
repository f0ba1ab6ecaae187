"""Fixtures of the tests of small graphs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from small_graphs import Make, Packed


@pytest.fixture
def random() -> np.random.Generator:
    seed = int(os.environ.get("SONIQ_TEST_SEED", "20261128"))
    print("seed", seed)
    return np.random.default_rng(seed)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda nodes, inputs, constants=None: Packed(tmp_path, nodes, inputs, constants)
