"""Makes alerts durable in batches: all that arrive while the journal is busy go into the next transaction.

Each alert is answered after its transaction is on disk. So hundreds of alerts at once need few disk syncs, and a single
alert does not wait for others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from allclear.domain.errors import JournalError
from allclear.journal.ports import Journal
from allclear.journal.rows import NewDelivery

_BATCH = 256
"""Deliveries in one transaction."""

Receipt = tuple[str, bool]
"""A delivery's id, and whether the inbox worker has to read it."""


class InboxWriter:
    """The writer of the inbox. It belongs to the event loop that first calls it."""

    def __init__(self, journal: Journal, observe: Callable[[float], None]) -> None:
        """`observe` is called with the duration of each transaction, in seconds."""
        self._journal = journal
        self._observe = observe
        self._waiting: dict[asyncio.Future[Receipt], NewDelivery] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox-writer")
        self._writing: asyncio.Task[None] | None = None

    async def write(self, received: NewDelivery) -> Receipt:
        """Return when the delivery is durable. Raises JournalError.

        If the caller gives up before its batch is begun, nothing is written; after that the delivery may be written.
        """
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting[future] = received
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting())
        try:
            return await future
        finally:
            self._waiting.pop(future, None)

    def close(self) -> None:
        """Release the thread, without waiting for a journal that hangs."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch = dict(list(self._waiting.items())[:_BATCH])
            for future in batch:
                del self._waiting[future]
            try:
                receipts = await self._write(list(batch.values()))
            except JournalError as error:
                for future in batch:
                    _resolve(future, error)
            except Exception as error:  # noqa: BLE001 - a delivery that cannot be written must not fail the others
                if len(batch) == 1:
                    _resolve(next(iter(batch)), error)
                else:
                    await self._write_one_by_one(batch)
            else:
                for future, receipt in zip(batch, receipts, strict=True):
                    _resolve(future, receipt)

    async def _write_one_by_one(self, batch: dict[asyncio.Future[Receipt], NewDelivery]) -> None:
        for future, received in batch.items():
            try:
                _resolve(future, (await self._write([received]))[0])
            except Exception as error:  # noqa: BLE001 - passed on to the caller that waits for this delivery
                _resolve(future, error)

    async def _write(self, received: list[NewDelivery]) -> list[Receipt]:
        began = time.perf_counter()
        receipts = await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.receive_all, received)
        self._observe(time.perf_counter() - began)
        return receipts


def _resolve(future: asyncio.Future[Receipt], result: Receipt | Exception) -> None:
    """Pass the result to the caller, unless it has given up."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
