"""What the inbox keeps of a request, how it knows a delivery again, and how many are kept at once."""

from __future__ import annotations

import asyncio
import hashlib

from allclear.journal.port import Delivery, Journal, Received
from allclear.responder.sources.proof import Level
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.source import Source

PROOF = ":proof"
"""Stands among the kept headers for what the request has proven; no header's name begins like that."""

NUMBER = ":number"
"""Stands there, too: the vendor's number of the delivery, where it gives one."""


_MOST_AT_ONCE = 200
"""Requests that are kept in one transaction: others want to write, too."""

_Kept = asyncio.Future[tuple[str, bool]]


class Inbox:
    """Keeps requests durably; those that come while the disk is busy are kept together: each wait costs the same."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[tuple[Received, _Kept]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, received: Received) -> tuple[str, bool]:
        """Returns the delivery's id and whether there is new work, once it is durable. Raises JournalError."""
        kept: _Kept = asyncio.get_running_loop().create_future()
        self._waiting.append((received, kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await kept

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
            try:
                ids = await asyncio.to_thread(self._journal.receive_all, [received for received, _ in batch])
            except Exception as error:  # noqa: BLE001 - each of them is answered that it was not kept
                for _, kept in batch:
                    if not kept.done():  # whoever asked may have hung up
                        kept.set_exception(error)
                continue
            for (_, kept), found in zip(batch, ids, strict=True):
                if not kept.done():
                    kept.set_result(found)


def to_keep(source: Source, request: RawRequest, level: Level) -> Received:
    """Returns what is kept of a delivery, and its key: no query, and no secret that stood in the body.

    The key is the vendor's number of the delivery and the body's hash, for either can be the same by accident. What
    was proven weakly never counts as the repeat of what was proven well, nor the other way round.
    """
    number = source.delivery(request) or ""
    headers = {**source.kept_headers(request), PROOF: level.value} | ({NUMBER: number} if number else {})
    parts = [source.name, number, hashlib.sha256(request.body).hexdigest()]
    if level is Level.WEAK:
        parts.insert(1, level.value)
    return Received(source.name, headers, source.kept_body(request), ":".join(part for part in parts if part))


def is_authenticated(delivery: Delivery) -> bool:
    """Says whether the sender of a kept delivery has proven who it is, so that what it says may set off an action."""
    return delivery.headers.get(PROOF) == Level.AUTHENTICATED.value


def is_numbered(delivery: Delivery) -> bool:
    """Says whether its vendor numbers deliveries: then the same one, sent again, tells of nothing new."""
    return NUMBER in delivery.headers
