"""The responder's loops end when they are told to, whatever comes in at that moment."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from allclear.responder.workers.inbox_worker import Taking
from allclear.responder.workers.incident_worker import Driver
from allclear.responder.workers.outbox_worker import Work
from tests.scenario.response_support import engine_on, new_journal


@pytest.mark.parametrize("ticks", range(4))
@pytest.mark.parametrize("which", ["inbox", "driver"])
async def test_a_loop_that_is_told_to_end_while_something_arrives_ends(tmp_path: Path, which: str, ticks: int) -> None:
    """However far the news has come through the event loop by then."""
    engine = engine_on(new_journal(tmp_path), None)
    outbox: Any = None
    driver = Driver(engine)
    work = Work(Taking(engine), outbox, driver.wake)
    loop, news = (work.read_inbox, work.arrived) if which == "inbox" else (driver.run, driver.wake)
    task = asyncio.create_task(loop())
    try:
        await asyncio.sleep(0.05)
        news.set()
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2)
        assert done
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        engine.journal.close()
