"""Connections belong to the event loop they were made in: one set for each loop.

Prefect runs tasks in loops of its own, and tests use a fresh one each: a connection pool or a gRPC
channel made in one loop hangs or fails in another.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Holds one `T` for each event loop, made when it is first asked for there."""

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def here(self) -> T:
        """Return the one of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            found = self._made.get(loop)
            if found is None:
                found = self._made[loop] = self._make()
            return found

    async def close(self) -> None:
        """Close the running loop's own; those of other loops are let go, for only their loop could close them."""
        with self._lock:
            mine = self._made.pop(asyncio.get_running_loop(), None)
            self._made.clear()
        if mine is not None:
            await self._close(mine)
