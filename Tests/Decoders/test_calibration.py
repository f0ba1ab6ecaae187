"""Language models of few bits that were rounded on texts: what they lose, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import chat_model
import numpy as np
import numpy.typing as npt
import pytest

import soniq

TEXT = (
    "The packer reads a text and rounds each weight by what it multiplies. Whoever wants small files gives it texts "
    "like those that the model will see; a manual for manuals, tales for tales.\n"
)
TOOL = os.environ["SONIQ_PACK"]
Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("calibration")
    chat_model.write_model(made / "model.gguf")
    (made / "text.txt").write_text(TEXT * 60)
    lines = [json.dumps(TEXT * 10) if index % 2 else json.dumps({"id": index, "text": TEXT * 10}) for index in range(6)]
    (made / "texts.jsonl").write_text("\n".join(lines) + "\n\n")
    return made


def pack(
    folder: Path, *options: str, name: str = "packed.soniq", **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [TOOL, "pack", str(folder / "model.gguf"), "-o", str(folder / name), *options]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)


def logits(folder: Path, *options: str) -> Floats:
    done = pack(folder, *options)
    assert done.returncode == 0, done.stderr
    model = soniq.load(folder / "packed.soniq", threads=1, verify=True)
    ids = model.tokenizer.encode("A tale of small files, and of those that are larger than they look.")
    rows = model.decoder(maximum_tokens=len(ids), maximum_outputs=len(ids))(model.sequence(), ids, "all")
    assert rows is not None
    return rows.copy()


def error(found: Floats, wanted: Floats) -> float:
    return float(np.square(found - wanted).sum() / np.square(wanted).sum())


@pytest.mark.parametrize("words", [(), ("--words", "4")])
@pytest.mark.parametrize("text", ["text.txt", "texts.jsonl"])
def test_texts_make_few_bits_better(folder: Path, text: str, words: tuple[str, ...]) -> None:
    wanted = logits(folder, "--palette", "f32")
    for bits in ("3", "4"):
        nearest = error(logits(folder, "--palette", bits, *words), wanted)
        read = error(logits(folder, "--palette", bits, *words, "--calibrate", str(folder / text)), wanted)
        assert read < 0.8 * nearest, bits


def test_the_file_is_the_same_on_every_machine(folder: Path) -> None:
    options = ("--palette", "3", "--words", "5", "--calibrate", str(folder / "text.txt"))
    files = []
    for environment in ({}, {"SONIQ_MAX_ISA": "portable"}, {"SONIQ_MAX_ISA": "avx2"}):
        assert pack(folder, *options, **environment).returncode == 0
        files.append((folder / "packed.soniq").read_bytes())
    one_core = ["taskset", "-c", str(min(os.sched_getaffinity(0))), TOOL, "pack", str(folder / "model.gguf")]
    subprocess.run([*one_core, "-o", str(folder / "packed.soniq"), *options], check=True, capture_output=True)
    files.append((folder / "packed.soniq").read_bytes())
    assert len(set(files)) == 1


def test_what_was_read_is_in_the_file(folder: Path) -> None:
    text = str(folder / "text.txt")
    done = pack(folder, "--palette", "4", "--calibrate", text, "--calibration-tokens", "1000", "--progress")
    assert "calibrating 100 %" in done.stderr
    metadata = soniq.load(folder / "packed.soniq").metadata
    assert 500 < int(metadata["soniq.calibration_tokens"]) <= 1000
    plan = json.loads(subprocess.run(
        [TOOL, "pack", str(folder / "model.gguf"), "--palette", "4", "--calibrate", text, "--dry-run", "--json"],
        check=True, capture_output=True, text=True,
    ).stdout)  # fmt: skip
    assert plan


@pytest.mark.parametrize(
    ("name", "content", "options", "status", "words"),
    [
        ("empty.txt", b"", (), 65, "no text of 16 tokens"),
        ("short.txt", b"a", (), 65, "no text of 16 tokens"),
        ("odd.jsonl", b'{"text": "a"}\n{"text": 5}\n', (), 65, "text 2: is no text"),
        ("broken.jsonl", b'"a"\n{"text"\n', (), 65, "text 2: is not JSON"),
        ("missing.txt", None, (), 66, "No such file"),
        ("text.txt", b"a text", ("--palette", "keep"), 64, "rounds nothing"),
        ("text.txt", b"a text", ("--palette", "4", "--words", "1"), 64, "must be 2 to 8"),
        ("text.txt", b"a text", ("--palette", "4", "--calibration-tokens", "0"), 64, "at least 1"),
    ],
)
def test_broken_texts(
    folder: Path, tmp_path: Path, name: str, content: bytes | None, options: tuple[str, ...], status: int, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (folder / "kept.soniq").write_bytes(b"as it was")
    chosen = options or ("--palette", "4")
    done = pack(folder, *chosen, "--calibrate", str(tmp_path / name), name="kept.soniq")
    assert done.returncode == status, done.stderr
    assert words in done.stderr.splitlines()[-1] and len(done.stderr) < 2000
    assert (folder / "kept.soniq").read_bytes() == b"as it was"
    assert sorted(path.name for path in folder.glob("kept*")) == ["kept.soniq"]


def test_bytes_that_are_no_text_do_no_harm(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "noise.txt").write_bytes(np.random.default_rng(5).integers(0, 256, 20_000, np.uint8).tobytes())
    assert np.isfinite(logits(folder, "--palette", "2", "--calibrate", str(tmp_path / "noise.txt"))).all()
