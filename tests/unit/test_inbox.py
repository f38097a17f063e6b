"""Requests that come while the disk is busy are kept together, and each is told whether it was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from allclear.domain.errors import JournalError
from allclear.journal.port import Received
from allclear.journal.sql import SqlJournal
from allclear.responder.inbox import Inbox
from tests.property.response_support import new_journal


class Busy:
    """A journal (by delegation) that counts its transactions, and fails at first as often as it is told."""

    def __init__(self, inner: SqlJournal, fails: int = 0) -> None:
        self._inner, self._fails = inner, fails
        self.batches: list[int] = []

    def receive_all(self, received: list[Received]) -> list[tuple[str, bool]]:
        """Keep them, unless it is to fail."""
        self.batches.append(len(received))
        if len(self.batches) <= self._fails:
            raise JournalError("The journal is away.", "Wait.")
        return self._inner.receive_all(received)


def _received(number: int) -> Received:
    return Received("json", {}, str(number).encode(), str(number))


async def _keep(journal: Any, count: int) -> list[Any]:  # noqa: ANN401 - a part of the port
    inbox = Inbox(journal)
    return await asyncio.gather(
        *(inbox.keep(_received(number % 50)) for number in range(count)), return_exceptions=True
    )


async def test_many_at_once_are_few_transactions_and_each_has_its_own_id(tmp_path: Path) -> None:
    """Of 500 requests, fifty of them different, none waits for a commit of its own."""
    inner = SqlJournal(new_journal(tmp_path))
    try:
        journal = Busy(inner)
        kept = await _keep(journal, 500)
        assert len(journal.batches) <= 5
        assert len({delivery for delivery, _ in kept}) == 50
        assert [kept[number][0] for number in range(50)] == [kept[number + 50][0] for number in range(50)]
        assert {delivery.count for delivery in inner.deliveries(state="new")} == {10}
    finally:
        inner.close()


async def test_when_they_cannot_be_kept_each_is_told_and_the_next_are_kept(tmp_path: Path) -> None:
    """The senders come again; nothing hangs."""
    inner = SqlJournal(new_journal(tmp_path))
    try:
        journal = Busy(inner, fails=1)
        lost = [one for one in await _keep(journal, 300) if isinstance(one, JournalError)]
        assert len(lost) == journal.batches[0]
        assert len(inner.deliveries(state="new")) == 50
        assert isinstance((await _keep(journal, 1))[0], tuple)
    finally:
        inner.close()


async def test_who_hangs_up_stops_nobody_else(tmp_path: Path) -> None:
    """A request that is cancelled while it waits may be kept all the same; the others are answered."""
    inner = SqlJournal(new_journal(tmp_path))
    try:
        inbox = Inbox(inner)
        first, second = (asyncio.create_task(inbox.keep(_received(number))) for number in (1, 2))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await second)[1]
    finally:
        inner.close()
