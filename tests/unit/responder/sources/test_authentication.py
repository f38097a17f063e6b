"""The sources behind the responder's door: who gets in, what is kept, and what may set off an action."""

from __future__ import annotations

import json
import re
import time
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
from tests.unit.responder.responder_support import patient
from tests.unit.responder.sources.sources_support import sample

TOKEN, CANARY, OLDER = "a-long-secret-token", "canary-4711", "canary-before"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
ROUTED = "PaymentProcessingFailures"
"""An alert that VintStreet's plan routes."""

CONFIGURED: dict[str, dict[str, Any]] = {
    "sentry": {"secret": "SENTRY"},
    "pagerduty": {"secret": ["NEW", "OLD"]},
    "github": {"secret": "GITHUB"},
    "grafana": {"secret": "GRAFANA", "timestamp_header": "X-Grafana-Time"},
    "google": {"secret": "GOOGLE"},
    "pingdom": {"secret": "PINGDOM"},
    "statuscake": {"secret": "STATUSCAKE", "username": "acme"},
    "cloudevents": {"secret": "EVENTS"},
    "datadog": {"secret": "DATADOG", "header": "X-Allclear-Token"},
    "vercel": {"secret": "NOT_SET"},
    "alertmanager": {"secret": "METRICS"},
}
NAMES = "SENTRY NEW GITHUB GRAFANA GOOGLE PINGDOM STATUSCAKE EVENTS DATADOG METRICS"
ENVIRON = dict.fromkeys(NAMES.split(), CANARY) | {"OLD": f" {OLDER}\n"}


