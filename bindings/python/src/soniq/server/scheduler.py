"""Writes the texts of many requests side by side: each run of the model has a token, or a part of a prompt, of each."""

from __future__ import annotations

import collections
import logging
import time
from dataclasses import dataclass

from ..decoder import Sequence
from ..errors import GrammarError, SoniqError
from ..generation import vocabulary_size
from ..model import Model
from .job import Job
from .meter import Meter
from .prefixes import Ids, Prefixes
from .problems import broken, closing, full, too_late
from .shares import ALONE, BESIDE, shares
from .text import Logits, Text
from .worker import Worker

log = logging.getLogger("soniq.server")


@dataclass(frozen=True)
class Limits:
    """Sizes of a scheduler, described in `Settings`."""

    concurrency: int = 8
    queue: int = 64
    kept_texts: int = 8
    kept_tokens: int = 16384


class Scheduler(Worker):
    """Runs a decoder. `submit` and `check` may be called from any thread.

    A text's tokens are those that it has alone: its logits do not depend on what else is in a run.
    """

    def __init__(self, model: Model, limits: Limits, meter: Meter | None = None, name: str = "decoder") -> None:
        """Starts the thread. Raises SoniqError where there is no memory, TypeError for a model that is no decoder."""
        super().__init__(name, meter)
        vocabulary_size(model)
        self._limits = limits
        self._decoder = model.decoder(maximum_tokens=ALONE, maximum_outputs=limits.concurrency)
        self._prefixes = Prefixes(model, limits.kept_texts, limits.kept_tokens)
        self._waiting: collections.deque[Job] = collections.deque()
        self._running: list[Job] = []
        # Those of them that have no sequence yet.
        self._new: list[Job] = []
        # Seconds of a request that had its turn, as a mean in which the last ones weigh most.
        self._usual = 1.0
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Takes a request. Raises Problem: 429 where the queue is full, 503 behind `retire`."""
        with self._changed:
            if self._is_retired:
                raise closing()
            if not self._waiting and self._has_places(len(job.texts)):
                self._place(job)
            elif len(self._waiting) >= self._limits.queue:
                raise full(f"{len(self._waiting)} requests wait already", self._patience())
            else:
                self._waiting.append(job)
            self._changed.notify()

    def check(self, texts: int) -> None:
        """Raises Problem where a request of so many texts would be refused now: before work is done for it."""
        with self._changed:
            is_full = len(self._waiting) >= self._limits.queue
            if is_full and (self._waiting or not self._has_places(texts)):
                raise full(f"{len(self._waiting)} requests wait already", self._patience())

    def cancel_all(self) -> None:
        """Ends every request that it has with an error."""
        with self._changed:
            jobs = [*self._waiting, *self._running]
        for job in jobs:
            job.cancel()

    def _work(self) -> None:
        while self._wait():
            try:
                for job in self._placed():
                    self._admit(job)
                self._drop()
                self._run()
            except Exception as error:
                # The thread must live on: without it every later request would wait for ever.
                log.exception("the scheduler failed")
                self._fail_running(broken(error))
            self._tell()
        self._prefixes.clear()

    def _wait(self) -> bool:
        """Waits for work; False at the end."""
        with self._changed:
            while not self._waiting and not self._running:
                if self._is_retired:
                    return False
                self._changed.wait()
        return True

    def _placed(self) -> list[Job]:
        """Gives places to requests of the queue, the oldest first; all that have places since the last call."""
        with self._changed:
            while self._waiting and self._has_places(len(self._waiting[0].texts)):
                self._place(self._waiting.popleft())
            placed, self._new = self._new, []
        return placed

    def _place(self, job: Job) -> None:
        self._running.append(job)
        self._new.append(job)

    def _has_places(self, texts: int) -> bool:
        places = sum(not text.is_done for each in self._running for text in each.texts)
        return places + texts <= self._limits.concurrency

    def _admit(self, job: Job) -> None:
        """Gives the first text a sequence, with what is known of its prompt; the others copy it later."""
        first = job.texts[0]
        if job.is_cancelled or job.is_late:
            return
        try:
            first.sequence, job.reused = self._prefixes.begin(first.prompt, first.capacity)
        except SoniqError as error:
            job.fail(broken(error))
            return
        job.admitted = time.monotonic()
        first.next = first.prompt[job.reused :]
        self._meter.read(len(first.prompt), job.reused)

    def _drop(self) -> None:
        """Takes out what is done, late, or nobody waits for."""
        with self._changed:
            self._running = [job for job in self._running if not self._has_ended(job)]
            self._waiting = collections.deque(job for job in self._waiting if not self._has_ended(job))

    def _has_ended(self, job: Job) -> bool:
        if job.is_cancelled:
            job.fail(closing())
        elif job.is_late:
            job.fail(too_late(job.seconds))
        if job.is_done and job.admitted is not None:
            self._usual += (time.monotonic() - job.admitted - self._usual) / 8
            # Who stops an answer often goes on with it.
            for text in job.texts:
                if text.sequence is not None:
                    self._keep(text, text.sequence)
        return job.is_done

    def _run(self) -> None:
        """Puts the next tokens of all texts through the model, and goes on with each by its logits."""
        parts = self._parts()
        if not parts:
            return
        items = [(sequence, ids, "last" if is_whole else "none") for _, _, sequence, ids, is_whole in parts]
        start = time.monotonic()
        try:
            rows = self._decoder.run(items)
        except SoniqError as error:
            if len(parts) == 1:
                parts[0][0].fail(broken(error))
                return
            # One text must not take the others with it.
            rows = [self._alone(part, item) for part, item in zip(parts, items, strict=True)]
        self._meter.ran(len(parts), sum(len(ids) for *_, ids, _ in parts), time.monotonic() - start)
        written = 0
        for (job, text, _, ids, is_whole), row in zip(parts, rows, strict=True):
            if text.is_done:
                continue
            if not is_whole:
                text.next = text.next[len(ids) :]
                continue
            assert row is not None
            written += self._go_on(job, text, row[-1])
        self._meter.wrote(written)

    def _parts(self) -> list[tuple[Job, Text, Sequence, Ids, bool]]:
        """What goes into a run: of each text its tokens, and whether these are all that it has."""
        active = [
            (job, text, text.sequence)
            for job in self._running
            for text in job.texts
            if text.sequence is not None and not text.is_done
        ]
        reading = [text for _, text, _ in active if text.is_reading]
        budget = ALONE if len(reading) == len(active) else BESIDE
        sizes = dict(zip(map(id, reading), shares([len(text.next) for text in reading], budget), strict=True))
        return [
            (job, text, sequence, text.next[: sizes.get(id(text), 1)], sizes.get(id(text), 1) == len(text.next))
            for job, text, sequence in active
        ]

    def _alone(self, part: tuple[Job, Text, Sequence, Ids, bool], item: tuple[Sequence, Ids, str]) -> Logits | None:
        try:
            return self._decoder.run([item])[0]
        except SoniqError as error:
            part[0].fail(broken(error))
            return None

    def _go_on(self, job: Job, text: Text, logits: Logits) -> int:
        """Chooses the next token of a text, and of those that begin where it does; how many tokens came."""
        texts = [text]
        if text is job.texts[0] and text.is_reading:
            try:
                texts += self._forked(text, job.texts[1:])
            except SoniqError as error:
                job.fail(broken(error))
                return 0
        count = 0
        for each in texts:
            before = len(each.tokens)
            try:
                each.accept(logits)
            except (SoniqError, GrammarError, ValueError) as error:
                each.fail(broken(error))
            count += len(each.tokens) - before
            if each.is_done and each.sequence is not None:
                self._keep(each, each.sequence)
        return count

    def _forked(self, first: Text, others: list[Text]) -> list[Text]:
        """Gives texts with the same prompt what is computed of it. Raises SoniqError where there is no memory."""
        assert first.sequence is not None
        for other in others:
            other.sequence = first.sequence.copy(capacity=other.capacity)
        return others

    def _keep(self, text: Text, sequence: Sequence) -> None:
        text.sequence = None
        self._prefixes.keep(text.written()[: len(sequence)], sequence)

    def _fail_running(self, error: BaseException) -> None:
        for job in self._running:
            job.fail(error)

    def _patience(self) -> int:
        """Seconds until about half of those that wait have had their turn."""
        rounds = len(self._waiting) / self._limits.concurrency
        return max(1, min(60, round(self._usual * rounds / 2)))

    def _tell(self) -> None:
        running = sum(not text.is_done for job in self._running for text in job.texts)
        self._meter.levels(running, len(self._waiting), self._prefixes.tokens)
