"""Shared fixtures. The library under test is the one SONIQ_LIBRARY names, or the checkout's build."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "Tests/Support"))


@pytest.fixture(scope="session")
def header() -> Path:
    return REPOSITORY / "include"


@pytest.fixture(scope="session")
def model_path() -> Path:
    """A small encoder with every feature the binding touches; SONIQ_TEST_MODEL names another."""
    path = Path(os.environ.get("SONIQ_TEST_MODEL", REPOSITORY / "Tests/Golden/tiny-bert.soniq"))
    assert path.exists(), f"{path} is missing: set SONIQ_TEST_MODEL"
    return path
