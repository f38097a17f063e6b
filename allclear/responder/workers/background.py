"""Runs the background workers on their own event loop and thread, so that a slow journal cannot block the endpoints.

The engine writes to the journal synchronously, because the next move may depend only on durable entries. A slow disk or
a database that does not answer for seconds then delays the moves. It does not delay the HTTP endpoints, which still
accept alerts or answer 503.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

_STOP_TIMEOUT = 5.0
"""Seconds to wait for the last work on the loop, and then for its thread."""


class BackgroundLoop:
    """An event loop in a thread of its own. Its methods are for callers outside that loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        """The task that keeps the loop running."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run the loop inside the block."""
        started, stopped = threading.Event(), asyncio.Event()

        async def run_until_stopped() -> None:
            self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
            started.set()
            await stopped.wait()

        thread = threading.Thread(target=lambda: asyncio.run(run_until_stopped()), name="background", daemon=True)
        thread.start()
        await asyncio.to_thread(started.wait)
        try:
            yield
        finally:
            self.call_soon(stopped.set)
            self._loop = None
            await asyncio.to_thread(thread.join, _STOP_TIMEOUT)

    @property
    def is_running(self) -> bool:
        """Return whether the loop runs."""
        return self._loop is not None

    def call_soon(self, call: Callable[[], object]) -> None:
        """Schedule a call on the loop, from any thread. A loop that is not running ignores it."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(call)

    async def run_last(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the last work on the loop. Work that hangs is abandoned after a few seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT):
                await self.run(work)

    async def end_tasks(self) -> None:
        """Cancel every other task of the loop that this runs on, and wait until each has ended.

        A task that goes on while the clients are closed would open a connection that no one closes.
        """
        others = asyncio.all_tasks() - {asyncio.current_task(), self._main}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `work` on the loop and return its result. Raises RuntimeError if the loop is not running."""
        if self._loop is None:
            msg = "the background loop is not running"
            raise RuntimeError(msg)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._loop))