def company_with(configured: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401 - a company
    """Return VintStreet with these sources of alerts."""
    company = find_company("vintstreet")
    alerts = {name: AlertSource.model_validate(one) for name, one in configured.items()}
    return replace(company, systems=company.systems.model_copy(update={"alerts": alerts}))


@contextmanager
def configured(folder: Path) -> Generator[Engine]:
    """Yield an engine whose company has configured some sources; Prefect is away."""
    settings = Settings(
        journal_url=f"sqlite:///{folder / 'journal.db'}",
        PREFECT_API_URL="http://127.0.0.1:9/api",  # pyright: ignore[reportCallIssue] - its alias
    )
    engine = make_engine(settings, environ=ENVIRON, company=company_with(CONFIGURED))
    yield engine
    engine.journal.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine whose company has configured some sources."""
    with configured(tmp_path) as engine:
        yield engine


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """The responder, with its loops running."""
    with patient(engine) as client:
        yield client


def credentials_of(source: str) -> Credentials:
    """Return what is configured for a source."""
    config = CONFIGURED[source]
    more = {name: config[name] for name in ("username", "header", "timestamp_header") if name in config}
    return Credentials((CANARY,), more)


def routed(source: str, name: str = "firing") -> RawRequest:
    """Return a signed sample that a route of VintStreet's plan takes."""
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
    for one in (*titles, "Sample+shop"):
        body = body.replace(f'"{one}"'.encode(), f'"{ROUTED}"'.encode())
    body = body.replace(b"Name=Sample+shop", f"Name={ROUTED}".encode())
    return SOURCES[source].sign(replace(made, body=body), credentials_of(source), now)


def post(client: TestClient, source: str, request: RawRequest) -> Response:
    """Send a request as it is."""
    address = f"/alerts/{source}" + (f"?{request.query}" if request.query else "")
    return client.post(address, content=request.body, headers=list(request.headers))


def decision(client: TestClient, answer: Response) -> dict[str, Any]:
    """Return what became of a delivery that was taken in."""
    assert answer.status_code == 202, answer.text
    for _ in range(200):
        said = client.get(f"/alerts/{answer.json()['id']}", headers=AUTH).json()
        if said["state"] != "new":
            return said
        time.sleep(0.02)
    pytest.fail("nothing within four seconds")


@pytest.mark.parametrize(
    ("source", "proven"),
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
def test_what_was_proven_at_the_door_is_what_the_incident_knows(
    client: TestClient, engine: Engine, source: str, *, proven: bool
) -> None:
    """A signed alert is authenticated in the incident; one with a fixed secret opens it and is not."""
    said = decision(client, post(client, source, routed(source)))
    assert said["state"] == "opened", said
    (alert,) = engine.conductor.incident(said["incident"]).alerts.values()
    assert (alert.source, alert.authenticated) == (source, proven)


def test_the_end_finds_the_incident(client: TestClient, engine: Engine) -> None:
    """What PagerDuty resolves joins the incident that its alert opened."""
    opened = decision(client, post(client, "pagerduty", routed("pagerduty")))
    ended = decision(client, post(client, "pagerduty", routed("pagerduty", "resolved")))
    assert (ended["state"], ended["incident"]) == ("joined", opened["incident"])
    assert {one.state for one in engine.conductor.incident(opened["incident"]).alerts.values()} >= {"resolved"}


def test_no_secret_reaches_the_inbox(client: TestClient, engine: Engine) -> None:
    """Neither the address nor a header nor a form's token is kept, and what is needed to read is."""
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
    assert sum(b"not+kept" in row.body for row in rows) == 1


def test_a_weak_repeat_of_a_proven_delivery_is_another_delivery(client: TestClient) -> None:
    """The same body with the secret in the address does not count as the one with it in a header."""
    made = sample("google", "firing", utc_now())
    proven = post(client, "google", RawRequest(made.body, (("Authorization", f"Bearer {CANARY}"),)))
    weak = post(client, "google", RawRequest(made.body, query=f"auth_token={CANARY}"))
    again = post(client, "google", RawRequest(made.body, (("Authorization", f"Bearer {CANARY}"),)))
    assert proven.json()["id"] == again.json()["id"] != weak.json()["id"]


def test_a_delivery_is_known_by_its_number_and_its_body(client: TestClient) -> None:
    """GitHub's repeat of a delivery is counted; another number, or another body under that number, is another."""
    request = routed("github")
    first = post(client, "github", request).json()["id"]
    assert post(client, "github", request).json()["id"] == first
    others = routed("github"), routed("github", "resolved")
    assert len({first, *(post(client, "github", other).json()["id"] for other in others)}) == 3


def test_what_is_not_configured_is_refused_and_says_what_is_missing(client: TestClient) -> None:
    """A source without a section, and one whose variable is empty, are answered 403 in a sentence; nothing is kept."""
    unset, unknown = client.post("/alerts/vercel", content=b"{}"), client.post("/alerts/supabase", content=b"{}")
    assert (unset.status_code, "NOT_SET" in unset.text) == (403, True)
    assert (unknown.status_code, "systems.yaml" in unknown.text) == (403, True)
    assert client.post("/alerts/pigeon", content=b"{}").status_code == 404
    wrong = client.post("/alerts/github", content=b"{}", headers={"X-Hub-Signature-256": "sha256=00"})
    assert (wrong.status_code, CANARY in wrong.text) == (401, False)
    assert client.get("/alerts", headers=AUTH).json() == []


def test_the_token_opens_alertmanager_and_json_alone(client: TestClient) -> None:
    """ALLCLEAR_ALERT_TOKEN works for the two beside what is configured, and for no other source."""
    for source in SOURCES:
        made = sample(source, "firing", utc_now())
        status = client.post(f"/alerts/{source}", content=made.body, headers=AUTH).status_code
        assert (status == 202) is (source in {"alertmanager", "json"}), source
    own = {"Authorization": f"Bearer {CANARY}"}
    made = sample("alertmanager", "firing", utc_now())
    assert client.post("/alerts/alertmanager", content=made.body, headers=own).status_code == 202
    assert client.post("/alerts/json", content=b"{}", headers=own).status_code == 401
    assert client.get("/alerts", headers=own).status_code == 401


def test_both_secrets_open_while_one_replaces_the_other(client: TestClient) -> None:
    """PagerDuty's old secret still opens, also where its variable was written with a line's end."""
    made, now = sample("pagerduty", "test", utc_now()), utc_now()
    for secret in (CANARY, OLDER):
        said = decision(client, post(client, "pagerduty", SOURCES["pagerduty"].sign(made, Credentials((secret,)), now)))
        assert (said["state"], said["reason"].startswith("A test call")) == ("ignored", True)


def test_a_test_call_and_other_news_open_nothing(client: TestClient, engine: Engine) -> None:
    """A vendor's test and an event of another kind are answered 202, and say what they were."""
    for source in ("sentry", "pagerduty", "google", "github", "grafana"):
        made = SOURCES[source].sign(sample(source, "test", utc_now()), credentials_of(source), utc_now())
        said = decision(client, post(client, source, made))
        assert (said["state"], "test call" in said["reason"]) == ("ignored", True)
    assert engine.journal.incidents() == []


def test_what_a_signed_body_does_not_say_is_kept_aside(client: TestClient) -> None:
    """A genuine request that cannot be read is answered 202 and quarantined with the reason."""
    made = RawRequest(b'{"data": {"issue": {}}}')
    said = decision(client, post(client, "sentry", SOURCES["sentry"].sign(made, Credentials((CANARY,)), utc_now())))
    assert (said["state"], "data.issue.id" in said["reason"]) == ("quarantined", True)


def test_a_producer_of_cloud_events_is_welcome_where_it_is_configured(client: TestClient, engine: Engine) -> None:
    """The handshake is answered with the origin and the rate; where nothing is configured, or asked, with 405."""
    asked = {"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "120"}
    answer = client.options("/alerts/cloudevents", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["WebHook-Allowed-Origin"] == "events.example.com"
    assert answer.headers["WebHook-Allowed-Rate"] == "120"
    assert "POST" in answer.headers["Allow"]
    odd = client.options("/alerts/cloudevents", headers={"WebHook-Request-Origin": "<script>"})
    assert (odd.status_code, "WebHook-Allowed-Origin" in odd.headers) == (405, False)
    assert client.options("/alerts/sentry", headers=asked).status_code == 405
    closed = make_engine(engine.settings, environ={}, company=company_with({}), journal=engine.journal)
    with TestClient(make_app(closed, SecretStr(TOKEN), drives=False)) as other:
        assert other.options("/alerts/cloudevents", headers=asked).status_code == 405


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
    """A source that is not installed, or an option that it does not have or lacks, is named with file and line."""
    company = company_with({source: config})
    with pytest.raises(ConfigError, match=sentence) as error:
        make_authenticator(company, lambda _: "", None)
    assert re.search(r"systems\.yaml:\d+: ", error.value.message)
    assert error.value.next_step


def test_a_reason_that_quotes_a_stranger_is_short_and_on_one_line(client: TestClient) -> None:
    """Whatever length and signs a status has, the reason that names it is a sentence."""
    made = sample("pingdom", "firing", utc_now())
    body = made.body.replace(b'"DOWN"', json.dumps("\x1b[31m\n" + "x" * 100_000).encode())
    request = SOURCES["pingdom"].sign(replace(made, body=body), Credentials((CANARY,)), utc_now())
    said = decision(client, post(client, "pingdom", request))
    assert (said["state"], said["reason"].isprintable(), len(said["reason"]) <= 300) == ("ignored", True, True)


@pytest.mark.parametrize("secret", ["hunter2-in-the-clear", "", [], ["GOOD", "bad one"], 7, None])
def test_a_secret_in_systems_yaml_is_refused_and_not_repeated(secret: object) -> None:
    """What is no variable's name may be the secret itself: the complaint does not show it."""
    with pytest.raises(ValidationError) as error:
        AlertSource.model_validate({"secret": secret})
    assert "never the secret itself" in error.value.errors(include_input=False)[0]["msg"]
