"""The reports of bench/: results of several classes of machines stand side by side in a document."""

from __future__ import annotations

import json
import re
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench/models")]
import schemes  # noqa: E402
from reports import kernels, models  # noqa: E402
from reports.kind import Kind  # noqa: E402
from reports.machine import CLASSES, older, this_machine  # noqa: E402

KINDS = {"measured": kernels.KIND, "networks": models.KIND}
CPU = "model name\t: AMD EPYC\ncpu family\t: 25\nmodel\t\t: 1\nflags\t\t: fpu avx2{}\n"


def kernel_report(machine: str, microseconds: float = 10, **context: Any) -> dict[str, Any]:
    """One shape of many rows and one of one row at a few schemes, and oneDNN's 10 microseconds for each."""
    isa = machine if machine == "avx512" else "avx2"
    rows = []
    for shape in ("64x384x1536", "1x4096x4096"):
        for engine, scheme in (("onednn_int8", "w8a8"), ("soniq", "w8a8"), ("soniq", "w7a8"), ("soniq", "w4a8")):
            time = 10 if engine == "onednn_int8" else microseconds / (2 if scheme == "w7a8" else 1)
            rows.append({
                "name": f"{engine}/{scheme}/{shape}/threads:1/boundary:codes/isa:{isa}", "real_time": time, "GMAC/s": 1,
                "weight_bytes": 1, "roofline_percent": 50, "spread": 0, "ratio_to_onednn_int8": 10 / time})
    peaks = {f"threads:1/isa:{isa}/{name}": "1" for name in (
        "peak_bytes_gmacs", "peak_nibbles_gmacs", "peak_popcount_gmacs", "peak_table_gmacs", "peak_floats_gmacs",
        "read_gbs_000008KiB", "busy_cores")}
    machine_of = {"class": machine, "capped": "false", "cpu": f"CPU of {machine}"}
    about = {"num_cpus": 2, "library": "soniq 1", "baseline": "oneDNN 2", "date": "2026-12-01", "caches": []}
    return {"context": machine_of | peaks | about | context, "benchmarks": rows}


def models_report(machine: str, ms: float = 10, **context: Any) -> dict[str, Any]:
    """ResNet-18 in 10 ms by the other engine, at 8 bits in `ms`, and in half of it with half their range."""
    engines = [("openvino_int8", "w8a8", 10), ("onednn_conv_sum", "w8a8", 5), ("soniq", "w8a8", ms),
               ("soniq", "w8a8-half", ms / 2), ("soniq", "w4a4", ms)]  # fmt: skip
    rows = [{"model": "resnet18", "engine": engine, "scheme": scheme, "threads": 1, "batch": 1, "ms_median": time}
            for engine, scheme, time in engines]  # fmt: skip
    about = {"class": machine, "capped": False, "cpu": f"CPU of {machine}", "cores": 2, "revision": "1", "rounds": 1,
             "seconds": 1, "date": "2026-12-01", "engines": {}, "busy_cores": {}}  # fmt: skip
    return {"context": about | context, "rows": rows, "memory": [], "steps": [], "convolutions": []}


REPORTS = {"measured": kernel_report, "networks": models_report}


