"""A message may be pending for minutes, as a call, or because its vendor hangs: it delays no message by another way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from allclear.domain.act import Act
from allclear.domain.plan import ReminderRules
from allclear.domain.records import By, ReminderDue
from allclear.domain.runbook import Phase
from allclear.engine.actions.message_acts import BY
from tests.patience import until
from tests.scenario.many_people import WAYS, addressed, office, staffed
from tests.scenario.notice_support import later, line, notified, paged
from tests.scenario.response_support import ALERT, broken
from tests.scenario.scenes import Scene, Watch, scene
from tests.scenario.test_three_phones import company

ANA = By(actor="Ana", role="on_call", via="cli")
ONLY_A_PAGER = {"pagerduty": "PPIA1"}


def reminder(person: str) -> ReminderDue:
    """Return an urgent reminder to one person."""
    return ReminderDue(
        topic=f"due:{person}", level=1, sentence=f"{person} is waited for.", roles=["cto"], people=[person], urgent=True
    )


async def test_a_reminder_that_is_pending_holds_up_no_other_one(tmp_path: Path) -> None:
    """The first person's letter waits; the second one's arrives, and then the first one's, each once."""
    people = [addressed("Ana"), addressed("Ben")]
    company = staffed(0, people=people, notifications=[], reminders=ReminderRules())
    it = office(tmp_path, company, Watch())
    engine = it.engines[0]
    engine.journal.append(it.incident_id, [reminder("Ana"), reminder("Ben")], BY)
    it.box.opens.clear()
    it.box.waits = {"Box of Ana"}
    await engine.reminders.start_due()
    await until(lambda: any("Ben is waited for" in text for _, text in it.box.letters))
    assert not any("Ana is waited for" in text for _, text in it.box.letters)
    await engine.reminders.start_due()
    it.box.opens.set()
    await engine.reminders.wait()
    await engine.reminders.start_due()
    await engine.reminders.wait()
    await it.close()
    assert [sum(f"{name} is waited for" in text for _, text in it.box.letters) for name in ("Ana", "Ben")] == [1, 1]


MORE_THAN_ARE_SENT_AT_ONCE = 60


async def test_a_vendor_that_hangs_delays_no_notice_by_another_way(tmp_path: Path) -> None:
    """Sixty letters wait for the post; what the courier brings arrives."""
    people = [addressed(f"Person {number}") for number in range(MORE_THAN_ARE_SENT_AT_ONCE)]
    company = staffed(0, people=[*people, addressed("Zoe", "courier")], ways=WAYS)
    it = office(tmp_path, company, Watch())
    it.box.opens.clear()
    it.box.waits = {f"Box of {one.name}" for one in people}
    await it.engines[0].reminders.start_due()
    await until(lambda: it.box.letters)
    assert [text.partition(":")[0] for _, text in it.box.letters] == ["Zoe"]
    it.box.opens.set()
    await it.engines[0].reminders.wait()
    await it.close()
    assert len(it.box.letters) == len(people) + 1


async def test_a_vendor_that_hangs_delays_no_reminder_by_another_way(tmp_path: Path) -> None:
    """The same holds for reminders."""
    people = [addressed(f"Person {number}") for number in range(MORE_THAN_ARE_SENT_AT_ONCE)]
    everyone = [*people, addressed("Zoe", "courier")]
    company = staffed(0, people=everyone, ways=WAYS, notifications=[], reminders=ReminderRules())
    it = office(tmp_path, company, Watch())
    it.engines[0].journal.append(it.incident_id, [reminder(one.name) for one in everyone], BY)
    it.box.opens.clear()
    it.box.waits = {f"Box of {one.name}" for one in people}
    await it.engines[0].reminders.start_due()
    await until(lambda: any("Zoe is waited for" in text for _, text in it.box.letters))
    it.box.opens.set()
    await it.engines[0].reminders.wait()
    await it.close()


def hold_slack(it: Scene, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Hold every message to Slack from now on, until the event that is returned is set."""
    opens, slack = asyncio.Event(), it.engine.executor.action("slack.post")
    send = slack.apply

    async def held(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the action
        await opens.wait()
        return await send(*args, **more)

    monkeypatch.setattr(slack, "apply", held)
    return opens


def pending(it: Scene) -> list[Act]:
    """Return the messages to Slack that were begun and have no outcome."""
    acts = it.incident.acts.values()
    return [act for act in acts if act.proposed.action == "slack.post" and act.intended and act.outcome is None]


async def test_a_channel_that_hangs_delays_no_notice_to_a_pager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The incident's summary in Slack waits to be updated. The severity rises: Pia is paged, once."""
    company = notified(line("pr_team", severities=["P1"]), people={"Pia": ONLY_A_PAGER})
    async with scene(tmp_path, company, broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        opens = hold_slack(it, monkeypatch)
        it.engine.people.severity(it.incident_id, "P2", "Few are affected.", ANA)
        it.watch.now += timedelta(minutes=1)
        await it.engine.reminders.start_due()
        await until(lambda: pending(it))
        it.engine.people.severity(it.incident_id, "P1", "More are affected.", ANA)
        assert await it.engine.reminders.start_due() == [it.incident_id]
        await until(lambda: paged(it, "Pia"))
        assert pending(it)
        opens.set()
        await later(it)
        assert pending(it) == []
        assert len(paged(it, "Pia")) == 1


async def test_a_channel_that_hangs_delays_no_reminder_that_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same holds for a reminder: the tech lead does not answer, and the CTO is paged, once."""
    async with scene(tmp_path, company(named=True), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it, minutes=3)
        assert rung(it) == ["PBEN002"]
        opens = hold_slack(it, monkeypatch)
        it.watch.now += timedelta(minutes=2)  # the target to respond is missed: Slack reads it
        await it.engine.reminders.start_due()
        await until(lambda: pending(it))
        it.watch.now += timedelta(minutes=1)
        assert await it.engine.reminders.start_due() == [it.incident_id]
        await until(lambda: rung(it) == ["PBEN002", "PCLEO03"])
        assert pending(it)
        opens.set()
        await later(it)
        assert pending(it) == []
        assert rung(it) == ["PBEN002", "PCLEO03"]


def rung(it: Scene) -> list[str]:
    """Return the people whom a page named."""
    return [person for page in it.simulated.world.pagerduty.pages for person in page.people]
