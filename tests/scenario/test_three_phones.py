"""An on-call who never answers: three other phones ring after 3, 6 and 10 minutes, and nothing else is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from allclear.company import Company
from allclear.domain.plan import Person, ReminderRules, Role
from allclear.domain.runbook import Phase
from allclear.domain.systems import System
from allclear.simulator.faults import Fault
from tests.contract.simulator_support import recorded
from tests.scenario.response_support import ALERT, broken, notifying_no_one
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_messages_reach_people import due

PEOPLE = {
    "Ana Ruiz": ("PANA001", ["on_call", "incident_commander"]),
    "Ben Wu": ("PBEN002", ["tech_lead", "communications_lead"]),
    "Cleo Park": ("PCLEO03", ["cto"]),
    "Dee Ngo": ("PDEE004", ["devops", "scribe"]),
}


PAGED_ANEW = {
    "action": "pagerduty.page_people",
    "with": {"incident": "{incident}-{number}", "summary": "[{severity}] {incident}: {reminder} (for {for})"},
}
ASKED_TO_JOIN = {
    "action": "pagerduty.add_responders",
    "with": {"incident": "{incident}", "number": "{number}", "summary": "[{severity}] {incident}: {reminder}"},
}


def company(*, named: bool, page: dict[str, Any] = PAGED_ANEW) -> Company:
    """Return VintStreet with a phone for each role: of a named person, or of an escalation policy in PagerDuty."""
    company = notifying_no_one()
    people = [
        Person.model_validate({"name": name, "roles": roles, "contacts": {"pagerduty": address}})
        for name, (address, roles) in PEOPLE.items()
    ]
    rules = ReminderRules.model_validate({"message": company.plan.reminders.message, "page": page})
    roles: dict[str, Role] = dict(company.plan.roles)
    if not named:
        policies = {"on_call": "PPOLONE", "tech_lead": "PPOLTWO", "cto": "PPOLTRE"}
        roles |= {name: roles[name].model_copy(update={"pager_policy": policy}) for name, policy in policies.items()}
    parts = {"people": people if named else [], "roles": roles, "reminders": rules}
    rest = System.model_validate({"endpoint": "https://api.pagerduty.com", "secret": "PAGERDUTY_API_KEY"})
    systems = company.systems.model_copy(update={"systems": company.systems.systems | {"pagerduty_rest": rest}})
    return replace(company, plan=company.plan.model_copy(update=parts), systems=systems)


def rung(it: Scene, since: datetime) -> list[tuple[int, str]]:
    """Return PagerDuty's own log: after how many minutes which phone rang."""
    rings = recorded(it.simulated, "phone_rang")
    return [(round((datetime.fromisoformat(ring["at"]) - since).total_seconds() / 60), ring["user"]) for ring in rings]


def production_writes(it: Scene) -> list[str]:
    """Return the writes to anything but the pager and the chat."""
    writes = recorded(it.simulated, "write")
    return [f"{write['api']} {write['method']}" for write in writes if write["api"] not in _TELLS]


_TELLS = {"pagerduty", "pagerduty_rest", "slack"}


async def climb(it: Scene) -> list[tuple[int, str]]:
    """Let eleven minutes pass in which no one answers, half a minute at a time; return which phones rang when."""
    await it.to(Phase.DETECT)
    await it.to(Phase.CONTAIN)
    began = it.incident.paged_at
    assert began is not None
    while it.watch.now < began + timedelta(minutes=11):
        await due(it, seconds=30)
    return rung(it, began)


async def test_three_people_are_rung_one_after_the_other(tmp_path: Path) -> None:
    """The tech lead after 3 minutes, the CTO after 6, and everyone after 10."""
    async with scene(tmp_path, company(named=True), broken(), ALERT, one_clock=True) as it:
        phones = await climb(it)
        assert phones[0] == (0, "PONCALL")
        assert phones[1:3] == [(3, "PBEN002"), (6, "PCLEO03")]
        assert {phone for minute, phone in phones if minute == 10} == {address for address, _ in PEOPLE.values()}
        assert production_writes(it) == []


