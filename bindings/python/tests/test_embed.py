"""`soniq embed`: lines, JSON and files of embeddings."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import soniq
from soniq.command import main

TEXTS = ["a b c", "d", "e f é"]


def test_a_line_of_numbers_for_each_text(
    encoder: soniq.Encoder, encoder_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", str(encoder_path), *TEXTS]) == 0
    rows = np.loadtxt(io.StringIO(capsys.readouterr().out), np.float32)
    assert np.array_equal(rows, encoder.encode(TEXTS))


def test_json_and_files_of_numpy(
    encoder: soniq.Encoder, encoder_path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["embed", str(encoder_path), "--json", "--normalize", "--prompt", "x ", *TEXTS]) == 0
    wanted = encoder.encode(TEXTS, prompt="x ", normalize_embeddings=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == TEXTS
    assert np.array_equal(np.array([line["embedding"] for line in lines], np.float32), wanted)
    path = tmp_path / "rows.npy"
    assert main(["embed", str(encoder_path), "--npy", str(path), "--max-length", "3", "--batch-size=1", *TEXTS]) == 0
    assert capsys.readouterr().out == ""
    assert np.array_equal(np.load(path), soniq.Encoder(encoder_path, max_length=3).encode(TEXTS))


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_lines_of_standard_input(
    arguments: list[str], encoder: soniq.Encoder, encoder_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a b c\r\nd\n\ne"))
    path = tmp_path / "rows.npy"
    assert main(["embed", str(encoder_path), "--npy", str(path), *arguments]) == 0
    assert np.array_equal(np.load(path), encoder.encode(["a b c", "d", "", "e"]))


def test_errors_are_one_line(
    encoder_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for arguments, words in [
        ([str(model_path), "a"], "tokenizer.json"),
        (["/nowhere.soniq", "a"], "/nowhere.soniq"),
        ([str(encoder_path), "a", "--max-length", "99"], "max_length is 99, outside 3...12"),
        ([str(encoder_path), "a", "--npy", "/nowhere/rows.npy"], "/nowhere/rows.npy"),
    ]:
        assert main(["embed", *arguments]) == 1
        error = capsys.readouterr().err
        assert error.startswith("soniq: ") and words in error and error.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["embed", str(encoder_path), "--json", "--npy", "x", "a"])
