"""Pieces of answers on their way from the thread that writes to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from .text import Piece


class Pieces:
    """What comes of the texts of a request, each with the number of its text. Belongs to the event loop."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[int, Piece]] = asyncio.Queue()
        self._left = count

    def sink(self, index: int) -> Callable[[Piece], None]:
        """Where a text tells its pieces, from any thread."""

        def tell(piece: Piece) -> None:
            try:
                self._loop.call_soon_threadsafe(self._queue.put_nowait, (index, piece))
            except RuntimeError:
                # The loop has ended, and nobody waits.
                pass

        return tell

    async def __aiter__(self) -> AsyncIterator[tuple[int, Piece]]:
        """All of them, until every text has ended; raises the error of the first that failed."""
        while self._left:
            index, piece = await self._queue.get()
            if piece.error is not None:
                raise piece.error
            self._left -= piece.is_last
            yield index, piece
