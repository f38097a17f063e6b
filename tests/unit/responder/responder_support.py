"""Shared parts of the responder's tests: an engine, the HTTP service on a real socket, and waiting."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.scope import Scope
from allclear.journal.sql_journal import SqlJournal
from allclear.responder.app import make_app
from allclear.responder.connection_limits import Connection
from allclear.responder.limits import Limits
from allclear.settings import Settings
from tests.missing_secrets import VARIABLES
from tests.patience import HUNG, wait_until
from tests.scenario.response_support import MACHINE, OPENED, installed, new_journal, vintstreet
from tests.scopes import DRILL

TOKEN = "a-long-secret-token"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
PAYMENTS = {"key": "payments", "title": "Payments fail", "labels": {"alertname": "PaymentProcessingFailures"}}


SECRETS = dict.fromkeys(VARIABLES.values(), "a-secret-of-a-test")
"""The environment of a machine on which every secret is set. No vendor is asked, because no incident is worked on."""


def engine_in(
    folder: Path,
    prefect: str = "http://127.0.0.1:9/api",
    company: Company | None = None,
    **more: Any,  # noqa: ANN401 - settings
) -> Engine:
    """Return an engine on a journal in `folder`, with all secrets; by default VintStreet's, without a Prefect."""
    settings = Settings(journal_url=new_journal(folder), PREFECT_API_URL=prefect, **more)
    return make_engine(settings, environ=dict(SECRETS), company=company or vintstreet(), registry=installed())


def open_incidents_of_other_scopes(engine: Engine) -> list[str]:
    """Open an incident of another company and one of a drill in the engine's journal, and return their ids."""
    opened: list[str] = []
    for short, scope in (("AC", Scope("acme", simulated=False)), ("VS", DRILL)):
        journal = SqlJournal(engine.settings.journal_url, scope)
        record = OPENED.model_copy(update={"company": scope.company, "simulated": scope.simulated})
        opened.append(journal.open_incident(short, record, MACHINE)[0])
        journal.close()
    return opened


def when_decided(client: TestClient, delivery: str) -> dict[str, Any]:
    """Return a delivery once the inbox worker has decided about its alerts."""

    def decided() -> dict[str, Any] | None:
        view = client.get(f"/alerts/{delivery}", headers=AUTH).json()
        return None if view["state"] == "new" else view

    return wait_until(decided)


def send(client: TestClient, body: object, source: str = "json") -> dict[str, Any]:
    """Send an alert and return its delivery with the decision."""
    response = client.post(f"/alerts/{source}", json=body, headers=AUTH)
    assert response.status_code == 202, response.text
    return when_decided(client, response.json()["id"])


def make_patient_app(engine: Engine, **limits: Any) -> FastAPI:  # noqa: ANN401 - limits
    """Return the HTTP service, whose journal may be as slow as on a busy machine; it does not act on incidents."""
    return make_app(engine, SecretStr(TOKEN), drives=False, limits=Limits(**{"journal_seconds": HUNG} | limits))


@contextmanager
def running_responder(engine: Engine) -> Generator[TestClient]:
    """Yield a client of the responder, whose workers run; it counts as a client on this machine."""
    with TestClient(make_patient_app(engine), client=("127.0.0.1", 5)) as client:
        yield client


@contextmanager
def served(app: FastAPI, connection: type[Connection] = Connection, port: int = 0) -> Generator[int]:
    """Yield the port on which uvicorn serves the application, configured as in `serve`; by default a free one."""
    config = uvicorn.Config(app, port=port, log_level="warning", access_log=False, http=connection, ws="none")
    server = uvicorn.Server(config)
    app.state.changes.stopping = lambda: server.should_exit
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(HUNG)


def head(port: int, *more: str, path: str = "/alerts/json") -> bytes:
    """Return the head of a request that sends an alert, with the token and more header lines."""
    lines = (f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {TOKEN}", *more)
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def connected(port: int) -> Generator[socket.socket]:
    """Yield a connection to the responder."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=HUNG)) as connection:
        yield connection


def receive_all(connection: socket.socket) -> bytes:
    """Return all bytes that arrive until the responder closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            received += chunk
    return received
