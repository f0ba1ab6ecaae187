"""scikit-learn's digits: 1797 scans of handwriting, 8 x 8 with 17 greys, enlarged to 32 x 32.

    python examples/images/digits.py            writes build/images/digits.npz and prints its hash

The arrays: train_images and test_images uint8 [count, 1, 32, 32], train_labels and test_labels int64 [count]. The
last 797 scans are held out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from archive import description, load_or_make
from PIL import Image

SIZE = 32
TRAINING = 1000


def enlarge(scan: np.ndarray) -> np.ndarray:
    """[8, 8] with values 0...16 to uint8 [1, 32, 32]."""
    image = Image.fromarray((scan * (255 / 16) + 0.5).astype(np.uint8))
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC))[None]


def generate() -> dict[str, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, labels = np.stack([enlarge(scan) for scan in digits.images]), digits.target.astype(np.int64)
    return {
        "train_images": images[:TRAINING],
        "train_labels": labels[:TRAINING],
        "test_images": images[TRAINING:],
        "test_labels": labels[TRAINING:],
    }


def load(folder: Path) -> dict[str, np.ndarray]:
    """The set, made when `folder` does not hold it yet."""
    return load_or_make(folder / "digits.npz", generate)


if __name__ == "__main__":
    print(description("digits", load(Path("build/images"))))
