"""A small training loop, for those who have none of their own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor

from .errors import QatError
from .quantization import Quantization


@dataclass(frozen=True)
class EpochReport:
    """A line of the table."""

    epoch: int
    phase: str
    bits: float
    loss: float
    metric: float | None
    seconds: float


class Trainer:
    """Trains a `Quantization`: an optimiser step, then `step_schedule`, for every batch.

    Args:
        quantization: what `prepare` returned.
        batch_loss: the loss of one batch, from (quantization, batch).
        optimizer: over `quantization.parameter_groups(...)`.
        scheduler: a learning-rate schedule of PyTorch, stepped for every batch; None keeps the rates.
        metric: a number to watch, greater is better, from the quantization in evaluation mode.
        checkpoint: a file that every epoch replaces; `resume` continues from it.
        patience: epochs after the freeze without a better metric before training ends early; None: never.
        clip: largest norm of all gradients together; None: as they are.
        stream: where the table goes; None prints nothing. The bar shows only on a terminal.
    """

    def __init__(
        self,
        quantization: Quantization,
        batch_loss: Callable[[Quantization, Any], Tensor],
        optimizer: torch.optim.Optimizer,
        *,
        scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
        metric: Callable[[Quantization], float] | None = None,
        checkpoint: str | Path | None = None,
        patience: int | None = None,
        clip: float | None = None,
        stream: TextIO | None = sys.stderr,
    ) -> None:
        if patience is not None and metric is None:
            raise QatError("patience needs a metric to watch")
        self.quantization = quantization
        self.batch_loss = batch_loss
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.metric = metric
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.patience = patience
        self.clip = clip
        self.stream = stream
        self.history: list[EpochReport] = []
        self.best_metric = -float("inf")
        self._best_epoch = 0

    def fit(self, batches: Callable[[], Iterable[Any]], epochs: int) -> list[EpochReport]:
        """Trains until `epochs` epochs are done, those before a resumption included; `batches()` are one epoch's.

        Raises NotFiniteError when a loss is NaN or infinite.
        """
        while len(self.history) < epochs:
            start = time.perf_counter()
            loss = self._epoch(batches())
            metric = self._measure()
            seconds = time.perf_counter() - start
            self._finish(loss, metric, seconds)
            if self._is_stale():
                self._print(f"no better metric for {self.patience} epochs: done")
                break
        return self.history

    def _epoch(self, batches: Iterable[Any]) -> float:
        self.quantization.train()
        total, count = 0.0, 0
        for batch in batches:
            task = self.batch_loss(self.quantization, batch)
            loss = task + self.quantization.regularizer(task)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if self.clip is not None:
                torch.nn.utils.clip_grad_norm_(self.quantization.parameters(), self.clip)
            self.optimizer.step()
            if self.scheduler is not None:
                self.scheduler.step()
            self.quantization.step_schedule(None if self.scheduler else self.optimizer)
            total, count = total + float(task.detach()), count + 1
            self._bar(count, batches, total / count)
        if not count:
            raise QatError("there are no batches: batches() must make a new iterable each time it is called")
        self.quantization.check_finite()
        return total / count

    def _measure(self) -> float | None:
        if self.metric is None:
            return None
        self.quantization.eval()
        with torch.no_grad():
            return float(self.metric(self.quantization))

    def _finish(self, loss: float, metric: float | None, seconds: float) -> None:
        phase = "fixed" if self.quantization.is_frozen else "search"
        report = EpochReport(len(self.history) + 1, phase, self.quantization.average_bits(), loss, metric, seconds)
        if self.history and phase != self.history[-1].phase:
            self.best_metric, self._best_epoch = -float("inf"), report.epoch
        self.history.append(report)
        if metric is not None and metric > self.best_metric:
            self.best_metric, self._best_epoch = metric, report.epoch
        if report.epoch == 1:
            self._print("epoch  phase    bits      loss    metric  seconds")
        shown = "-" if metric is None else f"{metric:.4f}"
        self._print(f"{report.epoch:5}  {phase:6}  {report.bits:5.2f}  {loss:8.4f}  {shown:>8}  {seconds:7.1f}")
        if self.checkpoint is not None:
            self.save(self.checkpoint)

    def _is_stale(self) -> bool:
        if self.patience is None or not self.quantization.is_frozen:
            return False
        return len(self.history) - self._best_epoch >= self.patience

    def save(self, path: str | Path) -> None:
        """Writes everything that `resume` needs; an existing file is replaced in one step."""
        state = {
            "quantization": self.quantization.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "history": [vars(report) for report in self.history],
            "best": (self.best_metric, self._best_epoch),
            "random": torch.get_rng_state(),
        }
        unfinished = Path(f"{path}.{os.getpid()}.part")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def resume(self, path: str | Path) -> None:
        """Continues from a checkpoint of the same model, palette and optimiser."""
        state = torch.load(path, weights_only=True)
        self.quantization.load_state_dict(state["quantization"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None and state["scheduler"] is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.history = [EpochReport(**report) for report in state["history"]]
        self.best_metric, self._best_epoch = state["best"]
        torch.set_rng_state(state["random"])

    def plot(self, path: str | Path) -> None:
        """Draws loss and metric of every epoch as PNG; needs matplotlib."""
        from .plots import draw_training

        draw_training(self.history, path)

    def _bar(self, done: int, batches: Iterable[Any], loss: float) -> None:
        if self.stream is None or not self.stream.isatty():
            return
        count = len(batches) if isinstance(batches, Sized) else None
        of = f"/{count}" if count else ""
        filled = "#" * (30 * done // count) if count else ""
        end = "\r\033[K" if done == count else ""
        print(f"\r{filled:30} {done}{of}  loss {loss:.4f} {end}", end="", file=self.stream, flush=True)

    def _print(self, line: str) -> None:
        if self.stream is not None:
            print(line, file=self.stream, flush=True)
