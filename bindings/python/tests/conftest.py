"""Shared fixtures. The library under test is the one SONIQ_LIBRARY names, or the checkout's build."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import encoder_model
import pytest

import soniq

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


@pytest.fixture(scope="session")
def encoder_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder of texts, with its tokenizer."""
    work = tmp_path_factory.mktemp("encoder")
    return encoder_model.pack(encoder_model.write_folder(work / "tiny"), work / "tiny.soniq")


@pytest.fixture(scope="session")
def encoder(encoder_path: Path) -> soniq.Encoder:
    return soniq.Encoder(encoder_path, threads=1)
