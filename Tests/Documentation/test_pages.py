"""The Python of the pages runs, block after block as it stands there.

What a page takes for granted (data of the reader's, files by their names) is in `BEFORE`. Blocks for a package that is
not installed are skipped by name.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import encoder_model
import numpy as np
import onnx
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
BEFORE = {
    "docs/language-models.md": """
import json
import numpy as np
import soniq
vocabulary = soniq.load("smollm2.soniq").outputs[0].shape[-1]
run = {"logits": np.zeros((1, 1, vocabulary), np.float32)}
""",
    "docs/python.md": """
import soniq
import numpy as np
ids, mask = np.ones((4, 6), np.int32), np.ones((4, 6), np.int32)
images = np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype(np.float32)
image = images[:1]
texts, labels = ["a b", "b c", "c d", "d e"], [0, 1, 0, 1]
model = soniq.load("smollm2.soniq")
""",
}
# The package that a block is for, by a word that it has.
PACKAGES = {
    "sklearn": "sklearn", "langchain": "langchain_core", "llama_index": "llama_index.core",
    "sentence_transformers": "sentence_transformers",
}  # fmt: skip
# Blocks that are parts of a program: what they need around them is this.
AROUND = {
    "async for": "import asyncio\nasync def main():\n{block}\nasyncio.run(main())\n",
    "InMemoryVectorStore": "from langchain_core.vectorstores import InMemoryVectorStore\n"
    "from langchain_core.prompts import ChatPromptTemplate\n{block}",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, chat_model: Path, environment: dict[str, str]) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    run(environment, folder, "soniq-pack", "pack", chat_model, "-o", "smollm2.soniq")
    encoder_model.pack(encoder_model.write_folder(folder / "tiny"), folder / "minilm.soniq")
    (folder / "all-MiniLM-L6-v2").symlink_to(REPOSITORY / "build/minilm")
    (folder / "model.gguf").symlink_to(chat_model)
    write_network(folder / "resnet18.onnx")
    return folder


def write_network(path: Path) -> None:
    """Images to logits; a convolution and a classifier will do."""
    rng = np.random.default_rng(0)
    shapes = {"filters": (4, 3, 3, 3), "weights": (4, 5), "bias": (5,)}
    constants = [
        onnx.numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    nodes = [
        node("Conv", ["image", "filters"], ["c"]), node("Relu", ["c"], ["r"]), node("GlobalAveragePool", ["r"], ["p"]),
        node("Flatten", ["p"], ["f"]), node("Gemm", ["f", "weights", "bias"], ["logits"]),
    ]  # fmt: skip
    image = value("image", onnx.TensorProto.FLOAT, ["batch", 3, 8, 8])
    logits = value("logits", onnx.TensorProto.FLOAT, ["batch", 5])
    graph = onnx.helper.make_graph(nodes, "network", [image], [logits], constants)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)


def run(environment: dict[str, str], folder: Path, *command: object) -> None:
    words = [str(word) for word in command]
    result = subprocess.run(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def is_missing(block: str) -> str | None:
    """The package that a block needs and that is not there."""
    for word, package in PACKAGES.items():
        top = package.split(".")[0]
        if f"{word}" in block and importlib.util.find_spec(top) is None:
            return package
    return None


@pytest.mark.parametrize("page", BEFORE)
def test_blocks_run_one_after_the_other(page: str, folder: Path, environment: dict[str, str]) -> None:
    blocks = BLOCK.findall((REPOSITORY / page).read_text())
    assert len(blocks) >= 5
    program = [BEFORE[page]]
    skipped = []
    for block in blocks:
        missing = is_missing(block)
        if missing:
            skipped.append(missing)
            continue
        form = next((form for word, form in AROUND.items() if word in block), "{block}")
        indent = "    " if "def main" in form else ""
        program.append(form.format(block=re.sub("^(?=.)", indent, block, flags=re.M)))
    run(environment, folder, sys.executable, "-c", "\n".join(program))
    if skipped:
        pytest.skip(f"{page}: without its blocks for {', '.join(skipped)}")
