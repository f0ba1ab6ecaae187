"""`soniq-pack`, as `soniq.compare` needs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .reference import ComparisonError, dimension_names
from .tool import ENVIRONMENT_VARIABLE, ToolNotFoundError, find

if TYPE_CHECKING:
    from .model import Model


class Packer:
    """Runs the command; what it writes lies in a folder of the caller's."""

    def __init__(self, tool: str | os.PathLike[str] | None, folder: Path) -> None:
        """Raises ComparisonError when there is no such command."""
        try:
            self._tool = find(tool)
        except ToolNotFoundError as error:
            advice = f"set {ENVIRONMENT_VARIABLE}, or compare the outputs alone (layers=False)"
            raise ComparisonError(f"{error}; {advice}") from None
        self._folder = folder
        self._count = 0

    def values(self, path: str | os.PathLike[str]) -> list[str]:
        """Names of what the nodes of a packed file make, in order."""
        operations = json.loads(self._run("inspect", os.fspath(path), "--json"))["operations"]
        return [name for operation in operations for name in operation["outputs"]]

    def exposed(self, path: str | os.PathLike[str], names: list[str]) -> Path:
        """A file like `path` with these values as outputs, as far as it can have them."""
        output = self._output()
        self._run("expose", os.fspath(path), "-o", str(output), "--skip-others", *_options("--value", names))
        return output

    def float_file(self, model: Path, packed: Model) -> Path:
        """The ONNX model in float32, with the sizes of the packed one."""
        names = dimension_names(model)
        shapes, maximums = [], {}
        for info in packed.inputs:
            sizes = ["?" if isinstance(size, str) else str(size) for size in info.shape]
            if info.name in names and len(names[info.name]) == len(sizes):
                shapes.append(f"{info.name}={','.join(sizes)}")
            for size, maximum, usual in zip(info.shape, info.maximum_shape, info.usual_shape, strict=True):
                # What nobody stated stays so: sessions would be planned for it.
                if isinstance(size, str) and size in names.get(info.name, ()) and usual == maximum:
                    maximums[size] = f"{size}={maximum}"
        output = self._output()
        options = (*_options("--shape", shapes), *_options("--maximum", list(maximums.values())))
        self._run("pack", str(model), "-o", str(output), "--palette", "f32", *options)
        return output

    def _output(self) -> Path:
        self._count += 1
        return self._folder / f"{self._count}.soniq"

    def _run(self, *arguments: str) -> str:
        result = subprocess.run([self._tool, *arguments], capture_output=True, text=True, check=False)
        if result.returncode:
            raise ComparisonError(result.stderr.strip() or f"soniq-pack ended with {result.returncode}")
        return result.stdout


def _options(option: str, values: list[str]) -> list[str]:
    return [f"{option}={value}" for value in values]
