"""Times that pass on the real engine: who is told in Slack and by PagerDuty, once, also across crashes and restarts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from allclear.bootstrap import make_engine
from allclear.company import Company
from allclear.domain.plan import Escalation, MessageAction, ReminderRules, Span
from allclear.domain.records import Contained
from allclear.domain.runbook import Phase
from allclear.engine.actions.manual import ManualRequest
from allclear.engine.notify.page_updates import PHASE
from allclear.engine.people.declare import Declaration
from allclear.engine.response.moves import Over, Wait
from allclear.journal.sql_journal import SqlJournal
from allclear.simulator.faults import Fault
from tests.scenario.response_support import ALERT, MACHINE, Mortal, broken, die, installed
from tests.scenario.response_support import vintstreet as small_vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scopes import DRILL
from tests.unit.domain.stories import ANA, HEALTH


def posts(it: Scene) -> list[str]:
    """Return the reminders that stand in the simulated channel."""
    return [
        str(message["text"])
        for channel in it.simulated.world.workspace.channels
        for message in channel.messages
        if "(for " in str(message["text"]) and "\nImpact:" not in str(message["text"])
    ]


def pages(it: Scene) -> list[tuple[str, str]]:
    """Return the pages that woke somebody, with how each stands."""
    return [(page.dedup_key, page.status) for page in it.simulated.world.pagerduty.pages]


async def round_of(it: Scene) -> list[str]:
    """Goes one round, and returns what it said."""
    before = {state.number for states in it.incident.reminders.values() for state in states}
    await it.engine.reminders.start_due()
    await it.engine.reminders.wait()
    return [
        state.reminder.sentence
        for states in it.incident.reminders.values()
        for state in states
        if state.number not in before
    ]


def grave() -> Company:
    """Return VintStreet where a P1 grows after an hour."""
    company = small_vintstreet()
    severities = [
        one.model_copy(update={"escalates": Escalation(to="P0", after=Span(timedelta(hours=1)))})
        if one.name == "P1"
        else one
        for one in company.plan.severities
    ]
    return replace(company, plan=company.plan.model_copy(update={"severities": severities}))


SLOW = replace(ALERT, key="slow", labels={"alertname": "ErrorRateHigh"})


async def test_silence_wakes_the_next_person_and_an_answer_lets_them_sleep(tmp_path: Path) -> None:
    """Three minutes after the page and the proposal the tech lead is paged; with a word and a no the pages end."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        move = await it.past_detection()
        assert await round_of(it) == []
        it.watch.now += timedelta(minutes=3)
        assert await round_of(it) == ["No one has acknowledged the page within 3 minutes."]
        assert [status for _, status in pages(it)] == ["triggered", "triggered"]
        it.engine.people.note(it.incident_id, "I am here.", ANA)
        (waits,) = await round_of(it)
        assert "allclear approve VS-1/contain/roll-back --as NAME --role on_call" in waits
        assert [status for _, status in pages(it)] == ["acknowledged", "resolved", "triggered"]
        it.engine.people.answer(move.asks[0], ANA.model_copy(update={"via": "cli"}), yes=False, reason="wait")
        await round_of(it)
        assert [status for _, status in pages(it)] == ["acknowledged", "resolved", "resolved"]


async def test_a_word_of_a_person_stops_the_pager(tmp_path: Path) -> None:
    """Whoever acknowledges has taken the page: PagerDuty learns it once, and wakes nobody else."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        await round_of(it)
        assert [status for _, status in pages(it)] == ["triggered"]
        it.engine.people.acknowledge(it.incident_id, ANA)
        for _ in range(3):
            await round_of(it)
        assert [status for _, status in pages(it)] == ["acknowledged"]
        assert it.simulated.world.pagerduty.pages[0].events == 2


async def test_who_declared_has_not_taken_the_page_that_follows(tmp_path: Path) -> None:
    """A page goes on ringing until somebody speaks who could have heard it; `ack` takes it then."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        people, declared = it.engine.people, Declaration("Checkout fails", "P0", "storefront", "broken-feature")
        it.incident_id = people.declare(declared, ANA)
        await it.to(Phase.DETECT)
        await round_of(it)
        assert [status for _, status in pages(it)] == ["triggered"]
        assert "is acknowledged by Ana" in people.acknowledge(it.incident_id, ANA)
        await round_of(it)
        assert [status for _, status in pages(it)] == ["acknowledged"]
        assert "already" in people.acknowledge(it.incident_id, ANA)


