"""Runs the responder until a signal stops it."""

from __future__ import annotations

import os
import signal
from types import FrameType
from urllib.parse import urlsplit

import uvicorn

from allclear.bootstrap import open_engine
from allclear.responder.app import make_app
from allclear.responder.connection_limits import Connection
from allclear.settings import Settings


async def serve(settings: Settings) -> None:
    """Listen at ALLCLEAR_RESPONDER_URL until SIGINT or SIGTERM, then end the process.

    Raises AllclearError if it cannot start.
    """
    address = urlsplit(settings.responder_url)
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn handles the signal, then raises it again
        signal.signal(number, _ignore)
    async with open_engine(settings) as engine:
        app = make_app(engine, settings.alert_token)
        config = uvicorn.Config(
            app,
            host=address.hostname or "127.0.0.1",
            port=address.port or 8077,
            log_level="warning",
            access_log=False,
            http=Connection,
            ws="none",  # a connection that becomes a WebSocket would escape the limits of `Connection`
        )
        server = uvicorn.Server(config)
        app.state.changes.stopping = lambda: server.should_exit  # the server waits for the open pages' streams
        await server.serve()
    if server.started:
        os._exit(0)  # a normal exit would wait for threads, and one may hang in a journal that does not answer


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Ignore the signal: `serve` closes everything in order."""
