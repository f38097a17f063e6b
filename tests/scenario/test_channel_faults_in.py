"""What Slack and PagerDuty send to the responder, each fault of the way in: refused with its reason; nothing counts."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from allclear.domain.systems import AlertSource
from allclear.responder.app import make_app
from allclear.responder.limits import MAX_BYTES, Limits
from allclear.simulator.slack_people import signed
from tests.patience import HUNG
from tests.scenario.response_support import ALERT, broken
from tests.scenario.scenes import Scene, scene
from tests.scenario.slack_support import with_slack
from tests.unit.responder.responder_support import TOKEN

PAGERDUTY, SLACK = "/alerts/pagerduty", "/slack/interactions"
PD_SECRET = "the-secret-that-pagerduty-shows-once"


@asynccontextmanager
async def responder(folder: Path, body_seconds: float = HUNG) -> AsyncGenerator[tuple[Scene, httpx.AsyncClient]]:
    """Yield an incident, and a client of a responder that both may reach; a body has `body_seconds` to arrive."""
    plan = with_slack()
    source = AlertSource.model_validate({"secret": "PD_SECRET"})
    systems = plan.systems.model_copy(update={"alerts": plan.systems.alerts | {"pagerduty": source}})
    async with scene(folder, replace(plan, systems=systems), broken(), ALERT, environ={"PD_SECRET": PD_SECRET}) as it:
        app = make_app(it.engine, SecretStr(TOKEN), limits=Limits(body_seconds=body_seconds))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://responder.test") as client:
            yield it, client


def headers(it: Scene, path: str, body: bytes) -> dict[str, str]:
    """Return the headers with which the sender signs a body."""
    if path == SLACK:
        secret = it.simulated.secrets["slack.signing_secret"]
        return signed(body, secret, at=time.time())
    digest = hmac.new(PD_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"x-pagerduty-signature": f"v1={digest}", "x-webhook-id": "w", "content-type": "application/json"}


def _forged(signature: str) -> str:
    """Return another signature: its last digit is changed."""
    return signature[:-1] + ("1" if signature.endswith("0") else "0")


async def _never_whole() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


@pytest.mark.parametrize("path", [PAGERDUTY, SLACK])
@pytest.mark.parametrize(
    ("fault", "status"),
    [("slow body", 503), ("too large", 413), ("not signed", 401), ("signed by another", 401), ("HTML", 400)],
)
async def test_each_fault_on_the_way_in_is_refused_with_its_reason(
    tmp_path: Path, path: str, fault: str, status: int
) -> None:
    """A slow or refused request is sent again by PagerDuty; of Slack's, the person sees that it did not work."""
    async with responder(tmp_path, 0.05 if fault == "slow body" else HUNG) as (it, client):
        before = it.incident.length
        body = b"x" * (MAX_BYTES + 1) if fault == "too large" else b"<!doctype html><title>Sign in</title>"
        signature = headers(it, path, body)
        if fault == "not signed":
            signature = {}
        elif fault == "signed by another":
            signature = {name: _forged(value) if "signature" in name else value for name, value in signature.items()}
        content = _never_whole() if fault == "slow body" else body
        answer = await client.post(path, content=content, headers=signature)
        assert answer.status_code == (202 if (fault, path) == ("HTML", PAGERDUTY) else status)
        if answer.status_code != 202:  # an authentic body that cannot be read is kept, and quarantined
            assert answer.json()["detail"].endswith(".")
        assert it.incident.length == before


async def test_an_event_that_arrives_twice_because_our_answer_was_lost_is_kept_once(tmp_path: Path) -> None:
    """PagerDuty sends it again for 48 hours, with other headers."""
    async with responder(tmp_path) as (it, client):
        event = {"id": "01EVENT", "event_type": "incident.acknowledged", "agent": None, "data": {"id": "Q1"}}
        body = json.dumps({"event": event}).encode()
        for number in range(3):
            again = headers(it, PAGERDUTY, body) | {"x-webhook-id": f"w{number}"}
            assert (await client.post(PAGERDUTY, content=body, headers=again)).status_code in {200, 202}
        assert len(it.engine.journal.deliveries()) == 1
