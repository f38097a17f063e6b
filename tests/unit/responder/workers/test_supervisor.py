"""The responder's loops stop when they are cancelled, even if work arrives at that moment."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from allclear.responder.workers.inbox_worker import InboxWorker
from allclear.responder.workers.incident_worker import IncidentWorker
from tests.scenario.response_support import engine_on, new_journal


@pytest.mark.parametrize("ticks", range(4))
@pytest.mark.parametrize("which", ["inbox", "incidents"])
async def test_a_loop_that_is_cancelled_while_work_arrives_stops(tmp_path: Path, which: str, ticks: int) -> None:
    """The cancellation comes 0 to 3 ticks of the event loop after the work."""
    engine = engine_on(new_journal(tmp_path), None)
    incidents = IncidentWorker(engine)
    inbox = InboxWorker(engine, incidents.wake)
    loop, arrived = (inbox.run, inbox.arrived) if which == "inbox" else (incidents.run, incidents.wake)
    task = asyncio.create_task(loop())
    try:
        await asyncio.sleep(0)  # the loop now waits for work
        arrived.set()
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=600)
        assert done
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        engine.journal.close()
