"""A set of images made from nothing but fonts: 62 characters, turned, sheared, coloured, on noisy backgrounds.

    python examples/images/glyphs.py            writes build/images/glyphs.npz and prints its hash

Fonts are found by fontconfig; `FONTS` lists them with their Debian packages, and
`.ci/install-debian-packages images` installs those. The same fonts, versions of Pillow and numpy and the same seed
give the same bytes. The arrays: train_images and test_images uint8 [count, 3, 32, 32], train_labels and
test_labels int64 [count], index into `CHARACTERS`.
"""

from __future__ import annotations

import string
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from archive import description, load_or_make
from PIL import Image, ImageDraw, ImageFont

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
SIZE = 32
SEED = 20261121
PER_CLASS = {"train": 500, "test": 150}
SMALL_PER_CLASS = {"train": 60, "test": 20}
FONTS = {
    "fonts-dejavu-core": ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf",
                          "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"],
    "fonts-freefont-ttf": ["FreeMono.ttf", "FreeMonoBold.ttf", "FreeSans.ttf", "FreeSansBoldOblique.ttf",
                           "FreeSerif.ttf", "FreeSerifBold.ttf", "FreeSerifItalic.ttf"],
    "fonts-lato": ["Lato-Regular.ttf", "Lato-Black.ttf", "Lato-LightItalic.ttf"],
    "fonts-liberation": ["LiberationMono-Regular.ttf", "LiberationSans-Bold.ttf", "LiberationSans-Italic.ttf",
                         "LiberationSansNarrow-Regular.ttf", "LiberationSerif-BoldItalic.ttf",
                         "LiberationSerif-Regular.ttf"],
}  # fmt: skip
# Characters are drawn this many times as large as they end up, and averaged after they were transformed.
OVERSAMPLING = 2


class MissingFontsError(Exception):
    """Fonts of the list are not installed."""


@dataclass(frozen=True)
class Sheet:
    """Every character of every font as a mask, drawn once. Baselines agree, so that "c" and "C" differ."""

    masks: dict[tuple[str, str], Image.Image]
    fonts: list[str]


def find_fonts() -> dict[str, str]:
    """Path of every font of the list by file name. Raises MissingFontsError naming the Debian packages to install."""
    listed = subprocess.run(["fc-list", "--format", "%{file}\n"], check=True, capture_output=True, text=True).stdout
    paths = {Path(line).name: line for line in sorted(listed.splitlines())}
    missing = sorted(package for package, files in FONTS.items() if any(file not in paths for file in files))
    if missing:
        raise MissingFontsError(f"fonts are missing: apt-get install {' '.join(missing)}")
    return {file: paths[file] for files in FONTS.values() for file in files}


def draw_sheet(fonts: dict[str, str]) -> Sheet:
    side = SIZE * OVERSAMPLING
    masks = {}
    for name, path in fonts.items():
        font = ImageFont.truetype(path, int(0.72 * side), layout_engine=ImageFont.Layout.BASIC)
        for character in CHARACTERS:
            mask = Image.new("L", (side, side))
            # "ms": the middle of the baseline.
            ImageDraw.Draw(mask).text((side / 2, 0.74 * side), character, fill=255, font=font, anchor="ms")
            masks[name, character] = mask
    return Sheet(masks, list(fonts))


def affine(random: np.random.Generator) -> tuple[float, ...]:
    """From pixels of the result to pixels of the mask: turned by 20 degrees at most, sheared, scaled and moved."""
    side = SIZE * OVERSAMPLING
    angle, shear = random.uniform(-0.35, 0.35), random.uniform(-0.25, 0.25)
    scale = np.diag(1 / random.uniform(0.75, 1.15, 2))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = scale @ np.array([[1, shear], [0, 1]]) @ turn
    middle = np.full(2, side / 2)
    offset = middle - matrix @ (middle + random.uniform(-0.09, 0.09, 2) * side)
    return (*matrix[0], offset[0], *matrix[1], offset[1])


def background(random: np.random.Generator) -> np.ndarray:
    """A colour with soft blotches and sometimes a line or two, float [32, 32, 3] in 0...1."""
    base = random.uniform(0, 1, 3)
    cells = int(random.integers(2, 7))
    noise = random.uniform(-0.28, 0.28, (cells, cells, 3)) + base
    small = Image.fromarray((255 * np.clip(noise, 0, 1)).astype(np.uint8))
    image = small.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(int(random.integers(0, 3))):
        ends = [float(value) for value in random.uniform(0, SIZE, 4)]
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        draw.line(ends, fill=colour, width=1)
    return np.asarray(image, np.float64) / 255


def ink(random: np.random.Generator, paper: np.ndarray) -> np.ndarray:
    """A colour that can be told from the paper's mean."""
    mean = paper.mean((0, 1))
    while True:
        colour = random.uniform(0, 1, 3)
        if np.abs(colour - mean).mean() > 0.25:
            return colour


def draw(sheet: Sheet, character: str, random: np.random.Generator) -> np.ndarray:
    """One image, uint8 [3, 32, 32]."""
    side = SIZE * OVERSAMPLING
    mask = sheet.masks[sheet.fonts[int(random.integers(len(sheet.fonts)))], character]
    mask = mask.transform((side, side), Image.Transform.AFFINE, affine(random), Image.Resampling.BILINEAR)
    cover = np.asarray(mask.reduce(OVERSAMPLING), np.float64)[..., None] / 255
    paper = background(random)
    image = paper + cover * (ink(random, paper) - paper)
    image += random.normal(0, random.uniform(0, 0.08), image.shape)
    return (255 * np.clip(image, 0, 1) + 0.5).astype(np.uint8).transpose(2, 0, 1)


def generate(per_class: dict[str, int] = PER_CLASS) -> dict[str, np.ndarray]:
    sheet = draw_sheet(find_fonts())
    random = np.random.default_rng(SEED)
    arrays = {}
    for part, count in per_class.items():
        labels = np.repeat(np.arange(len(CHARACTERS)), count)
        random.shuffle(labels)
        arrays[f"{part}_images"] = np.stack([draw(sheet, CHARACTERS[label], random) for label in labels])
        arrays[f"{part}_labels"] = labels
    return arrays


def load(folder: Path, small: bool = False) -> dict[str, np.ndarray]:
    """The set, made when `folder` does not hold it yet (a minute); `small`: another one, an eighth as large."""
    def make() -> dict[str, np.ndarray]:
        print("Drawing characters ...", file=sys.stderr, flush=True)
        return generate(SMALL_PER_CLASS if small else PER_CLASS)

    return load_or_make(folder / ("glyphs-small.npz" if small else "glyphs.npz"), make)


if __name__ == "__main__":
    try:
        print(description("glyphs", load(Path("build/images"))))
    except MissingFontsError as error:
        sys.exit(f"glyphs.py: {error}")
