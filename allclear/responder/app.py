"""The responder's HTTP service: alerts come in, each is durable before it is answered.

`POST /alerts/{source}` authenticates over the raw bytes as that source does it, keeps body and headers in the inbox,
answers 202, and only then is anything looked at. What cannot be kept is answered 503, which senders repeat; never 429,
which they drop.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

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
from allclear.responder.gate import Gate, make_gate
from allclear.responder.inbox import Inbox, to_keep
from allclear.responder.sources import SOURCES
from allclear.responder.sources.cloud_events import welcome
from allclear.responder.sources.request import RawRequest
from allclear.responder.work import Work

_RETRY_AFTER = {"Retry-After": "2"}


def make_app(engine: Engine, token: SecretStr | None, *, drives: bool = True) -> FastAPI:
    """Returns the service over `engine`; without `drives` it only hears, and somebody else acts.

    Raises ConfigError without a token: an open door is no door.
    """
    if token is None or not token.get_secret_value():
        raise ConfigError(
            "The responder has no token: anybody could start a response.", "Set ALLCLEAR_ALERT_TOKEN to a long secret."
        )
    orchestrator = Orchestrator(engine.settings.prefect_api_url, engine.company.name)
    gate = make_gate(engine.company, engine.around.secret, token)
    driver = Driver(engine)
    work = Work(engine, Errands(engine.journal, orchestrator), driver.wake)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        hears, acts = (work.read_inbox, work.run_errands), (work.watch_windows, work.settle, driver.run)
        loops = [asyncio.create_task(loop()) for loop in (*hears, *(acts if drives else ()))]
        work.arrived.set()
        yield
        for loop in loops:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop
        await orchestrator.close()

    app = FastAPI(title="allclear responder", version=__version__, lifespan=lifespan)
    _add_alerts(app, engine, work, gate)
    _add_doors(app, engine, token)
    return app


def _add_alerts(app: FastAPI, engine: Engine, work: Work, gate: Gate) -> None:
    inbox = Inbox(engine.journal)

    @app.post("/alerts/{source}", status_code=202)
    async def receive(source: str, request: Request) -> dict[str, Any]:
        """Keeps an alert and answers; what becomes of it is at GET /alerts/{id}."""
        if source not in SOURCES:
            raise HTTPException(404, f"No source is called {source!r}. There are: {', '.join(SOURCES)}.")
        raw = _raw(request, await _read_body(request))
        proof = gate.admit(source, raw)
        if proof.level is None:
            challenge = {"WWW-Authenticate": "Bearer"} if proof.status == 401 else None  # noqa: PLR2004 - HTTP's own
            raise HTTPException(proof.status, proof.why, challenge)
        delivery, work_to_do = await inbox.keep(to_keep(SOURCES[source], raw, proof.level))
        if work_to_do:
            work.arrived.set()
        return {"id": delivery}

    @app.options("/alerts/cloudevents")
    async def handshake(request: Request) -> Response:
        """Tells a producer of CloudEvents whether it may send."""
        allowed = welcome(_raw(request, b"")) if gate.keys("cloudevents") else {}
        return Response(status_code=200 if allowed else 405, headers=allowed or {"Allow": "POST"})


def _raw(request: Request, body: bytes) -> RawRequest:
    pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
    return RawRequest(body, pairs, request.url.query)


def _add_doors(app: FastAPI, engine: Engine, token: SecretStr) -> None:
    def authorized(request: Request) -> None:
        said = request.headers.getlist("authorization")
        wanted = f"Bearer {token.get_secret_value()}"
        if len(said) != 1 or not hmac.compare_digest(said[0].encode("latin-1"), wanted.encode()):
            raise HTTPException(401, "Send the token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})

    allowed = [Depends(authorized)]

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
