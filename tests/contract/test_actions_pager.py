"""Paging the people that are meant, against the simulated PagerDuty."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from allclear.domain.action import Verdict
from allclear.domain.errors import Refused, VendorError, VendorRefused
from tasks.pagerduty import Page
from tasks.pagerduty_people import AcknowledgePeople, PagePeople
from tests.contract.actions_support import carried_out, dumped, production, undone, worked_out
from tests.contract.simulator_support import Simulated, fault, recorded, specification

PAGE: dict[str, Any] = {"incident": "VS-1-7", "summary": "VS-1: no one answered", "people": ["PBEN123"]}


def paged(sim: Simulated) -> list[tuple[str, list[str]]]:
    """Return the status of each page, and whom it wakes."""
    return [(page.status, page.people) for page in sim.world.pagerduty.pages]


async def test_a_page_reaches_the_person_that_is_meant() -> None:
    """PagerDuty assigns it to that person, the act reads it back, and its undo resolves it."""
    async with production() as (sim, context):
        action = PagePeople(context)
        done = await carried_out(action, **PAGE)
        assert paged(sim) == [("triggered", ["PBEN123"])]
        assert done.finding.sentence == "PagerDuty shows the page as triggered, assigned to User PBEN123."
        _, again = await worked_out(action, **PAGE)
        assert action.target_reached(again, again.before)
        back = await undone(action, done)
        assert (back.after.status, paged(sim)) == ("resolved", [("resolved", ["PBEN123"])])
        assert sim.secrets["pagerduty_rest"] not in dumped(done)


async def test_without_people_the_services_own_on_call_is_paged() -> None:
    """So one action serves both."""
    async with production() as (sim, context):
        await carried_out(PagePeople(context), incident="VS-1", summary="Trouble")
        assert paged(sim) == [("triggered", [])]


async def test_such_a_page_is_acknowledged_and_one_that_a_person_resolved_is_left_alone() -> None:
    """A page that is over needs no acknowledgement and no undo; one that never was is refused."""
    async with production() as (sim, context):
        page = await carried_out(PagePeople(context), **PAGE)
        taken = await carried_out(AcknowledgePeople(context), incident="VS-1-7")
        assert (taken.finding.verdict, paged(sim)[0][0]) == (Verdict.SUCCESS, "acknowledged")
        sim.world.pagerduty.pages[0].status = "resolved"
        taken = await carried_out(AcknowledgePeople(context), incident="VS-1-7")
        closed = await undone(PagePeople(context), page)
        assert [taken.finding.verdict, closed.finding.verdict] == [Verdict.SUCCESS] * 2
        with pytest.raises(Refused, match="has no page of VS-9"):
            await worked_out(AcknowledgePeople(context), incident="VS-9")


async def test_a_person_whom_pagerduty_does_not_know_is_named() -> None:
    """The act fails with PagerDuty's reason, so that another way is tried."""
    async with production() as (_, context):
        action = PagePeople(context)
        params, change = await worked_out(action, **PAGE)
        wrong = params.model_copy(update={"people": ["nobody"]})
        with pytest.raises(VendorRefused, match="Assignee cannot be found"):
            await action.apply(wrong, change, "key")


async def test_a_long_summary_is_shortened_with_a_mark_and_kept_whole_in_the_details() -> None:
    """PagerDuty takes 1,024 characters of a summary."""
    async with production() as (sim, context):
        await carried_out(Page(context), incident="VS-1", summary="x" * 2000)
        payload = sim.world.pagerduty.pages[0].payload
        assert payload["summary"] == "x" * 1023 + "…"
        assert payload["custom_details"]["whole summary"] == "x" * 2000


async def test_a_login_page_in_pagerdutys_place_is_a_failed_page() -> None:
    """It answered 200, and no one was paged: the act is not verified."""
    async with production() as (sim, context):
        action = Page(context)
        params, change = await worked_out(action, incident="VS-1", summary="Trouble")
        await fault(sim, "pagerduty", "enqueue", "login_page")
        with pytest.raises(VendorRefused, match="did not page"):
            await action.apply(params, change, "key")
        assert recorded(sim, "write", api="pagerduty", result="done") == []


async def test_a_policy_is_paged_if_no_people_are_named() -> None:
    """PagerDuty knows who is on call by it."""
    async with production() as (sim, context):
        done = await carried_out(PagePeople(context), incident="VS-1-7", summary="Payments fail", policy="PCTOPOL")
        assert done.finding.verdict is Verdict.SUCCESS
        assert [entry["user"] for entry in recorded(sim, "phone_rang")] == ["PONCALLCTOPOL"]


async def test_who_is_on_call_is_read_level_by_level() -> None:
    """The answer fits PagerDuty's own description."""
    async with production() as (sim, context):
        sim.world.pagerduty.on_call["PCTOPOL"] = ["PANA123", "PBEN456"]
        assert await PagePeople(context).on_call("PCTOPOL") == ["PANA123", "PBEN456"]
        headers = {"authorization": f"Token token={sim.secrets['pagerduty_rest']}"}
        async with httpx.AsyncClient(base_url=sim.endpoints["pagerduty_rest"], headers=headers) as client:
            answer = (await client.get("/oncalls", params={"escalation_policy_ids[]": "PCTOPOL"})).json()
    path = specification("pagerduty-rest.openapi.json")["paths"]["/oncalls"]["get"]
    example = path["responses"]["200"]["content"]["application/json"]["examples"]["response"]["value"]
    assert set(answer) == set(example)
    assert all(set(one) == set(example["oncalls"][0]) for one in answer["oncalls"])
    assert all(set(one["user"]) == set(example["oncalls"][0]["user"]) for one in answer["oncalls"])


@pytest.mark.parametrize("kind", ["unavailable", "rate_limited", "login_page"])
async def test_a_page_of_a_policy_that_fails_says_why(kind: str) -> None:
    """No phone rings, and the page counts as failed."""
    async with production() as (sim, context):
        action = PagePeople(context)
        params, change = await worked_out(action, incident="VS-1", summary="Payments fail", policy="PCTOPOL")
        await fault(sim, "pagerduty_rest", "create_incident", kind, times=9)
        with pytest.raises(VendorError):
            await action.apply(params, change, "key")
        assert recorded(sim, "phone_rang") == []
