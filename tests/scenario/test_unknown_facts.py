"""A fact on which it depends who is notified is asked for, and its answer notifies who is due now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from allclear.commands.answers import Answer
from allclear.domain.errors import NotAllowed
from allclear.domain.incident import Incident
from allclear.domain.proof import Proof
from allclear.domain.records import AskWithdrawn, By
from allclear.domain.runbook import Phase
from allclear.responder.pages.sign_in import Viewer
from allclear.responder.pages.view import Source, incident_page
from tests.scenario.notice_support import later, line, notified, sent
from tests.scenario.response_support import ALERT, MACHINE, broken
from tests.scenario.scenes import Scene, scene

ANA = By(actor="Ana", role="on_call", via="cli")
CEO = line("ceo", when={"customer_facing": "yes"})
ASK = "VS-1/fact/customer_facing"


def withdrawn(it: Scene) -> list[str]:
    """Return why questions were withdrawn."""
    records = [entry.record for entry in it.engine.journal.entries(it.incident_id)]
    return [record.reason for record in records if isinstance(record, AskWithdrawn)]


def reminders_of(incident: Incident) -> list[str]:
    """Return the reminders of the question."""
    return [one.reminder.sentence for one in incident.reminders.get(f"fact:{ASK}", [])]


async def test_an_unknown_fact_is_asked_for_with_what_follows_from_it(tmp_path: Path) -> None:
    """The question says who is notified by which answer and without one; the answer notifies at once, and once."""
    async with scene(tmp_path, notified(CEO, line("pr_team", when={"customer_facing": "no"})), broken(), ALERT) as it:
        await later(it)
        assert it.incident.asks == {}  # not verified yet
        await it.to(Phase.DETECT)
        await later(it)
        (state,) = it.incident.asks.values()
        assert (state.ask.id, state.ask.words) == (ASK, ("answer", "not known yet"))
        assert state.ask.title == "Not known yet: Whether customers notice it"
        assert "CEO is notified only if the answer is yes." in state.ask.text
        assert "Without an answer, CEO and PR team are notified at " in state.ask.text
        assert {one.name: one.reason for one in state.ask.choices} == {
            "no": "PR team is notified at once.",
            "yes": "CEO is notified at once.",
        }
        assert sent(it.incident) == []
        entries, plan = it.engine.journal.entries(it.incident_id), it.engine.company.plan
        page = incident_page(Source(it.incident, entries, plan, "Storefront", Viewer("Ana", Proof.LINK), it.watch.now))
        (shown,) = [one for one in page.asked if one.id == ASK]
        assert ([one.name for one in shown.choices], shown.yes, shown.no) == (["no", "yes"], "answer", "not known yet")
        with pytest.raises(NotAllowed, match="maybe is none of the candidates"):
            await Answer(ask=ASK, word="answer", choice="maybe").carry_out(it.engine, it.incident_id, ANA)
        given = Answer(ask=ASK, word="answer", choice="yes", reason="Users complain.")
        assert "is notified at once" in await given.carry_out(it.engine, it.incident_id, ANA)
        await later(it)
        assert it.incident.facets == {"customer_facing": "yes"}
        assert sent(it.incident) == [("Eve", "slack")]
        await later(it, minutes=30)
        assert sent(it.incident) == [("Eve", "slack")]
        assert len(it.incident.asks) == 1


async def test_who_leads_is_reminded_before_the_fact_counts_as_a_match(tmp_path: Path) -> None:
    """After three quarters of the time the lead reads what happens without an answer; then it happens."""
    async with scene(tmp_path, notified(CEO), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        assert reminders_of(it.incident) == []
        await later(it, minutes=8)
        (sentence,) = reminders_of(it.incident)
        assert "CEO is notified only if the answer is yes. Without an answer, CEO is notified at " in sentence
        assert f"Answer with: allclear answer {ASK} VALUE --as NAME" in sentence
        assert sent(it.incident) == []
        await later(it, minutes=2)
        assert sent(it.incident) == [("Eve", "slack")]
        it.engine.conductor.withdraw_questions(it.incident_id, MACHINE)
        assert withdrawn(it) == ["no notice depends on it any more"]
        assert not any(topic.startswith("answer:") for topic in it.incident.reminders)


async def test_a_question_is_withdrawn_when_the_fact_is_recorded_otherwise(tmp_path: Path) -> None:
    """A person records the fact with `assess`; the question does not stay open, and no one is notified."""
    async with scene(tmp_path, notified(CEO), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        it.engine.people.assess(it.incident_id, {"customer_facing": "no"}, None, "Only the back office.", ANA)
        await it.to(Phase.CONTAIN)
        assert withdrawn(it) == ["it is known now: no"]
        await later(it, minutes=30)
        assert sent(it.incident) == []


async def test_the_answer_that_it_is_not_known_yet_leaves_it_open_who_is_notified(tmp_path: Path) -> None:
    """It is not asked again; the fact counts as a match after its time, as without an answer."""
    async with scene(tmp_path, notified(CEO), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        it.engine.people.answer(ASK, ANA, yes=False)
        await later(it, minutes=5)
        assert (it.incident.facets, sent(it.incident)) == ({}, [])
        await later(it, minutes=6)
        assert sent(it.incident) == [("Eve", "slack")]
        assert len(it.incident.asks) == 1


async def test_nothing_is_asked_about_people_whom_the_plan_does_not_name(tmp_path: Path) -> None:
    """No answer would notify anyone."""
    company = notified(CEO)
    people = [person for person in company.plan.people if person.name != "Eve"]
    company = replace(company, plan=company.plan.model_copy(update={"people": people}))
    async with scene(tmp_path, company, broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        assert it.incident.asks == {}
