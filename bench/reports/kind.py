"""What a kind of report can do, and how it gets into a document."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.sections import Sections


@dataclass(frozen=True)
class Kind:
    """The functions take what `load` returns, which has a `machine`.

    merge: several files as one, as it is written again; ValueError where they do not go together.
    everything: all tables. summary: those that a reader wants. targets: the project's, and what was measured.
    plots: the module whose `write(report, folder)` writes SVG files and returns their paths; by name, because
    matplotlib takes a second to load.
    title: of the section of a document. sections: its marks there. plots_title: what stands over the plots.
    """

    load: Callable[[Path], Any]
    merge: Callable[[list[Path]], dict[str, Any]]
    everything: Callable[[Any], str]
    summary: Callable[[Any], str]
    targets: Callable[[Any], str]
    plots: str
    title: str
    sections: Sections
    plots_title: str = ""

    def write_plots(self, report: Any, folder: Path) -> list[Path]:
        return importlib.import_module(self.plots).write(report, folder)

    def refresh(self, report: Any, path: Path) -> None:
        """Replaces the section of this class of machine in a document, and writes the plots beside it."""
        images = self.write_plots(report, path.parent / "performance")
        links = "\n\n".join(f"![{image.stem}](performance/{image.name})" for image in images)
        body = f"## {self.title} on {report.machine.title}\n\n{self.summary(report)}\n{self.plots_title}{links}"
        path.write_text(self.sections.put(path.read_text(), report.machine.section, body.rstrip()))


def refuse_repeated(names: Iterable[Hashable]) -> None:
    """Raises ValueError when two rows have the same name."""
    repeated = sorted(str(name) for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"rows measured twice: {', '.join(repeated)}")
