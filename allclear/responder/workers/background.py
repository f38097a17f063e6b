"""An event loop in a thread of its own, for all that goes on behind the doors.

The engine writes to the journal where it stands: the next move may follow only from what is durable. A slow disk, or a
database that does not answer for seconds, then holds up the moves, and not the doors, which go on to hear alerts or to
say that they cannot.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 5.0
"""Seconds for which the end of the work there is waited for, and then that of the thread."""


class Behind:
    """The other event loop. Its methods are for whoever is not in it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run it for as long as this is entered."""
        begun, end = threading.Event(), asyncio.Event()

        async def go_on() -> None:
            self._loop = asyncio.get_running_loop()
            begun.set()
            await end.wait()

        thread = threading.Thread(target=lambda: asyncio.run(go_on()), name="behind", daemon=True)
        thread.start()
        await asyncio.to_thread(begun.wait)
        try:
            yield
        finally:
            self.soon(end.set)
            self._loop = None
            await asyncio.to_thread(thread.join, _PATIENCE)

    def soon(self, call: Callable[[], object]) -> None:
        """Has something called there; from any thread. Where it does not run, nothing happens."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(call)

    async def leave(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do what is to be done there at the end, for as long as that may take; what hangs is left behind."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self.run(work)

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what comes of `work`, which runs there. Raises RuntimeError where it does not run."""
        if self._loop is None:
            msg = "nothing runs behind the doors"
            raise RuntimeError(msg)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._loop))
