"""The second reader of the file format against the golden files.

What it finds must be, line by line, what the library's own test finds.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from format_fields import read_sections
from format_reader import read_tables

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
GOLDEN = ROOT / "Tests" / "SoniqFormatTests" / "Golden"
GOLDEN_FILES = [
    "version1",
    *(f"version2-{part}" for part in ("tensors", "convolutions", "attention", "sums", "bias")),
    *(
        f"version3-{part}"
        for part in (
            *("levels", "tied", "decoder", "sizes", "types", "images", "outputs", "states", "recurrence"),
            *("functions", "scatter", "sampled", "byteTokens", "scoredTokens"),
        )
    ),
]


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_golden_file(name):
    lines = read_tables(read_sections((GOLDEN / f"{name}.soniq").read_bytes()))
    assert lines == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")


def test_example_of_a_weight_tile():
    """The example of section 7 of the specification."""
    codes = [[128, 129, 127, 0, 255], [1, 2, 3, 4, 5]]
    tiles = bytearray(128)
    for output, row in enumerate(codes):
        for channel, code in enumerate(row):
            tiles[channel // 4 * 64 + output * 4 + channel % 4] = (code - 128) & 0xFF
    assert tiles[:8].hex() == "0001ff8081828384"
    assert (tiles[64], tiles[68]) == (0x7F, 0x85)
    assert [sum(code - 128 for code in row) for row in codes] == [-1, -625]


def test_operations_json_is_what_the_packer_prints():
    printed = subprocess.run(
        [os.environ.get("SONIQ_PACK", "soniq-pack"), "format"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == (DOCS / "operations.json").read_text(encoding="utf-8")


def test_the_tables_of_the_specification_follow():
    subprocess.run([sys.executable, DOCS.parent / ".ci" / "format-tables", "--check"], check=True)
