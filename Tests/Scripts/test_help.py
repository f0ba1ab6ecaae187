"""`make help`, which a bare `make` is, on a machine that has nothing but the packages every Debian has."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ESSENTIAL = ["sh", "sed", "awk"]


def test_every_target_is_listed_without_further_packages(tmp_path: Path) -> None:
    for program in ESSENTIAL:
        (tmp_path / program).symlink_to(shutil.which(program))
    make = shutil.which("make")
    result = subprocess.run(
        [make, "--no-print-directory"], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    described = re.findall(r"^([a-z-]+):.*## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(described) > 10
    listed = [re.split(r" {2,}", line.strip(), maxsplit=1) for line in result.stdout.splitlines()]
    assert listed == [[f"make {target}", words] for target, words in described]
