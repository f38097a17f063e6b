"""Connections belong to the event loop they were made in, so each loop gets its own.

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
    """One `T` for each event loop, made when it is first used there."""

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self) -> T:
        """Return the running loop's `T`."""
        loop = asyncio.get_running_loop()
        with self._lock:
            value = self._by_loop.get(loop)
            if value is None:
                value = self._by_loop[loop] = self._make()
            return value

    async def close(self) -> None:
        """Close the running loop's `T`, and forget those of other loops, which only their own loop could close."""
        with self._lock:
            own = self._by_loop.pop(asyncio.get_running_loop(), None)
            self._by_loop.clear()
        if own is not None:
            await self._close(own)
