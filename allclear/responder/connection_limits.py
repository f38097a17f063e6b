"""Limits on connections that uvicorn itself waits for without end.

uvicorn bounds the pause between two requests. It does not bound how long the head of a request takes to arrive, nor how
long somebody goes on sending a body that was answered already. While an answer is being made, the doors count the time
themselves (`limits.py`).
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(H11Protocol):
    """One connection, with a time limit for each head, and a limit on the number of connections."""

    head_seconds: ClassVar[float] = 10.0
    """Seconds from a request's first byte (at first: from the start of the connection) to the end of its head."""
    most: ClassVar[int] = 900
    """Connections; processes may mostly have 1024 files open, and some are the journal's and the vendors'."""

    _cut: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection, or answer 503 if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.write(_BUSY)
            transport.close()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Process received bytes."""
        if not self.transport.is_closing():
            super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._stop_watching()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Limit the time while the connection waits only for its client."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # there is none before the first head
        answered = cycle is None or cycle.response_complete
        theirs = self.conn.their_state is h11.IDLE or (self.conn.their_state is h11.SEND_BODY and answered)
        if not theirs:
            self._stop_watching()
        elif self._cut is None:
            self._cut = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_watching(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None
