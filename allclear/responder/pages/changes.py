"""Tells open pages that an incident has changed: a stream of server-sent events for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from time import monotonic

from allclear.domain.errors import AllclearError
from allclear.journal.ports import Journal

_POLL = 0.25
"""Seconds between two checks for what was written, by this process or another one."""

_POLL_WITHOUT_VERSION = 0.8
"""The same if the journal has no cheap version, so that each check reads the incident's length."""

_SIGN_OF_LIFE = 15.0
"""Seconds after which a stream sends a comment, so that no proxy ends it, and checks that its reader may still read."""

MOST_STREAMS = 200
"""Pages that are kept current at the same time. Other pages are loaded again by hand: alerts must find a connection."""

RETRY = 2000
"""Milliseconds until a browser opens an ended stream again."""


class Changes:
    """The streams of one responder."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._streams = 0
        self._seen: tuple[float, int | None] = (-_POLL, None)
        """When the version was read last, and what it was: all streams share one read."""
        self.stopping: Callable[[], bool] = lambda: False
        """Whether the server is stopping: it waits for its connections, so each stream ends then."""

    @property
    def full(self) -> bool:
        """Return whether no more streams are opened."""
        return self._streams >= MOST_STREAMS

    async def stream(self, incident: str, length: int, may_read: Callable[[], Awaitable[bool]]) -> AsyncGenerator[str]:
        """Yield server-sent events: `change` with the incident's length whenever it is no longer `length`.

        `end` is sent if the reader may no longer read. Every stream begins with a comment.
        """
        self._streams += 1
        try:
            yield f"retry: {RETRY}\n: {incident}\n\n"
            version, quiet = None, 0.0
            while not self.stopping():
                before, version = version, await self._version()
                if version is None or version != before:
                    known, length = length, await self._length(incident, length)
                    if length != known:
                        yield f"event: change\ndata: {length}\n\n"
                if quiet >= _SIGN_OF_LIFE:
                    if not await may_read():
                        yield "event: end\ndata:\n\n"
                        return
                    quiet = 0.0
                    yield ":\n\n"
                pause = _POLL if version is not None else _POLL_WITHOUT_VERSION
                await asyncio.sleep(pause)
                quiet += pause
        finally:
            self._streams -= 1

    async def _version(self) -> int | None:
        at, version = self._seen
        if monotonic() - at >= _POLL / 2:
            try:
                version = await asyncio.to_thread(self._journal.version)
            except AllclearError:
                version = None
            self._seen = (monotonic(), version)
        return version

    async def _length(self, incident: str, known: int) -> int:
        """Return how many entries the incident has; what is known if the journal does not answer."""
        try:
            return (await asyncio.to_thread(self._journal.head, incident))[0]
        except AllclearError:
            return known
