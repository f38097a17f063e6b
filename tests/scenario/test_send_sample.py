"""`allclear alert send`: it signs and sends a sample, and its errors name the setting that is wrong."""

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
from allclear.responder.send_sample import missing_configuration, send_sample
from tests.scenario.test_source_authentication import CANARY, CONFIGURED, configured
from tests.unit.responder.responder_support import TOKEN, running_responder, when_decided


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


def test_a_sample_is_signed_accepted_and_decided(client: TestClient, engine: Engine) -> None:
    """The samples of every configured source are accepted. Without the right token there, the decision is unknown."""
    authenticator = make_authenticator(engine.company, engine.context.secret, SecretStr(TOKEN))
    for source in CONFIGURED:
        if source != "vercel":
            sent = send_sample(authenticator, client, source, "firing", utc_now())
            assert sent.decision is not None, source
            if sent.decision["state"] == "new":  # on a busy machine the command stops waiting earlier
                assert "No route" in when_decided(client, sent.delivery)["reason"], source
            else:
                assert "No route" in sent.decision["reason"], source
    with pytest.raises(NotFound, match="no sample"):
        send_sample(authenticator, client, "sentry", "nonsense", utc_now())
    for token in (None, SecretStr("another")):
        other = make_authenticator(engine.company, engine.context.secret, token)
        assert send_sample(other, client, "sentry", "firing", utc_now()).decision is None


def test_the_missing_configuration_of_a_source_is_named(engine: Engine) -> None:
    """A missing line in systems.yaml and a variable that is not set have different messages."""
    authenticator = make_authenticator(engine.company, engine.context.secret, None)
    assert [missing_configuration(authenticator, source) for source in ("sentry", "uptimerobot", "vercel", "json")] == [
        "",
        "not configured in systems.yaml",
        "NOT_SET is not set here",
        "ALLCLEAR_ALERT_TOKEN is not set here",
    ]
    with httpx.Client(base_url="http://127.0.0.1:9") as http:
        for source, expected in (("vercel", MissingSecret), ("json", MissingSecret), ("uptimerobot", ConfigError)):
            with pytest.raises(expected) as error:
                send_sample(authenticator, http, source, "firing", utc_now())
            assert error.value.exit_code == 3
            assert (
                missing_configuration(authenticator, source).split()[0]
                in f"{error.value.message} {error.value.next_step} not"
            )


@pytest.mark.parametrize(
    ("source", "expected", "code", "next_step"),
    [
        ("sentry", ConfigError, 3, "Set SENTRY to the same value here and where the responder runs."),
        (
            "vercel",
            ConfigError,
            3,
            "add `alerts: vercel` to systems.yaml and set NOT_SET; then restart the responder",
        ),
        ("json", ConfigError, 3, "Set ALLCLEAR_ALERT_TOKEN to the same value here"),
    ],
)
def test_the_error_for_a_rejected_sample_says_what_to_set_and_where(
    client: TestClient, engine: Engine, source: str, expected: type[AllclearError], code: int, next_step: str
) -> None:
    """401 means that the secrets differ, 403 that the responder has none: both are errors of the configuration."""
    authenticator = make_authenticator(engine.company, lambda _: "another", SecretStr("another"))
    with pytest.raises(expected) as error:
        send_sample(authenticator, client, source, "firing", utc_now())
    assert (error.value.exit_code, next_step in error.value.next_step) == (code, True)


@pytest.mark.parametrize(
    ("response", "expected", "next_step"),
    [
        (httpx.Response(404, text="no such page"), ConfigError, "Set ALLCLEAR_RESPONDER_URL"),
        (httpx.Response(503, headers={"Retry-After": "2"}), Unreachable, "Send the sample again in 2 seconds"),
        (httpx.Response(413, json={"detail": "Too much."}), VendorRefused, "log"),
    ],
)
def test_every_other_error_has_its_own_next_step(
    engine: Engine, response: httpx.Response, expected: type[AllclearError], next_step: str
) -> None:
    """A wrong address, a busy responder and other errors differ. A secret in the address is not in the message."""
    authenticator = make_authenticator(engine.company, engine.context.secret, None)
    transport = httpx.MockTransport(lambda _: response)
    with httpx.Client(base_url="http://responder.test", transport=transport) as http, pytest.raises(expected) as error:
        send_sample(authenticator, http, "pingdom", "firing", utc_now())
    assert next_step in error.value.next_step
    assert CANARY not in str(error.value)


def test_an_unreachable_responder_is_named_with_its_address(engine: Engine) -> None:
    """If the connection is refused, the error names the address and how to start the responder."""
    authenticator = make_authenticator(engine.company, engine.context.secret, SecretStr(TOKEN))
    with httpx.Client(base_url="http://127.0.0.1:9") as http, pytest.raises(Unreachable) as error:
        send_sample(authenticator, http, "json", "firing", utc_now())
    assert "http://127.0.0.1:9" in error.value.message
    assert "ALLCLEAR_RESPONDER_URL" in error.value.next_step
