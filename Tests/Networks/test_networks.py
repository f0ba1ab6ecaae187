"""Whole convolutional networks: equal bits everywhere, close to float32, small workspace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import soniq

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench" / "models"), str(ROOT / "Tests" / "Support")]
import instruction_sets  # noqa: E402
import networks  # noqa: E402

TOOL = os.environ["SONIQ_PACK"]
PALETTES = {"w8a8": ["--palette", "8"], "w1a1+w4a4": ["--palette", "w1a1+w4a4", "--coarse-share", "0.75"]}


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((2, 3, 224, 224)).astype(np.float32)


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory, images: np.ndarray) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("networks")
    np.savez(folder / "images.npz", image=images)
    networks.write(folder, "resnet18")
    files = {}
    for name, options in {**PALETTES, "f32": ["--palette", "f32"]}.items():
        files[name] = folder / f"{name}.soniq"
        command = [TOOL, "pack", folder / "resnet18.onnx", "-o", files[name], *options]
        if name != "f32":
            command += ["--calibrate", folder / "images.npz"]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    return files


def run_once(path: Path, image: np.ndarray, isa: str, threads: int) -> tuple[np.ndarray, set[str]]:
    """The output, and the instruction sets of the convolutions that made it."""
    model = soniq.load(path, threads=threads, max_isa=isa)
    output = next(iter(model(image=image).values())).copy()
    convolutions = [report for report in model.kernels() if report.operation.startswith("convolution")]
    return output, instruction_sets.of_kernels(convolutions)


@pytest.fixture(scope="session")
def portable(packed: dict[str, Path], images: np.ndarray) -> dict[str, np.ndarray]:
    return {name: run_once(packed[name], images[:1], "portable", 1)[0] for name in PALETTES}


@pytest.mark.parametrize("isa", instruction_sets.ALL)
@pytest.mark.parametrize("palette", PALETTES)
def test_equal_bits_on_every_instruction_set_and_thread_count(
    packed: dict[str, Path], images: np.ndarray, portable: dict[str, np.ndarray], palette: str, isa: str
) -> None:
    instruction_sets.require(isa)
    first = portable[palette]
    assert np.isfinite(first).all() and np.ptp(first) > 0
    for threads in (1, 2):
        output, ran = run_once(packed[palette], images[:1], isa, threads)
        assert ran == {isa}, f"asked for {isa}, ran {ran}"
        assert np.array_equal(first.view(np.uint32), output.view(np.uint32)), f"{isa}, {threads} threads"


def test_eight_bits_are_close_to_float(packed: dict[str, Path], images: np.ndarray) -> None:
    exact = next(iter(soniq.load(packed["f32"])(image=images).values()))
    eight = next(iter(soniq.load(packed["w8a8"])(image=images).values()))
    cosines = (exact * eight).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(eight, axis=1)
    print(f"cosine of ResNet-18 at 8 bits to float32: {cosines}")
    assert cosines.min() > 0.999


def test_a_batch_is_its_images_one_by_one(packed: dict[str, Path], images: np.ndarray) -> None:
    model = soniq.load(packed["w8a8"])
    together = next(iter(model(image=images).values())).copy()
    for index, image in enumerate(images):
        assert np.array_equal(together[index], next(iter(model(image=image[None]).values()))[0])
