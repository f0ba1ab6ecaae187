"""Sections of a document that belong to machines: each class between marks of its own."""

from __future__ import annotations

from dataclasses import dataclass

from reports.machine import SECTIONS


@dataclass(frozen=True)
class Sections:
    """<!-- WORD SECTION: begin (make COMMAND) --> ... <!-- WORD SECTION: end -->, in the order of SECTIONS."""

    word: str
    command: str

    def begin(self, section: str) -> str:
        return f"<!-- {self.word} {section}: begin (make {self.command}) -->"

    def end(self, section: str) -> str:
        return f"<!-- {self.word} {section}: end -->"

    def put(self, document: str, section: str, body: str) -> str:
        """The document with this body between the marks of the section, which are added where there are none yet. All
        else stays as it is. Raises ValueError where nothing shows the place, or the second mark is missing."""
        begin, end = self.begin(section), self.end(section)
        if begin not in document:
            document = self._with_empty(document, section)
        head, _, rest = document.partition(begin)
        old, found, tail = rest.partition(end)
        if not found or any(self.begin(other) in old for other in SECTIONS):
            raise ValueError(f"the mark {end} does not follow {begin}")
        return f"{head}{begin}\n\n{body}\n\n{end}{tail}"

    def _with_empty(self, document: str, section: str) -> str:
        """With an empty pair of marks behind the sections before it, or in front of those after it."""
        present = [name for name in SECTIONS if self.begin(name) in document]
        if not present:
            raise ValueError(f"there are no marks {self.begin('CLASS')} of any class")
        empty = f"{self.begin(section)}\n\n{self.end(section)}"
        before = [name for name in present if SECTIONS.index(name) < SECTIONS.index(section)]
        if before:
            mark = self.end(before[-1])
            return document.replace(mark, f"{mark}\n\n{empty}", 1)
        mark = self.begin(present[0])
        return document.replace(mark, f"{empty}\n\n{mark}", 1)
