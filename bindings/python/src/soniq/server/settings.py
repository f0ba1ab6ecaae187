"""What a server is started with; as text it goes to the processes of `--workers`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

# The environment variable that hands settings to a worker.
VARIABLE = "SONIQ_SERVER_SETTINGS"
# The exit status of a worker that cannot start, as uvicorn has it: no other is started in its place.
FAILED = 3


@dataclass(frozen=True)
class Settings:
    """The options of `soniq serve`; limits are those of one worker.

    Attributes:
        models: name and path of each.
        concurrency: texts that a decoder writes at once.
        queue: requests of a model that wait for a place.
        max_tokens: the most tokens of an answer, and how many it has when a request does not say.
        context: the most tokens of a text with its answer; 0: as many as the model has room for.
        max_body: bytes of a request.
        max_inputs: texts of a request for embeddings.
        timeout: seconds of a request, with its time in the queue.
        grace: seconds that running requests have after SIGTERM.
        kept_texts, kept_tokens: of finished texts whose beginnings are used again.
        watch: seconds between looks at the files; 0: only SIGHUP makes it look.
    """

    models: tuple[tuple[str, str], ...]
    host: str = "127.0.0.1"
    port: int = 8000
    api_keys: tuple[str, ...] = ()
    threads: int = 0
    workers: int = 1
    concurrency: int = 8
    queue: int = 64
    max_tokens: int = 1024
    context: int = 0
    max_body: int = 4 << 20
    max_inputs: int = 2048
    timeout: float = 300.0
    grace: int = 30
    kept_texts: int = 8
    kept_tokens: int = 16384
    watch: float = 0.0

    def text(self) -> str:
        """It for an environment variable."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def parse(cls, text: str) -> Settings:
        """What `text` made."""
        values = json.loads(text)
        values["models"] = tuple((name, path) for name, path in values["models"])
        values["api_keys"] = tuple(values["api_keys"])
        return cls(**values)
