"""The responder's doors under load, under strain and under a stranger's hand; and what they say of alerts."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
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
from tests.unit.responder.responder_support import (
    AUTH,
    PAYMENTS,
    TOKEN,
    connected,
    engine_in,
    head,
    hear,
    send,
    served,
    settled,
    until,
)

BODY = json.dumps(PAYMENTS).encode()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a journal of its own; Prefect is away."""
    engine = engine_in(tmp_path)
    yield engine
    engine.journal.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """The responder, with its loops running."""
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False)) as client:
        yield client


def journal_file(engine: Engine) -> str:
    """Return the path of the journal."""
    return engine.settings.journal_url.removeprefix("sqlite:///")


def retry_after(answer: bytes) -> bool:
    """Return whether an answer is 503 and tells when to come again."""
    first, _, rest = answer.partition(b"\r\n")
    return b" 503 " in first and b"retry-after: " in rest.lower()


# --- too much at once ------------------------------------------------------------------------------------


def test_one_request_too_many_is_told_to_come_again(engine: Engine) -> None:
    """With room for one, a second alert is answered 503 with Retry-After while the first one's body is under way."""
    with (
        served(make_app(engine, SecretStr(TOKEN), drives=False, limits=Limits(most_requests=1))) as port,
        connected(port) as first,
        connected(port) as second,
    ):
        first.sendall(head(port, f"Content-Length: {len(BODY)}"))
        time.sleep(0.2)
        second.sendall(head(port, f"Content-Length: {len(BODY)}", "Connection: close") + BODY)
        assert retry_after(hear(second))
        first.sendall(BODY)
        assert b" 202 " in first.recv(1000)
        with connected(port) as third:
            third.sendall(head(port, f"Content-Length: {len(BODY)}", "Connection: close") + BODY)
            assert b" 202 " in hear(third)


def test_more_bytes_than_there_is_room_for_are_told_to_come_again(engine: Engine) -> None:
    """Bodies under way have a bound together; a body within it is taken once there is room again."""
    limits = Limits(most_bytes=1000)
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False, limits=limits)) as client:
        large = client.post("/alerts/json", content=b" " * 1001, headers=AUTH)
        assert (large.status_code, large.headers["Retry-After"]) == (503, "2")
        assert client.post("/alerts/json", content=BODY, headers=AUTH).status_code == 202
    assert (limits.requests, limits.held) == (0, 0)


def test_a_journal_that_hangs_is_not_waited_for(engine: Engine) -> None:
    """While another holds the journal's turn and does nothing, alerts are answered 503 in time; then 202 again."""
    import fcntl  # noqa: PLC0415 - the turn of a journal on SQLite

    limits = Limits(journal_seconds=0.3)
    turn = os.open(f"{journal_file(engine)}.turn", os.O_RDWR)
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False, limits=limits)) as client:
        fcntl.flock(turn, fcntl.LOCK_EX)
        try:
            began = time.monotonic()
            answers = [client.post("/alerts/json", json={**PAYMENTS, "key": str(n)}, headers=AUTH) for n in range(6)]
            assert {answer.status_code for answer in answers} == {503}
            assert all(answer.headers["Retry-After"] for answer in answers)
            assert time.monotonic() - began < 6 * 1.0
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
        finally:
            os.close(turn)
        until(lambda: client.post("/alerts/json", json=PAYMENTS, headers=AUTH).status_code == 202)


