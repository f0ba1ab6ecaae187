"""Closed loops (clients that ask again when they have their answer) and open ones (requests at their own times)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from client import Client, Reply


class Work(Protocol):
    path: str
    bodies: list[dict[str, object]]

    def is_right(self, number: int, body: object) -> bool: ...
    def amount(self, body: object) -> int: ...


@dataclass
class Result:
    """What came of all requests of a loop: each is in `statuses` once, with 0 for a connection that broke."""

    asked: int = 0
    wrong: int = 0
    amount: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    impatient: int = 0

    def percentile(self, percent: float) -> float:
        return float(np.percentile(self.latencies, percent)) if self.latencies else float("nan")

    @property
    def rate(self) -> float:
        return self.amount / self.seconds

    def note(self, work: Work, number: int, reply: Reply, seconds: float) -> None:
        self.statuses[reply.status] += 1
        if reply.status == 200:
            self.latencies.append(seconds)
            self.wrong += not work.is_right(number, reply.body)
            self.amount += work.amount(reply.body)
        elif reply.status == 429:
            # One that does not say when to come again is of no use.
            self.impatient += "retry-after" not in reply.headers


async def _ask(client: Client, work: Work, number: int, result: Result) -> None:
    result.asked += 1
    start = time.perf_counter()
    try:
        reply = await client.post(work.path, work.bodies[number])
    except (OSError, EOFError):
        result.statuses[0] += 1
        return
    result.note(work, number, reply, time.perf_counter() - start)


async def closed(port: int, work: Work, clients: int, seconds: float) -> Result:
    """So many clients, each with one request at a time."""
    result = Result()
    begin = time.perf_counter()

    async def one(first: int) -> None:
        client, number = Client(port), first
        while time.perf_counter() - begin < seconds:
            await _ask(client, work, number % len(work.bodies), result)
            number += clients
        client.close()

    await asyncio.gather(*(one(first) for first in range(clients)))
    result.seconds = time.perf_counter() - begin
    return result


async def opened(port: int, work: Work, rate: float, seconds: float) -> Result:
    """Requests at random times, so many a second on average, whether earlier ones have their answers or not."""
    result = Result()
    gaps = np.random.default_rng(7).exponential(1 / rate, int(rate * seconds * 2) + 16)
    times = np.cumsum(gaps)
    idle: list[Client] = []
    begin = time.perf_counter()

    async def one(number: int) -> None:
        client = idle.pop() if idle else Client(port)
        await _ask(client, work, number % len(work.bodies), result)
        idle.append(client)

    tasks = []
    for number, moment in enumerate(times[times < seconds]):
        await asyncio.sleep(max(0.0, begin + moment - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    result.seconds = time.perf_counter() - begin
    for client in idle:
        client.close()
    return result
