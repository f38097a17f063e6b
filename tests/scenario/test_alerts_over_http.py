"""Alerts through the responder's HTTP service: their order, replays, hostile connections, and what is stored."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import h11
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import SecretStr

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.journal.rows import NewDelivery
from allclear.responder.app import make_app
from allclear.responder.connection_limits import BoundedParser, Connection
from allclear.responder.deliveries import stored_parts
from allclear.responder.scrubber import Scrubber
from allclear.responder.sources import SOURCES
from allclear.responder.sources.alertmanager import sample_alert
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import AuthenticationLevel
from allclear.responder.workers.inbox_worker import InboxWorker
from tests.patience import HUNG
from tests.scenario.test_source_authentication import CANARY, ROUTED, configured, credentials_of, decision, post, routed
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
from tests.unit.responder.sources.sources_support import sample

BODY = json.dumps(PAYMENTS).encode()
MINUTE = timedelta(minutes=1)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine whose company has configured most sources."""
    with configured(tmp_path) as engine:
        yield engine


# --- order and replays -----------------------------------------------------------------------------------


def group(status: str) -> dict[str, Any]:
    """Return Alertmanager's body about one alert, the same bytes each time."""
    alert = sample_alert(utc_now().replace(microsecond=0, second=0), status, "5a3c1e0f97b2d846")
    alert["labels"]["alertname"] = "PaymentProcessingFailures"
    return {"status": status, "alerts": [alert]}


def test_the_same_firing_after_its_end_fires_again(client: TestClient, engine: Engine) -> None:
    """Alertmanager repeats the first body, byte for byte, after it has sent the end."""
    firing, resolved = group("firing"), group("resolved")
    first = send(client, firing, "alertmanager")
    assert send(client, resolved, "alertmanager")["state"] == "joined"
    again = send(client, firing, "alertmanager")
    assert (again["id"], again["state"], again["incident"]) == (first["id"], "joined", first["incident"])
    (alert,) = engine.conductor.incident(first["incident"]).alerts.values()
    assert alert.state == "firing"


def test_deliveries_that_wait_are_read_in_the_order_of_their_arrival(engine: Engine) -> None:
    """The first body waits, the end behind it, and the first body again: the last word is that it fires."""
    source, level = SOURCES["alertmanager"], AuthenticationLevel.AUTHENTICATED
    requests = [RawRequest(json.dumps(group(status)).encode()) for status in ("firing", "resolved", "firing")]
    stored = [NewDelivery(source.name, *stored_parts(source, request, level)) for request in requests]
    ids = [engine.journal.receive_all([delivery])[0][0] for delivery in stored]
    InboxWorker(engine).take_in()
    delivery = engine.journal.delivery(ids[0])
    assert (ids[0], delivery.count, delivery.state) == (ids[2], 2, "joined")
    (alert,) = engine.conductor.incident(delivery.incident or "").alerts.values()
    assert alert.state == "firing"


@pytest.mark.parametrize("other_number", [False, True])
def test_a_captured_resolution_changes_nothing_in_an_open_incident(
    client: TestClient, engine: Engine, *, other_number: bool
) -> None:
    """Sentry's end is sent again, byte for byte, with its own or another unsigned number; a new one counts."""

    def post(request: Any) -> dict[str, Any]:  # noqa: ANN401 - a signed request
        answer = client.post("/alerts/sentry", content=request.body, headers=list(request.headers))
        return when_decided(client, answer.json()["id"])

    def signed(name: str) -> Any:  # noqa: ANN401 - a signed request
        return SOURCES["sentry"].sign(sample("sentry", name, utc_now()), credentials_of("sentry"), utc_now())

    opened = post(routed("sentry"))
    captured = signed("resolved")
    assert post(captured)["state"] == "joined"
    assert post(signed("firing"))["state"] == "joined"
    if other_number:
        kept = tuple(pair for pair in captured.headers if pair[0] != "Request-ID")
        captured = replace(captured, headers=(*kept, ("Request-ID", "another")))
    repeat = post(captured)
    assert (repeat["state"], repeat["count"]) == ("joined", 2)
    (alert,) = engine.conductor.incident(opened["incident"]).alerts.values()
    assert alert.state == "firing"


