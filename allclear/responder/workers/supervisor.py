"""Runs what goes on behind the doors, and knows of each loop when it last made a round.

A loop that ends, by an error or otherwise, is started again after a pause, and that is logged: the process lives on,
for as long as it does alerts are heard. A loop that hangs is left alone, for nobody knows what it holds. Either way
the responder is not ready until the loop makes rounds again, and whoever watches it is told (`ready.py`,
`heartbeat.py`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from allclear.domain.errors import AllclearError

log = logging.getLogger("allclear.responder")

_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before a loop that ended is started again: once, twice ... in a row, and the last one from then on."""

Loop = Callable[[], Awaitable[None]]

T = TypeVar("T")


@dataclass
class _Running:
    """One loop."""

    name: str
    loop: Loop
    stale: float
    round_at: float = field(default_factory=time.monotonic)
    starts: int = 0
    failures: int = 0
    """How often it ended since its last round."""
    down: str = ""
    """Why it does not run, or nothing."""


_mine: ContextVar[_Running | None] = ContextVar("the loop that calls", default=None)


def round_made() -> None:
    """Record that the loop which calls this, or for which a thread does, has come round. Elsewhere it does nothing."""
    running = _mine.get()
    if running is not None:
        running.round_at, running.failures, running.down = time.monotonic(), 0, ""


async def go_round(do: Callable[[], Awaitable[T]], fault: str) -> T | None:
    """Make one round of a loop and returns what came of it; None for an error, which is logged: the loop goes on."""
    came = None
    try:
        came = await do()
    except AllclearError as error:
        log.warning("%s", error)
    except Exception:  # the loop must go on, whatever it met
        log.exception("%s", fault)
    round_made()
    return came


class Loops:
    """The named loops of one process."""

    def __init__(self, pauses: tuple[float, ...] = _PAUSES) -> None:
        self._pauses = pauses
        self._running: dict[str, _Running] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, loop: Loop, *, stale: float) -> None:
        """Run `loop` from now on; without a round for `stale` seconds it counts as stuck."""
        running = self._running[name] = _Running(name, loop, stale)
        self._tasks.append(asyncio.create_task(self._keep(running), name=name))

    async def stop(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()

    def ages(self) -> dict[str, float]:
        """Return how many seconds ago each loop last made a round."""
        now = time.monotonic()
        return {name: now - running.round_at for name, running in self._running.items()}

    def restarts(self) -> dict[str, int]:
        """Return how often each had to be started again."""
        return {name: max(0, running.starts - 1) for name, running in self._running.items()}

    def troubles(self) -> list[str]:
        """Return a sentence for each loop that is down or stuck."""
        ages = self.ages()
        stuck = {
            name: f"The loop {name} has made no round for {ages[name]:.0f} s."
            for name, running in self._running.items()
            if ages[name] > running.stale
        }
        down = {name: f"The loop {name} {one.down}." for name, one in self._running.items() if one.down}
        return list((stuck | down).values())

    async def _keep(self, running: _Running) -> None:
        _mine.set(running)
        while True:
            running.starts += 1
            try:
                await running.loop()
                running.down = "ended, and is started again"
                log.error("The loop %s ended; it is started again.", running.name)
            except Exception as error:  # whatever it was: a responder without this loop is half a responder
                running.down = f"met a fault ({type(error).__name__}), and is started again"
                log.exception("The loop %s met a fault; it is started again.", running.name)
            running.failures += 1
            await asyncio.sleep(self._pauses[min(running.failures, len(self._pauses)) - 1])
