"""Turns pictures into what `soniq-pack pack --calibrate` reads.

    python -m soniq.calibrate photos/ --size 224 --input image -o images.npz
    soniq-pack pack model.onnx -o model.soniq --calibrate images.npz

Every picture is resized so that it covers the size, cropped around its centre, scaled to 0...1, and normalised by
mean and standard deviation of each channel. The file holds one float32 array [pictures, channels, height, width]
under the name of the model's input; an .npy file holds it without a name. Needs Pillow: `pip install soniq[images]`.
"""

from __future__ import annotations

import argparse
import os
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .files import replacing

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg")
# Of ImageNet's pictures: what most published networks were trained with.
DEFAULT_MEAN = (0.485, 0.456, 0.406)
DEFAULT_DEVIATION = (0.229, 0.224, 0.225)


class CalibrationError(Exception):
    """Pictures that cannot be found or read, or settings that do not fit together; the message is one line."""


@dataclass(frozen=True)
class Preparation:
    """How a picture becomes an array.

    Attributes:
        height, width: of the array.
        mean, deviation: of each channel, for values 0...1. One channel: the picture is made grey.
        margin: the picture is resized to this many times height and width before it is cropped, at least 1.
    """

    height: int
    width: int
    mean: tuple[float, ...] = DEFAULT_MEAN
    deviation: tuple[float, ...] = DEFAULT_DEVIATION
    margin: float = 256 / 224

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise CalibrationError("height and width must be at least 1")
        if len(self.mean) != len(self.deviation) or len(self.mean) not in (1, 3):
            raise CalibrationError("mean and standard deviation need one value or three, as many as each other")
        if not all(np.isfinite(self.mean)) or not all(np.isfinite(self.deviation)) or min(self.deviation) <= 0:
            raise CalibrationError("means must be finite, and standard deviations above 0")
        if not 1 <= self.margin <= 16:
            raise CalibrationError("the margin must be 1 to 16")

    def apply(self, picture: Image.Image) -> np.ndarray:
        """float32 [channels, height, width], C-contiguous."""
        from PIL import Image

        picture = picture.convert("L" if len(self.mean) == 1 else "RGB")
        wanted_width, wanted_height = round(self.width * self.margin), round(self.height * self.margin)
        scale = max(wanted_width / picture.width, wanted_height / picture.height)
        size = (max(self.width, round(picture.width * scale)), max(self.height, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BILINEAR)
        left, top = (size[0] - self.width) // 2, (size[1] - self.height) // 2
        picture = picture.crop((left, top, left + self.width, top + self.height))
        values = np.asarray(picture, np.float32).reshape(self.height, self.width, len(self.mean)) / 255
        values = (values - np.array(self.mean, np.float32)) / np.array(self.deviation, np.float32)
        return np.ascontiguousarray(values.transpose(2, 0, 1), np.float32)


def find_pictures(sources: Sequence[str | os.PathLike[str]], limit: int | None = None) -> list[Path]:
    """Files as given, and the PNG and JPEG files in folders and below them, sorted by path.

    With a limit that many are chosen, evenly over all. Raises CalibrationError for a source that does not exist or
    has no pictures.
    """
    found: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            inside = sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                raise CalibrationError(f"{source}: no PNG or JPEG file in this folder")
            found += inside
        elif source.is_file():
            found.append(source)
        else:
            raise CalibrationError(f"{source}: no such file or folder")
    if limit is None or len(found) <= limit:
        return found
    return [found[index * len(found) // limit] for index in range(limit)]


def read_pictures(
    paths: Sequence[Path], preparation: Preparation, progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """float32 [pictures, channels, height, width]. `progress` is called with pictures done and pictures in all.

    Raises CalibrationError naming the file that is no picture, or when Pillow is missing.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise CalibrationError("Pillow is needed to read pictures: pip install soniq[images]") from error
    if not paths:
        raise CalibrationError("no picture given")
    arrays = np.empty((len(paths), len(preparation.mean), preparation.height, preparation.width), np.float32)
    for index, path in enumerate(paths):
        try:
            with Image.open(path) as picture:
                arrays[index] = preparation.apply(picture)
        # Pillow's readers raise whatever a damaged file makes them trip over.
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise CalibrationError(f"{path}: not a picture that can be read: {error}") from error
        if progress:
            progress(index + 1, len(paths))
    return arrays


def write(path: str | os.PathLike[str], arrays: np.ndarray, name: str = "input") -> None:
    """Writes an .npz file with one array under `name`, or an .npy file; complete, or not at all.

    Raises CalibrationError for another suffix, OSError when the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".npy"):
        raise CalibrationError(f"{path}: the output must end in .npz or .npy")
    with replacing(path) as unfinished:
        if path.suffix == ".npz":
            # A name that savez has an option of may be an input's, too.
            with zipfile.ZipFile(unfinished, "w") as archive:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, arrays, allow_pickle=False)
        else:
            np.save(unfinished, arrays)


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and 0 < int(part) <= 16384 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: 224, or height x width as 224x320")
    return int(parts[0]), int(parts[-1])


def _values(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 0.485,0.456,0.406") from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count of 1 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m soniq.calibrate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="+", metavar="FOLDER_OR_FILE", help="PNG and JPEG files, or folders of them")
    parser.add_argument("-o", "--output", required=True, help="the .npz or .npy file to write")
    parser.add_argument("--size", type=_size, required=True, help="height and width: 224, or 224x320")
    parser.add_argument("--mean", type=_values, default=DEFAULT_MEAN, help="of each channel, values 0 to 1; one: grey")
    parser.add_argument("--std", type=_values, default=DEFAULT_DEVIATION, help="of each channel")
    parser.add_argument("--margin", type=float, default=256 / 224, help="resized to this many sizes, then cropped")
    parser.add_argument("--input", default="input", help="name of the model's input")
    parser.add_argument("--limit", type=_count, default=256, help="the most pictures, chosen evenly")
    return parser


def _show(done: int, total: int) -> None:
    print(f"\r{done}/{total} pictures", end="\n" if done == total else "", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit status; an error is one line on standard error."""
    options = _parser().parse_args(arguments)
    try:
        width, height = options.size
        preparation = Preparation(width, height, options.mean, options.std, options.margin)
        paths = find_pictures(options.sources, options.limit)
        pictures = read_pictures(paths, preparation, _show if sys.stderr.isatty() else None)
        write(options.output, pictures, options.input)
    except (CalibrationError, OSError) as error:
        print(f"soniq.calibrate: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {options.input} float32 {list(pictures.shape)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
