"""Iterators for asyncio: order, cancelling, closing, and that nothing runs on behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

import soniq


class Counter(Iterator[int]):
    """Counts, each number only when `gate` lets it."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.begun = threading.Event()
        self.threads: set[int] = set()
        self.is_running = False
        self.given = 0

    def __next__(self) -> int:
        self.is_running = True
        self.begun.set()
        self.gate.acquire()
        self.threads.add(threading.get_ident())
        self.given += 1
        self.is_running = False
        if self.given > 3:
            raise StopIteration
        return self.given


def test_gives_all_in_other_threads() -> None:
    counter = Counter()
    counter.gate.release(9)

    async def everything() -> list[int]:
        return [number async for number in soniq.iterate_async(counter)]

    assert asyncio.run(everything()) == [1, 2, 3]
    assert threading.get_ident() not in counter.threads


def test_the_loop_goes_on_meanwhile() -> None:
    counter = Counter()

    async def beside() -> int:
        items = soniq.iterate_async(counter)
        first = asyncio.ensure_future(anext(items))
        while not counter.begun.is_set():
            await asyncio.sleep(0)
        # The thread waits for this line of the event loop.
        counter.gate.release()
        number = await first
        await items.aclose()
        return number

    assert asyncio.run(beside()) == 1 and counter.given == 1


def test_cancelling_waits_for_the_item_under_way() -> None:
    counter = Counter()

    async def cancelled() -> None:
        async def everything() -> None:
            async for _ in soniq.iterate_async(counter):
                pass

        task = asyncio.create_task(everything())
        while not counter.begun.is_set():
            await asyncio.sleep(0)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0.01)
            assert not task.done() and counter.is_running
        counter.gate.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not counter.is_running

    asyncio.run(cancelled())
    assert counter.given == 1


def test_errors_arrive() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    async def everything() -> list[int]:
        return [number async for number in soniq.iterate_async(broken())]

    with pytest.raises(ValueError, match="two"):
        asyncio.run(everything())
