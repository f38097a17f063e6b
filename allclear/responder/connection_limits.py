"""Limits on what one connection may make the responder parse and wait for, before any route sees the request.

uvicorn limits the pause between two requests. It does not limit how long the head of a request takes to arrive, how
long a client goes on sending a body after the response, nor into how many pieces a body is cut: parsing hundreds of
thousands of chunks of one byte would keep every alert waiting. While a request is being handled, `limits.py` limits the
time and the bytes of its body.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_SLICE = 16 * 1024
"""Bytes that are parsed at a time. A head that is not complete after one more than these is refused."""


class RefusedRequest(Exception):
    """A request that is not parsed any further; `status` is the line of the answer, `reason` one sentence."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class BoundedParser(h11.Connection):
    """The parser of one connection, which stops at a request in too many pieces, or with two lengths."""

    max_pieces: ClassVar[int] = 1000
    """Chunks of a body, and parts that arrive one after another; a mebibyte in pieces of one kibibyte has as many."""
    max_bytes: ClassVar[int] = 8 * 1024 * 1024
    """Bytes of one request as they arrive: also those of chunks, and those that are not read any more."""

    _pieces = 0
    _bytes = 0

    def receive_data(self, data: bytes) -> None:
        """Add received bytes. Raises RefusedRequest for too many."""
        self._bytes += len(data)
        if self._bytes > self.max_bytes:
            raise RefusedRequest("413 Content Too Large", f"The request is over {self.max_bytes} bytes.")
        super().receive_data(data)

    def next_event(self) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event:
        """Parse the next event. Raises RefusedRequest, and h11.RemoteProtocolError."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces, self._bytes = 0, len(self.trailing_data[0])
            _refuse_two_lengths(event)
        elif isinstance(event, h11.Data):
            self._pieces += 1
            if self._pieces > self.max_pieces:
                raise RefusedRequest("413 Content Too Large", f"The body is in over {self.max_pieces} pieces.")
        return event


def _refuse_two_lengths(request: h11.Request) -> None:
    """Raise RefusedRequest if a proxy could see another end of the body than we do (RFC 9112, section 6.1)."""
    names = [name for name, _ in request.headers]
    if b"transfer-encoding" not in names:
        return
    if b"content-length" in names:
        raise RefusedRequest("400 Bad Request", "The request has both Transfer-Encoding and Content-Length.")
    if request.http_version < b"1.1":
        raise RefusedRequest("400 Bad Request", "HTTP/1.0 has no Transfer-Encoding.")


class Connection(H11Protocol):
    """One connection, with limits on its parser, on the time for each head, and on the number of connections."""

    parser: ClassVar[type[BoundedParser]] = BoundedParser
    head_seconds: ClassVar[float] = 10.0
    """Seconds from a request's first byte (at first: from the start of the connection) to the end of its head."""
    max_connections: ClassVar[int] = 900
    """Most processes may have 1024 files open, and the journal and the vendors' clients need some of them."""

    _timeout: asyncio.TimerHandle | None = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = self.parser(h11.SERVER, _SLICE)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection, or answer 503 if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.write(_BUSY)
            transport.close()
            return
        self._update_timeout()

    def data_received(self, data: bytes) -> None:
        """Process received bytes, a slice at a time, so that no head is parsed that is longer than allowed."""
        for start in range(0, len(data), _SLICE):
            if self.transport.is_closing():
                break
            try:
                super().data_received(data[start : start + _SLICE])
            except RefusedRequest as refused:
                self._refuse(refused)
        self._update_timeout()

    def handle_events(self) -> None:
        """Handle what is parsed, until more data is needed or the request is refused."""
        try:
            super().handle_events()
        except RefusedRequest as refused:
            self._refuse(refused)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP. uvicorn's own answer fails if the response has begun."""
        self._refuse(RefusedRequest("400 Bad Request", msg))

    def _refuse(self, refused: RefusedRequest) -> None:
        """Answer, unless an answer has begun, and close the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing():
            head = f"HTTP/1.1 {refused.status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
            body = f"{refused.reason}\n"
            self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

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