@pytest.fixture(params=list(KINDS))
def word(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def kind(word: str, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """With plots that need no matplotlib."""
    plots = types.ModuleType("no_plots")
    plots.write = lambda report, folder: [folder / f"{report.machine.section}-plot.svg"]
    monkeypatch.setitem(sys.modules, "no_plots", plots)
    return replace(KINDS[word], plots="no_plots")


def load(kind: Kind, folder: Path, report: dict[str, Any]) -> Any:
    path = folder / "report.json"
    path.write_text(json.dumps(report))
    return kind.load(path)


def section(document: str, name: str) -> str:
    """What stands between the marks of a class, with them."""
    return re.search(rf"<!-- \w+ {name}: begin .*?<!-- \w+ {name}: end -->", document, re.DOTALL)[0]


def sections(document: str) -> list[str]:
    return re.findall(r"<!-- \w+ (\S+): begin", document)


def document_of(kind: Kind, *names: str) -> str:
    marks = "\n\n".join(f"{kind.sections.begin(name)}\n\n{name}\n\n{kind.sections.end(name)}" for name in names)
    return f"# Words before\n\n{marks}\n\n# Words after\n"


def test_classes_stand_side_by_side_and_keep_each_other(word: str, kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(document_of(kind, "avx512"))
    kind.refresh(load(kind, tmp_path, REPORTS[word]("avx512")), path)
    first = path.read_text()
    kind.refresh(load(kind, tmp_path, REPORTS[word]("avx2")), path)
    both = path.read_text()
    assert sections(both) == ["avx512", "avx2"]
    assert section(both, "avx512") == section(first, "avx512")
    for name in ("avx512", "avx2"):
        assert f"## {kind.title} on {name}: CPU of {name}\n" in section(both, name)
        assert f"](performance/{name}-plot.svg)" in section(both, name)
    kind.refresh(load(kind, tmp_path, REPORTS[word]("avx2", 7)), path)
    again = path.read_text()
    assert section(again, "avx2") != section(both, "avx2")
    assert again.replace(section(again, "avx2"), "") == both.replace(section(both, "avx2"), "")
    assert again.startswith("# Words before\n\n") and again.endswith("\n\n# Words after\n")


def test_what_a_capped_machine_measured_does_not_replace_a_real_one(word: str, kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(document_of(kind, "avx2"))
    kind.refresh(load(kind, tmp_path, REPORTS[word]("avx2", capped="true" if word == "measured" else True)), path)
    document = path.read_text()
    assert section(document, "avx2") == section(document_of(kind, "avx2"), "avx2")
    assert "avx2 (capped): CPU of avx2" in section(document, "avx2-capped")
    assert "The CPU has newer instructions." in section(document, "avx2-capped")
    assert ("ONNX Runtime and OpenVINO cannot be" in document) == (word == "networks")


@pytest.mark.parametrize("present", [["avx512"], ["avx2"], ["avx512", "avx2"], ["avx512-capped", "portable"]])
def test_a_new_section_is_put_in_order(kind: Kind, present: list[str]) -> None:
    document = document_of(kind, *present)
    changed = kind.sections.put(document, "avx_vnni", "new")
    order = ("avx512", "avx512-capped", "avx_vnni", "avx2", "portable")
    assert sections(changed) == [name for name in order if name in {*present, "avx_vnni"}]
    assert all(section(changed, name) == section(document, name) for name in present)


def test_a_document_that_shows_no_place_is_refused(kind: Kind) -> None:
    with pytest.raises(ValueError, match="there are no marks <!-- .* of any class"):
        kind.sections.put("# Words\n", "avx2", "new")
    broken = document_of(kind, "avx512", "avx2").replace(kind.sections.end("avx512"), "")
    with pytest.raises(ValueError, match="avx512: end --> does not follow"):
        kind.sections.put(broken, "avx512", "new")


@pytest.mark.parametrize(("name", "words"), [(None, "names no class of machine"), ("avx9", "names the class 'avx9'")])
def test_a_report_without_a_class_is_refused(
    word: str, kind: Kind, tmp_path: Path, name: str | None, words: str
) -> None:
    report = REPORTS[word]("avx2", **{"class": name})
    with pytest.raises(ValueError, match=rf"report\.json: the report {words} \(one of avx512, .*\): measure again"):
        load(kind, tmp_path, report)


def test_runs_of_different_machines_are_not_merged(word: str, kind: Kind, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.json" for name in ("avx512", "avx2")]
    for path in paths:
        path.write_text(json.dumps(REPORTS[word](path.stem)))
    with pytest.raises(ValueError, match="different machines"):
        kind.merge(paths)


def test_every_class_has_its_own_targets(word: str, kind: Kind, tmp_path: Path) -> None:
    texts = {name: kind.targets(load(kind, tmp_path, REPORTS[word](name))) for name in CLASSES}
    assert "first stage" in texts["avx512"]
    assert all("first stage" not in text for name, text in texts.items() if name != "avx512")
    line = "8-bit class, the better" if word == "measured" else "resnet18, 8-bit class"
    for name in ("avx512", "avx_vnni", "avx2"):
        # Weights of 7 bits take half the time of those of 8, which equal the other's.
        assert re.search(rf"\| {'M>=64: ' if word == 'measured' else ''}{line}.* 2\.00x .* met", texts[name])
    assert line not in texts["portable"] and "slower than our" in texts["portable"]


def test_a_network_slower_than_our_8_bits_is_found(tmp_path: Path) -> None:
    text = models.KIND.targets(load(models.KIND, tmp_path, models_report("avx2")))
    line = next(line for line in text.splitlines() if "slower than our 8-bit class" in line)
    assert "0.50x" in line and "MISSED" in line and "resnet18 w4a4; 1 of 1 below" in line
    assert "to oneDNN's convolutions added up 1.00x" in text


@pytest.mark.parametrize(
    ("isa", "newest", "flags", "name", "capped"),
    [
        ("avx512", "avx512", " avx_vnni", "avx512", False), ("avx2", "avx2", "", "avx2", False),
        ("avx2", "avx2", " avx_vnni", "avx_vnni", False), ("avx2", "avx512", "", "avx2", True),
        ("avx2", "avx512", " avx_vnni", "avx_vnni", True), ("portable", "avx2", "", "portable", True),
        ("i8mm", "i8mm", "", "aarch64", False), ("neon", "i8mm", "", "aarch64", True),
    ],
)  # fmt: skip
def test_the_class_of_a_machine(isa: str, newest: str, flags: str, name: str, capped: bool) -> None:
    machine = this_machine(isa, newest, CPU.format(flags))
    assert (machine.name, machine.capped) == (name, capped)
    assert machine.cpu == "AMD EPYC (family 25 model 1)"
    assert machine.benchmark_context() == f"class={name},capped={str(capped).lower()},cpu={machine.cpu}"


def test_a_cap_is_one_of_this_architecture() -> None:
    assert older("avx512", "avx2") == "avx2" and older("avx2", "avx512") == "avx2" and older("i8mm", "") == "i8mm"
    with pytest.raises(ValueError, match="no instruction set of this machine: neon"):
        older("avx2", "neon")


def test_half_the_range_is_measured_where_there_is_no_vnni() -> None:
    assert "w8a8-half" in schemes.of_class("avx2") and "w8a8-half" in schemes.SCHEMES
    assert all("w8a8-half" not in schemes.of_class(name) for name in CLASSES if name != "avx2")
    assert schemes.options("w1a1", "avx2") == ["--palette", "w1a1", "--target", "avx2"]
    assert schemes.options("w1a1", "avx512") == ["--palette", "w1a1"]
    assert schemes.options("w8a8", "avx2") == ["--palette", "8"]
    assert schemes.profiled("resnet18", "avx2", False) == ("w8a8-half", "w1a1")
    assert schemes.profiled("resnet18", "avx512", False) == ("w8a8", "w1a1")
    assert schemes.profiled("chain_64_56", "avx512", True) == ("w1a1", "w1a4", "w2a2", "w8a8")
    assert schemes.profiled("resnet50", "avx2", False) == ()


def test_the_page_has_marks_of_both_kinds() -> None:
    page = (ROOT / "docs/performance.md").read_text()
    for kind in KINDS.values():
        assert kind.sections.begin("avx512") in page and kind.sections.end("avx512") in page
    for image in re.findall(r"\]\((performance/[^)]+\.svg)\)", page):
        assert (ROOT / "docs" / image).exists(), image
