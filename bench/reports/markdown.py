"""Markdown that also reads well in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Columns padded to their widest cell, the first left, the others right aligned."""
    cells = [list(head), *map(list, lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]

    def join(line: Sequence[str]) -> str:
        padded = [cell.rjust(width) if column else cell.ljust(width)
                  for column, (cell, width) in enumerate(zip(line, widths, strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = f"|{'|'.join('-' * (w + 2) if c == 0 else '-' * (w + 1) + ':' for c, w in enumerate(widths))}|"
    return "\n".join([join(cells[0]), rule, *map(join, cells[1:])]) + "\n"


def threads_text(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"