def test_an_unknown_state_is_quarantined_and_counted(client: TestClient) -> None:
    """It is in the list with its reason, and in the metrics."""
    unsigned = sample("datadog", "firing", utc_now())
    body = json.loads(unsigned.body) | {"alert_transition": "$ALERT_TRANSITION"}
    request = replace(unsigned, body=json.dumps(body).encode())
    headers = list(SOURCES["datadog"].sign(request, credentials_of("datadog"), utc_now()).headers)
    answer = client.post("/alerts/datadog", content=request.body, headers=headers)
    delivery = when_decided(client, answer.json()["id"])
    assert (delivery["state"], "use the template" in delivery["reason"]) == ("quarantined", True)
    assert 'allclear_deliveries{state="quarantined"} 1.0' in client.get("/metrics", headers=AUTH).text


def decided(client: TestClient, source: str, name: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Send a signed sample whose body was changed first, and return its delivery with the decision."""
    body = json.loads(routed(source, name).body)
    change(body)
    unsigned = replace(sample(source, name, utc_now()), body=json.dumps(body).encode())
    return decision(client, post(client, source, SOURCES[source].sign(unsigned, credentials_of(source), utc_now())))


def test_the_newer_run_decides_whichever_comes_first(client: TestClient, engine: Engine) -> None:
    """GitHub's run 11 fails, then run 10 of an older commit succeeds: the trouble goes on until run 11 succeeds."""

    def run(number: int, name: str) -> dict[str, Any]:
        return decided(client, "github", name, lambda body: body["workflow_run"].update(run_number=number, name=ROUTED))

    opened = run(11, "firing")
    (alert,) = engine.conductor.incident(opened["incident"]).alerts.values()
    late = run(10, "resolved")
    assert (late["state"], late["incident"]) == ("late", opened["incident"])
    assert engine.conductor.incident(opened["incident"]).alerts[alert.key].state == "firing"
    assert run(12, "resolved")["state"] == "joined"
    assert engine.conductor.incident(opened["incident"]).alerts[alert.key].state == "resolved"


@pytest.mark.parametrize("kind", ["com.github.pull_request.opened", "order.new", "job.started"])
def test_a_cloud_event_that_the_company_has_not_mapped_is_kept_and_ignored(
    client: TestClient, engine: Engine, kind: str
) -> None:
    """It opens nothing, and the list of deliveries says how to map it."""
    ignored = decided(client, "cloudevents", "firing", lambda body: body.update(type=kind))
    assert (ignored["state"], ignored["incident"], engine.journal.incidents()) == ("ignored", None, [])
    assert "alerts: cloudevents: types" in ignored["reason"]
    (kept,) = client.get("/alerts?state=ignored", headers=AUTH).json()
    assert kept["id"] == ignored["id"]


def test_an_end_that_is_no_recovery_leaves_the_trouble_open(client: TestClient, engine: Engine) -> None:
    """Grafana resolves an alert whose rule was paused: the reason is recorded, and nothing is well because of it."""
    opened = decided(client, "grafana", "firing", dict.copy)

    def paused(body: dict[str, Any]) -> None:
        body["alerts"][0]["annotations"]["grafana_state_reason"] = "Paused"

    ended = decided(client, "grafana", "resolved", paused)
    assert (ended["state"], "no recovery" in ended["reason"]) == ("joined", True)
    incident = engine.conductor.incident(opened["incident"])
    (alert,) = incident.alerts.values()
    assert (alert.state, alert.no_recovery != "", incident.over) == ("resolved", True, False)


def test_alerts_that_differ_in_one_label_far_behind_are_two(client: TestClient, engine: Engine) -> None:
    """Their keys come from the whole content, not from the part that is shown."""

    def label(value: str) -> Callable[[dict[str, Any]], object]:
        def change(body: dict[str, Any]) -> None:
            labels = {f"label{number:03}": "same" for number in range(150)} | {"label149": value}
            body["alerts"][0] = {**body["alerts"][0], "labels": labels | {"alertname": ROUTED}}
            del body["alerts"][0]["fingerprint"]

        return change

    first, second = (decided(client, "alertmanager", "firing", label("x" * 600 + end)) for end in "ab")
    assert (first["incident"], second["state"]) == (second["incident"], "joined")
    assert len(engine.conductor.incident(first["incident"]).alerts) == 2


# --- what is stored --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelled",
    [
        CANARY,
        quote(CANARY, safe=""),
        "".join(f"%{byte:02x}" for byte in CANARY.encode()),
        "".join(f"\\u00{byte:02x}" for byte in CANARY.encode()),
        base64.b64encode(f"allclear:{CANARY}".encode()).decode(),
        TOKEN,
    ],
)
def test_no_secret_of_the_company_is_stored_whatever_source_repeats_it(
    client: TestClient, engine: Engine, spelled: str
) -> None:
    """The webhook's own address stands in the body and in a header, with the secret of this or another source."""
    sent = 0
    for source in ("google", "pingdom", "datadog", "cloudevents", "github", "sentry", "grafana", "alertmanager"):
        unsigned = sample(source, "firing", utc_now())
        body = unsigned.body.rstrip()[:-1] + f', "address": "https://r/alerts/x?token={spelled}&a=b"}}'.encode()
        request = SOURCES[source].sign(replace(unsigned, body=body), credentials_of(source), utc_now())
        address = f"/alerts/{source}" + (f"?{request.query}" if request.query else "")
        headers = [*request.headers, ("User-Agent", f"monitor {spelled}")]
        answer = client.post(address, content=request.body, headers=headers)
        assert answer.status_code == 202, source
        when_decided(client, answer.json()["id"])
        sent += 1
    rows = engine.journal.deliveries()
    assert len(rows) == sent
    for row in rows:
        assert spelled not in json.dumps(row.headers) + row.body.decode()
        assert re.search(r"https://r/alerts/x\?token=\w*\[not stored\]&a=b", row.body.decode())
        assert row.state != "quarantined", row.reason


