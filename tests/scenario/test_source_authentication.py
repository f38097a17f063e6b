"""Authentication of the configured sources through HTTP: what is accepted, what is stored, and how it is marked."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from pydantic import SecretStr, ValidationError

from allclear.bootstrap import Engine, make_engine
from allclear.company import find_company
from allclear.domain.base import utc_now
from allclear.domain.errors import ConfigError
from allclear.domain.systems import AlertSource
from allclear.responder.app import make_app
from allclear.responder.authentication import make_authenticator
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import Credentials
from allclear.responder.sources.status_cake import token
from allclear.settings import Settings
from tests.unit.responder.responder_support import TOKEN, running_responder, when_decided
from tests.unit.responder.sources.sources_support import sample

CANARY, OLDER = "canary-4711", "canary-before"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
ROUTED = "PaymentProcessingFailures"
"""The name of an alert for which VintStreet's plan has a route."""

CONFIGURED: dict[str, dict[str, Any]] = {
    "sentry": {"secret": "SENTRY"},
    "pagerduty": {"secret": ["NEW", "OLD"]},
    "github": {"secret": "GITHUB"},
    "grafana": {"secret": "GRAFANA", "timestamp_header": "X-Grafana-Time"},
    "google": {"secret": "GOOGLE"},
    "pingdom": {"secret": "PINGDOM"},
    "statuscake": {"secret": "STATUSCAKE", "username": "acme"},
    "cloudevents": {"secret": "EVENTS", "types": {"com.example.checkout.failed": "firing"}},
    "datadog": {"secret": "DATADOG", "header": "X-Allclear-Token"},
    "vercel": {"secret": "NOT_SET"},
    "alertmanager": {"secret": "METRICS"},
}
NAMES = "SENTRY NEW GITHUB GRAFANA GOOGLE PINGDOM STATUSCAKE EVENTS DATADOG METRICS"
ENVIRON = dict.fromkeys(NAMES.split(), CANARY) | {"OLD": f" {OLDER}\n"}


