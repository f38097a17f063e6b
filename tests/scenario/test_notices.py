"""Everyone whom the plan's `notifications` name is notified of the incident once, by the first way that works."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

from rich.console import Console

from allclear.bootstrap import make_engine
from allclear.domain.action import ActStatus
from allclear.domain.notify.notice_tries import begun_notices
from allclear.domain.notify.notified import notified as rows_of
from allclear.domain.plan import UpdateSchedule
from allclear.domain.proof import Proof
from allclear.domain.pseudo_phases import NOTICE
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.reports.incident_summary import show
from allclear.responder.pages.sign_in import Viewer
from allclear.responder.pages.view import Source, incident_page
from allclear.simulator.faults import Fault
from tests.patience import until
from tests.scenario.notice_support import (
    LINES,
    PEOPLE,
    contacts_of,
    fault,
    in_slack,
    later,
    line,
    notified,
    paged,
    sent,
    to,
)
from tests.scenario.response_support import ALERT, broken, installed
from tests.scenario.scenes import scene

ANA = By(actor="Ana", role="on_call", via="cli")


async def test_each_audience_hears_of_it_once_by_the_first_way(tmp_path: Path) -> None:
    """The CTO and the tech lead are notified at once; the CEO not before it is known whether customers notice."""
    async with scene(tmp_path, notified(), broken(), ALERT) as it:
        await later(it)
        assert sent(it.incident) == []  # not verified yet
        await it.to(Phase.DETECT)
        await later(it)
        assert sorted(sent(it.incident)) == [("Cara", "slack"), ("Theo", "slack")]
        (text,) = to(it, "Cara")
        assert "CTO Cara: VS-1 (P0): Payment processing down, INVESTIGATING." in text
        assert "Read on: " in text
        it.engine.people.assess(it.incident_id, {"customer_facing": "yes"}, None, "Users complain.", ANA)
        await later(it)
        assert sorted(sent(it.incident)) == [("Cara", "slack"), ("Eve", "slack"), ("Theo", "slack")]
        assert [len(to(it, name)) for name in ("Cara", "Theo", "Eve", "Pia", "Ana")] == [1, 1, 1, 0, 0]


async def test_an_unknown_facet_counts_as_a_match_after_its_time(tmp_path: Path) -> None:
    """No one has said whether customers notice it: the CEO is notified after ten minutes or the line's `within`."""
    lines = line("ceo", when={"customer_facing": "yes"}), line("pr_team", when={"security_breach": "yes"}, within="30m")
    async with scene(tmp_path, notified(*lines), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it, minutes=9)
        assert sent(it.incident) == []
        await later(it, minutes=1)
        assert sent(it.incident) == [("Eve", "slack")]
        it.engine.people.assess(it.incident_id, {"security_breach": "no"}, None, "No.", ANA)
        await later(it, minutes=30)
        assert sent(it.incident) == [("Eve", "slack")]


async def test_nothing_is_sent_twice_when_the_severity_changes_and_changes_back(tmp_path: Path) -> None:
    """A line that begins to apply notifies those who were not notified yet, and no one else."""
    lines = (*(line(role) for role in ("cto", "tech_lead")), line("tech_lead", severities=["P1"]))
    async with scene(tmp_path, notified(*lines), broken(), ALERT) as it:
        it.engine.people.severity(it.incident_id, "P1", "Only some pay by card.", ANA)
        await it.to(Phase.DETECT)
        await later(it)
        assert sent(it.incident) == [("Theo", "slack")]
        for severity in ("P0", "P1", "P0"):
            it.engine.people.severity(it.incident_id, severity, "As the figures say.", ANA)
            await later(it)
        assert sent(it.incident) == [("Theo", "slack"), ("Cara", "slack")]
        assert [len(to(it, name)) for name in ("Cara", "Theo")] == [1, 1]


