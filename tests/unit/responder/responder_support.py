"""What the tests of the responder's doors share: an engine, the doors on a real socket, and waiting."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from allclear.bootstrap import Engine, make_engine
from allclear.domain.scope import Scope
from allclear.journal.sql_journal import SqlJournal
from allclear.responder.app import make_app
from allclear.responder.connection_limits import Connection
from allclear.responder.limits import Limits
from allclear.settings import Settings
from tests.scenario.response_support import MACHINE, OPENED, new_journal
from tests.scopes import DRILL

TOKEN = "a-long-secret-token"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
PAYMENTS = {"key": "payments", "title": "Payments fail", "labels": {"alertname": "PaymentProcessingFailures"}}


def engine_in(folder: Path, prefect: str = "http://127.0.0.1:9/api", **more: Any) -> Engine:  # noqa: ANN401 - settings
    """Return VintStreet's engine on a journal in `folder`; Prefect is away unless its address is told."""
    return make_engine(Settings(journal_url=new_journal(folder), PREFECT_API_URL=prefect, **more), environ={})


def incidents_beside(engine: Engine) -> list[str]:
    """Open an incident of another company and one of a drill in the engine's journal, and return their ids."""
    opened: list[str] = []
    for short, scope in (("AC", Scope("acme", simulated=False)), ("VS", DRILL)):
        journal = SqlJournal(engine.settings.journal_url, scope)
        record = OPENED.model_copy(update={"company": scope.company, "simulated": scope.simulated})
        opened.append(journal.open_incident(short, record, MACHINE)[0])
        journal.close()
    return opened


def until(true: Callable[[], Any], seconds: float = 5.0) -> Any:  # noqa: ANN401 - what it waits for
    """Return what `true` gives as soon as that is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.02)
    return pytest.fail(f"nothing within {seconds} s")


def settled(client: TestClient, delivery: str) -> dict[str, Any]:
    """Return an alert once something has become of it."""

    def check() -> dict[str, Any] | None:
        found = client.get(f"/alerts/{delivery}", headers=AUTH).json()
        return None if found["state"] == "new" else found

    return until(check)


def send(client: TestClient, body: object, source: str = "json") -> dict[str, Any]:
    """Send an alert and returns what became of it."""
    answer = client.post(f"/alerts/{source}", json=body, headers=AUTH)
    assert answer.status_code == 202, answer.text
    return settled(client, answer.json()["id"])


@contextmanager
def patient(engine: Engine) -> Generator[TestClient]:
    """Yield the responder, with its loops running; it waits for a journal as long as a slow machine takes."""
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False, limits=Limits(journal_seconds=60))) as client:
        yield client


@contextmanager
def served(app: FastAPI, connection: type[Connection] = Connection) -> Generator[int]:
    """Yield the port on which uvicorn serves the application, as `serve` lets it."""
    config = uvicorn.Config(app, port=0, log_level="warning", access_log=False, http=connection)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, 10)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


def head(port: int, *lines: str, path: str = "/alerts/json") -> bytes:
    """Return the head of an alert's request, with the token and these lines more."""
    said = (f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {TOKEN}", *lines)
    return "\r\n".join([*said, "", ""]).encode()


@contextmanager
def connected(port: int) -> Generator[socket.socket]:
    """Yield a connection to the doors."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as one:
        yield one


def hear(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            said += more
    return said
