"""Asking more people to join a page, against the simulated PagerDuty."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from allclear.domain.action import Verdict
from allclear.domain.errors import AllclearError, AnswerLost, NotFound, Refused, VendorRefused
from allclear.simulator.pagerduty_pages import as_user
from tasks.pagerduty import Page
from tasks.pagerduty_responders import AddResponders
from tests.contract.actions_support import carried_out, dumped, production, undone, worked_out
from tests.contract.simulator_support import Simulated, fault, recorded, specification

ASK: dict[str, Any] = {"incident": "VS-1", "summary": "VS-1: no one answered", "people": ["PBEN123"]}


async def page_is_open(context: Any) -> None:  # noqa: ANN401 - the context of `production`
    """Send the runbook's page, by its routing key."""
    await carried_out(Page(context), incident="VS-1", summary="Payments are failing")


def phones_called(sim: Simulated) -> list[str]:
    """Return the phones that rang, in order."""
    return [str(ring["user"]) for ring in recorded(sim, "phone_rang")]


async def test_a_person_is_asked_to_join_the_page_that_is_open() -> None:
    """The phone rings, PagerDuty has still one incident, and it shows the request as pending."""
    async with production() as (sim, context):
        await page_is_open(context)
        done = await carried_out(AddResponders(context), **ASK)
        assert done.finding.sentence == "PagerDuty shows PBEN123: pending."
        assert phones_called(sim) == ["PONCALL", "PBEN123"]
        assert len(sim.world.pagerduty.pages) == 1
        assert sim.world.pagerduty.pages[0].message == ASK["summary"]
        assert sim.secrets["pagerduty_rest"] not in dumped(done)


async def test_a_policy_is_asked_if_no_people_are_named() -> None:
    """PagerDuty knows who is on call by it."""
    async with production() as (sim, context):
        await page_is_open(context)
        done = await carried_out(AddResponders(context), incident="VS-1", summary="Trouble", policy="PCTOPOL")
        assert done.finding.verdict is Verdict.SUCCESS
        assert phones_called(sim) == ["PONCALL", "PONCALLCTOPOL"]


async def test_those_who_are_called_already_are_not_asked_again() -> None:
    """PagerDuty calls until it has an answer. A person who declined is asked again, because the next level is due."""
    async with production() as (sim, context):
        await page_is_open(context)
        action = AddResponders(context)
        await carried_out(action, **ASK)
        await carried_out(action, **ASK | {"people": ["PBEN123", "PCLEO12"], "number": "2"})
        assert phones_called(sim) == ["PONCALL", "PBEN123", "PCLEO12"]
        _, again = await worked_out(action, **ASK)
        assert action.target_reached(again, again.before)
        sim.world.pagerduty.responder_answers(sim.world.pagerduty.pages[0], "PBEN123", "declined")
        await carried_out(action, **ASK | {"number": "3"})
        assert phones_called(sim)[-1] == "PBEN123"


async def test_undo_calls_those_no_more_who_have_not_answered() -> None:
    """One has joined and stays; the page itself stays open for its on-call."""
    async with production() as (sim, context):
        await page_is_open(context)
        action = AddResponders(context)
        done = await carried_out(action, **ASK | {"people": ["PBEN123", "PCLEO12"]})
        page = sim.world.pagerduty.pages[0]
        sim.world.pagerduty.responder_answers(page, "PBEN123", "joined")
        back = await undone(action, done)
        assert back.finding.verdict is Verdict.SUCCESS
        assert (page.responders, page.status) == ({"PBEN123": "joined", "PCLEO12": "user_cancelled"}, "triggered")


@pytest.mark.parametrize("resolved", [True, False])
async def test_without_an_open_page_one_is_opened_for_them(*, resolved: bool) -> None:
    """The first page failed, or was resolved at PagerDuty: the climb rings a phone all the same, and undo ends it."""
    async with production() as (sim, context):
        if resolved:
            await page_is_open(context)
            sim.world.pagerduty.pages[0].status = "resolved"
        action = AddResponders(context)
        done = await carried_out(action, **ASK)
        assert done.finding.sentence == "PagerDuty shows PBEN123: assigned."
        assert phones_called(sim)[-1] == "PBEN123"
        await undone(action, done)
        assert sim.world.pagerduty.pages[-1].status == "resolved"


async def test_a_page_that_pagerduty_has_grouped_into_another_incident_is_found() -> None:
    """The other incident has its own key; ours is the key of an alert in it."""
    async with production() as (sim, context):
        other = sim.world.pagerduty.event("trigger", "their-key", {"summary": "The database is slow"})
        assert other is not None
        sim.world.pagerduty.groups = True
        await page_is_open(context)
        done = await carried_out(AddResponders(context), **ASK)
        assert done.finding.verdict is Verdict.SUCCESS
        assert (len(sim.world.pagerduty.pages), other.responders) == (1, {"PBEN123": "pending"})


async def test_no_one_to_ask_is_refused_with_what_to_add() -> None:
    """The role has neither a person with an id nor a policy."""
    async with production() as (_, context):
        with pytest.raises(Refused, match="cannot ask anyone") as refused:
            await worked_out(AddResponders(context), incident="VS-1", summary="Trouble")
        assert "pager_policy" in refused.value.next_step