async def test_the_next_way_is_used_as_soon_as_one_is_refused(tmp_path: Path) -> None:
    """Slack refuses the post, so the page follows at once, and the message does not claim to be a repeat."""
    async with scene(tmp_path, notified(), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        fault(it, "slack", "chat.postMessage")
        await later(it)
        assert in_slack(it) == []
        (text,) = paged(it, "Cara")
        assert "may have received" not in text
        assert len(paged(it, "Theo")) == 1


async def test_a_contact_that_mentions_no_one_is_followed_by_the_next_way(tmp_path: Path) -> None:
    """Slack would take the message and mention no one, which counts as a failure; the record says why."""
    contacts = {"slack": "@cara", "pagerduty": "PCARA1"}
    async with scene(tmp_path, notified(line("cto"), people={"Cara": contacts}), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        assert in_slack(it) == []
        assert len(paged(it, "Cara")) == 1
        [refused] = [act for act in it.incident.acts.values() if act.proposed.notice and act.proposed.refusals]
        assert "`@cara` is no user id of Slack" in refused.proposed.refusals[0].sentence


async def test_a_message_whose_answer_was_lost_is_found_and_not_repeated(tmp_path: Path) -> None:
    """Slack took the message, and the next read shows it."""
    async with scene(tmp_path, notified(line("cto")), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        fault(it, "slack", "chat.postMessage", "answer_lost", times=1)
        await later(it)
        assert len(to(it, "Cara")) == 1
        assert paged(it, "Cara") == []


async def test_a_message_of_unknown_result_is_followed_by_one_that_says_so(tmp_path: Path) -> None:
    """Slack has not answered for two minutes: the page says that it may be a repeat."""
    async with scene(tmp_path, notified(line("cto")), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        fault(it, "slack", "chat.postMessage", "slow", times=1)
        it.watch.now += timedelta(seconds=1)
        await it.engine.reminders.start_due()
        await until(lambda: any(act.intended for act in it.incident.acts.values() if act.proposed.notice))
        it.watch.now += timedelta(minutes=2)  # it has had no result for this long
        await it.engine.reminders.start_due()
        await until(lambda: paged(it, "Cara"))
        (text,) = paged(it, "Cara")
        assert "You may have received this already" in text
        await it.engine.reminders.wait()


async def test_when_every_way_to_a_person_fails_the_deputy_is_notified(tmp_path: Path) -> None:
    """The deputy reads instead of whom, and the timeline says it."""
    company = notified(line("cto"), people={"Cara": {}}, deputies=("tech_lead",))
    async with scene(tmp_path, company, broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        assert sent(it.incident) == [("Theo", "slack")]
        (text,) = to(it, "Theo")
        assert "You are notified because no one with the role CTO could be reached." in text
        (state,) = it.incident.reminders["stand-in:cto"]
        assert "Cara has no contact: add `slack` or `pagerduty` to the contacts in plan.yaml" in state.reminder.sentence
        assert "Notified instead: Theo." in state.reminder.sentence


async def test_the_page_and_the_reminder_agree_on_who_was_not_notified(tmp_path: Path) -> None:
    """No one was tried, because the plan has no contact: the page does not say that the notice still comes."""
    async with scene(tmp_path, notified(line("cto"), people={name: {} for name in PEOPLE}), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        plan = it.engine.company.plan
        assert [row.result for row in rows_of(plan, it.incident, it.watch.now) if row.audience == "CTO"] == [
            "not notified yet"
        ]
        await later(it)
        assert sent(it.incident) == []
        (state,) = it.incident.reminders["not-told"]
        assert "NOT NOTIFIED, and no one is left to notify instead: CTO (" in state.reminder.sentence
        (row,) = [row for row in rows_of(plan, it.incident, it.watch.now) if row.audience == "CTO"]
        assert row.result.startswith("NOT NOTIFIED, and no one is left to notify instead. Tell Cara yourself")


async def test_when_no_one_is_left_everyone_is_told_what_could_not_be_delivered(tmp_path: Path) -> None:
    """Slack and the pages by name are down: the other page says who was not notified, and why."""
    async with scene(tmp_path, notified(line("cto")), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        fault(it, "slack", "chat.postMessage")
        fault(it, "pagerduty_rest", "create_incident")
        await later(it, rounds=12)
        (state,) = it.incident.reminders["not-told"]
        assert state.reminder.urgent
        assert "NOT NOTIFIED, and no one is left to notify instead: CTO (Cara: slack: " in state.reminder.sentence
        assert "allclear told VS-1 cto" in state.reminder.sentence
        assert any("NOT NOTIFIED" in page.payload["summary"] for page in it.simulated.world.pagerduty.pages)
        it.simulated.world.faults.clear()
        await later(it, minutes=2)
        (text,) = to(it, "Cara")
        assert "may have received" not in text
        assert paged(it, "Cara") == []
        (after,) = it.incident.reminders["after-all:cto"]
        assert after.reminder.sentence.startswith("Notified after all: CTO (Cara), by slack at ")
        rows = rows_of(it.engine.company.plan, it.incident, it.watch.now)
        assert not any(row.result.startswith("NOT NOTIFIED") for row in rows)
        await later(it, minutes=40)
        assert len(to(it, "Cara")) == 1


async def test_with_every_channel_broken_the_record_says_that_no_way_is_left(tmp_path: Path) -> None:
    """The responder reports it in its log and in Prefect; what could not be delivered stands in it."""
    async with scene(tmp_path, notified(line("cto")), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        fault(it, "slack", "chat.postMessage")
        fault(it, "pagerduty_rest", "create_incident")
        fault(it, "pagerduty", "enqueue")
        await later(it, rounds=20)
        found = [
            state.reminder.sentence
            for topic, states in it.incident.reminders.items()
            for state in states
            if topic.startswith("no-way-left:")
        ]
        assert any("NO WAY IS LEFT to tell people" in text and "NOT NOTIFIED" in text for text in found)


async def test_a_vendor_that_hangs_delays_no_one_who_is_reached_otherwise(tmp_path: Path) -> None:
    """Cara is reached by Slack, which does not answer; Theo by the pager, at once."""
    people = {"Theo": {"pagerduty": contacts_of("Theo")["pagerduty"]}}
    async with scene(tmp_path, notified(people=people), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        it.simulated.world.faults.set(Fault(api="slack", method="chat.postMessage", kind="slow", seconds=3, times=9))
        it.watch.now += timedelta(seconds=1)
        await it.engine.reminders.start_due()
        await until(lambda: paged(it, "Theo"))
        assert all(
            act.outcome is None
            for act in it.incident.acts.values()
            if act.proposed.notice and act.proposed.notice.person == "Cara"
        )
        await it.engine.reminders.wait()


async def test_two_processes_notify_each_person_once(tmp_path: Path) -> None:
    """Both find the same notices due; the record lets only one of them write each."""
    async with scene(tmp_path, notified(), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        second = make_engine(
            it.engine.settings, environ={}, clock=it.watch, company=it.engine.company, registry=installed()
        )
        try:
            for _ in range(3):
                it.watch.now += timedelta(seconds=1)
                await asyncio.gather(*(one.reminders.start_due() for one in (it.engine, second)))
                await asyncio.gather(it.engine.reminders.wait(), second.reminders.wait())
        finally:
            await second.close()
        assert sorted(sent(it.incident)) == [("Cara", "slack"), ("Theo", "slack")]
        assert len(in_slack(it)) == 2


async def test_the_page_of_the_runbook_meets_the_line_of_the_on_call(tmp_path: Path) -> None:
    """The pager took the page, so nothing is sent twice; a page that failed is followed by the next way."""
    async with scene(tmp_path / "1", notified(line("on_call", by=["pager", "slack"])), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        assert sent(it.incident) == []
    async with scene(tmp_path / "2", notified(line("on_call", by=["slack"])), broken(), ALERT) as it:
        fault(it, "pagerduty", "enqueue", times=1)
        await it.to(Phase.DETECT)
        await later(it)
        assert sent(it.incident) == [("Ana", "slack")]


async def test_a_private_incident_says_nothing_of_what_it_is_about(tmp_path: Path) -> None:
    """The PR team may not read it: it gets the id, and whom to ask."""
    company = notified(line("pr_team"), line("cto"))
    kinds = {
        name: kind.model_copy(update={"private_for": ["cto", "on_call"]}) for name, kind in company.plan.kinds.items()
    }
    company = replace(company, plan=company.plan.model_copy(update={"kinds": kinds}))
    async with scene(tmp_path, company, broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        (pia,), (cara,) = to(it, "Pia"), to(it, "Cara")
        assert "VS-1 is private. Ask Ana what it is about." in pia
        assert "VS-1 is private. Read on:" in cara
        assert "Payment" not in pia + cara


async def test_a_person_who_was_told_by_hand_is_not_notified(tmp_path: Path) -> None:
    """`allclear told` counts, so that no one is called twice."""
    async with scene(tmp_path, notified(line("cto")), broken(), ALERT) as it:
        it.engine.people.told(it.incident_id, "cto", "By phone.", ANA)
        await it.to(Phase.DETECT)
        await later(it)
        assert sent(it.incident) == []


async def test_a_notice_that_was_interrupted_is_carried_on_and_not_sent_again(tmp_path: Path) -> None:
    """The process ended between the proposal and the message; the next one sends it once."""
    async with scene(tmp_path, notified(line("cto")), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        fault(it, "slack", "chat.postMessage", "slow", times=1)
        it.watch.now += timedelta(seconds=1)
        await it.engine.reminders.start_due()
        await until(lambda: any(act.intended for act in it.incident.acts.values() if act.proposed.notice))
        await later(it)
        (act,) = [act for act in it.incident.acts.values() if act.proposed.phase == NOTICE]
        assert act.status is ActStatus.VERIFIED
        assert len(to(it, "Cara")) == 1


async def test_people_see_who_was_notified_when_by_what_and_how_far_it_got(tmp_path: Path) -> None:
    """`allclear show`, the page, the API and the post-mortem have the same rows; what waits says for what."""
    people = {"Cara": {"slack": "@cara", "pagerduty": "PCARA1"}}  # a contact that the message would not mention
    async with scene(tmp_path, notified(line("on_call"), *LINES, people=people), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        plan = it.engine.company.plan
        rows = rows_of(plan, it.incident, it.watch.now)
        got = [(row.audience, row.person, row.way, row.result.partition(":")[0]) for row in rows]
        assert ("On-Call", "the person on call", "pagerduty", "accepted") in got
        assert sum(row[3] == "failed" for row in got) == 1
        assert {row[1] for row in got if row[3] == "accepted"} >= {"Cara", "Theo"}
        depends = (
            "CEO: not notified yet, because this is not known: Whether customers notice it. "
            "Without an answer, the message is sent at "
        )
        assert rows[-1].words(plan).startswith(depends)
        assert "CEO" in it.engine.conductor.values(it.incident)["to_notify"]
        assert "CTO" not in it.engine.conductor.values(it.incident)["to_notify"]
        entries = it.engine.journal.entries(it.incident_id)
        console = Console(width=400, file=StringIO())
        console.print(show(it.incident, entries, plan, it.watch.now))
        company = it.engine.company
        document = write_post_mortem(
            PostMortem(it.incident, entries, plan, "Storefront", company.post_mortem, it.watch.now)
        )
        assert isinstance(console.file, StringIO)
        assert "Who was notified, by the plan" in console.file.getvalue()
        assert all(row.words(plan) in console.file.getvalue() for row in rows)
        assert "| CTO | Cara | " in document
        page = incident_page(Source(it.incident, entries, plan, "Storefront", Viewer("Ana", Proof.LINK), it.watch.now))
        assert [one.audience for one in page.notified] == [row.audience for row in rows]


async def test_people_whose_names_look_alike_are_each_notified(tmp_path: Path) -> None:
    """`Ana-Ruiz` and `Ana Ruiz` are two people, and so is one who is called as the pager's on-call."""
    company = notified(line("cto"), line("tech_lead"), line("ceo"))
    names = {"Cara": "Ana-Ruiz", "Theo": "Ana Ruiz", "Eve": "Ana (Ruiz)"}
    people = [one.model_copy(update={"name": names.get(one.name, one.name)}) for one in company.plan.people]
    company = replace(company, plan=company.plan.model_copy(update={"people": people}))
    async with scene(tmp_path, company, broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        assert sorted(sent(it.incident)) == [(name, "slack") for name in sorted(names.values())]
        assert [len(to(it, name)) for name in names] == [1, 1, 1]


async def test_a_notice_that_was_begun_gets_its_result_although_it_is_no_longer_due(tmp_path: Path) -> None:
    """The process ended, and the severity was lowered meanwhile: whether Cara has the message is found out."""
    async with scene(tmp_path, notified(line("cto")), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        fault(it, "slack", "chat.postMessage", "slow", times=1)
        it.watch.now += timedelta(seconds=1)
        await it.engine.reminders.start_due()
        await until(lambda: any(act.begun for act in it.incident.acts.values() if act.proposed.notice))
        it.engine.people.severity(it.incident_id, "P1", "Only some pay by card.", ANA)
        (begun,) = begun_notices(it.incident)
        assert (begun.person, begun.way) == ("Cara", "slack")
        await it.engine.reminders.wait()
        await later(it)
        assert begun_notices(it.incident) == []
        assert len(to(it, "Cara")) == 1


async def test_those_who_were_notified_are_told_once_how_it_ended(tmp_path: Path) -> None:
    """By the way that reached each; if that fails now, by the next one; no one else gets one."""
    async with scene(tmp_path, notified(line("cto"), line("tech_lead")), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        it.engine.people.false_alarm(it.incident_id, "The probe was wrong.", ANA)
        fault(it, "slack", "chat.postMessage", times=1)
        await later(it, rounds=8, minutes=1)
        told = {name: to(it, name)[1:] + paged(it, name) for name in ("Cara", "Theo", "Eve", "Ana")}
        assert [len(told[name]) for name in ("Cara", "Theo", "Eve", "Ana")] == [1, 1, 0, 0]
        assert all("FALSE ALARM" in text for name in ("Cara", "Theo") for text in told[name])
        assert sorted([*sent(it.incident)]) == [("Cara", "slack"), ("Theo", "slack")]


async def test_leaders_get_updates_by_the_rhythm_of_the_plan(tmp_path: Path) -> None:
    """Cara gets one an hour after her notice, once, although two processes could send it; the lead is not reminded."""
    company = notified(line("cto"))
    updates = [UpdateSchedule.model_validate({"audience": "cto", "every": "1h"})]
    company = replace(company, plan=company.plan.model_copy(update={"updates": updates}))
    async with scene(tmp_path, company, broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        await later(it, minutes=59)
        assert len(to(it, "Cara")) == 1
        await later(it, minutes=2)
        _, text = to(it, "Cara")
        assert "VS-1 (P0): Payment processing down, INVESTIGATING. " in text
        assert "Nothing was changed yet. Led by " in text
        assert "Next update by 2026-11-22 05:0" in text
        await later(it, minutes=10)
        assert len(to(it, "Cara")) == 2
        assert not any(topic.startswith("update:") for topic in it.incident.reminders)
