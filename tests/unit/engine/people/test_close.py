"""Notes, severities, roles, and the end of an incident by people."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.approval import AskKind
from allclear.domain.approved_change import Clearance, clearance
from allclear.domain.base import utc_now
from allclear.domain.errors import NotAllowed, NotFound
from allclear.domain.records import (
    ActFinished,
    IncidentEnded,
    LedgerHandedOver,
    NoteAdded,
    PhaseEntered,
)
from allclear.engine.people.facade import People
from allclear.journal.rows import OutboxKind
from tests.unit.engine.people.people_support import ANA, BEN, CHI, DECLARED, NAMED, Room, proposed

# --- notes -----------------------------------------------------------------------------------------------


def test_notes_and_decisions_are_entries(room: Room) -> None:
    """They are recorded with their authors, in order."""
    room.people.note(room.id, "Support has 14 tickets", CHI)
    room.people.decide(room.id, "Fix forward", "41 lacks the tax change", BEN)
    assert [(by.actor, note.text) for _, by, note in room.incident.notes] == [
        ("Chi", "Support has 14 tickets"),
        ("Ben", "Fix forward"),
    ]


def test_a_note_can_answer_a_field_of_the_post_mortem(room: Room) -> None:
    """It is recorded for that field or for the timeline; another word is refused with those that exist."""
    for place in ("root_cause", "timeline"):
        room.people.note(room.id, "The key is empty", CHI, place)
    notes = [note for _, _, note in room.incident.notes if isinstance(note, NoteAdded)]
    assert [note.post_mortem for note in notes] == ["root_cause", "timeline"]
    with pytest.raises(NotFound, match="no place 'cause'") as refused:
        room.people.note(room.id, "The key is empty", CHI, "cause")
    assert "root_cause" in refused.value.next_step


def test_a_follow_up_is_done_once(room: Room) -> None:
    """It is named by its number; an unknown number, and one that was done before, are refused."""
    due = datetime(2026, 12, 1, tzinfo=UTC)
    with pytest.raises(NotFound, match="no follow-up 1"):
        room.people.follow_up_done(room.id, 1, "", ANA)
    told = room.people.follow_up(room.id, "Test gift cards", "Ben", due, ANA)
    assert f"allclear follow-up-done {room.id} 1 --as NAME" in told
    room.people.follow_up_done(room.id, 1, "in the release tests", BEN)
    assert list(room.incident.follow_ups_done) == [1]
    with pytest.raises(NotAllowed, match="was done"):
        room.people.follow_up_done(room.id, 1, "", BEN)


def test_empty_texts_are_refused(room: Room) -> None:
    """A blank note, decision, reason or text is refused."""
    length = room.incident.length
    due = datetime(2026, 12, 1, tzinfo=UTC)
    for say in (
        lambda: room.people.note(room.id, " ", ANA),
        lambda: room.people.decide(room.id, "", "reason", ANA),
        lambda: room.people.severity(room.id, "P1", " ", ANA),
        lambda: room.people.resolve(room.id, "", ANA),
        lambda: room.people.false_alarm(room.id, " ", ANA),
        lambda: room.people.write_post_mortem(room.id, "summary", "", ANA),
        lambda: room.people.follow_up(room.id, "Test it", " ", due, ANA),
    ):
        with pytest.raises(NotAllowed):
            say()
    assert room.incident.length == length


def test_the_severity_changes_to_a_severity_of_the_plan(room: Room) -> None:
    """The record has the former severity; the same severity again writes nothing; an unknown one is not found."""
    assert room.people.severity(room.id, "P1", "payments work again", BEN) == "VS-1 is P1 now (was P0)."
    assert room.people.severity(room.id, "P1", "so", BEN) == "VS-1 is P1 already."
    with pytest.raises(NotFound, match="P0, P1, P2, P3"):
        room.people.severity(room.id, "SEV-1", "so", BEN)
    assert [change.was for _, change in room.incident.severities] == ["P0"]


def test_a_role_is_handed_over(room: Room) -> None:
    """A role without holders goes to anyone; a role with holders only to them; an unknown role is not found."""
    room.people.acknowledge(room.id, ANA)
    room.people.hand_over(room.id, "incident_commander", "Ben", ANA)
    assert room.incident.roles == {"incident_commander": "Ana"}
    room.people.take_role(room.id, "incident_commander", BEN)
    assert room.incident.roles == {"incident_commander": "Ben"}
    with pytest.raises(NotFound):
        room.people.hand_over(room.id, "king", "Ben", ANA)
    strict = People(room.journal, NAMED, utc_now)
    with pytest.raises(NotAllowed):
        strict.hand_over(room.id, "on_call", "Eve", ANA)


# --- ending ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["resolved", "false-alarm"])
def test_an_incident_does_not_end_while_an_act_is_in_place(room: Room, ending: str) -> None:
    """The act is undone or handed over first; then the incident ends."""
    act = room.in_place()
    end = room.people.resolve if ending == "resolved" else room.people.false_alarm
    with pytest.raises(NotAllowed, match=f"cannot end while a change is in place: {act}."):
        end(room.id, "all is well", ANA)
    assert not room.incident.over
    room.wrote(LedgerHandedOver(act=act, to="Ana", due=datetime(2026, 12, 1, tzinfo=UTC)))
    end(room.id, "all is well", ANA)
    assert room.incident.ended is not None
    assert room.incident.ended.ending == ending


def test_each_change_in_place_is_named_with_its_command(room: Room) -> None:
    """A person who must undo two changes reads two commands."""
    first, second = room.in_place(), "contain/turn-2"
    done = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Done.")
    room.wrote(proposed(second, "turn-2"), ActFinished(act=second, outcome=done))
    with pytest.raises(NotAllowed, match="while 2 changes are in place: ") as refused:
        room.people.resolve(room.id, "all is well", ANA)
    for act in (first, second):
        assert act in refused.value.message
        assert f"allclear undo {room.id} {act}" in refused.value.next_step
        assert f"allclear supersede {room.id} {act} --reason WHY" in refused.value.next_step


def test_an_end_starts_the_review_and_resumes_the_waiting_flow_runs(room: Room) -> None:
    """After a resolved incident the review starts; after a false alarm it does not. Open asks are resumed in both."""
    ask = room.asked()
    room.people.resolve(room.id, "all is well", ANA)
    outbox = room.journal.outbox()
    assert [one.detail for one in outbox if one.kind is OutboxKind.RESUME] == [{"ask": ask}]
    assert {"flow": "review"} in [one.detail for one in outbox]
    other = room.people.declare(DECLARED, ANA).incident
    room.people.false_alarm(other, "nothing there", ANA)
    assert [one.detail for one in room.journal.outbox() if one.incident == other] == [{"flow": "respond"}]


@pytest.mark.parametrize("in_review", ["", "review"])
@pytest.mark.parametrize("ending", ["resolve", "false_alarm"])
def test_after_the_end_only_the_record_is_written(room: Room, ending: str, in_review: str) -> None:
    """Old answers, severities, roles and a second end are refused; notes, facts and the post-mortem are not."""
    asks = [room.asked(kind) for kind in (AskKind.APPROVAL, AskKind.STEP, AskKind.CHOICE)]
    getattr(room.people, ending)(room.id, "all is well", ANA)
    if in_review:
        room.wrote(PhaseEntered(phase="review"))
    length = room.incident.length
    for ask in asks:
        with pytest.raises(NotAllowed, match=f"does not count.*{room.id} has ended") as refused:
            room.people.answer(ask, ANA, yes=True, reason="late")
        assert "Nothing is asked now" in refused.value.next_step
    for say in (
        lambda: room.people.severity(room.id, "P1", "late", ANA),
        lambda: room.people.acknowledge(room.id, BEN),
        lambda: room.people.hand_over(room.id, "incident_commander", "Ben", ANA),
        lambda: room.people.resolve(room.id, "again", ANA),
        lambda: room.people.false_alarm(room.id, "after all", ANA),
    ):
        with pytest.raises(NotAllowed, match="is over") as refused:
            say()
        assert f"allclear note {room.id}" in refused.value.next_step
    assert room.incident.length == length
    room.people.note(room.id, "Support still had tickets at 15:00", ANA)
    room.people.decide(room.id, "No credit for shops", "none was charged", BEN)
    room.people.told(room.id, "engineering", "by mail", CHI)
    room.people.write_post_mortem(room.id, "summary", "It broke.", ANA)
    room.people.write_post_mortem(room.id, "summary", "It broke, and was mended.", ANA)
    room.people.follow_up(room.id, "Test it", "Ben", datetime(2026, 12, 1, tzinfo=UTC), ANA)
    assert room.incident.written == {"summary": "It broke, and was mended."}
    assert [one.owner for one in room.incident.follow_ups] == ["Ben"]


def test_facts_that_are_found_in_the_review_are_recorded_and_raise_no_severity(room: Room) -> None:
    """They can start a duty, as informing a regulator. The severity stays as it was at the end."""
    room.people.severity(room.id, "P2", "only a few shops", BEN)
    room.people.resolve(room.id, "all is well", ANA)
    room.people.assess(room.id, {}, "security", "the logs show it", ANA)
    assert (room.incident.kind, room.incident.severity) == ("security", "P2")


def test_what_was_asked_or_approved_and_not_begun_ends_with_the_incident(room: Room) -> None:
    """It is in the transaction of the end: no process can begin it afterwards."""
    asked, approved = room.asked(), room.asked()
    room.people.answer(approved, ANA, yes=True)
    room.people.resolve(room.id, "all is well", ANA)
    incident = room.incident
    assert incident.open_asks == []
    assert incident.asks[asked].withdrawn == f"{room.id} has ended"
    outcomes = [act.outcome for act in incident.acts.values()]
    assert [outcome and (outcome.status, outcome.changed) for outcome in outcomes] == [(ActStatus.REFUSED, False)] * 2


def test_a_question_of_an_incident_that_ended_in_an_older_version_is_closed(room: Room) -> None:
    """Its record has an end and no withdrawal."""
    ask = room.asked()
    room.wrote(IncidentEnded(ending="resolved", reason="all is well"), PhaseEntered(phase="review"))
    with pytest.raises(NotAllowed, match=f"does not count: {room.id} has ended"):
        room.people.answer(ask, ANA, yes=True)
    act = next(iter(room.incident.acts.values()))
    assert clearance(room.incident, act) is Clearance.ENDED


def test_in_the_review_people_may_answer_and_write_again(room: Room) -> None:
    """Asks of the review are answered and notes are recorded, although the incident has ended."""
    room.people.resolve(room.id, "all is well", ANA)
    room.wrote(PhaseEntered(phase="review"))
    ask = room.asked(AskKind.STEP, phase="review")
    room.people.answer(ask, ANA, yes=True, reason="tomorrow at three")
    room.people.note(room.id, "The meeting is booked", ANA)
    assert room.incident.asks[ask].granted


@pytest.mark.parametrize("again", ["resolve", "false_alarm"])
def test_an_incident_ends_once(room: Room, again: str) -> None:
    """An incident that has ended cannot end again in its review, with the same ending or another."""
    room.people.resolve(room.id, "all is well", ANA)
    room.wrote(PhaseEntered(phase="review"))
    with pytest.raises(NotAllowed):
        getattr(room.people, again)(room.id, "after all", BEN)
    assert room.incident.ended is not None
    assert (room.incident.ended.ending, room.incident.ended.reason) == ("resolved", "all is well")