async def test_who_pages_by_hand_has_not_taken_the_page(tmp_path: Path) -> None:
    """To wake somebody is no answer to the page."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        request = ManualRequest(
            "pagerduty.page", {"incident": "VS-1-more", "summary": "Help"}, "alone", incident=it.incident_id
        )
        await it.engine.manual.do(request, ANA)
        await round_of(it)
        assert pages(it) == [("allclear/VS-1-more", "triggered")]


async def test_the_end_of_an_incident_lets_the_pager_rest(tmp_path: Path) -> None:
    """An incident that people end closes its page, tried again where PagerDuty is away."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        it.engine.people.resolve(it.incident_id, "well again", ANA)
        it.simulated.world.faults.set(Fault(api="pagerduty", kind="permission_denied", times=1))
        await round_of(it)
        assert [status for _, status in pages(it)] == ["triggered"]
        it.watch.now += timedelta(seconds=31)
        await round_of(it)
        assert [status for _, status in pages(it)] == ["resolved"]
        assert it.incident.in_place == []


async def test_an_interrupted_word_to_the_pager_is_finished(tmp_path: Path) -> None:
    """Killed at any write of the acknowledgement, the next process sends it, and not twice once it is known."""
    for at in (1, 2, 3):
        async with scene(tmp_path / str(at), small_vintstreet(), broken(), ALERT) as it:
            assert isinstance(await it.to(Phase.DETECT), Over)
            it.engine.people.acknowledge(it.incident_id, ANA)
            inner = SqlJournal(it.engine.settings.journal_url, DRILL)
            journal: Any = Mortal(inner, at)
            doomed = make_engine(
                it.engine.settings,
                environ={},
                clock=it.watch,
                company=it.engine.company,
                registry=installed(),
                journal=journal,
            )
            await doomed.reminders.start_due()
            await doomed.reminders.wait()
            assert len(journal.writes) == at
            await die(doomed, inner)
            await round_of(it)
            assert [status for _, status in pages(it)] == ["acknowledged"]
            told = [act for act in it.incident.acts.values() if act.proposed.phase == PHASE]
            assert [act.status.value for act in told] == ["verified"]


async def test_each_is_said_once_whoever_checks(tmp_path: Path) -> None:
    """Four rounds at once, and a process that starts anew, say no more than one."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        await it.past_detection()
        it.watch.now += timedelta(minutes=30)
        second = make_engine(
            it.engine.settings, environ={}, clock=it.watch, company=it.engine.company, registry=installed()
        )
        try:
            await asyncio.gather(*(one.reminders.start_due() for one in (it.engine, second) * 2))
            await second.reminders.start_due()
            await asyncio.gather(it.engine.reminders.wait(), second.reminders.wait())
        finally:
            await second.close()
        topics = [
            (topic, [state.reminder.level for state in states]) for topic, states in it.incident.reminders.items()
        ]
        assert sorted(topic for topic, _ in topics) == ["acknowledge", "target:P0:respond", "update:status_page"]
        assert all(len(rungs) == 1 for _, rungs in topics)
        assert dict(topics)["acknowledge"] == [3]  # who was away for half an hour says the last word only
        assert len(posts(it)) == 2
        assert len(pages(it)) == 2


async def test_a_message_that_was_not_sent_is_sent_after_a_crash(tmp_path: Path) -> None:
    """The entry is written first; whoever starts next finds that its message is missing."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        await it.past_detection()
        quiet = it.engine.company.plan.model_copy(update={"reminders": ReminderRules()})
        mute = make_engine(
            it.engine.settings,
            environ={},
            clock=it.watch,
            company=replace(it.engine.company, plan=quiet),
            registry=installed(),
        )
        it.watch.now += timedelta(minutes=3)
        try:
            assert await mute.reminders.start_due() == [it.incident_id]
            await mute.reminders.wait()
        finally:
            await mute.close()
        assert len(pages(it)) == 1
        assert await round_of(it) == []
        assert len(pages(it)) == 2


