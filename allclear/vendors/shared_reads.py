"""Reads of a long list, page by page, which are shared by all callers that need the same list at the same time.

A caller searches the list for a message of ours, and must find it if it was sent before the search began. So a caller
never joins a read that has begun already: it joins the next one. Reads of one list begin one after another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

ReadPage = Callable[[str], Awaitable[tuple[list[T], str]]]
"""Returns the items of the page at a cursor, and the cursor of the next page; an empty one begins or ends the list."""


class _Reading(Generic[T]):
    """One pass over a list. Its pages are read when the first caller needs them, and kept for the others."""

    def __init__(self, read: ReadPage[T], turn: asyncio.Lock, begin: Callable[[], object]) -> None:
        """`turn` is held while the first page is read; `begin` is called right before it."""
        self._read = read
        self._turn = turn
        self._begin = begin
        self._pages: list[asyncio.Task[tuple[list[T], str]]] = []

    async def page(self, number: int) -> tuple[list[T], str]:
        """Return a page, 0 for the first, and the cursor of the next one. Raises what reading it has raised."""
        if number == len(self._pages):
            page = asyncio.create_task(self._read_page(number))
            page.add_done_callback(lambda one: one.cancelled() or one.exception())  # its callers may all be cancelled
            self._pages.append(page)
        return await asyncio.shield(self._pages[number])  # one caller that is cancelled must not stop the others

    async def _read_page(self, number: int) -> tuple[list[T], str]:
        if number:
            return await self._read(self._pages[number - 1].result()[1])
        async with self._turn:
            self._begin()
            return await self._read("")


class SharedReads(Generic[T]):
    """The reads of one kind of list in one event loop."""

    def __init__(self, most_pages: int) -> None:
        self._most_pages = most_pages
        self._to_begin: dict[str, _Reading[T]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def items(self, name: str, read: ReadPage[T]) -> AsyncGenerator[T]:
        """Yield the items of the list called `name`, in order. Its first page is asked for after this call.

        Raises what `read` raises.
        """
        reading = self._to_begin.get(name)
        if reading is None:
            turn = self._turns.setdefault(name, asyncio.Lock())
            reading = self._to_begin[name] = _Reading(read, turn, lambda: self._to_begin.pop(name, None))
        for number in range(self._most_pages):
            items, cursor = await reading.page(number)
            for item in items:
                yield item
            if not cursor:
                return
