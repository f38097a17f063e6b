"""People who wait read which check is running, what it checks, and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from allclear.domain.records import Contained
from allclear.domain.recovery import RecoveryRule
from allclear.domain.runbook import Phase
from allclear.domain.systems import Service, Smoke
from allclear.engine.response.running_check import running_check
from tasks.http_probes import Health, SmokeTest
from tasks.service_params import ServiceParams
from tests.scenario.response_support import installed, vintstreet
from tests.unit.domain.stories import HEALTH
from tests.unit.engine.response.test_next_move_states import StatesStory

TURN: Mapping[str, Any] = {"id": "turn", "title": "Turn it", "action": "dial.turn", "measure": True, "owner": "on_call"}
CONFIRM: Mapping[str, Any] = {
    "id": "confirm",
    "title": "Confirm it",
    "probe": "http.smoke",
    "with": {"service": "{service}"},
    "expects": "health",
    "within": "60s",
}
REQUESTS = "4 requests to shop (GET /, GET /api/listings, GET /api/checkout and GET /api/streams)."
SHOP = ServiceParams(service="shop")


def shop(**more: object) -> Mapping[str, Service]:
    """Return VintStreet's storefront, as shop, with these fields changed."""
    return {"shop": vintstreet().systems.services["storefront"].model_copy(update=more)}


def checking(story: StatesStory) -> str:
    """Return the sentence about the check that is running now."""
    systems = vintstreet().systems.model_copy(update={"services": shop()})
    company = replace(vintstreet(), plan=story.plan, runbooks={"outage": story.book}, systems=systems)
    return running_check(story.incident, company, installed(), {"service": "shop"})


def test_containment_is_checked_after_a_measure_and_after_a_later_change() -> None:
    """Nothing is said before the measure, and after the check."""
    story = StatesStory(Phase.CONTAIN, {**TURN})
    assert checking(story) == ""
    story.done("contain/turn")
    assert checking(story) == f"Checking whether the incident is contained: {REQUESTS}"
    story.checked(story.probe, HEALTH).record(Contained(by="Turn it", finding=HEALTH))
    assert checking(story) == ""
    story.undone("contain/turn")
    assert checking(story) == f"Checking whether the incident is still contained: {REQUESTS}"


@pytest.mark.parametrize(("proof", "words"), [({"within": "90s"}, ", for 1m 30s at most"), ({}, "")])
def test_a_measure_can_have_a_check_of_its_own(proof: dict[str, str], words: str) -> None:
    """It is what is named, with the time that it may take."""
    own = {"probe": "http.health", "with": {"service": "shop"}, **proof}
    story = StatesStory(Phase.CONTAIN, {**TURN, "proof": own}).done("contain/turn")
    assert (
        checking(story)
        == f"Checking whether the incident is contained{words}: the health check of shop (GET /healthz)."
    )


def test_the_checks_of_recovery_are_counted_with_the_time_of_the_next() -> None:
    """They take minutes in which no question waits."""
    story = StatesStory(Phase.RESOLVE, CONFIRM, recovery=RecoveryRule(checks=3, over=timedelta(minutes=2)))
    begins = "Checking whether the service has recovered (3 good checks over 2m needed"
    assert checking(story) == f"{begins}, 0 so far, the next one now): {REQUESTS}"
    story.checked(story.probe, HEALTH)
    due = f"{story.now + timedelta(minutes=1):%H:%M:%S} UTC"
    assert checking(story) == f"{begins}, 1 so far, the next one at {due}): {REQUESTS}"


def test_many_paths_are_counted_and_an_unknown_service_has_the_probe_s_title() -> None:
    """A sentence stays one that people read."""
    many = Smoke.model_validate({"paths": [{"path": f"/{number}"} for number in range(8)], "timeout": "1s"})
    assert SmokeTest.subject(SHOP, shop(smoke=many)) == (
        "20 requests to shop (GET /0, GET /1, GET /2, GET /3, GET /4 and 3 others)"
    )
    assert SmokeTest.subject(SHOP, {}) == "Run the smoke test"
    assert Health.subject(SHOP, {}) == "the health check of shop"
