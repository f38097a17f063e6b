"""Doing a few things at the same time, where whoever merely waits is in nobody's way.

Incidents share the clients' connections and the processor, so only some are carried on at once. A second look that is
due in ten seconds, or a service that is given minutes to get well, must not keep another incident from being contained:
`rest` gives the place to somebody else meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class _Place:
    """One place, and whether we have it now."""

    free: asyncio.Semaphore
    held: bool = False

    async def take(self) -> None:
        await self.free.acquire()
        self.held = True

    def give_back(self) -> None:
        if self.held:
            self.held = False
            self.free.release()


_mine: ContextVar[_Place | None] = ContextVar("the place of this task", default=None)


class ConcurrencySlots:
    """So many things may be done at once. A task has one place at most; tasks that it starts take their own."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """Wait for a place and has it inside."""
        place = _Place(self._free)
        before = _mine.set(place)
        try:
            await place.take()
            yield
        finally:
            place.give_back()
            _mine.reset(before)


@asynccontextmanager
async def lent() -> AsyncGenerator[None]:
    """Lend this task's place to whoever wants it while what stands inside goes on; it has one again afterwards."""
    place = _mine.get()
    if place is None or not place.held:
        yield
        return
    place.give_back()
    try:
        yield
    finally:
        await place.take()


async def rest(seconds: float) -> None:
    """Wait, without a place."""
    async with lent():
        await asyncio.sleep(seconds)
