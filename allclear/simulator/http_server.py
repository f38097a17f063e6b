"""One HTTP server for all the APIs: a port of the loopback interface for each."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from allclear.simulator.apis.http_api import HANG_UP

_LOOPBACK = "127.0.0.1"
_KEEP_ALIVE = 75
"""Seconds that an idle connection is kept, as long as vendors' front ends keep them."""
_LAST_ANSWERS = 1
"""Seconds that requests under way may still take when the server stops."""


def made_when_asked(make: Callable[[], ASGIApp]) -> ASGIApp:
    """Return an application that is made at its first request, because a test's clients ask few of the vendors."""
    made = cache(make)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await made()(scope, receive, send)

    return app


class _BreakableProtocol(H11Protocol):
    """HTTP/1.1 whose connection an application may cut off without answering."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        answer: Any = self.app

        async def with_hang_up(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[HANG_UP] = transport.abort
            await answer(scope, receive, send)

        self.app: Any = with_hang_up


class _QuietServer(uvicorn.Server):
    """A server that leaves the process's signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:  # type: ignore[override]
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class HttpServer:
    """Serves applications by port, until stopped."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._apps: dict[int, ASGIApp] = {}
        self._server: _QuietServer | None = None
        self._running: asyncio.Task[None] | None = None

    def add(self, app: ASGIApp) -> str:
        """Give an application a free port; its address."""
        # With the protocol named, asyncio sets TCP_NODELAY on each connection; without it every
        # answer waits 40 ms for the client's delayed acknowledgement.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind((_LOOPBACK, 0))
        port = int(listener.getsockname()[1])
        self._sockets.append(listener)
        self._apps[port] = app
        return f"http://{_LOOPBACK}:{port}"

    async def start(self) -> None:
        """Listen on every port that was given out; returns when all can be reached."""
        config = uvicorn.Config(
            self._dispatch,
            interface="asgi3",
            http=_BreakableProtocol,
            ws="websockets-sansio",  # for Slack's Socket Mode
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_LAST_ANSWERS,
        )
        self._server = _QuietServer(config)
        self._running = asyncio.create_task(self._server.serve(self._sockets))
        await self._server.listening.wait()

    async def stop(self) -> None:
        """Finish the requests under way, for a second at most, and close every port."""
        if self._server is not None and self._running is not None:
            self._server.should_exit = True
            await self._running
        for listener in self._sockets:
            listener.close()

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._apps[scope["server"][1]](_origin_form(scope), receive, send)


def _origin_form(scope: Scope) -> Scope:
    """Return the request as if made to us directly, if a client took us for its proxy.

    Its request line has the whole address then, and that one's host counts, not the header's.
    *Source:* RFC 9112, 3.2.2.
    """
    scheme, separator, rest = scope["raw_path"].partition(b"://")
    if not separator or scheme.lower() != b"http":
        return scope
    host, _, path = rest.partition(b"/")
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    raw = b"/" + path
    changes: dict[str, Any] = {
        "raw_path": raw,
        "path": unquote_to_bytes(raw).decode("utf-8", "replace"),
        "headers": [(b"host", host), *headers],
    }
    return {**scope, **changes}
