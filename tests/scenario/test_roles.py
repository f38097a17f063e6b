"""Roles are handed over with the consent of the person who takes them, and never behind the back of the holder."""

from __future__ import annotations

from pathlib import Path

from allclear.commands.roles import HandOver, TakeRole
from allclear.domain.plan.people import LEAD
from allclear.domain.records import By
from allclear.domain.reminders.reminder import lead_of
from allclear.domain.runbook import Phase
from tests.scenario.response_support import ALERT, broken, vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_messages_reach_people import due, reminders_in_slack

ANA = By(actor="Ana", role="on_call", via="page")
BEN = By(actor="Ben", role="tech_lead", via="slack")


async def led_by_ana(it: Scene) -> None:
    """Let Ana act first, so that she leads."""
    await it.to(Phase.DETECT)
    it.engine.people.acknowledge(it.incident_id, ANA)
    assert lead_of(it.engine.company.plan, it.incident) == "Ana"


async def test_a_role_stays_with_its_holder_until_the_other_person_accepts(tmp_path: Path) -> None:
    """Ben receives a message with the command that accepts. When he accepts, the role is his."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        await led_by_ana(it)
        said = await HandOver(role=LEAD, to="Ben").carry_out(it.engine, it.incident_id, ANA)
        assert said == f"Ben is asked to be Incident Lead of {it.incident_id}. Until Ben accepts, Ana keeps it."
        await due(it, seconds=1)
        asked = [text for text in reminders_in_slack(it) if "asks Ben" in text]
        assert len(asked) == 1
        assert f"allclear take-role {it.incident_id} {LEAD} --as Ben" in asked[0]
        assert lead_of(it.engine.company.plan, it.incident) == "Ana"
        await TakeRole(role=LEAD).carry_out(it.engine, it.incident_id, BEN)
        assert lead_of(it.engine.company.plan, it.incident) == "Ben"
        assert it.incident.offers == {}
        await due(it, minutes=6)
        assert not any("has not accepted" in text for text in reminders_in_slack(it))
        assert not any("has taken the role" in text for text in reminders_in_slack(it))


async def test_an_offer_that_no_one_accepts_is_told_to_both(tmp_path: Path) -> None:
    """After five minutes, Ana knows that she still leads."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        await led_by_ana(it)
        it.engine.people.hand_over(it.incident_id, LEAD, "Ben", ANA)
        await due(it, minutes=5, seconds=1)
        (told,) = [text for text in reminders_in_slack(it) if "has not accepted" in text]
        assert "Ana keeps it" in told
        assert "Ana" in told.rpartition("(for ")[2]


async def test_the_holder_is_told_if_another_person_takes_the_role(tmp_path: Path) -> None:
    """In an emergency Ben takes the lead at once, and Ana reads it with the command that takes it back."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        await led_by_ana(it)
        it.engine.people.take_role(it.incident_id, LEAD, BEN)
        await due(it, seconds=1)
        (told,) = [text for text in reminders_in_slack(it) if "has taken the role" in text]
        assert f"allclear take-role {it.incident_id} {LEAD} --as Ana" in told


async def test_a_role_that_one_has_already_changes_nothing(tmp_path: Path) -> None:
    """A second press of the button."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        await led_by_ana(it)
        before = it.incident.length
        assert "already" in it.engine.people.take_role(it.incident_id, LEAD, ANA)
        assert it.incident.length == before
