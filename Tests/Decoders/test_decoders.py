"""GGUF files and folders of each family of decoders against the logits of Transformers, in one run and in pieces."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import soniq

MODELS = Path(__file__).parent / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.gguf"))
# Largest difference by the largest logit.
TOLERANCE = 1e-4


def pack(source: Path, output: Path, *options: str) -> Path:
    command = [os.environ["SONIQ_PACK"], "pack", str(source), "-o", str(output), *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return output


def logits(model: soniq.Model, ids: np.ndarray, lengths: list[int]) -> np.ndarray:
    """Of all positions of each sequence, in runs of these lengths."""
    session = model.session(maximums={"batch": len(ids)})
    parts = []
    begin = 0
    for length in lengths:
        run = session(input_ids=ids[:, begin : begin + length], logit_positions=np.arange(length, dtype=np.int32))
        parts.append(run["logits"])
        begin += length
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("ending", [".gguf", ""], ids=["file", "folder"])
@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_transformers(name: str, ending: str, tmp_path: Path) -> None:
    stored = np.load(MODELS / f"{name}.npz")
    model = soniq.load(pack(MODELS / f"{name}{ending}", tmp_path / "model.soniq", "--palette", "f32"))
    got = logits(model, stored["ids"], [24])
    distance = np.abs(got - stored["logits"]).max()
    assert distance <= TOLERANCE * np.abs(stored["logits"]).max()
    for lengths in ([1] * 24, [7, 17], [23, 1]):
        assert np.array_equal(logits(model, stored["ids"], lengths), got), lengths
    last = model.session(maximums={"batch": 2})(input_ids=stored["ids"])["logits"]
    assert np.array_equal(last, got[:, -1:])


def cosine(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@pytest.mark.parametrize("name", NAMES)
def test_files_of_floats_are_kept(name: str, tmp_path: Path) -> None:
    """As the file has them, with keys and values of fewer bits."""
    stored = np.load(MODELS / f"{name}.npz")
    for options, dtype, bits, tolerance in (
        ([], np.int8, [8, 8], 1e-3),
        (["--cache", "16"], np.float16, [16, 16], 1e-5),
        (["--cache", "8,4"], np.int8, [8, 4], 3e-2),
        (["--cache", "4"], np.int8, [4, 4], 3e-2),
    ):
        output = pack(MODELS / f"{name}.gguf", tmp_path / "model.soniq", "--palette", "keep", *options)
        model = soniq.load(output)
        got = logits(model, stored["ids"], [20, 4])
        assert 1 - cosine(got, stored["logits"]) <= tolerance
        states = model.session().states
        assert {state.dtype for state in states} == {np.dtype(dtype)}
        assert [state.bits for state in states] == bits * (len(states) // 2)
        assert np.array_equal(logits(model, stored["ids"], [1] * 24), got)


@pytest.mark.parametrize("name", NAMES)
def test_hidden_states(name: str, tmp_path: Path) -> None:
    """With the states before the output matrix as an output: all logits are one linear function of them."""
    model = pack(MODELS / f"{name}.gguf", tmp_path / "model.soniq", "--palette", "f32")
    exposed = tmp_path / "exposed.soniq"
    command = [os.environ["SONIQ_PACK"], "expose", str(model), "-o", str(exposed), "--value", "output_norm"]
    subprocess.run(command, check=True, capture_output=True)
    ids = np.load(MODELS / f"{name}.npz")["ids"]
    places = np.arange(ids.shape[1], dtype=np.int32)
    both = soniq.load(exposed)
    run = both.session(maximums={"batch": 2})(input_ids=ids, logit_positions=places)
    assert np.array_equal(run["logits"], logits(soniq.load(model), ids, [ids.shape[1]]))
    # A decoder takes such a file, too.
    rows = both.decoder(maximum_outputs=64)(both.sequence(), ids[0], "all")
    assert np.array_equal(rows, run["logits"][0])
    if name == "gemma2":
        return  # It bends its logits.
    states, rows = run["output_norm"].reshape(ids.size, -1), run["logits"].reshape(ids.size, -1)
    matrix, *_ = np.linalg.lstsq(states, rows, rcond=None)
    assert states.shape[1] < ids.size and np.abs(states @ matrix - rows).max() < 1e-4 * np.abs(rows).max()


def test_what_keys_and_values_can_be(tmp_path: Path) -> None:
    for options, words in (
        (["--cache", "half"], 'cache "half": keys and values have one of 32'),
        (["--cache", "6"], 'cache "6": keys and values have one of 32'),
        (["--cache", "8,3"], 'cache "8,3": keys and values have one of 32'),
        (["--cache", "4,4,4"], 'cache "4,4,4": keys and values have one of 32'),
        (["--cache", "16,8"], 'cache "16,8": keys and values have one of 32'),
    ):
        command = [os.environ["SONIQ_PACK"], "pack", str(MODELS / "llama.gguf"), "-o", str(tmp_path / "model.soniq")]
        result = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert result.returncode == 64 and words in result.stderr, result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_against_transformers(name: str, tmp_path: Path) -> None:
    """What is committed is one draw; here the weights are others each day. Needs PyTorch and Transformers."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    import generate

    seed = int(os.environ.get("SONIQ_TEST_SEED", "0")) or int(np.random.default_rng().integers(1, 1 << 31))
    print("seed", seed)
    generate.write_case(name, tmp_path, seed)
    stored = np.load(tmp_path / f"{name}.npz")
    for source in (tmp_path / f"{name}.gguf", tmp_path / name):
        model = soniq.load(pack(source, tmp_path / "model.soniq", "--palette", "f32"))
        distance = np.abs(logits(model, stored["ids"], [24]) - stored["logits"]).max()
        assert distance <= TOLERANCE * np.abs(stored["logits"]).max(), f"{distance}, seed {seed}"


def test_files_of_other_models_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    whole = (MODELS / "qwen2.gguf").read_bytes()
    changes = [
        (b"\x05\0\0\0\0\0\0\0qwen2", b"\x05\0\0\0\0\0\0\0mamba", 'unknown architecture "mamba"'),
        (b"qwen2.block_count", b"qwen2.block_cramp", "qwen2.block_cramp: not known"),
        (b"blk.1.ffn_up", b"blk.1.ffn_ux", "tensor blk.1.ffn_up.weight: missing"),
    ]
    for old, new, words in changes:
        path.write_bytes(whole.replace(old, new))
        command = [os.environ["SONIQ_PACK"], "pack", str(path), "-o", str(tmp_path / "model.soniq")]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 65 and str(path) in result.stderr and words in result.stderr, result.stderr
        assert not (tmp_path / "model.soniq").exists()