def test_many_at_once_are_all_answered(engine: Engine) -> None:
    """Two hundred alerts at the same moment are all kept and answered: those that come together are kept together."""
    answers: list[bytes] = []

    def one(port: int, number: int) -> None:
        body = json.dumps({**PAYMENTS, "key": f"k{number}"}).encode()
        with connected(port) as mine:
            mine.sendall(head(port, f"Content-Length: {len(body)}", "Connection: close") + body)
            answers.append(hear(mine))

    with served(make_app(engine, SecretStr(TOKEN), drives=False, limits=Limits(journal_seconds=20))) as port:
        senders = [threading.Thread(target=one, args=(port, number)) for number in range(200)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    taken = [answer for answer in answers if b" 202 " in answer[:20]]
    assert len(taken) == 200
    assert len(engine.journal.delivery_summaries(limit=1000)) == 200


# --- slow senders, and those who hang up -----------------------------------------------------------------


class Impatient(Connection):
    """A connection whose times are short."""

    head_seconds = 0.4
    most = 3


@pytest.fixture
def port(engine: Engine) -> Iterator[int]:
    """The doors on a socket, with little patience."""
    with served(make_app(engine, SecretStr(TOKEN), drives=False, limits=Limits(body_seconds=0.4)), Impatient) as port:
        yield port


@pytest.mark.parametrize("said", [b"", b"POST /alerts/json HT", b"GET /healthz HTTP/1.1\r\nHost: here\r\n"])
def test_a_head_that_does_not_come_is_cut_off(port: int, said: bytes) -> None:
    """Whoever connects and says nothing, or half a head drop by drop, is cut off after the stated time."""
    with connected(port) as slow:
        slow.sendall(said)
        began = time.monotonic()
        dripping = threading.Thread(target=drip, args=(slow,))
        if said:
            dripping.start()
        assert hear(slow) == b""
        assert 0.3 < time.monotonic() - began < 3
        if said:
            dripping.join()


def drip(slow: object) -> None:
    """Send a byte now and then, until nobody takes it any more."""
    try:
        for _ in range(60):
            slow.send(b"x")  # type: ignore[attr-defined]
            time.sleep(0.05)
    except OSError:
        return


def test_a_body_that_does_not_come_is_cut_off_and_may_come_again(port: int) -> None:
    """Whoever stops in the middle of the body is answered 503 after the stated time, and the connection is closed."""
    with connected(port) as slow:
        slow.sendall(head(port, "Content-Length: 1000") + b'{"key"')
        began = time.monotonic()
        answer = hear(slow)
        assert retry_after(answer)
        assert b"did not arrive" in answer
        assert 0.3 < time.monotonic() - began < 3


def test_a_body_that_was_answered_already_does_not_go_on_for_ever(port: int) -> None:
    """Whoever goes on sending, byte by byte, what was refused by its length is cut off, too."""
    with connected(port) as slow:
        slow.sendall(head(port, "Content-Length: 5000000"))
        dripping = threading.Thread(target=drip, args=(slow,))
        dripping.start()
        began = time.monotonic()
        assert b" 413 " in hear(slow)
        assert time.monotonic() - began < 3
        dripping.join()


def test_a_connection_that_is_kept_alive_has_a_time_for_each_head(port: int) -> None:
    """After a first answer, half of a second head is cut off as a first one would be; a whole one is answered."""
    with connected(port) as kept:
        for _ in range(2):
            kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += kept.recv(4000)
            assert b" 200 " in answer
        kept.sendall(b"GET /hea")
        began = time.monotonic()
        assert hear(kept) == b""
        assert time.monotonic() - began < 3


def test_one_connection_too_many_is_told_to_come_again(port: int) -> None:
    """Beyond the bound a connection is answered 503 at once; when others have ended there is room again."""
    with connected(port), connected(port), connected(port), connected(port) as fourth:
        assert retry_after(hear(fourth))

    def answered() -> bool:
        with connected(port) as another:
            another.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            return b" 200 " in hear(another)

    until(answered)


def test_a_sender_that_hangs_up_leaves_no_traceback(
    engine: Engine, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of the body, with what came so far or with a reset: nothing is kept and nothing is logged."""
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with connected(port) as one:
                one.sendall(head(port, "Content-Length: 1000") + b'{"key"')
                time.sleep(0.1)
        with connected(port) as one:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            assert b" 200 " in hear(one)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []
    assert engine.journal.delivery_summaries() == []


def test_a_length_that_is_too_large_is_refused_before_the_body_comes(port: int) -> None:
    """A body that says it is over a mebibyte is refused with the reason, and none of it is waited for."""
    with connected(port) as one:
        one.sendall(head(port, f"Content-Length: {1024 * 1024 + 1}", "Connection: close"))
        assert b"413" in one.recv(4000)


# --- what cannot be read, and is tried again -------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": ' * 33 + b"1" + b"}" * 33, "deeper than 32"),
        (b"[" * 40, "deeper than 32"),
        (b'{"key": {"a": 1, "\\u0061": 2}}', "'a' stands twice"),
        (b'{"key": NaN}', "NaN"),
        (b'\xef\xbb\xbf {"key": -Infinity}', "Infinity"),
        (b'{"a\\"": "' + b"[" * 40, None),
        (b'{"a": ' * 32 + b"1" + b"}" * 32, None),
        (b"Name=" + b"[" * 40, None),
    ],
)
def test_what_readers_may_understand_differently_is_refused(
    client: TestClient, engine: Engine, body: bytes, reason: str | None
) -> None:
    """Too deep, a key twice (however it is written), NaN: 400 with the reason, nothing is kept; all else is kept."""
    answer = client.post("/alerts/json", content=body, headers=AUTH)
    if reason is None:
        assert answer.status_code == 202
    else:
        assert (answer.status_code, reason in answer.json()["detail"]) == (400, True)
        assert engine.journal.delivery_summaries() == []


def test_who_proves_nothing_is_not_told_what_is_wrong_with_the_body(client: TestClient) -> None:
    """Without a token a body is not even read: 401."""
    assert client.post("/alerts/json", content=b"[" * 40).status_code == 401


def test_the_json_in_a_form_is_held_to_the_same() -> None:
    """GitHub's form is refused for what stands in its `payload`, and kept where it is only unreadable."""
    github = SOURCES["github"]
    as_form = (("Content-Type", "application/x-www-form-urlencoded"),)
    twice = RawRequest(urlencode({"payload": '{"action": 1, "action": 2}'}).encode(), as_form)
    nonsense = RawRequest(urlencode({"payload": "{", "a": "b"}).encode() + b"&a=c", as_form)
    assert ("stands twice" in (body_rejection(github, twice) or ""), body_rejection(github, nonsense)) == (True, None)


@pytest.mark.parametrize(("body", "reason"), [(b"\x80", "UTF-8"), (b"{", "Expecting")])
def test_a_bad_body_is_kept_aside_with_its_reason_and_is_listed(client: TestClient, body: bytes, reason: str) -> None:
    """What is authenticated and cannot be read is answered 202, quarantined, and listed with the reason."""
    answer = client.post("/alerts/json", content=body, headers=AUTH)
    assert answer.status_code == 202
    assert reason in settled(client, answer.json()["id"])["reason"]
    (listed,) = client.get("/alerts?state=quarantined", headers=AUTH).json()
    assert (listed["id"], listed["alerts"]) == (answer.json()["id"], [])


def test_a_list_holds_some_of_many_alerts_and_says_how_many_there_are(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one request the last 20; itself shows all of them. The command says how many it leaves out."""
    alerts = [{"status": "firing", "labels": {"alertname": "x"}, "fingerprint": str(n)} for n in range(25)]
    sent = send(client, {"alerts": alerts}, "alertmanager")
    assert (len(sent["alerts"]), sent["total_alerts"]) == (25, 25)
    (listed,) = client.get("/alerts", headers=AUTH).json()
    assert ([one["key"] for one in listed["alerts"]], listed["total_alerts"]) == (
        [f"alertmanager:{n}" for n in range(5, 25)],
        25,
    )
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", engine.settings.journal_url)
    told = CliRunner().invoke(commands, ["alert", "list"]).output
    assert f"(5 before these: GET /alerts/{sent['id']} shows all)" in told


def test_what_was_quarantined_is_looked_at_again(client: TestClient, engine: Engine) -> None:
    """After `retry` it becomes what its words mean now; with the same meaning it is quarantined again."""
    broken = client.post("/alerts/json", content=b"{", headers=AUTH).json()["id"]
    settled(client, broken)
    # As an older version would have left it that could not read these words.
    readable = client.post("/alerts/json", json=PAYMENTS, headers=AUTH).json()["id"]
    settled(client, readable)
    engine.journal.set_delivery_state(readable, "quarantined", "It cannot be read: an older version.")
    for delivery, decision in ((broken, "quarantined"), (readable, "repeat")):
        again = client.post(f"/alerts/{delivery}/retry", headers=AUTH)
        assert (again.status_code, again.json()) == (202, {"id": delivery})
        assert settled(client, delivery)["state"] == decision


def test_retry_is_for_what_became_nothing(client: TestClient) -> None:
    """What has an incident is not tried again, what nobody knows is 404, and without the token nothing is done."""
    opened = send(client, PAYMENTS)
    refused = client.post(f"/alerts/{opened['id']}/retry", headers=AUTH)
    assert (refused.status_code, "opened" in refused.json()["detail"]) == (409, True)
    assert client.post("/alerts/none/retry", headers=AUTH).status_code == 404
    assert client.post(f"/alerts/{opened['id']}/retry").status_code == 401


def test_the_commands_list_and_retry(client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """`allclear alert list` shows what is quarantined and why, and `retry` has it looked at and says what it became."""
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", engine.settings.journal_url)
    broken = client.post("/alerts/json", content=b'{"key": 1', headers=AUTH).json()["id"]
    settled(client, broken)
    send(client, PAYMENTS)
    runner = CliRunner()
    told = runner.invoke(commands, ["alert", "list", "--state", "quarantined"])
    assert (broken in told.output, "Expecting" in told.output, "opened" in told.output) == (True, True, False)
    (row,) = json.loads(runner.invoke(commands, ["alert", "list", "--state", "quarantined", "--json"]).output)
    assert (row["id"], row["state"]) == (broken, "quarantined")
    again = runner.invoke(commands, ["alert", "retry", broken, "--json"])
    assert json.loads(again.output)["state"] == "quarantined"
    assert runner.invoke(commands, ["alert", "list", "--state", "lost"]).exit_code != 0


# --- what is shown ---------------------------------------------------------------------------------------


def test_each_alert_of_a_delivery_is_shown_with_what_became_of_it(client: TestClient) -> None:
    """A group of two: one opens an incident and one has no route; each has its key, status, title, time and reason."""
    labels = [{"alertname": "PaymentProcessingFailures", "severity": "critical"}, {"alertname": "Unheard"}]
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


def test_alerts_are_filtered_by_what_they_became_and_where_they_came_from(client: TestClient) -> None:
    """`state`, `source` and `limit` narrow the list; what they cannot be is refused with a reason."""
    opened = send(client, PAYMENTS)["id"]
    group = {"status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "Unheard"}}]}
    ignored = send(client, group, "alertmanager")["id"]

    def ids(query: str) -> list[str]:
        return [one["id"] for one in client.get(f"/alerts?{query}", headers=AUTH).json()]

    assert ids("") == [ignored, opened]
    assert (ids("state=ignored"), ids("source=json"), ids("limit=1")) == ([ignored], [opened], [ignored])
    assert ids("state=opened&source=alertmanager") == ids("source=nobody") == []
    for query in ("state=lost", "limit=0", "limit=1001", "limit=x"):
        assert client.get(f"/alerts?{query}", headers=AUTH).status_code == 422


def test_a_journal_that_cannot_be_read_is_told_at_every_door(client: TestClient, engine: Engine) -> None:
    """Where the journal is damaged, looking is answered 503 with Retry-After; nothing is a fault of the doors."""
    with closing(sqlite3.connect(journal_file(engine))) as connection:
        connection.execute("ALTER TABLE inbox RENAME TO lost")
        connection.execute("ALTER TABLE incidents RENAME TO gone")
    for path in ("/alerts", "/alerts/x", "/incidents", "/incidents/VS-1"):
        answer = client.get(path, headers=AUTH)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2"), path
    assert client.post("/alerts/json", json=PAYMENTS, headers=AUTH).status_code == 503