async def test_a_requester_whom_pagerduty_does_not_know_is_named() -> None:
    """A request needs the id of a user, which is looked up by the mail address in systems.yaml."""
    async with production() as (sim, context):
        await page_is_open(context)
        action = AddResponders(context)
        sim.world.pagerduty.unknown.add(action.pager.requester)
        params, change = await worked_out(action, **ASK)
        with pytest.raises(NotFound, match="no user with the mail address") as missing:
            await action.apply(params, change, "key")
        assert "`requester`" in missing.value.next_step


async def test_an_account_without_the_ability_refuses_and_rings_no_phone() -> None:
    """402: the page fails, so that the next way is used."""
    async with production() as (sim, context):
        await page_is_open(context)
        sim.world.pagerduty.abilities.clear()
        action = AddResponders(context)
        params, change = await worked_out(action, **ASK)
        with pytest.raises(VendorRefused, match="abilities"):
            await action.apply(params, change, "key")
        assert phones_called(sim) == ["PONCALL"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("unavailable", AnswerLost),
        ("server_error", AnswerLost),
        ("rate_limited", VendorRefused),
        ("login_page", VendorRefused),
        ("permission_denied", AllclearError),
    ],
)
async def test_a_request_that_fails_rings_no_phone_and_says_why(kind: str, error: type[AllclearError]) -> None:
    """Each fault has one sentence and a next step."""
    async with production() as (sim, context):
        await page_is_open(context)
        action = AddResponders(context)
        params, change = await worked_out(action, **ASK)
        await fault(sim, "pagerduty_rest", "create_responder_request", kind, times=9)
        with pytest.raises(error) as failed:
            await action.apply(params, change, "key")
        assert "PagerDuty" in failed.value.message
        assert failed.value.next_step
        assert phones_called(sim) == ["PONCALL"]


async def test_a_request_whose_answer_was_lost_is_found_and_not_made_twice() -> None:
    """The state can be read, so that no second call is needed."""
    async with production() as (sim, context):
        await page_is_open(context)
        action = AddResponders(context)
        params, change = await worked_out(action, **ASK)
        await fault(sim, "pagerduty_rest", "create_responder_request", "answer_lost")
        with pytest.raises(AnswerLost):
            await action.apply(params, change, "key")
        assert action.target_reached(change, await action.observe(params))
        assert phones_called(sim) == ["PONCALL", "PBEN123"]


async def test_the_simulated_answers_have_the_fields_of_pagerdutys_description() -> None:
    """The answers to a request, to its cancellation and to the alerts of an incident."""
    async with production() as (sim, context):
        await page_is_open(context)
        page = sim.world.pagerduty.pages[0]
        headers = {"authorization": f"Token token={sim.secrets['pagerduty_rest']}", "from": "ana@example.com"}
        target = {"id": "PBEN123", "type": "user_reference"}
        asked: dict[str, Any] = {"requester_id": "POWNER1", "message": "Help", "responder_request_targets": []}
        async with httpx.AsyncClient(base_url=sim.endpoints["pagerduty_rest"], headers=headers) as client:
            path = f"/incidents/{page.id}/responder_requests"
            body = asked | {"responder_request_targets": [{"responder_request_target": target}]}
            request = (await client.post(path, json=body)).json()
            cancelled = (
                await client.put(f"{path}/cancel", json=asked | {"responder_request_targets": [target]})
            ).json()
            alerts = (await client.get(f"/incidents/{page.id}/alerts")).json()
    assert cancelled == {"responder_request_targets": [{**target, "result": "cancelled"}]}
    assert [alert["alert_key"] for alert in alerts["alerts"]] == ["allclear/VS-1"]
    paths = specification("pagerduty-rest.openapi.json")["paths"]
    described = paths["/incidents/{id}/responder_requests"]["post"]["responses"]["200"]["content"]["application/json"]
    example = described["examples"]["response"]["value"]["responder_request"]
    given = request["responder_request"]
    assert set(given) == set(example)
    (one,), (shown,) = (
        [each["responder_request_target"] for each in both["responder_request_targets"]] for both in (given, example)
    )
    assert set(shown) <= set(one)
    assert set(one["incidents_responders"][0]) <= set(shown["incidents_responders"][0])
    listed = paths["/incidents/{id}/alerts"]["get"]["responses"]["200"]["content"]["application/json"]
    assert set(alerts["alerts"][0]) <= set(listed["examples"]["response"]["value"]["alerts"][0])


async def test_a_responders_events_have_the_fields_of_the_published_example() -> None:
    """Every field that we read is where PagerDuty has it."""
    async with production() as (sim, _):
        sent: list[tuple[str, dict[str, Any]]] = []
        pager = sim.world.pagerduty

        def keep(event_type: str, resource: str, agent: dict[str, Any] | None, data: dict[str, Any]) -> None:
            assert (resource, (agent or {})["type"]) == ("incident", "user_reference" if sent else "service_reference")
            sent.append((event_type, data))

        pager.webhooks.send = keep
        page = pager.event("trigger", "allclear/VS-1", {"summary": "Payments fail"})
        assert page is not None
        pager.ask(page, [("PBEN123", "user_reference")], "Help", as_user("POWNER1"))
        pager.responder_answers(page, "PBEN123", "joined")
    published = specification("pagerduty-webhooks-v3.examples.json")["data"]["incident_responder"]
    assert [event for event, _ in sent] == ["triggered", "responder.added", "responder.replied"]
    assert all(set(data) <= set(published) for _, data in sent[1:])
