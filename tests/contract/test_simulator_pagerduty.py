"""The simulated PagerDuty, checked against the vendor's published description."""

# ruff: noqa: ANN401 - the vendors' answers can be anything

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest

from tests.contract.simulator_support import Simulated, fault, quick, recorded, specification
from tests.patience import until


def _event(simulation: Simulated, action: str = "trigger", **more: Any) -> dict[str, Any]:
    payload = {"summary": "Checkout fails", "source": "vintstreet", "severity": "critical"}
    event = {
        "routing_key": simulation.secrets["pagerduty"],
        "event_action": action,
        "dedup_key": "incident-1",
        "payload": payload,
    }
    return event | more


async def _send(simulation: Simulated, event: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=simulation.endpoints["pagerduty"]) as client:
        return await client.post("/v2/enqueue", json=event)


def _conforms(answer: dict[str, Any], name: str) -> None:
    described = specification("pagerduty-events-v2.openapi.json")["components"]["responses"]
    schema = described[name]["content"]["application/json"]["schema"]
    jsonschema.validate(answer, schema)


async def test_page_is_opened_joined_acknowledged_and_resolved() -> None:
    """One key is one page until it is resolved; the next trigger opens another."""
    async with Simulated(quick("healthy")) as sim:
        for action in ("trigger", "trigger", "acknowledge"):
            assert (await _send(sim, _event(sim, action))).status_code == 202
        assert [(p.status, p.events) for p in sim.world.pagerduty.pages] == [("acknowledged", 3)]
        await _send(sim, _event(sim, "resolve"))
        await _send(sim, _event(sim))
        assert [p.status for p in sim.world.pagerduty.pages] == ["resolved", "triggered"]
        assert len(recorded(sim, "write", api="pagerduty", result="done")) == 5


async def test_a_key_is_created_if_none_is_given() -> None:
    """A trigger without a dedup_key is answered with a new one."""
    async with Simulated(quick("healthy")) as sim:
        event = _event(sim)
        del event["dedup_key"]
        answer = (await _send(sim, event)).json()
        assert answer["dedup_key"] == sim.world.pagerduty.pages[0].dedup_key


async def test_an_answer_fits_pagerdutys_description() -> None:
    """The 202 body fits PagerDuty's own schema."""
    async with Simulated(quick("healthy")) as sim:
        answer = await _send(sim, _event(sim))
    assert answer.json()["message"] == "Event processed"
    _conforms(answer.json(), "Success")


@pytest.mark.parametrize(
    "change",
    [
        {"routing_key": "short"},
        {"routing_key": "0" * 32},
        {"routing_key": None},
        {"event_action": "shout"},
        {"payload": None},
        {"payload": {"summary": "x", "source": "y", "severity": "P0"}},
        {"payload": {"summary": "", "source": "y", "severity": "info"}},
        {"dedup_key": "k" * 256},
        {"event_action": "resolve", "dedup_key": None},
    ],
)
async def test_invalid_event_is_400_with_its_errors(change: dict[str, Any]) -> None:
    """An event that PagerDuty would refuse is refused in the same format, and no one is paged."""
    async with Simulated(quick("healthy")) as sim:
        answer = await _send(sim, _event(sim) | change)
        assert answer.status_code == 400
        assert answer.json()["errors"]
        assert not sim.world.pagerduty.pages
    _conforms(answer.json(), "Error")


async def test_a_body_that_is_not_an_object_is_400() -> None:
    """It is a list, or not JSON."""
    async with Simulated(quick("healthy")) as sim:
        assert (await _send(sim, ["event"])).json()["status"] == "Unrecognized object"


async def test_an_event_that_is_too_large_is_refused() -> None:
    """The limit is 512 KB."""
    async with Simulated(quick("healthy")) as sim:
        details = {"custom_details": {"log": "x" * 600_000}}
        event = _event(sim)
        event["payload"] |= details
        assert (await _send(sim, event)).status_code == 413


async def test_an_event_whose_answer_is_lost_pages() -> None:
    """The connection breaks, and the page exists."""
    async with Simulated(quick("healthy")) as sim:
        await fault(sim, "pagerduty", "enqueue", "answer_lost")
        with pytest.raises(httpx.RemoteProtocolError):
            await _send(sim, _event(sim))
        assert len(sim.world.pagerduty.pages) == 1


async def test_too_many_events_are_429() -> None:
    """The key has reached its limit."""
    async with Simulated(quick("healthy")) as sim:
        await fault(sim, "pagerduty", "enqueue", "rate_limited")
        assert (await _send(sim, _event(sim))).status_code == 429
        assert not sim.world.pagerduty.pages


async def test_a_slow_event_pages_after_the_caller_timed_out() -> None:
    """The caller's timeout does not cancel the page."""
    async with Simulated(quick("healthy")) as sim:
        await fault(sim, "pagerduty", "enqueue", "slow", seconds=2)
        async with httpx.AsyncClient(timeout=httpx.Timeout(60, read=0.1)) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.post(f"{sim.endpoints['pagerduty']}/v2/enqueue", json=_event(sim))
        assert not sim.world.pagerduty.pages
        await until(lambda: sim.world.pagerduty.pages)
