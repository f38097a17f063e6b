"""The routes of alerts: limits, slow and hostile clients, bodies that are rejected or retried, and lists."""

from __future__ import annotations

import json
import logging
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from typer.testing import CliRunner

from allclear.bootstrap import Engine
from allclear.cli.alerts import app as commands
from allclear.responder.app import make_app
from allclear.responder.connection_limits import Connection
from allclear.responder.deliveries import body_rejection
from allclear.responder.limits import Limits
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from tests.patience import HUNG, wait_until
from tests.unit.responder.responder_support import (
    AUTH,
    PAYMENTS,
    TOKEN,
    connected,
    head,
    make_patient_app,
    receive_all,
    send,
    served,
    when_decided,
)

BODY = json.dumps(PAYMENTS).encode()


def journal_file(engine: Engine) -> str:
    """Return the path of the journal."""
    return engine.settings.journal_url.removeprefix("sqlite:///")


def is_503_with_retry_after(response: bytes) -> bool:
    """Return whether a response is 503 and has the header Retry-After."""
    first, _, rest = response.partition(b"\r\n")
    return b" 503 " in first and b"retry-after: " in rest.lower()


# --- limits on alerts in progress ------------------------------------------------------------------------


def test_a_request_over_the_limit_is_answered_503(engine: Engine, kind: type[Connection]) -> None:
    """With a limit of one, a second alert is answered 503 while the first one's body is incomplete."""
    limits = Limits(max_requests=1, journal_seconds=HUNG, body_seconds=HUNG)
    with (
        served(make_app(engine, SecretStr(TOKEN), drives=False, limits=limits), kind) as port,
        connected(port) as first,
        connected(port) as second,
    ):
        first.sendall(head(port, f"Content-Length: {len(BODY)}"))
        wait_until(lambda: limits.requests == 1)
        second.sendall(head(port, f"Content-Length: {len(BODY)}", "Connection: close") + BODY)
        assert is_503_with_retry_after(receive_all(second))
        first.sendall(BODY)
        assert b" 202 " in first.recv(1000)
        wait_until(lambda: limits.requests == 0)
        with connected(port) as third:
            third.sendall(head(port, f"Content-Length: {len(BODY)}", "Connection: close") + BODY)
            assert b" 202 " in receive_all(third)


def test_bytes_over_the_limit_are_answered_503(engine: Engine) -> None:
    """The bodies in progress have a common limit; a body within the limit is accepted afterwards."""
    limits = Limits(max_bytes=1000, journal_seconds=HUNG)
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False, limits=limits)) as client:
        large = client.post("/alerts/json", content=b" " * 1001, headers=AUTH)
        assert (large.status_code, large.headers["Retry-After"]) == (503, "2")
        assert client.post("/alerts/json", content=BODY, headers=AUTH).status_code == 202
    assert (limits.requests, limits.bytes_in_progress) == (0, 0)


def test_alerts_are_answered_503_while_the_journal_hangs(engine: Engine) -> None:
    """While another process holds the write lock and does nothing, alerts are answered 503; afterwards 202 again."""
    import fcntl  # noqa: PLC0415 - the write lock of a journal on SQLite

    limits = Limits(journal_seconds=0.3)
    turn = os.open(f"{journal_file(engine)}.turn", os.O_RDWR)
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False, limits=limits)) as client:
        fcntl.flock(turn, fcntl.LOCK_EX)
        try:
            keys = [str(number) for number in range(6)]
            responses = [client.post("/alerts/json", json={**PAYMENTS, "key": key}, headers=AUTH) for key in keys]
            assert {response.status_code for response in responses} == {503}
            assert all(response.headers["Retry-After"] for response in responses)
            assert all("did not answer within 0.3 s" in response.json()["detail"] for response in responses)
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
        finally:
            os.close(turn)
        wait_until(lambda: client.post("/alerts/json", json=PAYMENTS, headers=AUTH).status_code == 202)


