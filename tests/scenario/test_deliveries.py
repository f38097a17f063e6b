"""How the responder takes alerts in: authentication, deduplication, decisions, and bodies that cannot be parsed."""

from __future__ import annotations

import json
import sqlite3

import pytest
from fastapi.testclient import TestClient

from allclear.bootstrap import Engine
from allclear.domain.errors import ConfigError
from allclear.responder.app import make_app
from tests.patience import wait_until
from tests.unit.responder.responder_support import AUTH, PAYMENTS, TOKEN, send, when_decided


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
def test_nothing_is_stored_without_the_token(client: TestClient, headers: list[tuple[str, str]]) -> None:
    """An alert without the token, with another, or with two, is answered 401 and not stored; GET /alerts is 401 too."""
    assert client.post("/alerts/json", json=PAYMENTS, headers=headers).status_code == 401
    assert client.get("/alerts", headers=headers).status_code == 401
    assert client.get("/alerts", headers=AUTH).json() == []


def test_the_responder_does_not_start_without_a_token(engine: Engine) -> None:
    """If ALLCLEAR_ALERT_TOKEN is not set, the responder stops with an error that names it."""
    with pytest.raises(ConfigError, match="ALLCLEAR_ALERT_TOKEN"):
        make_app(engine, None)


def test_an_alert_opens_one_incident_and_one_outbox_message(client: TestClient, engine: Engine) -> None:
    """The plan's route decides severity and runbook. The message that starts `respond` waits while Prefect is down."""
    delivery = send(client, PAYMENTS)
    assert delivery["state"] == "opened"
    incident = engine.conductor.incident(delivery["incident"])
    assert (incident.severity, incident.opened.runbook) == ("P0", "bad-deployment")
    with sqlite3.connect(engine.settings.journal_url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("SELECT key, done FROM outbox").fetchall() == [(f"{incident.id}/respond", 0)]
    connection.close()


def test_repeats_are_counted_and_open_nothing(client: TestClient, engine: Engine) -> None:
    """An alert that is sent three times is one delivery with the count 3, and one incident."""
    ids = {client.post("/alerts/json", json=PAYMENTS, headers=AUTH).json()["id"] for _ in range(3)}
    assert len(ids) == 1
    assert when_decided(client, ids.pop())["count"] == 3
    assert len(engine.journal.incidents()) == 1


def test_the_same_body_after_the_end_opens_another_incident(client: TestClient, engine: Engine) -> None:
    """After the incident has ended, the same body is a new problem and no repeat."""
    first = send(client, PAYMENTS)["incident"]
    engine.people.false_alarm(first, "a test", engine.people.who("Ana", "on_call", "cli"))
    second = wait_until(lambda: (incident := send(client, PAYMENTS)["incident"]) != first and incident)
    assert second != first


def test_another_alert_on_the_service_joins(client: TestClient, engine: Engine) -> None:
    """A second alert about the same service joins its open incident and starts no second response."""
    first = send(client, PAYMENTS)
    second = send(client, {"key": "errors", "title": "Errors", "labels": {"alertname": "ErrorRateHigh"}})
    assert (second["state"], second["incident"]) == ("joined", first["incident"])
    assert len(engine.conductor.incident(first["incident"]).alerts) == 2


def test_an_alert_that_joins_can_raise_the_severity_and_never_lowers_it(client: TestClient, engine: Engine) -> None:
    """An incident has the highest severity among its alerts."""
    first = send(client, {"key": "errors", "title": "Errors", "labels": {"alertname": "ErrorRateHigh"}})
    assert engine.conductor.incident(first["incident"]).severity == "P1"
    send(client, PAYMENTS)
    incident = engine.conductor.incident(first["incident"])
    assert incident.severity == "P0"
    assert "payment-processing" in incident.severities[-1][1].reason
    send(client, {"key": "auth", "title": "Logins", "labels": {"alertname": "AuthenticationFailures"}})
    assert engine.conductor.incident(first["incident"]).severity == "P0"


def test_a_firing_alert_in_a_resolved_group_fires(client: TestClient) -> None:
    """If Alertmanager's group is resolved and one of its alerts still fires, the state of the alert counts."""
    labels = {"alertname": "PaymentProcessingFailures"}
    times = {"startsAt": "2026-11-22T03:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}
    body = {"status": "resolved", "alerts": [{"status": "firing", "labels": labels, "fingerprint": "f1", **times}]}
    assert send(client, body, "alertmanager")["state"] == "opened"


def test_a_resolution_without_an_incident_opens_none(client: TestClient, engine: Engine) -> None:
    """The resolution of an unknown alert is stored and ignored."""
    assert send(client, {**PAYMENTS, "status": "resolved"})["state"] == "ignored"
    assert engine.journal.incidents() == []


def test_an_alert_without_a_route_is_ignored(client: TestClient) -> None:
    """An alert that no route matches is stored; its reason names the file in which to add a route."""
    delivery = send(client, {"key": "x", "title": "x", "labels": {"alertname": "NoSuchRoute"}})
    assert (delivery["state"], "plan.yaml" in delivery["reason"]) == ("ignored", True)


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00", "yesterday"])
def test_an_impossible_date_does_not_block_the_next_alert(client: TestClient, at: str) -> None:
    """An alert whose time cannot be represented is quarantined, and the next alert opens its incident."""
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
def test_a_body_that_cannot_be_parsed_is_quarantined(client: TestClient, body: bytes) -> None:
    """An authenticated body that cannot be parsed is answered 202 and quarantined with the reason."""
    response = client.post("/alerts/json", content=body, headers=AUTH)
    assert response.status_code == 202
    delivery = when_decided(client, response.json()["id"])
    assert delivery["state"] == "quarantined"
    assert delivery["reason"].startswith("It cannot be read")


def test_a_hostile_title_stays_text(client: TestClient, engine: Engine) -> None:
    """Control characters, lone surrogates and markup in a title become harmless text on one line of the record."""
    title = "\x1b[31mred\x00\n<!channel> {{ flow_run }} \\ud800 **bold**"
    raw = json.dumps({**PAYMENTS, "title": title}).replace("\\\\ud800", "\\ud800")
    response = client.post("/alerts/json", content=raw, headers=AUTH)
    delivery = when_decided(client, response.json()["id"])
    recorded = engine.conductor.incident(delivery["incident"]).title
    assert recorded.isprintable()
    assert "red" in recorded


def test_a_large_body_and_an_unknown_source_are_rejected(client: TestClient) -> None:
    """A body over a mebibyte is answered 413, an unknown source 404 with the known ones; neither is stored."""
    assert client.post("/alerts/json", content=b"x" * (1024 * 1024 + 1), headers=AUTH).status_code == 413
    unknown = client.post("/alerts/pigeon", json={}, headers=AUTH)
    assert (unknown.status_code, "alertmanager" in unknown.text) == (404, True)
    assert client.get("/alerts/none", headers=AUTH).status_code == 404
    assert client.get("/alerts", headers=AUTH).json() == []


def test_an_alert_is_answered_503_while_the_journal_is_locked(client: TestClient, engine: Engine) -> None:
    """If the journal cannot be written, the answer is 503 with Retry-After, after which senders retry."""
    holder = sqlite3.connect(engine.settings.journal_url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        response = client.post("/alerts/json", json=PAYMENTS, headers=AUTH)
    finally:
        holder.close()
    assert response.status_code == 503
    assert response.headers["Retry-After"]


def test_health_and_readiness_need_no_token(client: TestClient) -> None:
    """GET /healthz and GET /readyz answer without a token, and contain nothing secret."""
    assert client.get("/healthz").json() == {"status": "ok", "company": "vintstreet", "simulated": False}
    assert client.get("/readyz").json() == {"status": "ready", "problems": [], "warnings": []}
