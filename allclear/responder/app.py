"""The responder's HTTP service: alerts come in, each is durable before it is answered.

`POST /alerts/{source}` authenticates over the raw bytes, keeps body and headers in the inbox, answers 202, and only
then is anything looked at. What cannot be kept is answered 503, which senders repeat; never 429, which they drop.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from allclear import __version__
from allclear.bootstrap import Engine
from allclear.domain.errors import ConfigError, JournalError, NotFound
from allclear.journal.port import Delivery
from allclear.orchestrator import Errands, Orchestrator
from allclear.responder.body import MOST_BYTES
from allclear.responder.drive import Driver
from allclear.responder.sources import SOURCES
from allclear.responder.work import Work

_KEPT_HEADERS = ("content-type", "user-agent", "x-request-id")
_RETRY_AFTER = {"Retry-After": "2"}


def make_app(engine: Engine, token: SecretStr | None) -> FastAPI:
    """Returns the service over `engine`. Raises ConfigError without a token: an open door is no door."""
    if token is None or not token.get_secret_value():
        raise ConfigError(
            "The responder has no token: anybody could start a response.", "Set ALLCLEAR_ALERT_TOKEN to a long secret."
        )
    orchestrator = Orchestrator(engine.settings.prefect_api_url, engine.company.name)
    driver = Driver(engine)
    work = Work(engine, Errands(engine.journal, orchestrator), driver.wake)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        loops = [
            asyncio.create_task(loop)
            for loop in (work.read_inbox(), work.run_errands(), work.watch_windows(), driver.run())
        ]
        work.arrived.set()
        yield
        for loop in loops:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop
        await orchestrator.close()

    app = FastAPI(title="allclear responder", version=__version__, lifespan=lifespan)
    _add_doors(app, engine, work, token)
    return app


def _add_doors(  # noqa: C901 - one line a door
    app: FastAPI, engine: Engine, work: Work, token: SecretStr
) -> None:
    def authorized(request: Request) -> None:
        said = request.headers.getlist("authorization")
        wanted = f"Bearer {token.get_secret_value()}"
        if len(said) != 1 or not hmac.compare_digest(said[0].encode("latin-1"), wanted.encode()):
            raise HTTPException(401, "Send the token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})

    allowed = [Depends(authorized)]

    @app.post("/alerts/{source}", status_code=202, dependencies=allowed)
    async def receive(source: str, body: Annotated[bytes, Depends(_read_body)], request: Request) -> dict[str, Any]:
        """Keeps an alert and answers; what becomes of it is at GET /alerts/{id}."""
        if source not in SOURCES:
            raise HTTPException(404, f"No source is called {source!r}. There are: {', '.join(SOURCES)}.")
        headers = {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
        key = f"{source}:{hashlib.sha256(body).hexdigest()}"
        delivery, work_to_do = await asyncio.to_thread(engine.journal.receive, source, headers, body, key)
        if work_to_do:
            work.arrived.set()
        return {"id": delivery}

    @app.get("/alerts", dependencies=allowed)
    async def alerts(limit: int = 100) -> list[dict[str, Any]]:
        """Returns the newest alerts and what became of each."""
        found = await asyncio.to_thread(engine.journal.deliveries, limit=max(1, min(limit, 1000)))
        return [_shown(delivery) for delivery in found]

    @app.get("/alerts/{delivery}", dependencies=allowed)
    async def alert(delivery: str) -> dict[str, Any]:
        """Returns one alert and what became of it."""
        return _shown(await asyncio.to_thread(engine.journal.delivery, delivery))

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Says that the process is up."""
        return {
            "status": "ok",
            "company": engine.company.name,
            "simulated": str(bool(engine.settings.simulated)).lower(),
        }

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        """Says that the journal can be read."""
        await asyncio.to_thread(engine.journal.incidents, open_only=True)
        return {"status": "ready"}

    async def journal_away(_request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 503, _RETRY_AFTER)

    async def not_there(_request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 404)

    app.add_exception_handler(JournalError, journal_away)
    app.add_exception_handler(NotFound, not_there)


async def _read_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"The body is over {MOST_BYTES} bytes.")
    return body


def _shown(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "source": delivery.source,
        "received_at": delivery.received_at.isoformat(),
        "count": delivery.count,
        "state": delivery.state,
        "why": delivery.why,
        "incident": delivery.incident,
    }
