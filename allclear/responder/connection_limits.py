"""Limits on connections that uvicorn itself waits for without end.

uvicorn limits the pause between two requests. It does not limit how long the head of a request takes to arrive, nor how
long a client goes on sending a body after the response. While a request is being handled, `limits.py` limits the time.
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
    max_connections: ClassVar[int] = 900
    """Most processes may have 1024 files open, and the journal and the vendors' clients need some of them."""

    _timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection, or answer 503 if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.write(_BUSY)
            transport.close()
            return
        self._update_timeout()

    def data_received(self, data: bytes) -> None:
        """Process received bytes."""
        if not self.transport.is_closing():
            super().data_received(data)
        self._update_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._cancel_timeout()
        super().connection_lost(exc)

    def _update_timeout(self) -> None:
        """Limit the time while the connection waits only for its client."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # there is none before the first head
        answered = cycle is None or cycle.response_complete
        state = self.conn.their_state
        if not (state is h11.IDLE or (state is h11.SEND_BODY and answered)):
            self._cancel_timeout()
        elif self._timeout is None:
            self._timeout = self.loop.call_later(self.head_seconds, self.transport.close)

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
