"""What a person starts by hand is done although others write to the incident, or the person reads that it is not."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.errors import ConcurrentWrite, NotAllowed, Refused
from allclear.domain.proof import Proof
from allclear.domain.question import closing_words
from allclear.domain.records import (
    ActProposed,
    AskAnswered,
    DecisionMade,
    IncidentEnded,
    LedgerHandedOver,
    PhaseEntered,
)
from allclear.engine.actions.manual import ManualRequest
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal, vintstreet
from tests.scopes import REAL
from tests.unit.domain.stories import MACHINE
from tests.unit.engine.actions.manual_support import ANA, CHI, ByHand
from tests.unit.fakes_actions import turned_to


@pytest.fixture
def by_hand(tmp_path: Path) -> Generator[ByHand]:
    """A new journal with one incident, and the dials."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    yield ByHand(journal)
    journal.close()


async def test_an_act_by_hand_is_proposed_again_if_the_incident_has_changed_meanwhile(by_hand: ByHand) -> None:
    """Notes, alerts and other acts are written while the change is worked out: it is worked out again."""
    by_hand.dials.at_check = [by_hand.note] * 3
    result = await by_hand.manual.do(by_hand.turn(), ANA)
    assert result.outcome is not None
    assert (result.outcome.status, by_hand.dials.points["main"]) == (ActStatus.VERIFIED, 5)
    decisions = [note for _, _, note in by_hand.incident.notes if isinstance(note, DecisionMade)]
    assert [note.text for note in decisions] == ["BY HAND, outside the runbook: Turn the dial"]


async def test_a_person_whose_first_act_is_by_hand_leads(by_hand: ByHand) -> None:
    """An alert opened the incident, and no one leads it. The lead is written with the proposal, and stays."""
    opened = by_hand.incident.opened.model_copy(update={"reported": "an alert"})
    by_hand.id = by_hand.journal.open_incident("VS", opened, MACHINE)[0]
    assert by_hand.incident.roles == {}
    done = await by_hand.manual.do(by_hand.turn(), ANA)
    assert by_hand.incident.roles == {"incident_commander": "Ana"}
    await by_hand.manual.undo(by_hand.id, done.act, "it squeaks", ANA.model_copy(update={"actor": "Bo"}))
    assert by_hand.incident.roles == {"incident_commander": "Ana"}


async def test_an_undo_by_hand_is_proposed_again_too(by_hand: ByHand) -> None:
    """The incident changes while the undo is worked out."""
    done = await by_hand.manual.do(by_hand.turn(), ANA)
    by_hand.dials.at_check = [by_hand.note] * 2
    result = await by_hand.manual.undo(by_hand.id, done.act, "it squeaks", ANA)
    assert result.outcome is not None
    assert (result.outcome.good, by_hand.dials.points["main"]) == (True, 1)


async def test_a_change_other_than_the_one_that_was_seen_is_not_proposed_again(by_hand: ByHand) -> None:
    """While a note is written, the dial is turned: the person has not seen that change."""
    preview = await by_hand.executor.preview("dial.turn", {"to": 5})
    by_hand.dials.at_check = [by_hand.note, turned_to(3)]
    request = ManualRequest("dial.turn", {"to": 5}, "a try", by_hand.id, shown=preview.change.digest)
    with pytest.raises(Refused, match="would now be another one"):
        await by_hand.manual.do(request, ANA)
    assert (by_hand.dials.sent, by_hand.incident.acts) == ([], {})


async def test_an_act_that_cannot_be_proposed_leaves_no_decision_and_says_that_it_is_not_done(by_hand: ByHand) -> None:
    """Others write without a pause. The record claims no decision that came to nothing."""
    by_hand.dials.at_check = [by_hand.note] * 40
    with pytest.raises(ConcurrentWrite, match="NOT done") as error:
        await by_hand.manual.do(by_hand.turn(), ANA)
    assert "Start it again" in error.value.next_step
    assert not any(isinstance(note, DecisionMade) for _, _, note in by_hand.incident.notes)
    assert by_hand.incident.acts == {}


