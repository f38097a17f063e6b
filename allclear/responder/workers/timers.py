"""The responder's clock: what happens when a time is over, whether or not anything else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from allclear.bootstrap import Engine
from allclear.responder.workers.supervisor import go_round, round_made

_EVERY = 1.0
"""Seconds between two looks at what is due."""

_SETTLES = 5.0
"""Seconds between two looks at what follows from alerts that went quiet."""


class Watch:
    """The loops that look at the time. Messages wait for outside systems, so they never hold up what may act."""

    def __init__(self, engine: Engine, wake: asyncio.Event) -> None:
        self._engine = engine
        self._wake = wake

    async def windows(self) -> None:
        """Let pass what was given a time to be stopped in, for ever."""
        fault = "A window could not be closed; it is tried again."
        await self._again(lambda: self._engine.windows.let_pass(each=self._written), _EVERY, fault)

    async def reminders(self) -> None:
        """Return what is due, and makes graver what was left too long, for ever."""
        await self._again(self._engine.reminders.give, _EVERY, "A reminder could not be given; it is tried again.")

    async def settling(self) -> None:
        """Let alerts that went quiet settle, for ever."""
        fault = "What follows from quiet alerts could not be written; it is tried again."
        await self._again(lambda: self._engine.settling.check(each=round_made), _SETTLES, fault)

    def _written(self) -> None:
        round_made()
        self._wake.set()

    async def _again(self, do: Callable[[], Awaitable[object]], every: float, fault: str) -> None:
        while True:
            if await go_round(do, fault):
                self._wake.set()
            await asyncio.sleep(every)
