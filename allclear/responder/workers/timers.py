"""Timers: the loops that apply approval timeouts, start reminders, check for recovery, and read acts again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from allclear.bootstrap import Engine
from allclear.responder.workers.supervisor import report_progress, run_round

_INTERVAL = 1.0
"""Seconds between two checks for what is due."""

_RECOVERY_INTERVAL = 5.0
"""Seconds between two checks of the incidents whose alerts may all be clear."""

ON_CALL_INTERVAL = 300.0
"""Seconds between two checks of who is on duty."""


class Timers:
    """One loop for each kind of timer. A slow reminder channel must not delay an action, so the loops are separate."""

    def __init__(self, engine: Engine, wake: asyncio.Event) -> None:
        """`wake` is set when a timer has written something that the incident worker must see."""
        self._engine = engine
        self._wake = wake

    async def approval_timeouts(self) -> None:
        """Apply approval timeouts until cancelled."""
        failed = "Applying the approval timeouts failed; will retry."
        await self._repeat(lambda: self._engine.approval_timeouts.apply_due(each=self._written), _INTERVAL, failed)

    async def reminders(self) -> None:
        """Start reminders and escalations that are due, until cancelled."""
        await self._repeat(self._engine.reminders.start_due, _INTERVAL, "Starting due reminders failed; will retry.")

    async def recovery(self) -> None:
        """Check for recovered incidents until cancelled."""
        failed = "Checking for recovered incidents failed; will retry."
        await self._repeat(lambda: self._engine.recovery.check(each=report_progress), _RECOVERY_INTERVAL, failed)

    async def on_call(self) -> None:
        """Read from the pager who is on duty, until cancelled."""
        failed = "Reading who is on duty failed; will retry."
        await self._repeat(self._engine.on_call_watch.update, ON_CALL_INTERVAL, failed)

    async def act_watch(self) -> None:
        """Read acts whose outcome is not proven, and changes that are still in place, until cancelled."""
        failed = "Checking the acts that are in place failed; will retry."
        await self._repeat(lambda: self._engine.act_watch.check(each=report_progress), _INTERVAL, failed)

    def _written(self) -> None:
        report_progress()
        self._wake.set()

    async def _repeat(self, work: Callable[[], Awaitable[object]], interval: float, failed: str) -> None:
        while True:
            if await run_round(work, failed):
                self._wake.set()
            await asyncio.sleep(interval)
