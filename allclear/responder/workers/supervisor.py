"""Runs the responder's worker loops, restarts those that end, and records when each last reported progress.

A loop that ends or fails is logged and restarted after a pause, so that the process goes on taking in alerts. A loop
that hangs is not restarted, because the locks and connections that it holds are not known. In both cases the responder
is not ready until the loop reports progress again (`readiness.py`, `heartbeat.py`).
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
"""Seconds before a restart: after the first failure in a row, the second, ...; the last one from then on."""

Loop = Callable[[], Awaitable[None]]

T = TypeVar("T")


@dataclass
class _Running:
    """One loop."""

    name: str
    loop: Loop
    stuck_after: float
    progress_at: float = field(default_factory=time.monotonic)
    starts: int = 0
    failures: int = 0
    """How often the loop ended since it last reported progress."""
    down: str = ""
    """Why the loop is not running; empty if it is."""


_current: ContextVar[_Running | None] = ContextVar("the loop that calls", default=None)


def report_progress() -> None:
    """Record that the calling loop makes progress. A thread that works for a loop may call it; elsewhere a no-op."""
    running = _current.get()
    if running is not None:
        running.progress_at, running.failures, running.down = time.monotonic(), 0, ""


async def run_round(work: Callable[[], Awaitable[T]], failed: str) -> T | None:
    """Run one round of a loop and return its result, or None after an error, which is logged."""
    result = None
    try:
        result = await work()
    except AllclearError as error:
        log.warning("%s", error)
    except Exception:  # the loop must go on after any error
        log.exception("%s", failed)
    report_progress()
    return result


class Supervisor:
    """The named worker loops of one process."""

    def __init__(self, pauses: tuple[float, ...] = _PAUSES) -> None:
        self._pauses = pauses
        self._running: dict[str, _Running] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, loop: Loop, *, stuck_after: float) -> None:
        """Start `loop`. Without progress for `stuck_after` seconds the loop counts as stuck."""
        running = self._running[name] = _Running(name, loop, stuck_after)
        self._tasks.append(asyncio.create_task(self._supervise(running), name=name))

    async def stop(self) -> None:
        """Stop every loop."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()

    def ages(self) -> dict[str, float]:
        """Return how many seconds ago each loop last reported progress."""
        now = time.monotonic()
        return {name: now - running.progress_at for name, running in self._running.items()}

    def restarts(self) -> dict[str, int]:
        """Return how often each loop was restarted."""
        return {name: max(0, running.starts - 1) for name, running in self._running.items()}

    def problems(self) -> list[str]:
        """Return a sentence for each loop that is down or stuck."""
        ages = self.ages()
        stuck = {
            name: f"The {name} loop has made no progress for {ages[name]:.0f} s."
            for name, running in self._running.items()
            if ages[name] > running.stuck_after
        }
        down = {name: f"The {name} loop {one.down}." for name, one in self._running.items() if one.down}
        return list((stuck | down).values())

    async def _supervise(self, running: _Running) -> None:
        _current.set(running)
        while True:
            running.starts += 1
            try:
                await running.loop()
                running.down = "ended and is being restarted"
                log.error("The %s loop ended; it will be restarted.", running.name)
            except Exception as error:  # a responder without one of its loops must not stay so
                running.down = f"failed ({type(error).__name__}) and is being restarted"
                log.exception("The %s loop failed; it will be restarted.", running.name)
            running.failures += 1
            await asyncio.sleep(self._pauses[min(running.failures, len(self._pauses)) - 1])
