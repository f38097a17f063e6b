"""Runs the responder until it is told to stop."""

from __future__ import annotations

from urllib.parse import urlsplit

import uvicorn

from allclear.bootstrap import open_engine
from allclear.responder.app import make_app
from allclear.responder.connections import Connection
from allclear.settings import Settings


async def serve(settings: Settings) -> None:
    """Listens at ALLCLEAR_RESPONDER_URL until SIGINT or SIGTERM. Raises AllclearError where it cannot start."""
    where = urlsplit(settings.responder_url)
    async with open_engine(settings) as engine:
        app = make_app(engine, settings.alert_token)
        config = uvicorn.Config(
            app, host=where.hostname or "127.0.0.1", port=where.port or 8077, log_level="warning", access_log=False,
            http=Connection,
        )  # fmt: skip
        await uvicorn.Server(config).serve()
