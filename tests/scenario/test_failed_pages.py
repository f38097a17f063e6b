"""A page that fails: the team's channel has it at once, and the page is tried again until it gets through."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from allclear.domain.pseudo_phases import REMINDER
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.people.declare import Declaration
from allclear.simulator.faults import Fault
from tests.scenario.response_support import ALERT, broken, notifying_no_one
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_reminders import pages, posts, round_of
from tests.unit.domain.stories import ANA


async def later(it: Scene, seconds: float) -> list[str]:
    """Move the clock on, and do what is due then."""
    it.watch.now += timedelta(seconds=seconds)
    return await round_of(it)


def fail(it: Scene, kind: str, times: int) -> None:
    """Let PagerDuty refuse or lose the next events."""
    fault = Fault.model_validate({"api": "pagerduty", "method": "enqueue", "kind": kind, "times": times})
    it.simulated.world.faults.set(fault)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("permission_denied", "The page did not get through and woke no one: PagerDuty refused"),
        ("unavailable", "It is not known whether the page woke anyone: "),
    ],
)
async def test_a_failed_page_is_reported_at_once_and_sent_again(tmp_path: Path, kind: str, words: str) -> None:
    """Slack names whom to call, with the command. The page follows once PagerDuty takes it, and is not repeated."""
    async with scene(tmp_path, notifying_no_one(), broken(), ALERT) as it:
        fail(it, kind, times=3)
        await it.to(Phase.DETECT)
        assert pages(it) == []
        (reminder,) = await later(it, 1)
        assert reminder.startswith(words)
        (message,) = posts(it)
        assert (
            f"allclear ack {it.incident_id} --as THEIR-NAME --role on_call. Until then the page is sent again."
            in message
        )
        assert "(for On-Call: " in message
        it.simulated.world.faults.clear()
        assert await later(it, 10) == []
        assert pages(it) == []
        await later(it, 20)
        assert pages(it) == [(f"allclear/{it.incident_id}", "triggered")]
        await later(it, 300)
        tries = [act for act in it.incident.acts.values() if act.proposed.step == "page"]
        assert len(tries) == 2
        assert len([text for text in posts(it) if words in text]) == 1


async def test_a_person_who_acknowledges_ends_the_tries(tmp_path: Path) -> None:
    """A person saw the message in Slack, so no one has to be woken any more."""
    async with scene(tmp_path, notifying_no_one(), broken(), ALERT) as it:
        fail(it, "permission_denied", times=100)
        await it.to(Phase.DETECT)
        await later(it, 1)
        it.engine.people.acknowledge(it.incident_id, ANA)
        for _ in range(10):
            await later(it, 60)
        assert len([act for act in it.incident.acts.values() if act.proposed.step == "page"]) == 1


SUE = By(actor="Sue", role="support", via="cli")
"""A person of support, whom no page would wake."""


async def declared_by_support(it: Scene) -> None:
    """Let support declare a P0, which pages the person on call."""
    declaration = Declaration("Payments fail", "P0", "storefront", "broken-feature")
    it.incident_id = it.engine.people.declare(declaration, SUE).incident
    await it.to(Phase.DETECT)


async def test_a_failed_page_of_a_declared_incident_is_reported_and_sent_again(tmp_path: Path) -> None:
    """The declarer knows of the trouble, and the person on call does not."""
    async with scene(tmp_path, notifying_no_one(), broken(), ALERT) as it:
        fail(it, "permission_denied", times=3)
        await declared_by_support(it)
        (reminder,) = await later(it, 1)
        assert reminder.startswith("The page did not get through and woke no one: PagerDuty refused")
        it.simulated.world.faults.clear()
        it.engine.people.note(it.incident_id, "Three customers called.", SUE)
        await later(it, 60)
        assert pages(it) == [(f"allclear/{it.incident_id}", "triggered")]


async def test_a_page_of_a_declared_incident_climbs_until_someone_takes_it(tmp_path: Path) -> None:
    """The page got through and the person on call sleeps: notes and news by support end neither page nor climb."""
    async with scene(tmp_path, notifying_no_one(), broken(), ALERT) as it:
        await declared_by_support(it)
        it.engine.people.note(it.incident_id, "Three customers called.", SUE)
        it.engine.people.told(it.incident_id, "status_page", "by e-mail", SUE)
        assert it.incident.acknowledged is not None
        assert any(one.startswith("No one has acknowledged the page within 3 min") for one in await later(it, 180))
        assert [status for _, status in pages(it)] == ["triggered", "triggered"]
        it.engine.people.acknowledge(it.incident_id, SUE)
        await later(it, 1)
        assert [status for _, status in pages(it)] == ["acknowledged", "resolved"]
        assert not any("No one has acknowledged" in one for one in await later(it, 600))


async def test_a_note_on_an_alerts_incident_wakes_no_one_less(tmp_path: Path) -> None:
    """A bystander's note on an alert's incident changes nothing for the page."""
    async with scene(tmp_path, notifying_no_one(), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        it.engine.people.note(it.incident_id, "I see it too.", SUE)
        assert any(one.startswith("No one has acknowledged the page") for one in await later(it, 180))
        assert [status for _, status in pages(it)] == ["triggered", "triggered"]


async def test_an_escalation_that_cannot_page_is_sent_as_a_message(tmp_path: Path) -> None:
    """The next level is due although no page got through; its page fails too, and the message follows at once."""
    async with scene(tmp_path, notifying_no_one(), broken(), ALERT) as it:
        fail(it, "permission_denied", times=1000)
        await it.to(Phase.DETECT)
        await later(it, 1)
        told = [*await later(it, 180), *await later(it, 1)]
        assert any("No one has acknowledged the page" in sentence for sentence in told)
        assert any("No one has acknowledged the page" in text for text in posts(it))
        assert not any(topic.startswith("no-way-left:") for topic in it.incident.reminders)
        it.simulated.world.faults.clear()
        await later(it, 60)
        assert any(status == "triggered" for _, status in pages(it))
        sent = [act for act in it.incident.acts.values() if act.proposed.phase == REMINDER and act.proposed.pages]
        assert sent