# --- routes ----------------------------------------------------------------------------------------------


def test_no_route_answers_with_a_redirect(engine: Engine) -> None:
    """With a slash at the end, an alert is taken in; every other route answers as it does for an unknown address."""
    app = make_app(engine, SecretStr(TOKEN), drives=False)
    paths = {route.path for route in app.routes if isinstance(route, APIRoute)} | {"/openapi.json", "/", "//alerts"}
    with TestClient(app, follow_redirects=False) as client:
        taken = client.post(f"/alerts/json/?token={TOKEN}", content=BODY, headers=AUTH)
        assert taken.status_code == 202
        counted = 'allclear_alerts_answered_total{source="json",status="202"} 1.0'
        assert counted in client.get("/metrics", headers=AUTH).text
        for path in paths:
            for address in (path, f"{path}/", f"{path}//"):
                for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE"):
                    answer = client.request(method, f"{address}?token={TOKEN}", headers={"Host": "elsewhere.example"})
                    assert not answer.is_redirect, (method, address)
                    assert "location" not in answer.headers


def test_head_is_answered_as_get_without_a_body(client: TestClient, engine: Engine) -> None:
    """A monitor may ask HEAD whether the responder is up, is ready, or has metrics."""
    for path in ("/healthz", "/readyz", "/metrics", "/alerts", "/openapi.json"):
        get, asked = client.get(path, headers=AUTH), client.head(path, headers=AUTH)
        expected = {503} if path == "/readyz" else {200}  # secrets of VintStreet are missing here
        assert {get.status_code, asked.status_code} == expected, path
        assert asked.content == b""
        assert asked.headers["content-type"] == get.headers["content-type"]
    assert client.head("/alerts").status_code == 401
    assert client.head("/nothing").status_code == 404
    with served(make_patient_app(engine)) as port, connected(port) as connection:
        connection.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        answer = receive_all(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")


# --- hostile connections ---------------------------------------------------------------------------------


@pytest.fixture
def kind() -> type[Connection]:
    """The connection class of one test, whose limits of time are generous."""
    return type("OwnConnection", (Connection,), {"head_seconds": HUNG})


def test_a_request_in_very_many_pieces_is_refused_before_it_is_parsed(engine: Engine, kind: type[Connection]) -> None:
    """Of 400,000 chunks without credentials, only as many as are allowed are parsed; another alert is taken in."""
    parsed = list[int]()

    class Counting(BoundedParser):
        """Counts what is parsed on the connection with the chunks."""

        def next_event(self) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event:
            """Parse the next event."""
            event = super().next_event()
            if isinstance(event, h11.Data):
                parsed.append(1)
            return event

    kind.parser = Counting
    with served(make_patient_app(engine, body_seconds=HUNG), kind) as port, connected(port) as hostile:
        hostile.sendall(b"POST /alerts/json HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")

        def flood() -> None:
            try:
                hostile.sendall(b"1\r\nx\r\n" * 400_000)
            except OSError:  # the responder has closed the connection
                return

        flooding = threading.Thread(target=flood)
        flooding.start()
        with connected(port) as other:
            other.sendall(head(port, f"Content-Length: {len(BODY)}", "Connection: close") + BODY)
            assert b" 202 " in receive_all(other)
        receive_all(hostile)
        flooding.join()
    assert len(parsed) <= BoundedParser.max_pieces + len(BODY)
    assert len(engine.journal.delivery_summaries()) == 1


@pytest.mark.parametrize(
    ("more", "body", "status"),
    [
        ((f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked"), b"0\r\n\r\n", b"400"),
        (("Transfer-Encoding: chunked", f"Content-Length: {len(BODY)}"), BODY, b"400"),
        (("Transfer-Encoding: chunked",), b"not a chunk\r\n", b"400"),
        ((f"X: {'x' * 100_000}", f"Content-Length: {len(BODY)}"), BODY, b"400"),
        (("Transfer-Encoding: chunked",), b"1\r\nx\r\n" * 2000, b"413"),
    ],
)
def test_a_request_that_is_refused_ends_its_connection(
    engine: Engine, kind: type[Connection], more: tuple[str, ...], body: bytes, status: bytes
) -> None:
    """Nothing of it is stored, and what follows on the connection is not read as a request."""
    smuggled = head(0, f"Content-Length: {len(BODY)}") + BODY
    with served(make_patient_app(engine, body_seconds=HUNG), kind) as port, connected(port) as hostile:
        hostile.sendall(head(port, *more) + body + smuggled)
        answer = receive_all(hostile)
    assert answer[9:12] in {status, b""}
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert engine.journal.delivery_summaries() == []


def test_the_responder_answers_while_a_body_is_scrubbed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large body takes time; other senders, and who asks for the health, do not wait for it."""
    scrubbing, go_on, body = threading.Event(), threading.Event(), Scrubber.body

    def slowly(scrubber: Scrubber, raw: bytes) -> bytes:
        if raw == BODY:
            scrubbing.set()
            assert go_on.wait(HUNG)
        return body(scrubber, raw)

    monkeypatch.setattr(Scrubber, "body", slowly)
    with TestClient(make_app(engine, SecretStr(TOKEN))) as client:
        answers: list[int] = []
        sender = threading.Thread(
            target=lambda: answers.append(client.post("/alerts/json", content=BODY, headers=AUTH).status_code)
        )
        sender.start()
        try:
            assert scrubbing.wait(HUNG)
            assert client.get("/healthz").status_code == 200
            assert answers == []
        finally:
            go_on.set()
            sender.join(HUNG)
        assert answers == [202]