def test_two_hundred_alerts_at_once_are_all_stored_and_answered(engine: Engine, kind: type[Connection]) -> None:
    """Two hundred senders at the same time each receive 202, and the inbox has two hundred deliveries."""
    responses: list[bytes] = []

    def send_alert(port: int, number: int) -> None:
        body = json.dumps({**PAYMENTS, "key": f"k{number}"}).encode()
        with connected(port) as connection:
            connection.sendall(head(port, f"Content-Length: {len(body)}", "Connection: close") + body)
            responses.append(receive_all(connection))

    with served(make_patient_app(engine, body_seconds=HUNG), kind) as port:
        senders = [threading.Thread(target=send_alert, args=(port, number)) for number in range(200)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    accepted = [response for response in responses if b" 202 " in response[:20]]
    assert len(accepted) == 200
    assert len(engine.journal.delivery_summaries(limit=1000)) == 200


# --- slow clients, and clients that disconnect -----------------------------------------------------------


@pytest.fixture
def kind() -> type[Connection]:
    """The connection class of one test; its limits are generous until the test changes them."""
    return type("OwnConnection", (Connection,), {"head_seconds": HUNG})


@contextmanager
def dripping(connection: socket.socket) -> Iterator[None]:
    """Send a byte every 50 ms inside the block, until the responder closes the connection."""
    ended = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            while not ended.wait(0.05):
                connection.send(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("sent", [b"", b"POST /alerts/json HT", b"GET /healthz HTTP/1.1\r\nHost: here\r\n"])
def test_a_connection_without_a_complete_head_is_closed(engine: Engine, kind: type[Connection], sent: bytes) -> None:
    """A client that sends nothing, or a head byte by byte without completing it, is disconnected after the limit."""
    kind.head_seconds = 0.4
    with served(make_patient_app(engine), kind) as port, connected(port) as slow:
        slow.sendall(sent)
        with dripping(slow) if sent else nullcontext():
            assert receive_all(slow) == b""


def test_a_body_that_does_not_arrive_is_answered_503(engine: Engine, kind: type[Connection]) -> None:
    """If a client stops within the body, the answer after the limit is 503, and the connection is closed."""
    with served(make_patient_app(engine, body_seconds=0.4), kind) as port, connected(port) as slow:
        slow.sendall(head(port, "Content-Length: 1000") + b'{"key"')
        response = receive_all(slow)
        assert is_503_with_retry_after(response)
        assert b"did not arrive" in response


def test_a_body_that_continues_after_the_response_is_cut_off(engine: Engine, kind: type[Connection]) -> None:
    """A client that goes on sending a body that was rejected by its length is disconnected after the limit."""
    with served(make_patient_app(engine), kind) as port, connected(port) as slow:
        slow.sendall(head(port, "Content-Length: 5000000"))
        assert b" 413 " in slow.recv(4000)
        kind.head_seconds = 0.4
        with dripping(slow):
            receive_all(slow)


def test_each_head_on_a_kept_connection_has_the_time_limit(engine: Engine, kind: type[Connection]) -> None:
    """Complete heads on one connection are answered. After them, half of a head is cut off like a first one."""
    with served(make_patient_app(engine), kind) as port, connected(port) as kept:
        for _ in range(2):
            kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            response = b""
            while not response.endswith(b"}"):
                response += kept.recv(4000)
            assert b" 200 " in response
        kind.head_seconds = 0.4
        kept.sendall(b"GET /hea")
        assert receive_all(kept) == b""


def test_a_connection_over_the_limit_is_answered_503(engine: Engine, kind: type[Connection]) -> None:
    """A connection over the limit is answered 503. When others have ended, a new connection is accepted."""
    kind.max_connections = 3
    with served(make_patient_app(engine), kind) as port:
        with connected(port), connected(port), connected(port), connected(port) as fourth:
            assert is_503_with_retry_after(receive_all(fourth))

        def accepted() -> bool:
            with connected(port) as another:
                another.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
                return b" 200 " in receive_all(another)

        wait_until(accepted)


def test_a_client_that_disconnects_leaves_no_traceback(
    engine: Engine, kind: type[Connection], caplog: pytest.LogCaptureFixture
) -> None:
    """If clients disconnect within the body, nothing is stored and nothing is logged."""
    limits = Limits(journal_seconds=HUNG, body_seconds=HUNG)
    app = make_app(engine, SecretStr(TOKEN), drives=False, limits=limits)
    with caplog.at_level(logging.WARNING), served(app, kind) as port:
        for _ in range(3):
            with connected(port) as client:
                client.sendall(head(port, "Content-Length: 1000") + b'{"key"')
                wait_until(lambda: limits.requests == 1)
            wait_until(lambda: limits.requests == 0)
        with connected(port) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            assert b" 200 " in receive_all(client)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []
    assert engine.journal.delivery_summaries() == []


def test_a_length_that_is_too_large_is_rejected_before_the_body_arrives(engine: Engine, kind: type[Connection]) -> None:
    """A body that is announced as larger than a mebibyte is answered 413, although none of it has arrived."""
    with served(make_patient_app(engine, body_seconds=HUNG), kind) as port, connected(port) as client:
        client.sendall(head(port, f"Content-Length: {1024 * 1024 + 1}", "Connection: close"))
        assert b"413" in client.recv(4000)


# --- bodies that are rejected, quarantined or retried ----------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": ' * 33 + b"1" + b"}" * 33, "deeper than 32"),
        (b"[" * 40, "deeper than 32"),
        (b'{"key": {"a": 1, "\\u0061": 2}}', "'a' is repeated"),
        (b'{"key": NaN}', "NaN"),
        (b'\xef\xbb\xbf {"key": -Infinity}', "Infinity"),
        (b'{"a\\"": "' + b"[" * 40, None),
        (b'{"a": ' * 32 + b"1" + b"}" * 32, None),
        (b"Name=" + b"[" * 40, None),
    ],
)
def test_json_that_parsers_may_understand_differently_is_rejected(
    client: TestClient, engine: Engine, body: bytes, reason: str | None
) -> None:
    """Deep nesting, a repeated key and NaN are answered 400 with the reason and not stored. Other bodies are stored."""
    response = client.post("/alerts/json", content=body, headers=AUTH)
    if reason is None:
        assert response.status_code == 202
    else:
        assert (response.status_code, reason in response.json()["detail"]) == (400, True)
        assert engine.journal.delivery_summaries() == []


