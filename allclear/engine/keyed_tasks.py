"""What goes on at the same time, each under its own name and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class KeyedTasks:
    """Tasks of one event loop, by name."""

    def __init__(self, ended: Callable[[str], None] = lambda _: None) -> None:
        """`ended` is told the name of each that has come to its end, however it did."""
        self._ended = ended
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, name: str) -> bool:
        """Return whether it goes on."""
        return name in self._tasks

    def begin(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Start `work`, which handles its errors itself, and returns True; False where it goes on already."""
        if name in self._tasks:
            return False
        self._tasks[name] = asyncio.create_task(work(), name=name)
        self._tasks[name].add_done_callback(lambda _: self._end(name))
        return True

    async def settled(self, begins: str = "", within: float | None = None) -> None:
        """Wait until nothing goes on whose name begins so, for no longer than `within` seconds."""
        if tasks := [task for name, task in self._tasks.items() if name.startswith(begins)]:
            await asyncio.wait(tasks, timeout=within)
            await asyncio.sleep(0)  # whoever is told of the end is told first

    def cancel(self) -> None:
        """End everything."""
        for task in self._tasks.values():
            task.cancel()

    def _end(self, name: str) -> None:
        self._tasks.pop(name, None)
        self._ended(name)
