"""What the server counts, in the text of Prometheus."""

from __future__ import annotations

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from .meter import Meter

# Set where several workers count together, in files of this folder.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """All counts of a worker. Calls may come from any thread."""

    def __init__(self) -> None:
        # When a series began says nothing here, and doubles the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        own = self._registry
        self.requests = Counter(
            "soniq_requests", "Requests that were answered", ["endpoint", "model", "status"], registry=own
        )
        self.seconds = Histogram(
            "soniq_request_seconds", "Time of requests", ["endpoint"], buckets=SECONDS, registry=own
        )
        self.first = Histogram(
            "soniq_first_piece_seconds", "Time until an answer begins", ["model"], buckets=SECONDS, registry=own
        )
        self.prompt_tokens = Counter("soniq_prompt_tokens", "Tokens of prompts", ["model"], registry=own)
        self.reused_tokens = Counter(
            "soniq_reused_tokens", "Tokens of prompts that earlier texts began with", ["model"], registry=own
        )
        self.answer_tokens = Counter("soniq_answer_tokens", "Tokens of answers", ["model"], registry=own)
        self.run_seconds = Counter("soniq_run_seconds", "Time in runs of the model", ["model"], registry=own)
        self.run_tokens = Counter("soniq_run_tokens", "Tokens that went through the model", ["model"], registry=own)
        self.run_texts = Histogram("soniq_run_texts", "Texts of a run", ["model"], buckets=TEXTS, registry=own)
        self.running = _gauge("soniq_running_texts", "Texts that are written now", own)
        self.waiting = _gauge("soniq_waiting_requests", "Requests that wait for a place", own)
        self.kept = _gauge("soniq_kept_tokens", "Tokens of finished texts that may be used again", own)
        self.reloads = Counter(
            "soniq_reloads", "Files that took the place of a model, or could not", ["model", "result"], registry=own
        )

    def meter(self, model: str) -> Meter:
        """What counts the work of one model."""
        # So that they are there before anything happens.
        for result in ("opened", "refused"):
            self.reloads.labels(model, result)
        return _ModelMeter(self, model)

    def reloaded(self, model: str, is_opened: bool) -> None:
        """A file took the place of a model, or could not."""
        self.reloads.labels(model, "opened" if is_opened else "refused").inc()

    def text(self) -> bytes:
        """All of it, of all workers."""
        if FOLDER not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _gauge(name: str, help_text: str, registry: CollectorRegistry) -> Gauge:
    # Of a worker that was killed nothing is left of what it had.
    return Gauge(name, help_text, ["model"], multiprocess_mode="livesum", registry=registry)


class _ModelMeter:
    def __init__(self, metrics: Metrics, model: str) -> None:
        self._prompt = metrics.prompt_tokens.labels(model)
        self._reused = metrics.reused_tokens.labels(model)
        self._answer = metrics.answer_tokens.labels(model)
        self._seconds = metrics.run_seconds.labels(model)
        self._tokens = metrics.run_tokens.labels(model)
        self._texts = metrics.run_texts.labels(model)
        self._running = metrics.running.labels(model)
        self._waiting = metrics.waiting.labels(model)
        self._kept = metrics.kept.labels(model)

    def ran(self, texts: int, tokens: int, seconds: float) -> None:
        self._texts.observe(texts)
        self._tokens.inc(tokens)
        self._seconds.inc(seconds)

    def read(self, tokens: int, reused: int) -> None:
        self._prompt.inc(tokens)
        self._reused.inc(reused)

    def wrote(self, tokens: int) -> None:
        self._answer.inc(tokens)

    def levels(self, running: int, waiting: int, kept: int) -> None:
        self._running.set(running)
        self._waiting.set(waiting)
        self._kept.set(kept)