def test_a_body_is_not_checked_without_authentication(client: TestClient) -> None:
    """Without a token the answer is 401, also if the body would be rejected."""
    assert client.post("/alerts/json", content=b"[" * 40).status_code == 401


def test_json_in_a_form_must_be_strict_too() -> None:
    """GitHub's form is rejected for a repeated key in its `payload`, and stored if it only cannot be parsed."""
    github = SOURCES["github"]
    as_form = (("Content-Type", "application/x-www-form-urlencoded"),)
    repeated = RawRequest(urlencode({"payload": '{"action": 1, "action": 2}'}).encode(), as_form)
    nonsense = RawRequest(urlencode({"payload": "{", "a": "b"}).encode() + b"&a=c", as_form)
    assert ("is repeated" in (body_rejection(github, repeated) or ""), body_rejection(github, nonsense)) == (True, None)


@pytest.mark.parametrize(("body", "reason"), [(b"\x80", "UTF-8"), (b"{", "Expecting")])
def test_a_quarantined_delivery_is_listed_with_its_reason(client: TestClient, body: bytes, reason: str) -> None:
    """An authenticated body that cannot be parsed is answered 202, quarantined, and listed with the reason."""
    response = client.post("/alerts/json", content=body, headers=AUTH)
    assert response.status_code == 202
    assert reason in when_decided(client, response.json()["id"])["reason"]
    (listed,) = client.get("/alerts?state=quarantined", headers=AUTH).json()
    assert (listed["id"], listed["alerts"]) == (response.json()["id"], [])


