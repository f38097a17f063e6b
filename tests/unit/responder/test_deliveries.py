"""The responder: who is let in, what is kept, and what becomes of it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from allclear.bootstrap import Engine, make_engine
from allclear.domain.errors import ConfigError
from allclear.responder.app import make_app
from allclear.settings import Settings
from tests.unit.responder.responder_support import patient

TOKEN = "a-long-secret-token"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
PAYMENTS = {"key": "payments", "title": "Payments fail", "labels": {"alertname": "PaymentProcessingFailures"}}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a journal of its own; Prefect is away."""
    settings = Settings(
        journal_url=f"sqlite:///{tmp_path / 'journal.db'}",
        PREFECT_API_URL="http://127.0.0.1:9/api",  # pyright: ignore[reportCallIssue] - its alias
    )
    engine = make_engine(settings, environ={})
    yield engine
    engine.journal.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """The responder, with its loops running."""
    with patient(engine) as client:
        yield client


def until(true: Callable[[], Any]) -> Any:  # noqa: ANN401 - what it waits for
    """Return what `true` gives as soon as that is something."""
    for _ in range(200):
        if found := true():
            return found
        time.sleep(0.02)
    pytest.fail("nothing within four seconds")


def settled(client: TestClient, delivery: str) -> dict[str, Any]:
    """Return an alert once something has become of it."""

    def check() -> dict[str, Any] | None:
        found = client.get(f"/alerts/{delivery}", headers=AUTH).json()
        return None if found["state"] == "new" else found

    return until(check)


def send(client: TestClient, body: object, source: str = "json") -> dict[str, Any]:
    """Send an alert and returns what became of it."""
    answer = client.post(f"/alerts/{source}", json=body, headers=AUTH)
    assert answer.status_code == 202
    return settled(client, answer.json()["id"])


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", TOKEN)],
        [("Authorization", "Bearer wrong")],
        [("Authorization", f"Bearer {TOKEN}x")],
        [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")],
    ],
)
def test_without_the_token_nothing_is_kept(client: TestClient, headers: list[tuple[str, str]]) -> None:
    """An alert without the token, with another, or with two, is answered 401 and leaves no trace; so is a look."""
    assert client.post("/alerts/json", json=PAYMENTS, headers=headers).status_code == 401
    assert client.get("/alerts", headers=headers).status_code == 401
    assert client.get("/alerts", headers=AUTH).json() == []


def test_an_open_door_is_refused(engine: Engine) -> None:
    """Without a token the responder does not start."""
    with pytest.raises(ConfigError, match="ALLCLEAR_ALERT_TOKEN"):
        make_app(engine, None)


