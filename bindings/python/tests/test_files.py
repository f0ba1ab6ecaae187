"""Files are whole or not there, and errors name the file that was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from soniq.files import replacing


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "rows.npy"
    target.write_text("old")
    with replacing(target) as unfinished:
        assert unfinished.suffix == ".npy" and unfinished.parent == tmp_path
        unfinished.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    target = tmp_path / "rows.npy"
    with pytest.raises(KeyError), replacing(target) as unfinished:
        unfinished.write_text("half")
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_errors_name_the_file(tmp_path: Path) -> None:
    target = tmp_path / "no folder" / "rows.npy"
    with pytest.raises(FileNotFoundError) as caught, replacing(target) as unfinished:
        unfinished.write_text("")
    assert caught.value.filename == str(target)
