"""Packs the real model once. Library and tool are those that .ci/with-library names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "examples/minilm"), str(REPOSITORY / "Tests/Support")]

PALETTES = {"8": ["--palette", "8"], "4,8": ["--palette", "4,8", "--target-bits", "5.0"]}


@pytest.fixture(scope="session")
def folder() -> Path:
    """What .ci/fetch-model minilm left."""
    return REPOSITORY / "build/minilm"


@pytest.fixture(scope="session")
def memory_host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """memory_host.c, with the library under test."""
    program = tmp_path_factory.mktemp("host") / "memory_host"
    library = Path(os.environ["SONIQ_LIBRARY"]).parent
    flags = ["-std=c99", "-D_POSIX_C_SOURCE=199309L", "-Wall", "-Wextra", "-Werror", f"-I{library.parent}/include"]
    source = REPOSITORY / "Tests/MiniLM/memory_host.c"
    link = [f"-L{library}", "-lsoniq", f"-Wl,-rpath,{library}"]
    subprocess.run(["cc", *flags, "-o", program, source, *link], check=True)
    return program


@pytest.fixture(scope="session")
def tokenizer(folder: Path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer


@pytest.fixture(scope="session")
def packed(folder: Path, tokenizer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model at each palette, calibrated as the demo does, and the trained one of the repository."""
    import demo

    work = tmp_path_factory.mktemp("minilm")
    ids, mask = demo.tokenize(tokenizer, demo.calibration_sentences())
    np.savez(work / "calibration.npz", input_ids=ids, attention_mask=mask)
    paths = {"trained": demo.TRAINED}
    for palette, options in PALETTES.items():
        paths[palette] = work / f"minilm-{palette}.soniq"
        command = [os.environ["SONIQ_PACK"], "pack", folder, "-o", paths[palette]]
        subprocess.run([*command, "--calibrate", work / "calibration.npz", *options], check=True)
    return paths
