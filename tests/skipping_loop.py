"""An event loop for tests whose clock jumps over pauses: code that waits for two minutes is tested in no time.

A folder's tests run on it if its `conftest.py` imports `pytest_asyncio_loop_factories` from here.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple, Unpack

from typing_extensions import override

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Skipping(selectors.DefaultSelector):
    """Tells the loop that its next timer is due as soon as nothing else is left to do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        """Seconds that have been skipped."""
        self.threads = 0
        """How many calls run in other threads: the clock stands still for them."""

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready. If nothing is, skip `timeout` seconds, or wait if there is no timer to skip to."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self.threads:
            return super().select(None)
        self.now += timeout
        return []


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time` is the sum of the pauses that its tasks have asked for, in seconds."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    @override
    def time(self) -> float:
        """Return the seconds that have been skipped."""
        return self._skipping.now

    @override
    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func` in a thread. No pause is skipped until it has returned."""
        self._skipping.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _: object) -> None:
        self._skipping.threads -= 1


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the one event loop of a folder's tests."""
    return {"skipping": SkippingLoop}
