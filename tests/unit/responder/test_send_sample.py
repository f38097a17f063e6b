"""`allclear alert send`: what is sent, and what a person is told where it does not get in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, ConfigError, MissingSecret, NotFound, Unreachable, VendorRefused
from allclear.responder.authentication import make_authenticator
from allclear.responder.send_sample import lacks, send
from tests.unit.responder.responder_support import patient
from tests.unit.responder.sources.test_authentication import CANARY, CONFIGURED, TOKEN, configured


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


def test_a_sample_is_sent_and_followed(client: TestClient, engine: Engine) -> None:
    """`send` signs with what is configured, gets in, and says what became of it; what it cannot send it says."""
    authenticator = make_authenticator(engine.company, engine.context.secret, SecretStr(TOKEN))
    for source in CONFIGURED:
        if source != "vercel":
            sent = send(authenticator, client, source, "firing", utc_now())
            assert sent.decision is not None, source
            assert "No route" in sent.decision["reason"], source
    with pytest.raises(NotFound, match="no sample"):
        send(authenticator, client, "sentry", "nonsense", utc_now())
    without_token = make_authenticator(engine.company, engine.context.secret, None)
    assert send(without_token, client, "sentry", "firing", utc_now()).decision is None
    with_another = make_authenticator(engine.company, engine.context.secret, SecretStr("another"))
    assert send(with_another, client, "sentry", "firing", utc_now()).decision is None


def test_what_is_missing_for_a_sample_is_named(engine: Engine) -> None:
    """A line of systems.yaml that is not there is another thing than a variable that is not set, and each is named."""
    authenticator = make_authenticator(engine.company, engine.context.secret, None)
    assert [lacks(authenticator, source) for source in ("sentry", "uptimerobot", "vercel", "json")] == [
        "",
        "not configured in systems.yaml",
        "NOT_SET is not set here",
        "ALLCLEAR_ALERT_TOKEN is not set here",
    ]
    with httpx.Client(base_url="http://127.0.0.1:9") as http:
        for source, wanted in (("vercel", MissingSecret), ("json", MissingSecret), ("uptimerobot", ConfigError)):
            with pytest.raises(wanted) as error:
                send(authenticator, http, source, "firing", utc_now())
            assert error.value.exit_code == 3
            assert lacks(authenticator, source).split()[0] in f"{error.value.message} {error.value.next_step} not"


@pytest.mark.parametrize(
    ("source", "wanted", "code", "told"),
    [
        ("sentry", ConfigError, 3, "Set SENTRY to the same value here and where the responder runs."),
        (
            "vercel",
            ConfigError,
            3,
            "`alerts: vercel` must stand in systems.yaml and NOT_SET be set; then start it again",
        ),
        ("json", ConfigError, 3, "Set ALLCLEAR_ALERT_TOKEN to the same value here"),
    ],
)
def test_a_refused_sample_says_what_to_set_and_where(
    client: TestClient, engine: Engine, source: str, wanted: type[AllclearError], code: int, told: str
) -> None:
    """401 is another secret, 403 one that the responder does not have: a setting is wrong, not the responder."""
    authenticator = make_authenticator(engine.company, lambda _: "another", SecretStr("another"))
    with pytest.raises(wanted) as error:
        send(authenticator, client, source, "firing", utc_now())
    assert (error.value.exit_code, told in error.value.next_step) == (code, True)


@pytest.mark.parametrize(
    ("answer", "wanted", "told"),
    [
        (httpx.Response(404, text="no such page"), ConfigError, "Set ALLCLEAR_RESPONDER_URL"),
        (httpx.Response(503, headers={"Retry-After": "2"}), Unreachable, "Send it again in 2 seconds"),
        (httpx.Response(413, json={"detail": "Too much."}), VendorRefused, "log"),
    ],
)
def test_each_other_answer_has_its_next_step(
    engine: Engine, answer: httpx.Response, wanted: type[AllclearError], told: str
) -> None:
    """Another address, a busy responder and anything else are told apart; a secret in the address is not repeated."""
    authenticator = make_authenticator(engine.company, engine.context.secret, None)
    transport = httpx.MockTransport(lambda _: answer)
    with httpx.Client(base_url="http://responder.test", transport=transport) as http, pytest.raises(wanted) as error:
        send(authenticator, http, "pingdom", "firing", utc_now())
    assert told in error.value.next_step
    assert CANARY not in str(error.value)


def test_a_responder_that_is_not_there_is_said_so(engine: Engine) -> None:
    """A refused connection names the address and how the responder is started."""
    authenticator = make_authenticator(engine.company, engine.context.secret, SecretStr(TOKEN))
    with httpx.Client(base_url="http://127.0.0.1:9") as http, pytest.raises(Unreachable) as error:
        send(authenticator, http, "json", "firing", utc_now())
    assert "http://127.0.0.1:9" in error.value.message
    assert "ALLCLEAR_RESPONDER_URL" in error.value.next_step
