"""Iterators that compute, for asyncio: `soniq.iterate_async`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from typing import Any, Final, TypeVar

Item = TypeVar("Item")
END: Final = object()


async def iterate_async(items: Iterator[Item]) -> AsyncGenerator[Item, None]:
    """What an iterator gives, each computed in a thread of asyncio's executor while the event loop goes on.

        async for piece in soniq.iterate_async(model.generate("Once upon a time", max_tokens=100)):
            print(piece, end="")

    Nothing is computed ahead. Leaving the loop, `aclose` or cancelling the task ends it once the item under way is
    done, so that nothing runs in the iterator any more.
    """
    while (item := await _next(items)) is not END:
        yield item


async def _next(items: Iterator[Any]) -> Any:
    # Here, because its import takes as long as all of this package.
    import asyncio

    job = asyncio.get_running_loop().run_in_executor(None, next, items, END)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        # A thread cannot be stopped, and the next user of what it works on must not meet it, however often one cancels.
        while not job.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([job])
        raise
