"""A target of the project and what was measured of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

# A ratio from here on is no loss: less is noise.
EQUAL = 0.95


@dataclass(frozen=True)
class Outcome:
    """`wanted` and `measured` as they are printed; `met` is None when nothing was measured. `remark` says where, or
    what else; `failures` are the rows that missed it, the worst first."""

    target: str
    wanted: str
    measured: str
    met: bool | None
    remark: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        return "not measured" if self.met is None else "met" if self.met else "MISSED"


def counted(outcomes: Iterable[Outcome]) -> str:
    """ "3 met, 1 missed": how many have each verdict."""
    verdicts = [outcome.verdict for outcome in outcomes]
    counts = {verdict: verdicts.count(verdict) for verdict in ("met", "MISSED", "not measured")}
    return ", ".join(f"{count} {verdict.lower()}" for verdict, count in counts.items() if count)
