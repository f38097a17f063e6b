"""Reads at the same time: their results in order, and none that goes on after another has failed."""

from __future__ import annotations

import asyncio

import pytest

from tasks.read_together import read_together


async def value_of(number: int, after: asyncio.Event | None = None) -> int:
    """Return the number once the event is set."""
    if after:
        await after.wait()
    return number


async def test_results_come_in_the_order_of_the_reads() -> None:
    """The one that ends last may stand first."""
    last = asyncio.Event()

    async def sets() -> int:
        last.set()
        return 2

    assert await read_together(value_of(1, last), sets()) == [1, 2]


async def test_no_read_goes_on_after_another_has_failed() -> None:
    """The error is raised when the others have ended."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails() -> None:
        await started.wait()
        msg = "refused"
        raise LookupError(msg)

    with pytest.raises(LookupError, match="refused"):
        await read_together(endless(), fails())
    assert ended.is_set()
