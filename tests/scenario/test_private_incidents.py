"""A private incident: messages, pages and Prefect have its id and a link, and nothing of what it is about."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.commands.answers import Answer
from allclear.commands.roles import Acknowledge
from allclear.domain.ask_state import AskState
from allclear.domain.errors import NotAllowed
from allclear.domain.notify.on_call import page_answered
from allclear.domain.plan import EscalationPolicy, Rota
from allclear.domain.privacy import is_private, may_read
from allclear.domain.runbook import Phase
from allclear.engine.people.declare import Declaration
from flows.approval_form import ELSEWHERE, description_of, form_for
from flows.shown import Shown
from tests.scenario.private_support import ON_CALL, OUTSIDERS, READER, private, private_if_security
from tests.scenario.response_support import ALERT, broken, person_for, vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_reminders import pages

CANARY = "canary-4711"
LEAK = replace(ALERT, title=f"Customer table copied by {CANARY}", authenticated=True)
IMPACT = "Payment processing down"


def sent(it: Scene) -> str:
    """Return all that was written to the simulated vendors, as text."""
    told = [entry for entry in it.simulated.world.event_log.entries() if entry["kind"] == "write"]
    messages = [channel.messages for channel in it.simulated.world.workspace.channels]
    return json.dumps([told, messages], default=str)


async def test_no_message_and_no_page_says_what_a_private_incident_is_about(tmp_path: Path) -> None:
    """The response is carried on with reminders and a note of a person; the channel and the pager read the id alone."""
    async with scene(tmp_path, private(), broken(), LEAK) as it:
        await it.past_detection()
        it.engine.people.note(it.incident_id, f"It was {CANARY}", READER)
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
        assert CANARY not in Shown(it.engine, it.incident_id).text(f"About {CANARY}")


async def test_only_a_reader_whose_name_is_proven_approves(tmp_path: Path) -> None:
    """A claimed name could be an outsider's, and a person with another role may not read what is asked."""
    async with scene(tmp_path, private(), broken(), LEAK) as it:
        await it.past_detection()
        ask = next(state.ask for state in it.incident.open_asks if state.ask.step == "roll-back")
        answer = Answer(ask=ask.id, word="approve", reason="so")
        for by in OUTSIDERS.values():
            with pytest.raises(NotAllowed):
                await answer.carry_out(it.engine, it.incident_id, by)
        assert not it.incident.asks[ask.id].answers
        assert "approve" in (await answer.carry_out(it.engine, it.incident_id, READER)).lower()


async def test_the_on_call_ends_the_page_and_its_readers_are_still_called(tmp_path: Path) -> None:
    """Ana's page stops ringing when she acknowledges. She may not read what it is about, so Ben is called."""
    async with scene(tmp_path, private(), broken(), LEAK) as it:
        await it.past_detection()
        plan = it.engine.company.plan
        page = next(act for act in it.incident.acts.values() if act.proposed.pages)
        said = await Acknowledge().carry_out(it.engine, it.incident_id, ON_CALL)
        assert "people are called until a reader acknowledges it" in said
        assert page_answered(plan, it.incident, [], page)
        await passes(it, 1)
        assert [status for _, status in pages(it)] == ["acknowledged"]
        assert not page_answered(plan, it.incident, [])
        await passes(it, 15)
        called = [
            state for topic, states in it.incident.reminders.items() for state in states if "acknowledge" in topic
        ]
        assert called
        await Acknowledge().carry_out(it.engine, it.incident_id, READER)
        await Acknowledge().carry_out(it.engine, it.incident_id, ON_CALL)
        assert page_answered(plan, it.incident, [])
        before = it.incident.reminders.keys()
        await passes(it, 60)
        assert [topic for topic in it.incident.reminders.keys() - before if "acknowledge" in topic] == []


async def passes(it: Scene, minutes: int) -> None:
    """Move the clock on, and send what is due."""
    it.watch.now += timedelta(minutes=minutes)
    await it.engine.reminders.start_due()
    await it.engine.reminders.wait()


async def test_privacy_follows_the_present_kind_and_severity(tmp_path: Path) -> None:
    """An incident becomes private when its kind turns out to be one that is."""
    async with scene(tmp_path, private_if_security(), broken(), LEAK) as it:
        plan, by = it.engine.company.plan, person_for((await _first_ask(it)).ask)
        assert not is_private(plan, it.incident)
        assert may_read(plan, it.incident, "Mallory")
        it.engine.people.assess(it.incident_id, {}, "security", "a dump was found", by)
        assert is_private(plan, it.incident)
        assert not may_read(plan, it.incident, "Mallory")
        with pytest.raises(NotAllowed, match="your name is only claimed"):
            it.engine.people.assess(it.incident_id, {}, "outage", "", by)
        it.engine.people.assess(it.incident_id, {}, "outage", "", READER)
        assert may_read(plan, it.incident, "Mallory")


async def test_who_declares_a_private_incident_may_read_it(tmp_path: Path) -> None:
    """Ana found it, so she knows already."""
    async with scene(tmp_path, private(), broken(), LEAK) as it:
        declared = Declaration("Keys on a paste site", "P0", "storefront", "broken-feature")
        by = ON_CALL
        incident = it.engine.conductor.incident(it.engine.people.declare(declared, by).incident)
        assert may_read(it.engine.company.plan, incident, by.actor)
        assert not may_read(it.engine.company.plan, incident, "Mallory")


async def _first_ask(it: Scene) -> AskState:
    await it.past_detection()
    return it.incident.open_asks[0]


@pytest.mark.parametrize("rota", [True, False])
async def test_a_question_that_no_one_answers_calls_its_readers_and_then_everyone(
    tmp_path: Path, *, rota: bool
) -> None:
    """The plan's next role is the tech lead, who may not read it: Ben, the CTO, is called, and everyone in the end."""
    levels = [{"after": "5m", "roles": ["tech_lead"]}, {"after": "10m", "roles": "everyone"}]
    layers = [{"name": "first", "people": ["Ana"], "starts": "2026-11-02T09:00"}]
    rotas = [Rota.model_validate({"role": "on_call", "layers": layers})] if rota else []
    policies = [EscalationPolicy.model_validate({"levels": levels})]
    plan = private().plan.model_copy(update={"escalation_policies": policies, "rotas": rotas})
    company = replace(private(), plan=plan)
    async with scene(tmp_path, company, broken(), LEAK) as it:
        await it.past_detection()
        called: list[tuple[str, ...]] = []
        for _ in range(16):
            await passes(it, 1)
            climbing = [one for topic, one in it.incident.reminders.items() if topic.startswith("acknowledge")]
            called = [tuple(state.reminder.roles) for states in climbing for state in states]
        assert called == [("cto",), tuple(plan.roles)]
        assert CANARY not in sent(it)
        assert IMPACT not in sent(it)
