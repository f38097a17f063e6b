"""Runs the responder until it is told to stop."""

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
    """Listen at ALLCLEAR_RESPONDER_URL until SIGINT or SIGTERM, and ends the process then.

    Raises AllclearError where it cannot start.
    """
    where = urlsplit(settings.responder_url)
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn ends by itself, and hands on to us what told it to
        signal.signal(number, _heard)
    async with open_engine(settings) as engine:
        app = make_app(engine, settings.alert_token)
        config = uvicorn.Config(
            app,
            host=where.hostname or "127.0.0.1",
            port=where.port or 8077,
            log_level="warning",
            access_log=False,
            http=Connection,
        )
        server = uvicorn.Server(config)
        await server.serve()
    if server.started:
        os._exit(0)  # any other way out waits for the threads, and one may hang in a journal that does not answer


def _heard(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: all is closed in its order."""
