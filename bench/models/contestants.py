"""Engines as processes that wait for their turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent


class EngineError(Exception):
    """An engine could not load or run a model; the message ends with what it printed."""


@dataclass(frozen=True)
class Setting:
    """What a row was measured with."""

    model: str
    threads: int
    batch: int
    sequence: int = 128


class Player(Protocol):
    """What takes part in a comparison."""

    def take_turn(self, seconds: float) -> None:
        """Runs for about as long, and keeps what it took."""


class Worker:
    """worker.py with one engine and model. Use as a context: it ends with the block."""

    def __init__(
        self, engine: str, scheme: str, path: Path, setting: Setting, profile: bool = False,
        library: Path | None = None,
    ) -> None:
        """library: the libsoniq.so to load, or else the one that SONIQ_LIBRARY names."""
        self.engine, self.scheme, self.path = engine, scheme, path
        self.round_ms: list[float] = []
        self._errors = tempfile.TemporaryFile(mode="w+")
        options = ["--threads", str(setting.threads), "--batch", str(setting.batch),
                   "--sequence", str(setting.sequence), *["--profile"] * profile]
        environment = os.environ | {"OMP_NUM_THREADS": str(setting.threads)}
        if library is not None:
            environment["SONIQ_LIBRARY"] = str(library.resolve())
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), engine, str(path), *options], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )
        self.about: dict[str, Any] = self._answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def ask(self, count: int) -> list[Any]:
        """Milliseconds of each of `count` runs, or the steps of a profile."""
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return self._answer()

    def take_turn(self, seconds: float) -> None:
        """Runs for about as long, and keeps the median."""
        if not self.round_ms:
            self.round_ms.append(statistics.median(self.ask(3)))
        count = max(3, min(200, round(1e3 * seconds / self.round_ms[0])))
        self.round_ms.append(statistics.median(self.ask(count)))

    def median(self) -> float:
        """Over the rounds; what the first call took, which only sized the others, is left out."""
        return statistics.median(self.round_ms[1:])

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        raise EngineError(f"{self.engine} {self.scheme} {self.path}:\n{self._errors.read()[-2000:]}")


def take_turns(players: Sequence[Player], rounds: int, seconds: float, pause: float = 0) -> None:
    """In every round each runs for about `seconds`; each round begins with another, and each turn after a pause."""
    for turn in range(rounds):
        for index in range(len(players)):
            if pause:
                time.sleep(pause)
            players[(index + turn) % len(players)].take_turn(seconds)


@dataclass
class ConvolutionSum:
    """conv_bench with the list of a network: each convolution alone, added up as often as it occurs."""

    program: Path
    convolutions: Path
    setting: Setting
    engine: str = "onednn_conv_sum"
    scheme: str = "w8a8"
    destinations: tuple[str, ...] = ("u8",)
    microseconds: dict[str, list[float]] = field(default_factory=dict)
    occurrences: dict[str, int] = field(default_factory=dict)
    kernels: dict[str, str] = field(default_factory=dict)

    def take_turn(self, seconds: float) -> None:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "rows.json"
            command = [
                str(self.program), f"--convolutions={self.convolutions}", f"--threads={self.setting.threads}",
                f"--batch={self.setting.batch}", f"--destinations={','.join(self.destinations)}", "--rounds=3",
                "--chunk-milliseconds=2", f"--benchmark_out={report}",
            ]
            answer = subprocess.run(command, capture_output=True, text=True)
            if answer.returncode:
                raise EngineError(f"{' '.join(command)}:\n{answer.stderr[-2000:]}")
            rows = json.loads(report.read_text())["benchmarks"]
        for row in rows:
            # onednn_int8/conv/SHAPE/DESTINATION/...
            name = "/".join(row["name"].split("/")[2:4])
            self.microseconds.setdefault(name, []).append(row["real_time"])
            self.occurrences[name] = round(row["occurrences"])
            self.kernels[name] = row["label"]

    def median(self) -> float:
        """Milliseconds of all convolutions, with results as bytes."""
        return sum(
            statistics.median(times) * self.occurrences[name] / 1e3
            for name, times in self.microseconds.items() if name.endswith("/u8")
        )
