"""Concurrency: slots, keyed tasks, and `Sweep`, which visits many incidents concurrently.

Incidents share the clients' connections and the processor, so only some are worked on at once. A task that is only
sleeping (until the next probe, or until a service has had its time to recover) gives its slot to another task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from allclear.domain.errors import AllclearError, ConcurrentWrite

T = TypeVar("T")


@dataclass
class _Slot:
    """A task's slot, and whether the task holds it now."""

    free: asyncio.Semaphore
    held: bool = False

    async def acquire(self) -> None:
        await self.free.acquire()
        self.held = True

    def release(self) -> None:
        if self.held:
            self.held = False
            self.free.release()


_current: ContextVar[_Slot | None] = ContextVar("the slot of this task", default=None)


class ConcurrencySlots:
    """A limit on how many tasks work at once. A task has at most one slot; tasks that it starts take their own."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for a free slot and hold it inside the block."""
        slot = _Slot(self._free)
        before = _current.set(slot)
        try:
            await slot.acquire()
            yield
        finally:
            slot.release()
            _current.reset(before)


@asynccontextmanager
async def slot_released() -> AsyncGenerator[None]:
    """Give this task's slot to others while the block runs, and wait for a slot again afterwards."""
    slot = _current.get()
    if slot is None or not slot.held:
        yield
        return
    slot.release()
    try:
        yield
    finally:
        await slot.acquire()


async def sleep_without_slot(seconds: float) -> None:
    """Sleep, and give this task's slot to others meanwhile."""
    async with slot_released():
        await asyncio.sleep(seconds)


class KeyedTasks:
    """Tasks of one event loop, at most one for each key."""

    def __init__(self, on_end: Callable[[str], None] = lambda _: None) -> None:
        """`on_end` is called with the key of each task that has ended, failed or was cancelled."""
        self._on_end = on_end
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, key: str) -> bool:
        """Return whether a task with this key is running."""
        return key in self._tasks

    def start(self, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Start `work`, which must handle its own errors. Return False if a task with this key is running already."""
        if key in self._tasks:
            return False
        self._tasks[key] = asyncio.create_task(work(), name=key)
        self._tasks[key].add_done_callback(lambda _: self._end(key))
        return True

    async def wait(self, prefix: str = "", within: float | None = None) -> None:
        """Wait until no task runs whose key starts with `prefix`, for at most `within` seconds."""
        if tasks := [task for key, task in self._tasks.items() if key.startswith(prefix)]:
            await asyncio.wait(tasks, timeout=within)
            await asyncio.sleep(0)  # lets `on_end` run before the caller goes on

    def cancel(self) -> None:
        """Cancel every task."""
        for task in self._tasks.values():
            task.cancel()

    def _end(self, key: str) -> None:
        self._tasks.pop(key, None)
        self._on_end(key)


class Sweep:
    """Visits many items concurrently, usually open incidents.

    A limited number of visits works at once. A visit that fails is logged and holds up no other visit. Visits can be
    put into groups. Each group has its own slots, so that a vendor that hangs delays only its own group.
    """

    def __init__(
        self,
        log: logging.Logger,
        task: str,
        at_once: int,
        *,
        retry_after: float | None = None,
        on_end: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`task` completes the log line "Could not … VS-1". At most `at_once` visits of one group run together.

        After `retry_after` seconds a failed visit is repeated. Without it a failed visit ends, and the next round may
        repeat it. `on_end` is called with the key of each visit that `start` began and that has ended.
        """
        self._log = log
        self._task = task
        self._retry_after = retry_after
        self._at_once = at_once
        self._slots: dict[str, ConcurrencySlots] = {}
        """Group -> its slots."""
        self._running = KeyedTasks(on_end)

    def __contains__(self, key: str) -> bool:
        """Return whether a visit that `start` began is running for this key."""
        return key in self._running

    def start(self, key: str, visit: Callable[[], Awaitable[object]], group: str = "") -> bool:
        """Start a visit without waiting for it. Return False if one is running for this key already.

        `group`: only visits of the same group share slots.
        """
        return self._running.start(key, partial(self._until_done, key, visit, group))

    async def wait(self, prefix: str = "", within: float | None = None) -> None:
        """Wait until no started visit runs whose key starts with `prefix`, for at most `within` seconds."""
        await self._running.wait(prefix, within)

    def cancel(self) -> None:
        """Cancel every started visit."""
        self._running.cancel()

    async def visit_all(
        self, items: Iterable[tuple[str, T]], visit: Callable[[T], Awaitable[object]], each: Callable[[], None]
    ) -> list[str]:
        """Visit every item, given as key and value, and return the keys of the visits that did not fail.

        `each` is called after each visit, so that a long sweep can report progress.
        """
        pairs = list(items)

        async def one(key: str, item: T) -> bool:
            done = await self._visit(key, partial(visit, item))
            each()
            return done

        done = await asyncio.gather(*(one(key, item) for key, item in pairs))
        return [key for (key, _), good in zip(pairs, done, strict=True) if good]

    async def _until_done(self, key: str, visit: Callable[[], Awaitable[object]], group: str) -> None:
        while not await self._visit(key, visit, group):
            if self._retry_after is None:
                return
            await asyncio.sleep(self._retry_after)

    async def _visit(self, key: str, visit: Callable[[], Awaitable[object]], group: str = "") -> bool:
        """Make one visit, and return whether it did not fail."""
        slots = self._slots.setdefault(group, ConcurrencySlots(self._at_once))
        async with slots.slot():
            try:
                await visit()
            except ConcurrentWrite:  # another process or a person wrote first: the next round decides anew
                return False
            except AllclearError as error:
                self._log.warning("Could not %s %s; will retry. %s", self._task, key, error)
                return False
            except Exception:  # noqa: BLE001 - a programming error in one visit must not stop the others
                self._log.exception("Could not %s %s; will retry.", self._task, key)
                return False
            return True