async def test_a_pager_that_is_away_is_tried_again(tmp_path: Path) -> None:
    """A page that was refused is tried again half a minute later, a minute after that, and ever more seldom."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        await it.past_detection()
        it.simulated.world.faults.set(Fault(api="pagerduty", kind="permission_denied", times=20))
        it.watch.now += timedelta(minutes=3)
        tries: list[int] = []
        for seconds in (0, 20, 11, 30, 31, 300):
            it.watch.now += timedelta(seconds=seconds)
            await round_of(it)
            acts = [act for act in it.incident.acts.values() if act.proposed.phase == PHASE]
            tries.append(sum(act.proposed.step == acts[0].proposed.step for act in acts))
        assert tries == [1, 1, 2, 2, 3, 4]


async def test_what_is_left_too_long_becomes_graver_and_is_taken_up_again(tmp_path: Path) -> None:
    """After an hour the P1 is a P0, its phases start again, and the team is told; a second look says the same."""
    async with scene(tmp_path, grave(), broken(), SLOW) as it:
        await it.past_detection()
        assert it.incident.severity == "P1"
        it.watch.now += timedelta(minutes=61)
        await round_of(it)
        await round_of(it)
        assert [change.now for _, change in it.incident.severities] == ["P0"]
        assert any("P1 is not contained in time: the severity becomes P0." in text for text in posts(it))


async def test_a_service_that_checks_well_holds_the_escalation(tmp_path: Path) -> None:
    """Nobody is woken for what got well by itself; it is looked at again, and grows when it fails again."""
    async with scene(tmp_path, grave(), broken(), SLOW) as it:
        await it.past_detection()
        faults = it.simulated.world.service.revisions["vintstreet-00042-qoz"].faults
        kept = dict(faults)
        faults.clear()
        it.watch.now += timedelta(minutes=61)
        await round_of(it)
        assert it.incident.severity == "P1"
        faults.update(kept)
        it.watch.now += timedelta(minutes=9)
        await round_of(it)
        assert it.incident.severity == "P1"
        it.watch.now += timedelta(minutes=1)
        await round_of(it)
        assert it.incident.severity == "P0"


async def test_what_is_contained_wakes_nobody(tmp_path: Path) -> None:
    """Contained and stable, it stays what it is, however long the fix takes."""
    async with scene(tmp_path, grave(), broken(), SLOW) as it:
        await it.past_detection()
        it.engine.journal.append(it.incident_id, [Contained(by="a rollback", finding=HEALTH)], MACHINE)
        it.watch.now += timedelta(hours=9)
        await round_of(it)
        assert it.incident.severity == "P1"


async def test_only_what_tells_people_may_remind_them(tmp_path: Path) -> None:
    """A plan that would roll back as a reminder does nothing, whatever it says: nobody would be asked."""
    company = small_vintstreet()
    wild = MessageAction.model_validate(
        {"action": "cloud_run.rollback_traffic", "with": {"service": "storefront", "to": "previous"}}
    )
    plan = company.plan.model_copy(update={"reminders": ReminderRules(message=wild, page=wild)})
    async with scene(tmp_path, replace(company, plan=plan), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), object)
        move = await it.to(Phase.CONTAIN)
        assert isinstance(move, Wait)
        it.watch.now += timedelta(minutes=30)
        await round_of(it)
        assert not [act for act in it.incident.acts.values() if act.proposed.phase == PHASE]
