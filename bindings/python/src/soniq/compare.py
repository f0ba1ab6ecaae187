"""Compares a packed file with its ONNX model in ONNX Runtime.

    python -m soniq.compare resnet18.onnx resnet18.soniq --inputs images.npz

Prints for each output the lowest cosine of a sample, the largest difference and how often the largest number is at the
same place; then the relative error of the values between, in the order of the ONNX file, and where they part. Needs
onnx and onnxruntime: `pip install soniq[compare]`. The same from Python: `soniq.compare(model, packed, inputs)`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from .comparison import compare
from .errors import SoniqError
from .reference import ComparisonError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m soniq.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="the ONNX file")
    parser.add_argument("packed", help="the .soniq file")
    parser.add_argument("--inputs", help="an .npz file with one array an input; without it random numbers are used")
    parser.add_argument("--samples", type=int, default=64, help="the most samples")
    parser.add_argument("--seed", type=int, default=1, help="of random numbers")
    parser.add_argument("--layers", type=int, default=20, help="how many layers to show; 0: outputs alone")
    parser.add_argument("--threshold", type=float, default=0.1, help="the error above which a layer has parted")
    parser.add_argument("--json", action="store_true", help="write a JSON object with all layers")
    return parser


def _read(path: str) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ComparisonError(f"{path}: no .npz file")
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise ComparisonError(f"{path}: {error.strerror or error}") from error
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise ComparisonError(f"{path}: no .npz file of numbers") from error


def _plain(value: Any) -> Any:
    """Without numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit status; an error is one line on standard error."""
    options = _parser().parse_args(arguments)
    try:
        inputs = None if options.inputs is None else _read(options.inputs)
        found = compare(
            options.model, options.packed, inputs,
            samples=options.samples, seed=options.seed, layers=options.layers > 0,
        )
    except (ComparisonError, SoniqError, OSError) as error:
        print(f"soniq.compare: {error}", file=sys.stderr)
        return 1
    document = json.dumps(_plain(found.as_dict()), indent=2) if options.json else None
    print(document or found.table(options.layers, options.threshold))
    return 0


if __name__ == "__main__":
    sys.exit(main())
