"""Pictures to calibration files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from soniq import calibrate
from soniq.calibrate import CalibrationError, Preparation


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def noise(height: int, width: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_pixels_of_the_right_size_are_only_normalised(tmp_path: Path) -> None:
    pixels = noise(6, 8)
    preparation = Preparation(6, 8, (0.5, 0.25, 0.125), (0.5, 2.0, 0.25), margin=1)
    values = calibrate.read_pictures([save(tmp_path / "a.png", pixels)], preparation)
    expected = (pixels / 255.0 - [0.5, 0.25, 0.125]) / [0.5, 2.0, 0.25]
    assert values.shape == (1, 3, 6, 8) and values.dtype == np.float32 and values.flags.c_contiguous
    np.testing.assert_allclose(values[0], expected.transpose(2, 0, 1), atol=1e-6)


def test_the_middle_is_cropped(tmp_path: Path) -> None:
    pixels = np.zeros((8, 20, 3), np.uint8)
    pixels[:, 6:14] = 255
    values = calibrate.read_pictures(
        [save(tmp_path / "wide.png", pixels)], Preparation(8, 8, (0.0,) * 3, (1.0,) * 3, margin=1)
    )
    assert (values == 1).all()


def test_a_margin_is_cut_off(tmp_path: Path) -> None:
    pixels = np.full((40, 40, 3), 255, np.uint8)
    pixels[5:35, 5:35] = 0
    with_margin = Preparation(20, 20, (0.0,) * 3, (1.0,) * 3, margin=2)
    without = Preparation(20, 20, (0.0,) * 3, (1.0,) * 3, margin=1)
    path = save(tmp_path / "framed.png", pixels)
    assert calibrate.read_pictures([path], with_margin).max() == 0
    assert calibrate.read_pictures([path], without).max() == 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (37, 41)])
def test_any_shape_of_picture_fills_the_size(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = save(tmp_path / "a.png", noise(*shape))
    assert calibrate.read_pictures([path], Preparation(16, 24)).shape == (1, 3, 16, 24)


def test_one_channel_is_grey_and_transparency_is_dropped(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., 1], pixels[..., 3] = 255, 128
    values = calibrate.read_pictures([save(tmp_path / "a.png", pixels)], Preparation(4, 4, (0.0,), (1.0,), 1))
    assert values.shape == (1, 1, 4, 4)
    np.testing.assert_allclose(values, 0.587, atol=0.01)


def test_folders_are_searched_sorted_and_limited(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a/3.jpeg", "a/notes.png.txt"):
        save(tmp_path / name, noise(4, 4)) if not name.endswith("txt") else (tmp_path / name).write_text("")
    found = [str(path.relative_to(tmp_path)) for path in calibrate.find_pictures([tmp_path])]
    assert found == ["a/3.jpeg", "b/1.png", "b/2.JPG"]
    assert len(calibrate.find_pictures([tmp_path], limit=2)) == 2
    assert calibrate.find_pictures([tmp_path / "b/1.png"]) == [tmp_path / "b/1.png"]


def test_command_writes_what_the_packer_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(3):
        save(tmp_path / f"photos/{index}.png", noise(30, 40, index))
    output = tmp_path / "images.npz"
    arguments = [str(tmp_path / "photos"), "--size", "16x24", "--input", "image", "-o", str(output)]
    assert calibrate.main(arguments) == 0
    assert "image float32 [3, 3, 16, 24]" in capsys.readouterr().out
    with np.load(output) as archive:
        assert archive.files == ["image"]
        assert archive["image"].shape == (3, 3, 16, 24) and archive["image"].dtype == np.float32
    arguments[-1] = str(tmp_path / "images.npy")
    assert calibrate.main(arguments) == 0
    with np.load(output) as archive:
        assert np.array_equal(np.load(arguments[-1]), archive["image"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npy", "images.npz", "photos"]


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        (["missing"], [], "missing: no such file or folder"),
        (["empty"], [], "no PNG or JPEG file"),
        (["broken.png"], [], "broken.png: not a picture that can be read"),
        (["cut.png"], [], "cut.png: not a picture that can be read"),
        (["good.png"], ["--mean", "0.5,0.5"], "one value or three"),
        (["good.png"], ["--std", "1,1,0"], "above 0"),
        (["good.png"], ["--margin", "0.5"], "margin must be 1 to 16"),
        (["good.png"], ["-o", "images.txt"], "must end in .npz or .npy"),
        (["good.png"], ["-o", "nowhere/images.npz"], "nowhere"),
    ],
)
def test_errors_are_one_line_and_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    sources: list[str], options: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    good = save(tmp_path / "good.png", noise(20, 20))
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:300])
    before = sorted(tmp_path.iterdir())
    assert calibrate.main([*sources, "--size", "8", "-o", "images.npz", *options]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["file", "allow_pickle", "images/0"])
def test_any_name_of_an_input(tmp_path: Path, name: str) -> None:
    picture = save(tmp_path / "a.png", noise(8, 8))
    assert calibrate.main([str(picture), "--size", "8", "--input", name, "-o", str(tmp_path / "a.npz")]) == 0
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays.files == [name] and arrays[name].shape == (1, 3, 8, 8)


@pytest.mark.parametrize("arguments", [["--size", "0"], ["--size", "8x8x8"], ["--size", "8", "--mean", "x"]])
def test_wrong_usage_ends_with_the_usual_status(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        calibrate.main(["a.png", "-o", "a.npz", *arguments])
    assert ended.value.code == 2


def test_settings_are_checked() -> None:
    with pytest.raises(CalibrationError):
        Preparation(0, 8)
    with pytest.raises(CalibrationError):
        Preparation(8, 8, (0.5,), (float("nan"),))