async def test_the_decision_and_the_proposal_are_written_together(by_hand: ByHand) -> None:
    """A person who reads the record never finds one without the other."""
    await by_hand.manual.do(by_hand.turn(), ANA)
    records = [entry.record for entry in by_hand.journal.entries(by_hand.id)]
    place = next(place for place, record in enumerate(records) if isinstance(record, DecisionMade))
    assert isinstance(records[place + 1], ActProposed)
    assert by_hand.journal.entries(by_hand.id)[place].by.actor != MACHINE.actor


# --- after the end ---------------------------------------------------------------------------------------


async def test_an_approval_after_the_end_changes_nothing(by_hand: ByHand) -> None:
    """Chi asked for it, the incident was resolved, and the review has begun when Ana answers."""
    asked = await by_hand.manual.do(by_hand.turn(), CHI)
    (ask,) = asked.waiting
    by_hand.people.resolve(by_hand.id, "all is well", ANA)
    by_hand.journal.append(by_hand.id, [PhaseEntered(phase="review")], MACHINE)
    with pytest.raises(NotAllowed, match="does not count"):
        by_hand.people.answer(ask, ANA, yes=True)
    outcome = await by_hand.executor.carry_out(by_hand.id, asked.act, MACHINE)
    assert (outcome.status, by_hand.dials.sent) == (ActStatus.REFUSED, [])


async def test_an_approved_act_of_an_older_record_is_not_begun_after_the_end(by_hand: ByHand) -> None:
    """Its record has the approval and then the end, without the outcome that the end writes now."""
    asked = await by_hand.manual.do(by_hand.turn(), CHI)
    ended = IncidentEnded(ending="resolved", reason="all is well")
    by_hand.journal.append(by_hand.id, [ended, AskAnswered(ask=asked.waiting[0], yes=True)], ANA)
    with pytest.raises(NotAllowed, match="NOT done") as error:
        await by_hand.manual.after_answer(asked.waiting[0], ANA)
    assert "allclear act" in error.value.next_step
    assert by_hand.dials.sent == []


async def test_what_was_left_in_place_can_be_undone_after_the_end(by_hand: ByHand) -> None:
    """A person took it over. Another one asks for its undo after the end, and the first one approves it."""
    done = await by_hand.manual.do(by_hand.turn(), ANA)
    handed = LedgerHandedOver(act=done.act, to="Ana", due=datetime(2026, 12, 1, tzinfo=UTC))
    by_hand.journal.append(by_hand.id, [handed], MACHINE)
    by_hand.people.resolve(by_hand.id, "all is well", ANA)
    asked = await by_hand.manual.undo(by_hand.id, done.act, "the fix is out", CHI)
    (ask,) = asked.waiting
    by_hand.people.answer(ask, ANA, yes=True)
    result = await by_hand.manual.after_answer(ask, ANA)
    assert result is not None
    assert result.outcome is not None
    assert (result.outcome.good, by_hand.dials.points["main"]) == (True, 1)


async def test_the_approval_that_lies_in_a_start_has_the_proof_of_the_person(by_hand: ByHand) -> None:
    """The question that is closed says how it is known who approved: by the same as for any other answer."""
    done = await by_hand.manual.do(by_hand.turn(), ANA.model_copy(update={"proof": Proof.TOKEN}))
    incident = by_hand.incident
    state = incident.asks[incident.acts[done.act].asks[-1]]
    assert "identified by a personal token" in closing_words(incident, state, vintstreet().plan)[0]


async def test_what_leaves_nothing_behind_can_be_undone_on_request(by_hand: ByHand) -> None:
    """A restore is no entry of the ledger, and its undo is started by hand, once."""
    request = replace(by_hand.turn(), action="dial.restored")
    done = await by_hand.manual.do(request, ANA)
    assert by_hand.incident.in_place == []
    result = await by_hand.manual.undo(by_hand.id, done.act, "the wrong time", ANA)
    assert result.outcome is not None
    assert (result.outcome.status, by_hand.dials.points["main"]) == (ActStatus.VERIFIED, 1)
    with pytest.raises(Refused, match="Nothing of manual/dial-restored is in place"):
        await by_hand.manual.undo(by_hand.id, done.act, "again", ANA)
