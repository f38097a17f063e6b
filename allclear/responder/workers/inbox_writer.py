"""Makes alerts durable: all that have come by the time the journal is free go into one transaction.

Each is answered only after that transaction is on disk. So hundreds at once take few turns at the disk, and a single
one waits for nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from allclear.domain.errors import JournalError
from allclear.journal.ports import Journal, NewDelivery

_AT_ONCE = 256
"""Alerts in one transaction."""

Kept = tuple[str, bool]
"""A delivery's id, and whether there is new work."""


class Keeper:
    """The one who writes into the inbox. It belongs to the event loop that first calls it."""

    def __init__(self, journal: Journal, took: Callable[[float], None]) -> None:
        """`took` is told how many seconds each transaction took."""
        self._journal = journal
        self._took = took
        self._waiting: dict[asyncio.Future[Kept], NewDelivery] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keeper")
        self._work: asyncio.Task[None] | None = None

    async def keep(self, received: NewDelivery) -> Kept:
        """Return when the delivery is durable. Raises JournalError.

        Where the caller gives up before its turn has come, nothing is written; after that it may be.
        """
        future: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._waiting[future] = received
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._keep_all())
        try:
            return await future
        finally:
            self._waiting.pop(future, None)

    def close(self) -> None:
        """Release the thread, without waiting for a journal that hangs."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _keep_all(self) -> None:
        while self._waiting:
            batch = dict(list(self._waiting.items())[:_AT_ONCE])
            for future in batch:
                del self._waiting[future]
            try:
                kept = await self._write(list(batch.values()))
            except JournalError as error:
                for future in batch:
                    _settle(future, error)
            except Exception as error:  # noqa: BLE001 - one that cannot be written never takes the others along
                if len(batch) == 1:
                    _settle(next(iter(batch)), error)
                else:
                    await self._one_by_one(batch)
            else:
                for future, one in zip(batch, kept, strict=True):
                    _settle(future, one)

    async def _one_by_one(self, batch: dict[asyncio.Future[Kept], NewDelivery]) -> None:
        for future, received in batch.items():
            try:
                _settle(future, (await self._write([received]))[0])
            except Exception as error:  # noqa: BLE001 - whoever waits for it is told
                _settle(future, error)

    async def _write(self, received: list[NewDelivery]) -> list[Kept]:
        began = time.perf_counter()
        kept = await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.receive_all, received)
        self._took(time.perf_counter() - began)
        return kept


def _settle(future: asyncio.Future[Kept], result: Kept | Exception) -> None:
    """Tell whoever still waits."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
