"""The responder's clock: what happens when a time is over, whether or not anything else does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from allclear.bootstrap import Engine
from allclear.domain.errors import AllclearError

log = logging.getLogger("allclear.responder")

EVERY = 1.0
"""Seconds between two looks at what is due."""


class Watch:
    """The loops that look at the time. Messages wait for outside systems, so they never hold up what may act."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def windows(self) -> None:
        """Lets pass what was given a time to be stopped in, for ever."""
        await _for_ever(self._engine.windows.let_pass, "A window could not be closed; it is tried again.")

    async def reminders(self) -> None:
        """Says what is due, and makes graver what was left too long, for ever."""
        await _for_ever(self._engine.reminders.give, "A reminder could not be given; it is tried again.")


async def _for_ever(do: Callable[[], Awaitable[object]], fault: str) -> None:
    while True:
        try:
            await do()
        except AllclearError as error:
            log.warning("%s", error)
        except Exception:  # the clock must go on, whatever it met
            log.exception("%s", fault)
        await asyncio.sleep(EVERY)
