"""soniq.pack: the tool as a function."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import encoder_model
import numpy as np
import pytest

import soniq
from soniq import packing, tool

FOLDER = encoder_model.FOLDERS / "mean-normalized"
BERT = encoder_model.FOLDERS / "bert"


@pytest.fixture()
def echo(tmp_path: Path) -> Path:
    """A tool that writes what it is given, a line each, as the plan it makes."""
    script = tmp_path / "echo-pack"
    script.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps({{'given': sys.argv[1:]}}))\n")
    script.chmod(0o755)
    return script


def given(echo: Path, **options: object) -> list[str]:
    words: list[str] = soniq.pack_plan("model", tool=echo, **options)["given"]  # type: ignore[arg-type]
    assert words[0] == "pack" and words[-4:] == ["--dry-run", "--json", "--", "model"]
    return words[1:-4]


def test_packs_and_says_how_far_it_is(tmp_path: Path) -> None:
    lines: list[str] = []
    output = soniq.pack(FOLDER, tmp_path / "a.soniq", palette=4, name="mine", progress=lines.append)
    assert output == tmp_path / "a.soniq" and isinstance(output, Path)
    model = soniq.load(output, verify=True)
    assert model.metadata["general.name"] == "mine" and model.metadata["soniq.palette"] == "4"
    assert any(line.startswith("importing ") and line.endswith(" %") for line in lines)
    again = soniq.pack(str(FOLDER), str(tmp_path / "b.soniq"), palette="4", name="mine")
    assert again.read_bytes() == output.read_bytes()


def test_every_option_becomes_one_of_the_tool(echo: Path) -> None:
    assert given(echo) == []
    assert given(echo, palette="4,8", target_bits=5.0, cache="8,4", words=4, rounds=9, part="text", name="a b") == [
        "--palette=4,8", "--target-bits=5.0", "--cache=8,4", "--words=4", "--rounds=9", "--part=text", "--name=a b",
    ]  # fmt: skip
    assert given(echo, calibration_tokens=5, calibration_samples=np.int64(6), coarse_share=0.5) == [
        "--calibration-tokens=5", "--calibration-samples=6", "--coarse-share=0.5",
    ]  # fmt: skip
    assert given(echo, target="avx2") == ["--target=avx2"]
    assert given(echo, target_latency=2.5, threads=2, at={"sequence": 16}) == [
        "--target-latency=2.5", "--threads=2", "--at=sequence=16",
    ]  # fmt: skip
    assert given(echo, target_latency=2, layer_times=Path("times.json")) == [
        "--target-latency=2", "--layer-times=times.json",
    ]  # fmt: skip
    assert given(echo, head=False, ends=False, outlier_split=False) == [
        "--without-head", "--no-ends", "--no-outlier-split",
    ]  # fmt: skip
    assert given(echo, shape={"image": (1, 3, None)}, maximum={"batch": 2, "sequence": 4}) == [
        "--shape=image=1,3,?", "--maximum=batch=2", "--maximum=sequence=4",
    ]  # fmt: skip
    assert given(echo, value={"a": 1, "b": [0.5, 2]}, state={"h": "hn", "c": "cn"}) == [
        "--value=a=1", "--value=b=0.5,2", "--state=h=hn", "--state=c=cn",
    ]  # fmt: skip


def test_the_tool_knows_these_options(tmp_path: Path) -> None:
    """Each is refused for its value, or taken: none is unknown."""
    for options in ({"palette": "x"}, {"target_bits": 99}, {"target_latency": -1}, {"cache": "x"}, {"rounds": 0},
                    {"part": "x"}, {"coarse_share": 3}, {"target": "x"},
                    {"shape": {"x": (1,)}}, {"maximum": {"x": 1}}, {"value": {"x": 1}},
                    {"state": {"x": "y"}}, {"calibration_tokens": 0}, {"calibration_samples": 0}):  # fmt: skip
        try:
            soniq.pack_plan(FOLDER, **options)  # type: ignore[arg-type]
        except soniq.PackError as error:
            assert "Unknown option" not in error.message, options
    assert soniq.pack_plan(BERT, head=False, ends=False, outlier_split=False)["palette"] == "8"


def test_calibrates_on_arrays(tmp_path: Path) -> None:
    ids = np.random.default_rng(1).integers(5, 30, (8, 6)).astype(np.int32)
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    np.savez(tmp_path / "tokens.npz", **arrays)
    of_arrays = soniq.pack(FOLDER, tmp_path / "a.soniq", calibrate=arrays)
    of_file = soniq.pack(FOLDER, tmp_path / "b.soniq", calibrate=tmp_path / "tokens.npz", name=FOLDER.name)
    random = soniq.pack(FOLDER, tmp_path / "c.soniq")
    assert of_arrays.read_bytes() == of_file.read_bytes() != random.read_bytes()
    assert soniq.load(of_arrays).metadata["soniq.calibration_tokens"] == ids.size
    for wrong in ({}, {"input_ids": "text"}, {"input_ids": np.zeros((0, 3))}, 5, [["a"]]):
        with pytest.raises((ValueError, soniq.PackError)):
            soniq.pack(FOLDER, tmp_path / "d.soniq", calibrate=wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "d.soniq").exists()


def test_one_array_for_a_model_of_one_input(tmp_path: Path) -> None:
    pictures = np.random.default_rng(1).random((4, 3, 8, 8), np.float32)
    path = packing._calibration(pictures, tmp_path)
    assert path.endswith(".npy") and np.array_equal(np.load(path), pictures)


def test_failures_say_what_the_tool_said(tmp_path: Path) -> None:
    with pytest.raises(soniq.PackError, match="^/nowhere: no such file or folder$") as caught:
        soniq.pack("/nowhere", tmp_path / "a.soniq")
    assert caught.value.status == 66
    with pytest.raises(soniq.PackError, match='"9" is no level') as caught:
        soniq.pack(FOLDER, tmp_path / "a.soniq", palette=9)
    assert caught.value.status in (64, 65) and caught.value.message == str(caught.value)
    with pytest.raises(soniq.PackError):
        soniq.pack(FOLDER, tmp_path / "no/such/folder/a.soniq")
    with pytest.raises(TypeError, match="unknown option 'bits'"):
        soniq.pack_plan(FOLDER, bits=3)  # type: ignore[call-arg]
    for wrong in ({"palette": [8]}, {"ends": 1}, {"maximum": 3}, {"rounds": True}):
        with pytest.raises(TypeError, match=next(iter(wrong))):
            soniq.pack_plan(FOLDER, **wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_exception_of_the_caller_ends_the_tool(tmp_path: Path) -> None:
    slow, ended = tmp_path / "slow-pack", tmp_path / "ended"
    slow.write_text(
        f"#!{sys.executable}\nimport pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(ended)!r}).touch(), sys.exit(1)))\n"
        "print('importing 0 %', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    )
    slow.chmod(0o755)

    def stop(line: str) -> None:
        assert line == "importing 0 %"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        soniq.pack(FOLDER, tmp_path / "a.soniq", tool=slow, progress=stop)
    # It was waited for.
    assert ended.exists()


def test_notes_go_to_a_logger(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "soniq.pack"):
        soniq.pack(FOLDER, tmp_path / "a.soniq", palette="f32")
    assert [record.getMessage()[:8] for record in caplog.records] == ["left out"]


def test_where_the_tool_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def install(folder: Path) -> str:
        folder.mkdir()
        (folder / "soniq-pack").write_text("#!/bin/sh\n")
        (folder / "soniq-pack").chmod(0o755)
        return str(folder / "soniq-pack")

    beside, named, on_path = (install(tmp_path / name) for name in ("environment", "named", "path"))
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(tool, "CHECKOUT", tmp_path / "nothing")
    monkeypatch.setattr(sys, "executable", os.path.join(os.path.dirname(beside), "python"))
    monkeypatch.setenv("PATH", os.path.dirname(on_path))
    monkeypatch.setenv("SONIQ_PACK", named)
    assert tool.find() == named and tool.find(beside) == beside
    monkeypatch.delenv("SONIQ_PACK")
    assert tool.find() == on_path
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert tool.find() == beside
    os.remove(beside)
    (tmp_path / "nothing/build").mkdir(parents=True)
    built = install(tmp_path / "nothing/build/bin")
    assert tool.find() == built
    os.remove(built)
    with pytest.raises(soniq.PackError, match="not on PATH.*set SONIQ_PACK") as caught:
        soniq.pack(FOLDER, tmp_path / "a.soniq")
    assert caught.value.status is None
    with pytest.raises(soniq.PackError, match="/nowhere/tool is no command"):
        soniq.pack(FOLDER, tmp_path / "a.soniq", tool="/nowhere/tool")


@pytest.mark.parametrize(
    ("name", "kind"), [("folder", "a Hugging Face folder"), ("m.onnx", "an ONNX file"), ("m.gguf", "a GGUF file")]
)
def test_loading_what_is_not_packed_says_how_to(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    if name == "folder":
        encoder_model.write_folder(path)
    else:
        path.write_bytes(b"GGUF" * 100)
    with pytest.raises(soniq.SoniqError) as caught:
        soniq.load(path)
    packed = path.stem + ".soniq"
    assert f"{path} is {kind}. Pack it first: soniq-pack pack {path} -o {packed}" in str(caught.value)
    assert f"soniq.pack({str(path)!r}, {packed!r})" in str(caught.value) and caught.value.status in ("IO", "FORMAT")


def test_loading_other_things_says_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "m.soniq").write_bytes(b"x" * 100)
    for path in (tmp_path, tmp_path / "absent.onnx", tmp_path / "m.soniq"):
        with pytest.raises(soniq.SoniqError) as caught:
            soniq.load(path)
        assert "Pack it first" not in str(caught.value)


def test_a_file_for_cpus_without_vnni(tmp_path: Path) -> None:
    """Its 8-bit weights keep to half of their range, and it runs here, whatever this CPU has."""
    feeds = {"input_ids": np.array([[1, 2, 3, 4]], np.int32), "attention_mask": np.ones((1, 4), np.int32)}

    def answer(**options: str) -> np.ndarray:
        model = soniq.load(soniq.pack(BERT, tmp_path / "a.soniq", palette="8", head=False, **options))  # type: ignore[arg-type]
        given = {tensor.name: feeds[tensor.name] for tensor in model.inputs if tensor.name in feeds}
        outputs = model(**given)
        return np.concatenate([outputs[name].ravel() for name in outputs]).copy()

    whole, half = answer(), answer(target="avx2")
    assert not np.array_equal(whole, half)
    assert np.dot(whole, half) / np.linalg.norm(whole) / np.linalg.norm(half) > 0.999
    with pytest.raises(soniq.PackError, match="f32 has none"):
        soniq.pack_plan(BERT, palette="f32", target="avx2")
