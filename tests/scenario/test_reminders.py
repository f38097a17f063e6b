"""Reminders and pages on the real engine: each is sent once by Slack or PagerDuty, also across crashes and restarts."""

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
from tests.scenario.response_support import notifying_no_one as small_vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scopes import DRILL
from tests.unit.domain.stories import ANA, HEALTH


def posts(it: Scene) -> list[str]:
    """Return the reminders in the simulated channel."""
    return [
        str(message["text"])
        for channel in it.simulated.world.workspace.channels
        for message in channel.messages
        if "thread_ts" not in message and "(for " in str(message["text"]) and "\nImpact:" not in str(message["text"])
    ]


def pages(it: Scene) -> list[tuple[str, str]]:
    """Return the key and the status of each page."""
    return [(page.dedup_key, page.status) for page in it.simulated.world.pagerduty.pages]


async def round_of(it: Scene) -> list[str]:
    """Record and send everything that is due, and return the sentences of the new reminders."""
    before = {state.number for states in it.incident.reminders.values() for state in states}
    await it.engine.reminders.start_due()
    await it.engine.reminders.wait()
    return [
        state.reminder.sentence
        for states in it.incident.reminders.values()
        for state in states
        if state.number not in before
    ]


def escalating() -> Company:
    """Return VintStreet with a P1 that becomes a P0 after an hour."""
    company = small_vintstreet()
    severities = [
        one.model_copy(update={"escalates": Escalation(to="P0", after=Span(timedelta(hours=1)))})
        if one.name == "P1"
        else one
        for one in company.plan.severities
    ]
    return replace(company, plan=company.plan.model_copy(update={"severities": severities}))


SLOW = replace(ALERT, key="slow", labels={"alertname": "ErrorRateHigh"})


async def test_an_unacknowledged_page_escalates_until_a_person_responds(tmp_path: Path) -> None:
    """Three minutes after the page the tech lead is paged; a note and an answer take and resolve the pages."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        move = await it.past_detection()
        assert await round_of(it) == []
        it.watch.now += timedelta(minutes=3)
        assert await round_of(it) == ["No one has acknowledged the page within 3 minutes."]
        assert [status for _, status in pages(it)] == ["triggered", "triggered"]
        it.engine.people.note(it.incident_id, "I am here.", ANA)
        unanswered, public = await round_of(it)  # the public is informed beside the containment
        assert "allclear approve VS-1/contain/roll-back --as NAME --role on_call" in unanswered
        assert "allclear approve VS-1/contain/status-page --as NAME --role communications_lead" in public
        assert [status for _, status in pages(it)] == ["acknowledged", "resolved", "triggered", "triggered"]
        it.engine.people.answer(move.asks[0], ANA.model_copy(update={"via": "cli"}), yes=False, reason="wait")
        await round_of(it)
        assert [status for _, status in pages(it)] == ["acknowledged", "resolved", "resolved", "triggered"]


async def test_an_acknowledged_incident_acknowledges_its_page_once(tmp_path: Path) -> None:
    """The person who acknowledges has taken the page; PagerDuty gets one update, and wakes no one else."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        await round_of(it)
        assert [status for _, status in pages(it)] == ["triggered"]
        it.engine.people.acknowledge(it.incident_id, ANA)
        for _ in range(3):
            await round_of(it)
        assert [status for _, status in pages(it)] == ["acknowledged"]
        assert it.simulated.world.pagerduty.pages[0].events == 2


async def test_declaring_an_incident_does_not_take_its_page(tmp_path: Path) -> None:
    """The page was sent after the declaration, so it stays triggered until a person acknowledges it."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        people, declaration = it.engine.people, Declaration("Checkout fails", "P0", "storefront", "broken-feature")
        it.incident_id = people.declare(declaration, ANA).incident
        await it.to(Phase.DETECT)
        await round_of(it)
        assert [status for _, status in pages(it)] == ["triggered"]
        assert "is acknowledged by Ana" in people.acknowledge(it.incident_id, ANA)
        await round_of(it)
        assert [status for _, status in pages(it)] == ["acknowledged"]
        assert "Ana leads it" in people.acknowledge(it.incident_id, ANA)


async def test_a_manual_page_is_not_taken_by_its_sender(tmp_path: Path) -> None:
    """A page that a person sends stays triggered, although that person has written to the incident."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        request = ManualRequest(
            "pagerduty.page", {"incident": "VS-1-more", "summary": "Help"}, "I need help", incident=it.incident_id
        )
        await it.engine.manual.do(request, ANA)
        await round_of(it)
        assert pages(it) == [("allclear/VS-1-more", "triggered")]