def test_an_alert_opens_one_incident_and_asks_for_one_run(client: TestClient, engine: Engine) -> None:
    """An alert opens an incident by the plan's route; the errand to start `respond` is kept while Prefect is away."""
    taken = send(client, PAYMENTS)
    assert taken["state"] == "opened"
    incident = engine.conductor.incident(taken["incident"])
    assert (incident.severity, incident.opened.runbook) == ("P0", "bad-deployment")
    with sqlite3.connect(engine.settings.journal_url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("SELECT key, done FROM outbox").fetchall() == [(f"{incident.id}/respond", 0)]
    connection.close()


def test_repeats_are_counted_and_open_nothing(client: TestClient, engine: Engine) -> None:
    """The same alert, sent three times, is one delivery counted three times and one incident."""
    ids = {client.post("/alerts/json", json=PAYMENTS, headers=AUTH).json()["id"] for _ in range(3)}
    assert len(ids) == 1
    assert settled(client, ids.pop())["count"] == 3
    assert len(engine.journal.incidents()) == 1


def test_the_same_words_after_the_end_are_a_new_trouble(client: TestClient, engine: Engine) -> None:
    """When the incident has ended, the very same body opens another: it is not swallowed as a repeat."""
    first = send(client, PAYMENTS)["incident"]
    engine.people.false_alarm(first, "a test", engine.people.who("Ana", "on_call", "cli"))
    second = until(lambda: (found := send(client, PAYMENTS)["incident"]) != first and found)
    assert second != first


def test_another_alert_on_the_service_joins(client: TestClient, engine: Engine) -> None:
    """A second alert about the same service, minutes later, joins the open incident and starts no second response."""
    first = send(client, PAYMENTS)
    second = send(client, {"key": "errors", "title": "Errors", "labels": {"alertname": "ErrorRateHigh"}})
    assert (second["state"], second["incident"]) == ("joined", first["incident"])
    assert len(engine.conductor.incident(first["incident"]).alerts) == 2


def test_a_graver_alert_that_joins_raises_the_incident_and_a_lesser_one_does_not(
    client: TestClient, engine: Engine
) -> None:
    """The severity of what is open follows the gravest alert, and is never lowered by one."""
    first = send(client, {"key": "errors", "title": "Errors", "labels": {"alertname": "ErrorRateHigh"}})
    assert engine.conductor.incident(first["incident"]).severity == "P1"
    send(client, PAYMENTS)
    incident = engine.conductor.incident(first["incident"])
    assert incident.severity == "P0"
    assert "payment-processing" in incident.severities[-1][1].reason
    send(client, {"key": "auth", "title": "Logins", "labels": {"alertname": "AuthenticationFailures"}})
    assert engine.conductor.incident(first["incident"]).severity == "P0"


def test_in_a_resolved_group_a_firing_alert_fires(client: TestClient) -> None:
    """Alertmanager's group may say resolved while one of its alerts still fires: the alert counts."""
    labels = {"alertname": "PaymentProcessingFailures"}
    times = {"startsAt": "2026-11-22T03:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}
    body = {"status": "resolved", "alerts": [{"status": "firing", "labels": labels, "fingerprint": "f1", **times}]}
    assert send(client, body, "alertmanager")["state"] == "opened"


def test_a_resolve_without_an_incident_opens_none(client: TestClient, engine: Engine) -> None:
    """The end of a trouble that nobody knew of is written down and ignored."""
    assert send(client, {**PAYMENTS, "status": "resolved"})["state"] == "ignored"
    assert engine.journal.incidents() == []


def test_an_alert_without_a_route_says_so(client: TestClient) -> None:
    """An alert that the plan does not route is kept, and says where to add a route."""
    taken = send(client, {"key": "x", "title": "x", "labels": {"alertname": "Unheard"}})
    assert (taken["state"], "plan.yaml" in taken["reason"]) == ("ignored", True)


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00", "yesterday"])
def test_an_odd_date_does_not_keep_the_next_alert_out(client: TestClient, at: str) -> None:
    """An alert with a time that no calendar holds is kept aside, and the next one opens its incident."""
    assert send(client, {**PAYMENTS, "at": at})["state"] == "quarantined"
    assert send(client, PAYMENTS)["state"] == "opened"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b'{"key": "a"}',
        b"\xff\xfe",
        b'{"key": 7, "title": ["x"]}',
        "{}".encode("utf-16"),
        b'"' + b"[" * 40 + b'"',
    ],
)
def test_what_cannot_be_read_is_kept_aside(client: TestClient, body: bytes) -> None:
    """An authenticated body that makes no sense is answered 202 and quarantined with a reason; nothing crashes."""
    answer = client.post("/alerts/json", content=body, headers=AUTH)
    assert answer.status_code == 202
    taken = settled(client, answer.json()["id"])
    assert taken["state"] == "quarantined"
    assert taken["reason"].startswith("It cannot be read")


def test_a_hostile_title_stays_text(client: TestClient, engine: Engine) -> None:
    """Control characters, half characters and markup of an alert reach the record as harmless text on one line."""
    title = "\x1b[31mred\x00\n<!channel> {{ flow_run }} \\ud800 **bold**"
    raw = json.dumps({**PAYMENTS, "title": title}).replace("\\\\ud800", "\\ud800")
    answer = client.post("/alerts/json", content=raw, headers=AUTH)
    taken = settled(client, answer.json()["id"])
    told = engine.conductor.incident(taken["incident"]).title
    assert told.isprintable()
    assert "red" in told


def test_a_large_body_and_an_unknown_source_are_refused(client: TestClient) -> None:
    """Over a mebibyte is 413, a source that nobody knows is 404 with those there are; neither is kept."""
    assert client.post("/alerts/json", content=b"x" * (1024 * 1024 + 1), headers=AUTH).status_code == 413
    unknown = client.post("/alerts/pigeon", json={}, headers=AUTH)
    assert (unknown.status_code, "alertmanager" in unknown.text) == (404, True)
    assert client.get("/alerts/none", headers=AUTH).status_code == 404
    assert client.get("/alerts", headers=AUTH).json() == []


def test_a_journal_that_cannot_be_written_asks_the_sender_to_come_again(client: TestClient, engine: Engine) -> None:
    """While the journal is locked an alert is answered 503 with Retry-After, which senders repeat."""
    holder = sqlite3.connect(engine.settings.journal_url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        answer = client.post("/alerts/json", json=PAYMENTS, headers=AUTH)
    finally:
        holder.close()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_it_says_how_it_is(client: TestClient) -> None:
    """Health and readiness need no token and tell nothing secret."""
    assert client.get("/healthz").json() == {"status": "ok", "company": "vintstreet", "simulated": False}
    assert client.get("/readyz").json() == {"status": "ready", "problems": []}
