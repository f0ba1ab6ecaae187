"""Downloads Silero's voice activity detector (silero-vad, from PyPI) and packs it for examples/vad/listen.c.

usage: prepare.py [-o MODEL.soniq]      (default: build/vad/vad.soniq)

The sampling rate becomes a constant, and what the network remembers a state of the session: what is left is one input,
a frame of sound, and one output, how likely somebody speaks.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE, MODEL = "silero-vad==6.2.3", "silero_vad/data/silero_vad_16k_op15.onnx"
FRAME = 576


def fetch(folder: Path) -> Path:
    """The ONNX file out of the package, unless it is there."""
    path = folder / "vad.onnx"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check",
                        "--dest", str(folder), PACKAGE], check=True)  # fmt: skip
        with zipfile.ZipFile(next(folder.glob("silero_vad-*.whl"))) as wheel:
            path.write_bytes(wheel.read(MODEL))
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/vad/vad.soniq"), help="default: %(default)s")
    arguments = parser.parse_args()
    command = [os.environ.get("SONIQ_PACK", "soniq-pack"), "pack", str(fetch(arguments.output.parent)),
               "-o", str(arguments.output), "--palette", "f32", "--value", "sr=16000",
               "--shape", f"input=1,{FRAME}", "--shape", "state=2,1,128", "--state", "state=stateN"]  # fmt: skip
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
