"""`soniq report`: the page, the pictures on it, and the command."""

from __future__ import annotations

import html.parser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import soniq
from soniq.model import StepProfile
from soniq.report import pictures
from soniq.report.contents import Part, weights

REPOSITORY = Path(__file__).resolve().parents[3]
# Tags that have no end.
VOID = {"meta", "br", "rect"}


class Nesting(html.parser.HTMLParser):
    """Every tag that begins must end, and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def run(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "soniq", "report", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(soniq.__file__).parents[1])}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def texts(page: str) -> str:
    nesting = Nesting()
    nesting.feed(page)
    assert not nesting.open
    return " ".join(nesting.texts)


def step(name: str, milliseconds: float, operation: str = "linear") -> StepProfile:
    return StepProfile(name, operation, "4x8", "a kernel", milliseconds, 1, 0)


def test_page_of_an_encoder(model_path: Path, tmp_path: Path) -> None:
    result = run(model_path, "-o", "page.html", "--size", "sequence=7", folder=tmp_path)
    assert (result.returncode, result.stdout) == (0, "page.html\n"), result.stderr
    page = (tmp_path / "page.html").read_text()
    shown = texts(page)
    assert "Where the bits are" in shown and "batch 1, sequence 7" in shown
    assert re.search(r"\d+\.\d{3} ms a run", shown)
    # Every weight of the file has its row, and each a picture that can be read aloud.
    names = re.findall(r"^  (\S+)  (?:linear|table|convolution) ", inspected(model_path), re.M)
    assert names and all(name in shown for name in names)
    assert page.count('class="bar" role="img" aria-label=') >= 2 * len(names)
    # Nothing is fetched from elsewhere.
    assert not re.search(r"(?:src|href)=", page)


def inspected(path: Path, *options: str) -> str:
    from soniq.tool import find

    return subprocess.run([find(None), "inspect", path, *options], capture_output=True, text=True, check=True).stdout


def test_page_without_a_run(model_path: Path, tmp_path: Path) -> None:
    result = run(model_path, "--no-run", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Not measured" in texts((tmp_path / f"{model_path.stem}.html").read_text())


@pytest.mark.parametrize(
    ("arguments", "complaint", "status"),
    [
        (["no-such.soniq"], "no-such.soniq", 1),
        (["{model}", "--size", "length=3"], "no size 'length'", 1),
        (["{model}", "--size", "sequence"], "NAME=NUMBER", 2),
        (["{model}", "--size", "sequence=100000"], "sequence is 100000, and the model takes at most 32", 1),
        (["{model}", "-o", "no/such/folder.html"], "no/such", 1),
    ],
)
def test_refusals(arguments: list[str], complaint: str, status: int, model_path: Path, tmp_path: Path) -> None:
    result = run(*[argument.format(model=model_path) for argument in arguments], folder=tmp_path)
    assert result.returncode == status and complaint in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_widths_of_channels() -> None:
    about = {"name": "w", "kind": "linear", "shape": "4 x 8", "count": 32, "bits": 3.0, "bytes": 12, "levels": []}
    precisions = [
        {"weight_bits": 1, "activation_bits": 1, "channels": 6},
        {"weight_bits": 4, "activation_bits": 8, "channels": 2},
    ]
    (two,) = weights({"weights": [{**about, "precisions": precisions}]})
    assert two.parts == (Part(1, 1, 6), Part(4, 8, 2)) and two.count == 32
    of_floats = [{"weight_bits": 32, "activation_bits": None, "channels": 8}]
    (floats,) = weights({"weights": [{**about, "precisions": of_floats}]})
    assert floats.parts == (Part(32, None, 8),)
    bar = pictures.channels_bar(two.parts)
    assert 'width="75.000%"' in bar and 'x="75.000%" width="25.000%"' in bar
    assert pictures.colour(1) in bar and pictures.colour(4) in bar
    whole = pictures.whole_bar([two, floats])
    assert re.findall(r"<title>(.+?)</title>", whole) == [
        "1 bits: 37.5 % of all weights", "4 bits: 12.5 % of all weights", "floats: 50.0 % of all weights",
    ]  # fmt: skip


@pytest.mark.parametrize("file", sorted((REPOSITORY / "Tests/Golden").glob("*.soniq")), ids=lambda file: file.stem)
def test_widths_are_those_that_the_file_names(file: Path) -> None:
    """Whatever kind of weight it is: words and numbers of `inspect --json` say the same."""
    about = json.loads(inspected(file, "--json"))["weights"]
    for weight, found in zip(about, weights({"weights": about}), strict=True):
        assert len(weight["levels"]) == len(found.parts)
        for words, part in zip(weight["levels"], found.parts, strict=True):
            codes = f"w{part.bits}" + (f"a{part.activations}" if part.activations else "")
            assert words.split()[0].rstrip(",") in (codes, "f32" if part.bits == 32 else codes)
            assert part.channels > 0


def test_time_by_parts() -> None:
    steps = [step("layers.0/attention/qkv", 3), step("layers.0/expand + act", 1), step("layers.1/expand", 4)]
    root = pictures.tree(steps)
    assert root.milliseconds == 8 and list(root.parts) == ["layers.0", "layers.1"]
    first = root.parts["layers.0"]
    assert first.milliseconds == 4 and first.parts["attention"].parts["qkv"].parts["linear"].milliseconds == 3
    drawn = pictures.icicle(root)
    assert "layers.0: 4.000 ms" in drawn and 'viewBox="0 0 900 88"' in drawn
    # A part that is as wide as all begins at the left and ends at the right.
    assert re.search(r'<rect x="450.00" y="0" width="450.00"', drawn)


def test_nothing_measured_draws_nothing() -> None:
    assert pictures.icicle(pictures.tree([step("a", 0)])).count("<rect") == 0