def company_with(configured: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401 - a company
    """Return VintStreet with these alert sources."""
    company = find_company("vintstreet")
    alerts = {name: AlertSource.model_validate(config) for name, config in configured.items()}
    return replace(company, systems=company.systems.model_copy(update={"alerts": alerts}))


@contextmanager
def configured(folder: Path) -> Generator[Engine]:
    """Yield an engine whose company has configured most sources; Prefect is unreachable."""
    settings = Settings(
        journal_url=f"sqlite:///{folder / 'journal.db'}",
        PREFECT_API_URL="http://127.0.0.1:9/api",  # pyright: ignore[reportCallIssue] - its alias
    )
    engine = make_engine(settings, environ=ENVIRON, company=company_with(CONFIGURED))
    yield engine
    engine.journal.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine whose company has configured most sources."""
    with configured(tmp_path) as engine:
        yield engine


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """A client of the responder, whose workers run."""
    with running_responder(engine) as client:
        yield client


def credentials_of(source: str) -> Credentials:
    """Return the credentials of a configured source."""
    config = CONFIGURED[source]
    options = {name: config[name] for name in ("username", "header", "timestamp_header") if name in config}
    return Credentials((CANARY,), options)


def routed(source: str, name: str = "firing") -> RawRequest:
    """Return a signed sample that matches a route of VintStreet's plan."""
    now = utc_now()
    made = sample(source, name, now)
    body = made.body
    titles = (
        "SampleCheckoutErrors",
        "Sample: payment errors",
        "Sample: payments fail",
        "Sample checkout latency",
        "Sample shop",
        "Sample: error rate of the shop is high",
    )
    for title in (*titles, "Sample+shop"):
        body = body.replace(f'"{title}"'.encode(), f'"{ROUTED}"'.encode())
    body = body.replace(b"Name=Sample+shop", f"Name={ROUTED}".encode())
    return SOURCES[source].sign(replace(made, body=body), credentials_of(source), now)


def post(client: TestClient, source: str, request: RawRequest) -> Response:
    """Send a request as it is."""
    address = f"/alerts/{source}" + (f"?{request.query}" if request.query else "")
    return client.post(address, content=request.body, headers=list(request.headers))


def decision(client: TestClient, response: Response) -> dict[str, Any]:
    """Return the delivery of an accepted request with its decision."""
    assert response.status_code == 202, response.text
    return when_decided(client, response.json()["id"])


@pytest.mark.parametrize(
    ("source", "authenticated"),
    [
        ("sentry", True),
        ("pagerduty", True),
        ("grafana", True),
        ("datadog", True),
        ("alertmanager", True),
        ("google", True),
        ("pingdom", False),
        ("statuscake", False),
    ],
)
def test_the_incident_records_whether_its_alert_was_authenticated(
    client: TestClient, engine: Engine, source: str, *, authenticated: bool
) -> None:
    """A signed alert is recorded as authenticated. A weakly authenticated one opens an incident and is not."""
    delivery = decision(client, post(client, source, routed(source)))
    assert delivery["state"] == "opened", delivery
    (alert,) = engine.conductor.incident(delivery["incident"]).alerts.values()
    assert (alert.source, alert.authenticated) == (source, authenticated)


def test_a_resolution_joins_the_incident_of_its_alert(client: TestClient, engine: Engine) -> None:
    """PagerDuty's resolved event joins the incident that the triggered event opened."""
    opened = decision(client, post(client, "pagerduty", routed("pagerduty")))
    resolved = decision(client, post(client, "pagerduty", routed("pagerduty", "resolved")))
    assert (resolved["state"], resolved["incident"]) == ("joined", opened["incident"])
    assert {alert.state for alert in engine.conductor.incident(opened["incident"]).alerts.values()} >= {"resolved"}


def test_no_secret_reaches_the_inbox(client: TestClient, engine: Engine) -> None:
    """The inbox stores the headers that parsing needs, and no query, no secret header and no token of a form."""
    for source in ("google", "pingdom", "statuscake", "datadog", "cloudevents", "github"):
        request = routed(source)
        if source == "google":
            request = RawRequest(request.body, (("Content-Type", "application/json"),), f"auth_token={CANARY}")
        decision(client, post(client, source, request))
    rows = engine.journal.deliveries()
    assert len(rows) == 6
    for row in rows:
        text = json.dumps(row.headers) + row.body.decode()
        assert CANARY not in text
        assert token("acme", CANARY) not in text
        own = {":authentication", ":delivery-id"}
        assert set(row.headers) <= {"content-type", "user-agent", "x-github-event", "x-github-delivery"} | own
    assert sum(b"not+stored" in row.body for row in rows) == 1


def test_a_weakly_authenticated_repeat_is_another_delivery(client: TestClient) -> None:
    """The same body with the secret in the address is no repeat of the delivery with the secret in a header."""
    body = sample("google", "firing", utc_now()).body
    in_header = RawRequest(body, (("Authorization", f"Bearer {CANARY}"),))
    first = post(client, "google", in_header)
    weak = post(client, "google", RawRequest(body, query=f"auth_token={CANARY}"))
    repeat = post(client, "google", in_header)
    assert first.json()["id"] == repeat.json()["id"] != weak.json()["id"]


def test_a_delivery_is_identified_by_its_id_and_its_body(client: TestClient) -> None:
    """A repeat with GitHub's id and body is the same delivery. Another id, or another body, is another delivery."""
    request = routed("github")
    first = post(client, "github", request).json()["id"]
    assert post(client, "github", request).json()["id"] == first
    others = routed("github"), routed("github", "resolved")
    assert len({first, *(post(client, "github", other).json()["id"] for other in others)}) == 3


def test_a_source_that_is_not_configured_is_answered_403(client: TestClient) -> None:
    """The answer names what is missing: the line in systems.yaml, or the variable. Nothing is stored."""
    unset, unknown = client.post("/alerts/vercel", content=b"{}"), client.post("/alerts/supabase", content=b"{}")
    assert (unset.status_code, "NOT_SET" in unset.text) == (403, True)
    assert (unknown.status_code, "systems.yaml" in unknown.text) == (403, True)
    assert client.post("/alerts/pigeon", content=b"{}").status_code == 404
    wrong = client.post("/alerts/github", content=b"{}", headers={"X-Hub-Signature-256": "sha256=00"})
    assert (wrong.status_code, CANARY in wrong.text) == (401, False)
    assert client.get("/alerts", headers=AUTH).json() == []


def test_only_alertmanager_and_json_accept_the_token(client: TestClient) -> None:
    """ALLCLEAR_ALERT_TOKEN is accepted for these two beside the configured secret, and for no other source."""
    for source in SOURCES:
        body = sample(source, "firing", utc_now()).body
        status = client.post(f"/alerts/{source}", content=body, headers=AUTH).status_code
        assert (status == 202) is (source in {"alertmanager", "json"}), source
    own = {"Authorization": f"Bearer {CANARY}"}
    body = sample("alertmanager", "firing", utc_now()).body
    assert client.post("/alerts/alertmanager", content=body, headers=own).status_code == 202
    assert client.post("/alerts/json", content=b"{}", headers=own).status_code == 401
    assert client.get("/alerts", headers=own).status_code == 401


def test_both_secrets_are_accepted_while_one_replaces_the_other(client: TestClient) -> None:
    """PagerDuty's old secret is still accepted, even if its variable ends with a line break."""
    unsigned, now = sample("pagerduty", "test", utc_now()), utc_now()
    for secret in (CANARY, OLDER):
        signed = SOURCES["pagerduty"].sign(unsigned, Credentials((secret,)), now)
        delivery = decision(client, post(client, "pagerduty", signed))
        assert (delivery["state"], delivery["reason"].startswith("A test call")) == ("ignored", True)


def test_a_vendors_test_opens_no_incident(client: TestClient, engine: Engine) -> None:
    """A vendor's test is answered 202 and ignored, and the reason says that it was a test."""
    for source in ("sentry", "pagerduty", "google", "github", "grafana"):
        request = SOURCES[source].sign(sample(source, "test", utc_now()), credentials_of(source), utc_now())
        delivery = decision(client, post(client, source, request))
        assert (delivery["state"], "test call" in delivery["reason"]) == ("ignored", True)
    assert engine.journal.incidents() == []


def test_a_signed_body_with_a_missing_field_is_quarantined(client: TestClient) -> None:
    """An authenticated request that cannot be parsed is answered 202; the reason names the field."""
    request = SOURCES["sentry"].sign(RawRequest(b'{"data": {"issue": {}}}'), Credentials((CANARY,)), utc_now())
    delivery = decision(client, post(client, "sentry", request))
    assert (delivery["state"], "data.issue.id" in delivery["reason"]) == ("quarantined", True)


def test_the_cloud_events_handshake_is_answered_if_the_source_is_configured(client: TestClient, engine: Engine) -> None:
    """The answer has the origin and the rate. Without a configured source, or a valid origin, it is 405."""
    headers = {"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "120"}
    response = client.options("/alerts/cloudevents", headers=headers)
    assert response.status_code == 200
    assert response.headers["WebHook-Allowed-Origin"] == "events.example.com"
    assert response.headers["WebHook-Allowed-Rate"] == "120"
    assert "POST" in response.headers["Allow"]
    invalid = client.options("/alerts/cloudevents", headers={"WebHook-Request-Origin": "<script>"})
    assert (invalid.status_code, "WebHook-Allowed-Origin" in invalid.headers) == (405, False)
    assert client.options("/alerts/sentry", headers=headers).status_code == 405
    unconfigured = make_engine(engine.settings, environ={}, company=company_with({}), journal=engine.journal)
    with TestClient(make_app(unconfigured, SecretStr(TOKEN), drives=False)) as other:
        assert other.options("/alerts/cloudevents", headers=headers).status_code == 405


@pytest.mark.parametrize(
    ("source", "config", "sentence"),
    [
        ("sentry", {"secret": "A", "header": "X"}, "`sentry` has no option `header`"),
        ("pingdom", {"secret": "A", "timestamp_header": "X"}, "`pingdom` has no option `timestamp_header`"),
        ("statuscake", {"secret": "A"}, "`statuscake` needs the option `username`"),
        ("statuscake", {"secret": "A", "username": ""}, "`username`"),
        ("grafana", {"secret": "A", "timestamp_header": 7}, "`timestamp_header` must be text"),
        ("grafanna", {"secret": "A"}, "There is no alert source `grafanna`"),
    ],
)
def test_a_wrong_alert_source_stops_the_responder(source: str, config: dict[str, Any], sentence: str) -> None:
    """The error names the source that is not installed, or the unknown or missing option, with file and line."""
    company = company_with({source: config})
    with pytest.raises(ConfigError, match=sentence) as error:
        make_authenticator(company, lambda _: "", None)
    assert re.search(r"systems\.yaml:\d+: ", error.value.message)
    assert error.value.next_step


def test_a_reason_that_quotes_a_request_is_short_and_on_one_line(client: TestClient) -> None:
    """A status with control characters and 100,000 characters gives a printable reason of at most 300 characters."""
    unsigned = sample("pingdom", "firing", utc_now())
    body = unsigned.body.replace(b'"DOWN"', json.dumps("\x1b[31m\n" + "x" * 100_000).encode())
    request = SOURCES["pingdom"].sign(replace(unsigned, body=body), Credentials((CANARY,)), utc_now())
    delivery = decision(client, post(client, "pingdom", request))
    reason = delivery["reason"]
    assert (delivery["state"], reason.isprintable(), len(reason) <= 300) == ("quarantined", True, True)


@pytest.mark.parametrize("secret", ["hunter2-in-the-clear", "", [], ["GOOD", "bad one"], 7, None])
def test_a_secret_in_systems_yaml_is_rejected_and_not_shown(secret: object) -> None:
    """A value that is not the name of a variable may be the secret itself, so the error does not show it."""
    with pytest.raises(ValidationError) as error:
        AlertSource.model_validate({"secret": secret})
    assert "never the secret itself" in error.value.errors(include_input=False)[0]["msg"]
