"""A server as a process of its own on a free port of this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

# Seconds until something must have happened; nothing is asserted of how fast it was.
PATIENCE = 120


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Any


class Server:
    """`soniq serve` with some options; stop it with `stop`."""

    def __init__(
        self, log: Path, *options: object, threads: int = 1, environment: dict[str, str] | None = None
    ) -> None:
        self._log = log
        # What `metric` asks with.
        self.key = ""
        command = [sys.executable, "-m", "soniq", "serve", *map(str, options), "--port", "0", "--threads", str(threads)]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stderr=file, env=os.environ | (environment or {}))
        try:
            self.port = int(self.wait_for_log(r"running on http://127\.0\.0\.1:(\d+)")[1])
            self.url = f"http://127.0.0.1:{self.port}"
            self.wait(lambda: self.get("/ready").status == 200)
        except BaseException:
            self.process.kill()
            raise

    def log(self) -> str:
        return self._log.read_text()

    def wait_for_log(self, pattern: str) -> re.Match[str]:
        found = self.wait(lambda: re.search(pattern, self.log()))
        assert isinstance(found, re.Match)
        return found

    def wait(self, condition: Any) -> Any:
        """What it answers first that is true; a server that is not there yet is no error."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if result := condition():
                    return result
            except OSError:
                pass
            assert self.process.poll() is None, self.log()
            time.sleep(0.02)
        raise AssertionError(f"it did not come about: {self.log()}")

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask(urllib.request.Request(self.url + path, headers=headers))

    def post(self, path: str, body: object, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | headers
        return self._ask(urllib.request.Request(self.url + path, data, headers))

    def _ask(self, request: urllib.request.Request) -> Answer:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return self._answer(response)
        except urllib.error.HTTPError as error:
            return self._answer(error)

    def _answer(self, response: Any) -> Answer:
        text = response.read()
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return Answer(response.status, json.loads(text) if is_json else text.decode(), response.headers)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all series of a name with these labels."""
        total = 0.0
        for line in self.get("/metrics", Authorization=f"Bearer {self.key}").body.splitlines():
            if line.startswith((f"{name}{{", f"{name} ")) and all(f'{key}="{labels[key]}"' in line for key in labels):
                total += float(line.rpartition(" ")[2])
        return total

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ends it as a service manager does, and returns its exit status."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