async def test_the_end_of_an_incident_resolves_its_page(tmp_path: Path) -> None:
    """When people end the incident its page is resolved, with a retry if PagerDuty refuses."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        it.engine.people.resolve(it.incident_id, "healthy again", ANA)
        it.simulated.world.faults.set(Fault(api="pagerduty", kind="permission_denied", times=1))
        await round_of(it)
        assert [status for _, status in pages(it)] == ["triggered"]
        it.watch.now += timedelta(seconds=31)
        await round_of(it)
        assert [status for _, status in pages(it)] == ["resolved"]
        assert it.incident.in_place == []


async def test_an_interrupted_acknowledgement_of_a_page_is_finished(tmp_path: Path) -> None:
    """After a kill at any write of the acknowledgement, the next process finishes the one act."""
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
            updates = [act for act in it.incident.acts.values() if act.proposed.phase == PHASE]
            assert [act.status.value for act in updates] == ["verified"]


async def test_each_reminder_is_sent_once_by_several_processes(tmp_path: Path) -> None:
    """Four rounds at once in two processes, and one more round, send each reminder once."""
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
        assert sorted(topic for topic, _ in topics) == [
            "acknowledge",
            "target:P0:respond",
            "update:status_page",
        ]
        assert all(len(levels) == 1 for _, levels in topics)
        assert dict(topics)["acknowledge"] == [3]  # after half an hour without a process only the highest level is sent
        assert len(posts(it)) == 2
        assert len(pages(it)) == 2


async def test_a_message_that_was_not_sent_is_sent_after_a_crash(tmp_path: Path) -> None:
    """The entry is written first, so the next process finds that the message is missing."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        await it.past_detection()
        without_messages = it.engine.company.plan.model_copy(update={"reminders": ReminderRules()})
        mute = make_engine(
            it.engine.settings,
            environ={},
            clock=it.watch,
            company=replace(it.engine.company, plan=without_messages),
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


async def test_a_page_that_was_refused_is_retried_with_back_off(tmp_path: Path) -> None:
    """It is sent again after half a minute, a minute after that, and then after longer and longer pauses."""
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


async def test_an_incident_that_is_not_contained_in_time_becomes_more_severe_once(tmp_path: Path) -> None:
    """After an hour the P1 becomes a P0 and the team gets a message; a second round changes nothing."""
    async with scene(tmp_path, escalating(), broken(), SLOW) as it:
        await it.past_detection()
        assert it.incident.severity == "P1"
        it.watch.now += timedelta(minutes=61)
        await round_of(it)
        await round_of(it)
        assert [change.now for _, change in it.incident.severities] == ["P0"]
        assert any("P1 is not contained in time: the severity becomes P0." in text for text in posts(it))


async def test_an_escalation_is_postponed_while_the_service_is_healthy(tmp_path: Path) -> None:
    """The service is checked again ten minutes later; it fails then, and the severity is raised."""
    async with scene(tmp_path, escalating(), broken(), SLOW) as it:
        await it.past_detection()
        faults = it.simulated.world.service.revisions["vintstreet-00042-qoz"].faults
        removed = dict(faults)
        faults.clear()
        it.watch.now += timedelta(minutes=61)
        await round_of(it)
        assert it.incident.severity == "P1"
        faults.update(removed)
        it.watch.now += timedelta(minutes=9)
        await round_of(it)
        assert it.incident.severity == "P1"
        it.watch.now += timedelta(minutes=1)
        await round_of(it)
        assert it.incident.severity == "P0"


async def test_a_contained_incident_is_not_escalated(tmp_path: Path) -> None:
    """Its severity stays, even if the fix takes hours."""
    async with scene(tmp_path, escalating(), broken(), SLOW) as it:
        await it.past_detection()
        it.engine.journal.append(it.incident_id, [Contained(by="a rollback", finding=HEALTH)], MACHINE)
        it.watch.now += timedelta(hours=9)
        await round_of(it)
        assert it.incident.severity == "P1"


async def test_only_a_message_action_can_be_a_reminder(tmp_path: Path) -> None:
    """A plan that names a rollback as its reminder sends and does nothing, because no one would approve it."""
    company = small_vintstreet()
    rollback = MessageAction.model_validate(
        {"action": "cloud_run.rollback_traffic", "with": {"service": "storefront", "to": "previous"}}
    )
    plan = company.plan.model_copy(update={"reminders": ReminderRules(message=rollback, page=rollback)})
    async with scene(tmp_path, replace(company, plan=plan), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), object)
        move = await it.to(Phase.CONTAIN)
        assert isinstance(move, Wait)
        it.watch.now += timedelta(minutes=30)
        await round_of(it)
        assert not [act for act in it.incident.acts.values() if act.proposed.phase == PHASE]


async def test_a_follow_up_that_is_due_long_after_the_end_is_reminded_of_once(tmp_path: Path) -> None:
    """Ninety days after the incident: a day before, and when it is overdue; nothing else of the old incident."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        it.engine.people.false_alarm(it.incident_id, "a rehearsal", ANA)
        due = it.watch.now + timedelta(days=90)
        it.engine.people.follow_up(it.incident_id, "Alert on failed payments", "Ana", due, ANA)
        await round_of(it)
        it.watch.now += timedelta(days=89, minutes=1)
        told = await round_of(it)
        assert [text.partition(" 20")[0] for text in told] == ["Follow-up due"]
        assert await round_of(it) == []
        it.watch.now += timedelta(days=1)
        overdue = await round_of(it)
        assert [text.partition(" 20")[0] for text in overdue] == ["Follow-up overdue since"]
        assert await round_of(it) == []


async def test_an_old_incident_is_looked_up_only_while_a_follow_up_is_open(tmp_path: Path) -> None:
    """Once it was done a while ago, so that its ticket is closed, the incident's record is not read any more."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        it.engine.people.false_alarm(it.incident_id, "a rehearsal", ANA)
        now, later = it.watch.now, it.watch.now + timedelta(days=1)
        assert it.engine.journal.incidents(with_follow_ups=now) == []
        it.engine.people.follow_up(it.incident_id, "Alert on failed payments", "Ana", it.watch.now, ANA)
        assert [row.id for row in it.engine.journal.incidents(with_follow_ups=later)] == [it.incident_id]
        it.engine.people.follow_up_done(it.incident_id, 1, "", ANA)
        assert [row.id for row in it.engine.journal.incidents(with_follow_ups=now)] == [it.incident_id]
        assert it.engine.journal.incidents(with_follow_ups=later) == []
