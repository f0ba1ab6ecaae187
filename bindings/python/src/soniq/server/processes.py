"""The processes of a server: one, or workers and the one that looks after them."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from .settings import FAILED, VARIABLE, Settings

log = logging.getLogger("soniq.server")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(process)d %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "soniq": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}


def serve(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT, and returns the exit status: 0, or another where it could not start."""
    os.environ[VARIABLE] = settings.text()
    config = uvicorn.Config(
        "soniq.server.application:from_environment",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        # The application ends requests sooner; this is for clients that do not take their answers.
        timeout_graceful_shutdown=settings.grace + 5,
        lifespan="on",
        log_config=LOGGING,
        access_log=False,
        server_header=False,
    )
    # Until the server listens to them; uvicorn raises them again at its end, which is a good one.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    listening = config.bind_socket()
    # asyncio does not set it on connections of a socket that it did not make: headers would wait 40 ms for their body.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if settings.workers == 1:
        uvicorn.Server(config).run([listening])
        return 0
    with tempfile.TemporaryDirectory(prefix="soniq-metrics-") as folder:
        # Before anybody imports the package that reads it.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        supervisor = Supervisor(config, [listening])
        supervisor.run()
        return int(any(process.exitcode == FAILED for process in supervisor.processes))


class Supervisor(Multiprocess):
    """Starts workers, and others in the place of those that end."""

    def keep_subprocess_alive(self) -> None:
        from prometheus_client.multiprocess import mark_process_dead

        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            log.warning("worker %s has ended, and another takes its place", pid)
            mark_process_dead(pid)  # type: ignore[no-untyped-call]

    def handle_hup(self) -> None:
        """Workers look at their files themselves: a broken one must not end them."""
        for process in self.processes:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)
