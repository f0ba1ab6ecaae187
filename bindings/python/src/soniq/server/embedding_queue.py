"""Embeddings for many clients: what waits while a batch runs goes into the next one."""

from __future__ import annotations

import collections
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..embedding_model import EmbeddingModel, Embeddings, Ids
from ..errors import SoniqError
from ..model import Model
from .embedding_batches import POSITIONS, embed
from .meter import Meter
from .problems import broken, closing, full, too_late
from .worker import Worker

log = logging.getLogger("soniq.server")


@dataclass(eq=False)
class Order:
    """Rows of one request, and what is told when all are there, or why they will not be."""

    rows: list[Ids]
    done: Callable[[list[Embeddings] | BaseException], None]
    seconds: float
    begin: float = field(default_factory=time.monotonic)
    is_cancelled: bool = False
    # What came so far, by place.
    found: dict[int, Embeddings] = field(default_factory=dict)
    # How many rows went into a batch.
    taken: int = 0

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self.begin + self.seconds


class EmbeddingQueue(Worker):
    """Runs an encoder. `submit` and `check` may be called from any thread."""

    def __init__(self, model: Model, queue: int, meter: Meter | None = None, name: str = "encoder") -> None:
        """Starts the thread; at most `queue` requests wait. Raises TypeError for a model that is no encoder."""
        super().__init__(name, meter)
        self.model = EmbeddingModel(model)
        self._queue = queue
        self._waiting: collections.deque[Order] = collections.deque()
        # Seconds of a position, as a mean in which the last ones weigh most.
        self._usual = 1e-4
        self._thread.start()

    def submit(self, order: Order) -> None:
        """Takes a request. Raises Problem: 429 where the queue is full, 503 behind `retire`."""
        with self._changed:
            if self._is_retired:
                raise closing()
            self._check()
            self._waiting.append(order)
            self._changed.notify()

    def check(self) -> None:
        """Raises Problem where a request would be refused now: before work is done for it."""
        with self._changed:
            self._check()

    def _check(self) -> None:
        if len(self._waiting) >= self._queue:
            positions = sum(len(row) for each in self._waiting for row in each.rows)
            seconds = max(1, min(60, round(positions * self._usual)))
            raise full(f"{len(self._waiting)} requests wait already", seconds)

    def cancel_all(self) -> None:
        """Ends every request that it has with an error."""
        with self._changed:
            for order in self._waiting:
                order.is_cancelled = True

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._is_retired:
                        return
                    self._changed.wait()
                self._drop()
                rows = self._take()
            if rows:
                self._run(rows)
            self._tell()

    def _take(self) -> list[tuple[Order, int]]:
        """About a batch of rows, of the oldest requests: a large one does not keep others from the next batch."""
        rows: list[tuple[Order, int]] = []
        positions = 0
        # Each in turn gives a part, so that small requests are not behind large ones.
        share = max(1, POSITIONS // max(1, len(self._waiting)))
        for order in self._waiting:
            given = 0
            while order.taken < len(order.rows) and given < share and positions < POSITIONS:
                length = len(order.rows[order.taken])
                rows.append((order, order.taken))
                order.taken += 1
                given, positions = given + length, positions + length
        return rows

    def _run(self, rows: list[tuple[Order, int]]) -> None:
        start = time.monotonic()
        ids = [order.rows[place] for order, place in rows]
        try:
            for places, vectors in embed(self.model, ids):
                for place, vector in zip(places, vectors, strict=True):
                    order, row = rows[place]
                    order.found[row] = vector
        except SoniqError as error:
            self._fail(rows, error)
        except Exception as error:
            # The thread must live on: without it every later request would wait for ever.
            log.exception("a batch failed")
            self._end({order for order, _ in rows}, broken(error))
        positions = sum(map(len, ids))
        seconds = time.monotonic() - start
        self._usual += (seconds / positions - self._usual) / 8
        self._meter.ran(len(rows), positions, seconds)
        whole = [order for order in dict.fromkeys(order for order, _ in rows) if len(order.found) == len(order.rows)]
        self._remove(whole)
        for order in whole:
            order.done([order.found[place] for place in range(len(order.rows))])

    def _fail(self, rows: list[tuple[Order, int]], error: SoniqError) -> None:
        """One request must not take others with it: each runs alone."""
        for order in dict.fromkeys(order for order, _ in rows):
            own = [place for each, place in rows if each is order]
            try:
                for places, vectors in embed(self.model, [order.rows[place] for place in own]):
                    order.found |= {own[place]: vector for place, vector in zip(places, vectors, strict=True)}
            except SoniqError as alone:
                self._end({order}, broken(alone))
        log.warning("a batch was run request by request: %s", error)

    def _drop(self) -> None:
        """Takes out what is late or nobody waits for; with the lock."""
        for order in list(self._waiting):
            if order.is_cancelled or order.is_late:
                self._waiting.remove(order)
                order.done(closing() if order.is_cancelled else too_late(order.seconds))

    def _remove(self, orders: list[Order]) -> None:
        with self._changed:
            for order in orders:
                if order in self._waiting:
                    self._waiting.remove(order)

    def _end(self, orders: set[Order], error: BaseException) -> None:
        self._remove(list(orders))
        for order in orders:
            order.found.clear()
            order.done(error)

    def _tell(self) -> None:
        self._meter.levels(0, len(self._waiting), 0)
