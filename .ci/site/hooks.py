"""What the site has besides docs/: each file of the repository that a page links to, as a page of its own, and the
reference of the Python package."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

REPOSITORY = Path(__file__).resolve().parents[2]
OUTWARDS = re.compile(r"\]\(\.\./([^)#\s]+)(#[^)\s]*)?\)")
LANGUAGES = {".c": "c", ".h": "c", ".py": "python", ".swift": "swift", ".cc": "cpp", ".yaml": "yaml", ".json": "json"}
# What of the package is for its users, by topic.
REFERENCE = {
    "Models": ["load", "Model", "Outputs", "TensorInfo", "KernelReport", "StepProfile", "StatefulSession", "StateInfo"],
    "Language models": [
        "TextGeneration", "Generation", "Tokenizer", "TextStream", "Sampler", "Choice", "Sequence", "Decoder",
        "Grammar", "iterate_async",
    ],
    "Embeddings of texts": ["Encoder"],
    "Packing": ["pack", "pack_plan"],
    "In the place of ONNX Runtime": ["InferenceSession", "SessionOptions"],
    "Matrices": ["Matrix", "Level"],
    "What packing cost": ["compare", "Comparison", "OutputDifference", "LayerDifference"],
    "Errors": ["SoniqError", "PackError", "GrammarError", "ComparisonError", "LibraryNotFoundError"],
    "Library": ["library_version", "build_info", "cpu_isa"],
}  # fmt: skip


def on_files(files, config):
    sources = {"include/soniq.h"}
    for page in Path(config.docs_dir).glob("*.md"):
        sources |= {match[1].rstrip("/") for match in OUTWARDS.finditer(page.read_text())}
    for source in sorted(sources):
        files.append(File.generated(config, f"source/{source}.md", content=source_page(source)))
    files.append(File.generated(config, "reference/python.md", content=reference_page()))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links that leave docs/ lead to the page of that file. Pages of code need the width."""
    if page.file.src_uri.startswith("source/"):
        page.meta["hide"] = ["toc"]
    elif page.file.src_uri == "index.md":
        page.meta["hide"] = ["navigation"]
    return OUTWARDS.sub(lambda match: f"](source/{match[1].rstrip('/')}.md{match[2] or ''})", markdown)


def source_page(source):
    path = REPOSITORY / source
    if path.is_dir():
        names = sorted(f"{child.name}/" if child.is_dir() else child.name for child in path.iterdir())
        shown = [name for name in names if not name.startswith(("__", "."))]
        return f"# {source}\n\nA folder of the repository.\n\n" + "".join(f"- `{name}`\n" for name in shown)
    if path.suffix == ".md":
        # Its own links lead from another place: the words stay, the links go.
        return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", path.read_text())
    fence = "`" * 4
    return f"# {source}\n\n{fence}{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text()}{fence}\n"


def reference_page():
    missing = exported() - {name for names in REFERENCE.values() for name in names}
    if missing:
        raise PluginError(f".ci/site/hooks.py has no topic for {', '.join(sorted(missing))}")
    lines = ["# The Python package", ""]
    for topic, names in REFERENCE.items():
        lines += [f"## {topic}", ""]
        lines += [f"::: soniq.{name}\n    options:\n      heading_level: 3\n" for name in names]
    return "\n".join(lines)


def exported():
    """What soniq.__all__ names; the package is not run."""
    tree = ast.parse((REPOSITORY / "bindings/python/src/soniq/__init__.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return set(ast.literal_eval(node.value))
    raise PluginError("soniq/__init__.py has no __all__")