def test_a_list_has_the_last_alerts_of_a_delivery_and_their_total_number(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list has the last 20 alerts, the delivery itself all of them. The command says how many it leaves out."""
    alerts = [{"status": "firing", "labels": {"alertname": "x"}, "fingerprint": str(n)} for n in range(25)]
    sent = send(client, {"alerts": alerts}, "alertmanager")
    assert (len(sent["alerts"]), sent["total_alerts"]) == (25, 25)
    (listed,) = client.get("/alerts", headers=AUTH).json()
    assert ([one["key"] for one in listed["alerts"]], listed["total_alerts"]) == (
        [f"alertmanager:{n}" for n in range(5, 25)],
        25,
    )
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", engine.settings.journal_url)
    output = CliRunner().invoke(commands, ["alert", "list"]).output
    assert f"(5 before these: GET /alerts/{sent['id']} shows all)" in output


def test_a_quarantined_delivery_can_be_retried(client: TestClient, engine: Engine) -> None:
    """A retry decides anew: a body that can be parsed now is taken in, and any other is quarantined again."""
    broken = client.post("/alerts/json", content=b"{", headers=AUTH).json()["id"]
    when_decided(client, broken)
    # An older version that could not parse this body would have left it in this state.
    readable = client.post("/alerts/json", json=PAYMENTS, headers=AUTH).json()["id"]
    when_decided(client, readable)
    engine.journal.set_delivery_state(readable, "quarantined", "It cannot be read: an older version.")
    for delivery, decision in ((broken, "quarantined"), (readable, "repeat")):
        response = client.post(f"/alerts/{delivery}/retry", headers=AUTH)
        assert (response.status_code, response.json()) == (202, {"id": delivery})
        assert when_decided(client, delivery)["state"] == decision


def test_only_quarantined_and_ignored_deliveries_can_be_retried(client: TestClient) -> None:
    """The retry of a delivery with an incident is answered 409, an unknown delivery 404, and no token 401."""
    opened = send(client, PAYMENTS)
    response = client.post(f"/alerts/{opened['id']}/retry", headers=AUTH)
    assert (response.status_code, "opened" in response.json()["detail"]) == (409, True)
    assert client.post("/alerts/none/retry", headers=AUTH).status_code == 404
    assert client.post(f"/alerts/{opened['id']}/retry").status_code == 401


def test_the_commands_list_and_retry(client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """`allclear alert list` shows quarantined deliveries with the reason; `alert retry` shows the new decision."""
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", engine.settings.journal_url)
    broken = client.post("/alerts/json", content=b'{"key": 1', headers=AUTH).json()["id"]
    when_decided(client, broken)
    send(client, PAYMENTS)
    runner = CliRunner()
    output = runner.invoke(commands, ["alert", "list", "--state", "quarantined"]).output
    assert (broken in output, "Expecting" in output, "opened" in output) == (True, True, False)
    (row,) = json.loads(runner.invoke(commands, ["alert", "list", "--state", "quarantined", "--json"]).output)
    assert (row["id"], row["state"]) == (broken, "quarantined")

    def retried() -> bool:  # on a busy machine the command may stop waiting while the delivery is still new
        when_decided(client, broken)
        output = runner.invoke(commands, ["alert", "retry", broken, "--json"]).output
        return json.loads(output)["state"] == "quarantined"

    wait_until(retried)
    assert runner.invoke(commands, ["alert", "list", "--state", "lost"]).exit_code != 0


# --- views ------------------------------------------------------------------------------------------------


def test_each_alert_of_a_delivery_is_shown_with_its_decision(client: TestClient) -> None:
    """A group of two: one opens an incident and one has no route; each has its key, status, title, time and reason."""
    labels = [{"alertname": "PaymentProcessingFailures", "severity": "critical"}, {"alertname": "NoSuchRoute"}]
    alerts = [
        {"status": "firing", "labels": one, "fingerprint": f"f{number}", "startsAt": "2026-11-22T03:00:00Z"}
        for number, one in enumerate(labels)
    ]
    shown = send(client, {"status": "firing", "alerts": alerts}, "alertmanager")
    assert (shown["source"], shown["count"], shown["state"]) == ("alertmanager", 1, "opened")
    first, second = shown["alerts"]
    assert (first["key"].endswith("f0"), first["status"], first["decision"]) == (True, "firing", "opened")
    assert (first["incident"], first["severity"], first["count"]) == (shown["incident"], "critical", 1)
    assert first["at"] == "2026-11-22T03:00:00Z"
    assert (second["decision"], second["incident"], "plan.yaml" in second["reason"]) == ("ignored", None, True)
    assert all(one["title"] and one["last_seen_at"] for one in (first, second))


def test_the_list_can_be_filtered_by_state_and_source(client: TestClient) -> None:
    """`state`, `source` and `limit` filter the list; invalid values are answered 422."""
    opened = send(client, PAYMENTS)["id"]
    group = {"status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "NoSuchRoute"}}]}
    ignored = send(client, group, "alertmanager")["id"]

    def ids(query: str) -> list[str]:
        return [one["id"] for one in client.get(f"/alerts?{query}", headers=AUTH).json()]

    assert ids("") == [ignored, opened]
    assert (ids("state=ignored"), ids("source=json"), ids("limit=1")) == ([ignored], [opened], [ignored])
    assert ids("state=opened&source=alertmanager") == ids("source=unknown") == []
    for query in ("state=lost", "limit=0", "limit=1001", "limit=x"):
        assert client.get(f"/alerts?{query}", headers=AUTH).status_code == 422


def test_every_route_answers_503_if_the_journal_cannot_be_read(client: TestClient, engine: Engine) -> None:
    """If the journal is damaged, each route that needs it answers 503 with Retry-After, and no route fails with 500."""
    with closing(sqlite3.connect(journal_file(engine))) as connection:
        connection.execute("ALTER TABLE inbox RENAME TO lost")
        connection.execute("ALTER TABLE incidents RENAME TO gone")
    for path in ("/alerts", "/alerts/x", "/incidents", "/incidents/VS-1"):
        response = client.get(path, headers=AUTH)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "2"), path
    assert client.post("/alerts/json", json=PAYMENTS, headers=AUTH).status_code == 503
