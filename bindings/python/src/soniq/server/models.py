"""The models of a server by name, and how a new file takes the place of an old one."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from .metrics import Metrics
from .opened import Opened, OpenError, identity, open_file
from .problems import Problem
from .settings import Settings
from .worker import Worker

log = logging.getLogger("soniq.server")
# In the place of the identity of a file that is not there.
MISSING: tuple[int, ...] = ()


class Models:
    """Belongs to the thread of the event loop."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Opens all files. Raises OpenError for the first that cannot be served."""
        self._settings, self._metrics = settings, metrics
        self._paths = dict(settings.models)
        self._opened = {name: self._open(name) for name in self._paths}
        # Files that were tried and refused are not tried again.
        self._refused: dict[str, tuple[int, ...]] = {}
        self._looking = asyncio.Lock()
        # Those that still have something to do: their threads keep them, and nothing else keeps their files open.
        self._replaced: weakref.WeakSet[Worker] = weakref.WeakSet()

    def __iter__(self) -> Iterator[Opened]:
        return iter(self._opened.values())

    @contextmanager
    def use(self, name: str) -> Iterator[Opened]:
        """The model of a name, open at least until work was handed to its thread. Raises Problem for no such name."""
        opened = self._opened.get(name)
        if opened is None:
            known = ", ".join(self._opened)
            raise Problem(404, f"no model {name!r}: here are {known}", code="model_not_found", parameter="model")
        opened.users += 1
        try:
            yield opened
        finally:
            opened.release()

    @property
    def are_alive(self) -> bool:
        """Whether the thread of every model works."""
        return all(opened.worker.is_alive for opened in self)

    async def look(self) -> None:
        """Opens files that took the place of those that are served; a broken one leaves all as it was."""
        async with self._looking:
            for name, path in self._paths.items():
                await self._look_at(name, path)

    async def _look_at(self, name: str, path: str) -> None:
        old = self._opened[name]
        try:
            found = identity(path)
        except OSError as error:
            # Between two steps of whoever replaces it, say; the open file stays usable.
            if self._refused.get(name) != MISSING:
                log.warning("%s: %s; the file that was opened before is served on", name, error)
            self._refused[name] = MISSING
            return
        if found in (old.identity, self._refused.get(name)):
            return
        try:
            new = await asyncio.to_thread(self._open, name)
        except OpenError as error:
            self._refused[name] = found
            self._metrics.reloaded(name, False)
            log.error("%s: the new file is not served, the old one is: %s", name, error)
            return
        self._opened[name] = new
        self._replaced.add(old.worker)
        old.replace()
        self._metrics.reloaded(name, True)
        log.info("%s: a new file is served", name)

    def _open(self, name: str) -> Opened:
        return open_file(name, self._paths[name], self._settings, self._metrics.meter(name))

    def cancel(self) -> None:
        """Ends all requests with an error."""
        for worker in self._workers():
            worker.cancel_all()

    def close(self) -> None:
        """Ends all work, finished or not, and waits for the threads. May take as long as a run of a model."""
        self.cancel()
        workers = self._workers()
        for worker in workers:
            worker.retire()
        for worker in workers:
            if not worker.join(30):
                log.error("a thread does not end")

    def _workers(self) -> list[Worker]:
        return [*(opened.worker for opened in self), *self._replaced]
