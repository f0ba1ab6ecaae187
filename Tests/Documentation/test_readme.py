"""What README.md tells people to type works, in its order and in one folder.

A language model of random weights stands for the file that `make demo` fetches, whose name the commands have. What
installs (`make`, `pip`) is tried elsewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INSTALLS = ("make ", "pip ", "git ")
C_PROGRAM = """#include <soniq.h>
#include <stdio.h>
int main(void) {{
{body}
  if (error != NULL) puts(soniq_error_message(error));
  int status = error == NULL && output.rank == 2 && output.dimensions[1] == 384 ? 0 : 1;
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  soniq_error_destroy(error);
  return status;
}}
"""


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall((REPOSITORY / "README.md").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, chat_model: Path) -> Path:
    """Where somebody would stand: build/ has the two models of `make demo`."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "build/smollm2").mkdir(parents=True)
    (folder / "build/minilm").symlink_to(REPOSITORY / "build/minilm")
    (folder / "build/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf").symlink_to(chat_model)
    return folder


def run(folder: Path, environment: dict[str, str], *command: str | Path) -> None:
    result = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, f"{result.args}\n{result.stdout}\n{result.stderr}"


def test_all_that_can_be_typed(folder: Path, environment: dict[str, str]) -> None:
    ran = {"": 0, "python": 0, "c": 0}
    for language, text in blocks():
        if language == "python":
            run(folder, environment, sys.executable, "-c", text)
        elif language == "c":
            run_c(folder, environment, text)
        else:
            commands = [line for line in text.splitlines() if not line.startswith(INSTALLS)]
            if not commands:
                continue
            run(folder, environment, "bash", "-euo", "pipefail", "-c", "\n".join(commands))
        ran[language] += 1
    assert min(ran.values()) >= 1, f"nothing left to try: {ran}"


def run_c(folder: Path, environment: dict[str, str], body: str) -> None:
    prefix = Path(os.environ["SONIQ_LIBRARY"]).parents[1]
    used = body.replace("/* output.dimensions[0]", "(void)embedding; /* output.dimensions[0]")
    assert used != body
    (folder / "main.c").write_text(C_PROGRAM.format(body=used))
    link = [f"-I{prefix / 'include'}", f"-L{prefix / 'lib'}", "-lsoniq", f"-Wl,-rpath,{prefix / 'lib'}"]
    run(folder, environment, "cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "main.c", *link, "-o", "main")
    run(folder, environment, "./main")


def test_links_lead_somewhere() -> None:
    """In README.md and every page of docs/."""
    pages = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    lost = []
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            path, _, anchor = target.partition("#")
            if "://" in target:
                continue
            file = (page.parent / path).resolve() if path else page
            if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
                lost.append(f"{page.name}: {target}")
    assert not lost, "\n".join(lost)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-") for heading in headings}