async def test_three_escalation_policies_are_rung_if_no_one_has_a_name(tmp_path: Path) -> None:
    """PagerDuty knows who is on call as tech lead and CTO: each role has a policy of its own."""
    async with scene(tmp_path, company(named=False), broken(), ALERT, one_clock=True) as it:
        phones = await climb(it)
        assert [phone for _, phone in phones] == ["PONCALL", "PONCALLPOLTWO", "PONCALLPOLTRE", "PONCALLPOLONE"]
        assert [minute for minute, _ in phones] == [0, 3, 6, 10]
        assert production_writes(it) == []


async def test_a_policys_page_does_not_ask_to_call_the_role_that_it_rings(tmp_path: Path) -> None:
    """It rings the CTO's phone, so that no one has to call the CTO."""
    async with scene(tmp_path, company(named=False), broken(), ALERT, one_clock=True) as it:
        await climb(it)
        texts = [page.payload["summary"] for page in it.simulated.world.pagerduty.pages]
        assert "This page does not reach" not in texts[1]
        assert "This page does not reach" in texts[3]  # everyone is meant, and one policy is called


async def test_responders_join_the_one_page_that_is_open(tmp_path: Path) -> None:
    """The same phones ring, and PagerDuty has one incident. Once Ben joins, no one is called any more."""
    plan = company(named=True, page=ASKED_TO_JOIN)
    async with scene(tmp_path, plan, broken(), ALERT, one_clock=True) as it:
        phones = await climb(it)
        assert phones[:3] == [(0, "PONCALL"), (3, "PBEN002"), (6, "PCLEO03")]
        # Ben and Cleo are being called already.
        assert {phone for minute, phone in phones if minute == 10} == {"PANA001", "PDEE004"}
        (page,) = it.simulated.world.pagerduty.pages
        assert production_writes(it) == []
        it.simulated.world.pagerduty.responder_answers(page, "PBEN002", "joined")
        it.engine.people.acknowledge(it.incident_id, it.engine.people.who("Ben Wu", "tech_lead", "pagerduty"))
        for _ in range(3):
            await due(it, seconds=31)
        pending = {user for user, state in page.responders.items() if state == "pending"}
        assert (page.status, page.responders["PBEN002"], pending) == ("acknowledged", "joined", set())


async def test_policies_are_asked_to_join_if_no_one_has_a_name(tmp_path: Path) -> None:
    """PagerDuty knows who is on call as tech lead and CTO."""
    plan = company(named=False, page=ASKED_TO_JOIN)
    async with scene(tmp_path, plan, broken(), ALERT, one_clock=True) as it:
        phones = await climb(it)
        asked = ["PONCALLPOLTWO", "PONCALLPOLTRE", "PONCALLPOLONE"]
        assert phones == [(0, "PONCALL"), *zip((3, 6, 10), asked, strict=True)]
        assert production_writes(it) == []


@pytest.mark.parametrize("kind", ["unavailable", "server_error", "rate_limited", "login_page", "answer_lost"])
async def test_a_request_that_fails_is_made_again_and_the_team_is_told(tmp_path: Path, kind: str) -> None:
    """The climb rings the tech lead's phone as soon as PagerDuty answers; no phone is called twice for one request."""
    plan = company(named=True, page=ASKED_TO_JOIN)
    async with scene(tmp_path, plan, broken(), ALERT, one_clock=True) as it:
        fault = {"api": "pagerduty_rest", "method": "create_responder_request", "kind": kind, "times": 3}
        it.simulated.world.faults.set(Fault.model_validate(fault))
        phones = await climb(it)
        assert [phone for _, phone in phones].count("PBEN002") == 1
        assert production_writes(it) == []


async def test_a_first_page_that_failed_does_not_stop_the_climb(tmp_path: Path) -> None:
    """The Events API is away all night; the REST API opens a page for the tech lead."""
    plan = company(named=True, page=ASKED_TO_JOIN)
    async with scene(tmp_path, plan, broken(), ALERT, one_clock=True) as it:
        fault = {"api": "pagerduty", "method": "enqueue", "kind": "unavailable", "times": 999}
        it.simulated.world.faults.set(Fault.model_validate(fault))
        await it.to(Phase.DETECT)
        await it.to(Phase.CONTAIN)
        began = it.watch.now
        for _ in range(22):
            await due(it, seconds=30)
        assert [phone for _, phone in rung(it, began)][:2] == ["PBEN002", "PCLEO03"]
