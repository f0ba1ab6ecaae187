"""A tiny encoder of texts, and the helper that writes it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "bindings/python/tests"))


@pytest.fixture(scope="session")
def encoder_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import encoder_model

    folder = tmp_path_factory.mktemp("encoder")
    return encoder_model.pack(encoder_model.write_folder(folder / "folder"), folder / "encoder.soniq")


@pytest.fixture(scope="session")
def model_path() -> Path:
    return REPOSITORY / "Tests/Golden/tiny-bert.soniq"
