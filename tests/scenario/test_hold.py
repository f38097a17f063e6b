"""Hold: while a person holds an incident, nothing is done in it without a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.domain.errors import ConcurrentWrite, NotAllowed
from allclear.domain.records import ActIntended, HoldEnded, HoldStarted, VetoWindowEnded
from allclear.domain.runbook import Phase
from allclear.domain.sentences import describe
from allclear.domain.sentences.sentence import SentenceContext
from allclear.engine.actions.executor import LEASE
from allclear.engine.response.moves import Wait
from allclear.postmortem.key_events import key_events
from tests.scenario.response_support import ALERT, MACHINE, broken, vintstreet
from tests.scenario.scenes import STREAMS, Scene, automatic, scene, streams


def intended(of: Scene) -> list[str]:
    """Return the acts that were begun, in order."""
    entries = of.engine.journal.entries(of.incident_id)
    return [entry.record.act for entry in entries if isinstance(entry.record, ActIntended)]


async def test_while_it_is_held_only_what_people_approve_is_done(tmp_path: Path) -> None:
    """Messages and measures wait; the approval of a person is carried out; the release lets the rest go on."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as of:
        people, ana = of.engine.people, of.engine.people.who("Ana", "incident_commander", "cli")
        people.hold(of.incident_id, "the database team looks first", ana)
        assert await of.to(Phase.DETECT) == Wait((), held=True)
        begun = intended(of)
        assert all(of.incident.acts[act].proposed.pages for act in begun)
        assert await of.to(Phase.DETECT) == Wait((), held=True)
        assert intended(of) == begun
        held = of.incident.held
        assert held is not None
        assert (held.by, held.cause) == ("Ana", "the database team looks first")
        people.release(of.incident_id, "they have looked", ana)
        move = await of.past_detection()
        assert not move.held
        assert len(intended(of)) > len(begun)
        people.hold(of.incident_id, "once more", ana)
        (ask,) = [one for one in move.asks if one.endswith("/roll-back")]
        people.answer(ask, people.who("Bo", "on_call", "cli"), yes=True, reason="yes")
        move = await of.to(Phase.CONTAIN)
        assert "contain/roll-back" in intended(of)
        act = of.incident.acts["contain/roll-back"]
        assert act.outcome is not None
        assert act.outcome.good


async def test_a_hold_says_who_and_why_and_ends_once(tmp_path: Path) -> None:
    """A second hold says who holds it; a release without a hold is refused; the record has both."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as of:
        people, plan = of.engine.people, of.engine.company.plan
        ana, bo = people.who("Ana", "incident_commander", "cli"), people.who("Bo", "on_call", "cli")
        with pytest.raises(NotAllowed, match="is not held"):
            people.release(of.incident_id, "", ana)
        with pytest.raises(NotAllowed, match="reason is empty"):
            people.hold(of.incident_id, " ", ana)
        people.hold(of.incident_id, "we look first", ana)
        with pytest.raises(NotAllowed, match="held already, by Ana"):
            people.hold(of.incident_id, "me too", bo)
        people.release(of.incident_id, "seen", bo)
        entries = of.engine.journal.entries(of.incident_id)
        context = SentenceContext.of(of.incident, plan)
        said = [describe(context, one).text for one in entries if isinstance(one.record, HoldStarted | HoldEnded)]
        assert len(said) == 2
        assert "holds the incident" in said[0]
        assert "we look first" in said[0]
        assert "released" in said[1]
        events = [event.text for event in key_events(of.incident, entries, plan)[0]]
        assert set(said) <= set(events)
        (period,) = of.incident.hold.periods
        assert (period.by, period.reason) == ("Ana", "seen")


@pytest.mark.parametrize("released_after", [10, 61])
async def test_a_veto_window_that_a_hold_touched_allows_nothing(tmp_path: Path, released_after: int) -> None:
    """The window of 60 s ends during the hold, or after its release: a person must approve, before and after it."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as of:
        people, ana = of.engine.people, of.engine.people.who("Ana", "incident_commander", "cli")
        await of.past_detection()
        ask = of.incident.ask_of(Phase.CONTAIN, "disable-flag")
        assert ask is not None
        assert ask.ask.window is not None
        people.hold(of.incident_id, "we look first", ana)
        of.watch.now += timedelta(seconds=released_after)
        assert await of.engine.approval_timeouts.apply_due() == []
        people.release(of.incident_id, "seen", ana)
        of.watch.now += timedelta(seconds=61 - released_after)
        await of.engine.approval_timeouts.apply_due()
        entries = of.engine.journal.entries(of.incident_id)
        assert not [one for one in entries if isinstance(one.record, VetoWindowEnded)]
        assert of.incident.asks[ask.ask.id].open


async def test_a_hold_comes_between_a_veto_window_and_its_act(tmp_path: Path) -> None:
    """The window has ended and the act has not begun: it does not begin, until a person releases the incident."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as of:
        people, ana = of.engine.people, of.engine.people.who("Ana", "incident_commander", "cli")
        await of.past_detection()
        of.watch.now += timedelta(seconds=61)
        assert await of.engine.approval_timeouts.apply_due()
        people.hold(of.incident_id, "stop", ana)
        with pytest.raises(NotAllowed, match="because the incident is held"):
            await of.engine.executor.carry_out(of.incident_id, "contain/disable-flag", MACHINE)
        move = await of.to(Phase.CONTAIN)
        assert isinstance(move, Wait)
        assert move.held
        assert "contain/disable-flag" not in intended(of)
        people.release(of.incident_id, "go on", ana)
        await of.to(Phase.CONTAIN)
        assert "contain/disable-flag" in intended(of)


async def test_a_hold_that_is_written_while_an_act_is_being_started_stops_it(tmp_path: Path) -> None:
    """The journal refuses the intent of an act that was cleared before the hold was written."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as of:
        people, ana = of.engine.people, of.engine.people.who("Ana", "incident_commander", "cli")
        await of.past_detection()
        of.watch.now += timedelta(seconds=61)
        assert await of.engine.approval_timeouts.apply_due()
        act = of.incident.acts["contain/disable-flag"]
        intent = ActIntended(act=act.id, digest=act.proposed.digest or "", change=act.proposed.change or {}, holder="x")
        length = of.incident.length
        people.hold(of.incident_id, "stop", ana)
        with pytest.raises(ConcurrentWrite):
            of.engine.journal.claim(
                act.proposed.resource, of.incident_id, act.id, LEASE, intent, MACHINE, expect=length
            )
        assert intended(of).count(act.id) == 0


async def test_nothing_ends_by_itself_while_it_is_held(tmp_path: Path) -> None:
    """The recovery is not even looked for: no check, no question, no end."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as of:
        people, ana = of.engine.people, of.engine.people.who("Ana", "incident_commander", "cli")
        people.hold(of.incident_id, "we look first", ana)
        of.engine.intake.take(replace(ALERT, state="resolved"), "delivery-2")
        of.watch.now += timedelta(hours=2)
        length = of.incident.length
        await of.engine.recovery.check()
        assert of.incident.length == length
        assert not of.incident.over
