"""A private incident: messages, pages and Prefect have its id and a link, and nothing of what it is about."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.commands.answers import Answer
from allclear.company import Company
from allclear.domain.ask_state import AskState
from allclear.domain.errors import NotAllowed
from allclear.domain.privacy import is_private, may_read
from allclear.domain.proof import Proof
from allclear.domain.runbook import Phase
from allclear.engine.people.declare import Declaration
from flows.approval_form import ELSEWHERE, description_of, form_for
from flows.private_incidents import in_prefect
from tests.scenario.response_support import ALERT, broken, person_for, vintstreet
from tests.scenario.scenes import Scene, scene

CANARY = "canary-4711"
LEAK = replace(ALERT, title=f"Customer table copied by {CANARY}", authenticated=True)
IMPACT = "Payment processing down"


def private() -> Company:
    """Return VintStreet as a company whose outages only its leaders may read."""
    company = vintstreet()
    kinds = {
        name: kind.model_copy(update={"private_for": ["incident_commander", "tech_lead"]})
        for name, kind in company.plan.kinds.items()
    }
    return replace(company, plan=company.plan.model_copy(update={"kinds": kinds}))


def sent(it: Scene) -> str:
    """Return all that was written to the simulated vendors, as text."""
    told = [entry for entry in it.simulated.world.event_log.entries() if entry["kind"] == "write"]
    messages = [channel.messages for channel in it.simulated.world.workspace.channels]
    return json.dumps([told, messages], default=str)


async def test_no_message_and_no_page_says_what_a_private_incident_is_about(tmp_path: Path) -> None:
    """The response is carried on with reminders and a note of a person; the channel and the pager read the id alone."""
    async with scene(tmp_path, private(), broken(), LEAK) as it:
        await it.past_detection()
        it.engine.people.note(it.incident_id, f"It was {CANARY}", person_for(it.incident.open_asks[0].ask))
        for _ in range(4):
            it.watch.now += timedelta(minutes=4)
            await it.engine.reminders.start_due()
            await it.engine.reminders.wait()
        await it.to(Phase.CONTAIN)
        assert it.incident_id in sent(it)
        assert "a private incident" in sent(it)
        assert CANARY not in sent(it)
        assert IMPACT not in sent(it)


async def test_the_same_incident_is_told_if_it_is_not_private(tmp_path: Path) -> None:
    """The test above would fail without the mark in the plan."""
    async with scene(tmp_path, vintstreet(), broken(), LEAK) as it:
        await it.past_detection()
        assert IMPACT in sent(it)


async def test_prefect_has_neither_the_question_nor_an_answer(tmp_path: Path) -> None:
    """Its form leads to the page, and can only be closed by allclear."""
    async with scene(tmp_path, private(), broken(), LEAK) as it:
        await it.past_detection()
        ask = next(state.ask for state in it.incident.open_asks if state.ask.act)
        described = description_of(it.engine, ask, "")
        assert "/i/VS-1" in described
        schema = json.dumps(form_for(it.engine, ask).model_json_schema())
        assert ELSEWHERE in schema
        for hidden in (CANARY, IMPACT, ask.title, "vintstreet-0004"):
            assert hidden not in described + schema
        assert CANARY not in in_prefect(it.engine, it.incident, f"About {CANARY}")


async def test_only_a_reader_whose_name_is_proven_approves(tmp_path: Path) -> None:
    """A claimed name could be an outsider's, and a person with another role may not read what is asked."""
    async with scene(tmp_path, private(), broken(), LEAK) as it:
        await it.past_detection()
        ask = next(state.ask for state in it.incident.open_asks if state.ask.step == "roll-back")
        answer, claimed = Answer(ask=ask.id, word="approve", reason="so"), person_for(ask)
        with pytest.raises(NotAllowed, match="needs proof"):
            await answer.carry_out(it.engine, it.incident_id, claimed)
        outsider = claimed.model_copy(update={"actor": "Mallory", "proof": Proof.SLACK})
        with pytest.raises(NotAllowed, match="is private, and not for Mallory"):
            await answer.carry_out(it.engine, it.incident_id, outsider)
        it.engine.people.hand_over(it.incident_id, "incident_commander", "Ben", claimed)
        reader = claimed.model_copy(update={"actor": "Ben", "proof": Proof.LINK})
        assert "approve" in (await answer.carry_out(it.engine, it.incident_id, reader)).lower()


async def test_privacy_follows_the_present_kind_and_severity(tmp_path: Path) -> None:
    """An incident becomes private when its kind turns out to be one that is."""
    company = vintstreet()
    kinds = company.plan.kinds | {
        "security": company.plan.kinds["security"].model_copy(update={"private_for": ["cto"]})
    }
    async with scene(
        tmp_path, replace(company, plan=company.plan.model_copy(update={"kinds": kinds})), broken(), LEAK
    ) as it:
        plan, by = it.engine.company.plan, person_for((await _first_ask(it)).ask)
        assert not is_private(plan, it.incident)
        assert may_read(plan, it.incident, "Mallory")
        it.engine.people.assess(it.incident_id, {}, "security", "a dump was found", by)
        assert is_private(plan, it.incident)
        assert not may_read(plan, it.incident, "Mallory")


async def test_who_declares_a_private_incident_may_read_it(tmp_path: Path) -> None:
    """Ana found it, so she knows already."""
    async with scene(tmp_path, private(), broken(), LEAK) as it:
        by = person_for((await _first_ask(it)).ask)
        declared = Declaration("Keys on a paste site", "P0", "storefront", "bad-deployment")
        incident = it.engine.conductor.incident(it.engine.people.declare(declared, by))
        assert may_read(it.engine.company.plan, incident, by.actor)
        assert not may_read(it.engine.company.plan, incident, "Mallory")


async def _first_ask(it: Scene) -> AskState:
    await it.past_detection()
    return it.incident.open_asks[0]
