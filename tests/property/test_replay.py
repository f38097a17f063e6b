"""For any history, replaying gives the incident: up to any entry, and before and after the entries were stored."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.approval import AnswerWindow, ApprovalPolicy, Ask, AskKind
from allclear.domain.base import Candidate
from allclear.domain.errors import JournalError
from allclear.domain.incident import Incident
from allclear.domain.records import (
    Acknowledged,
    ActFinished,
    ActIntended,
    ActProposed,
    ActSettled,
    AlertJoined,
    AlertsCollapsed,
    AskAnswered,
    AskOpened,
    AskWithdrawn,
    Assessed,
    By,
    Contained,
    DecisionMade,
    Entry,
    FollowUpAdded,
    FollowUpDone,
    IncidentEnded,
    LedgerHandedOver,
    LedgerNoted,
    LedgerSuperseded,
    NoteAdded,
    PhaseEntered,
    PhaseLeft,
    PostMortemWritten,
    Record,
    Recovered,
    RoleTaken,
    RunReplaced,
    RunStarted,
    SeverityChanged,
    StepDone,
    StormJoined,
    VetoWindowEnded,
)
from allclear.domain.replay import apply_to, replay
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal
from tests.scopes import REAL
from tests.unit.domain.stories import MACHINE, START, Story

PEOPLE = [
    By(actor="Ana", role="on_call", via="cli"),
    By(actor="ANA", role="cto", via="slack"),
    By(actor="Ben", role="cto", via="cli"),
]
DUE = START + timedelta(days=1)
WORDS = st.text(max_size=20)
STEPS = st.sampled_from(["one", "two", "three"])
PHASES = st.sampled_from(["detect", "contain", "resolve", "review"])
FINDINGS = st.builds(
    Finding,
    verdict=st.sampled_from(Verdict),
    sentence=WORDS,
    facts=st.dictionaries(WORDS, st.one_of(st.integers(-(2**53), 2**53), WORDS, st.none(), st.booleans()), max_size=2),
)
OUTCOMES = st.builds(
    Outcome, status=st.sampled_from(ActStatus), sentence=WORDS, changed=st.booleans(), drifted=st.booleans()
)
FREE: list[st.SearchStrategy[Any]] = [
    st.builds(NoteAdded, text=WORDS),
    st.builds(DecisionMade, text=WORDS, reason=WORDS),
    st.builds(Acknowledged),
    st.builds(SeverityChanged, was=WORDS, now=WORDS, reason=WORDS),
    st.builds(
        Assessed, facets=st.dictionaries(STEPS, WORDS, max_size=2), incident_kind=st.none() | STEPS, reason=WORDS
    ),
    st.builds(RoleTaken, role=STEPS, person=WORDS),
    st.builds(PhaseEntered, phase=PHASES),
    st.builds(PhaseLeft, phase=PHASES),
    st.builds(StepDone, phase=PHASES, step=STEPS, title=WORDS, finding=FINDINGS),
    st.builds(AlertJoined, delivery=STEPS, source=WORDS, key=WORDS, state=st.just("firing"), title=WORDS),
    st.builds(
        AlertJoined,
        delivery=STEPS,
        source=WORDS,
        key=WORDS,
        state=st.just("firing"),
        title=WORDS,
        flapping=st.booleans(),
        news=st.sampled_from(["", "a new alert"]),
    ),
    st.builds(AlertsCollapsed, count=st.integers(1, 9), up_to=st.integers(1, 99)),
    st.builds(StormJoined, umbrella=STEPS),
    st.builds(Contained, by=WORDS, finding=FINDINGS),
    st.builds(Recovered, finding=FINDINGS),
    st.builds(PostMortemWritten, field=STEPS, text=WORDS),
    st.builds(FollowUpDone, number=st.integers(1, 3), note=WORDS),
    st.builds(FollowUpAdded, text=WORDS, owner=WORDS, due=st.just(DUE)),
    st.builds(RunStarted, phase=PHASES, run=WORDS),
    st.builds(RunReplaced, run=WORDS, name=WORDS, state=st.sampled_from(["cancelled", "deleted", "crashed"])),
    st.builds(IncidentEnded, ending=st.sampled_from(["resolved", "false-alarm"]), reason=WORDS),
]
"""Records that refer to no other record."""


CANDIDATES = [Candidate(name=name, reason="It is there.") for name in ("red", "blue")]


def _proposed(draw: Callable[..., Any], incident: Incident) -> Record:
    acts, step, phase = list(incident.acts), draw(STEPS), draw(PHASES)
    return ActProposed(
        act=f"{phase}/{step}~{len(acts)}",
        phase=phase,
        step=step,
        action="dial.turn",
        title="Turn",
        params={},
        change={"summary": "Turn"},
        digest="d",
        resource="dial:main",
        pages=draw(st.booleans()),
        leaves=draw(st.sampled_from([None, "turned"])),
        undoes=draw(st.sampled_from([None, *acts])),
    )


def _asked(draw: Callable[..., Any], incident: Incident) -> Record:
    policy = ApprovalPolicy(
        roles=["on_call", "cto"], people=draw(st.integers(1, 2)), one_of=draw(st.sampled_from([[], ["cto"]]))
    )
    kind, then = draw(st.sampled_from(AskKind)), draw(st.sampled_from([None, "act", "fallback"]))
    act = draw(st.sampled_from([None, *incident.acts]))
    return AskOpened(
        ask=Ask(
            id=f"{incident.id}/{len(incident.asks)}",
            kind=kind,
            phase=draw(PHASES),
            step=draw(STEPS),
            title="?",
            text="?",
            yes="",
            no="",
            policy=policy,
            act=act,
            digest="d" if act else None,
            choices=CANDIDATES if kind is AskKind.CHOICE else [],
            window=AnswerWindow(until=DUE, then=then) if then else None,
        )
    )


def _about_an_ask(draw: Callable[..., Any], incident: Incident) -> Record | None:
    if not incident.asks:
        return None
    ask = draw(st.sampled_from(list(incident.asks)))
    match draw(st.integers(0, 5)):
        case 0:
            return AskWithdrawn(ask=ask, reason="The world has moved.")
        case 1:
            return VetoWindowEnded(ask=ask)
        case _:
            yes, names = draw(st.booleans()), [one.name for one in incident.asks[ask].ask.choices]
            choice = draw(st.sampled_from(names)) if yes and names else None
            return AskAnswered(ask=ask, yes=yes, reason=draw(WORDS), choice=choice)


def _about_an_act(draw: Callable[..., Any], incident: Incident) -> Record | None:
    waiting = [act.id for act in incident.acts.values() if act.outcome is None]
    done = [act.id for act in incident.acts.values() if act.outcome]
    match draw(st.integers(0, 3)):
        case 0 if done:
            act = draw(st.sampled_from(done))
            return draw(
                st.sampled_from(
                    (
                        LedgerHandedOver(act=act, to="Ana", due=DUE),
                        LedgerSuperseded(act=act, reason="it was moved"),
                        LedgerNoted(act=act, key="moved", text="It was moved."),
                        ActSettled(act=act, outcome=draw(OUTCOMES)),
                    )
                )
            )
        case 1 if waiting:
            change = {"summary": draw(WORDS)}
            return ActIntended(act=draw(st.sampled_from(waiting)), digest="d", change=change, holder="h")
        case _ if waiting:
            return ActFinished(act=draw(st.sampled_from(waiting)), outcome=draw(OUTCOMES))
        case _:
            return None


@st.composite
def histories(draw: Callable[..., Any]) -> Story:
    """Draw any history of one incident in which every reference has its record."""
    story = Story("VS-1").opened()
    for _ in range(draw(st.integers(0, 30))):
        story.after(draw(st.floats(0, 100)))
        make = draw(st.sampled_from([_proposed, _asked, _about_an_ask, _about_an_act, None]))
        record = make(draw, story.incident) if make else draw(st.one_of(FREE))
        if record is not None:
            story.record(record, by=draw(st.sampled_from([MACHINE, *PEOPLE])))
    return story


@given(histories())
@settings(max_examples=150)
def test_every_history_can_be_replayed_up_to_any_entry(story: Story) -> None:
    """Each state is consistent, and keeps what the earlier states knew."""
    before: Incident | None = None
    for number in range(1, len(story.entries) + 1):
        incident = replay(story.entries[:number])
        assert incident is not None
        assert (incident.length, incident.head) == (number, story.entries[number - 1].hash)
        _assert_consistent(incident)
        if before is not None:
            _assert_continues(before, incident)
        before = incident


def _assert_consistent(incident: Incident) -> None:
    for state in incident.asks.values():
        assert [state.granted, state.denied, state.open, state.withdrawn is not None].count(True) == 1
        if state.granted and not state.veto_window_ended:
            assert len({answer.by.actor.casefold() for answer in state.answers}) >= state.ask.policy.people
            assert not state.ask.policy.one_of or "cto" in {answer.by.role for answer in state.answers if answer.yes}
        assert state.chosen in {None, *(one.name for one in state.ask.choices)}
    assert [state for state in incident.asks.values() if state.open] == incident.open_asks
    for act in incident.acts.values():
        assert not (act.undone_by and act.in_place)
        assert not (act.not_handed_over and not act.in_place)
        assert not (act.in_place and not (act.begun or (act.outcome and act.outcome.changed)))
        assert all(incident.asks[ask].ask.act == act.id for ask in act.asks)
        undo = incident.acts.get(act.undone_by or "")
        assert undo is None or (undo.outcome is not None and undo.outcome.good)
    assert incident.over == (incident.ended_at is not None)


def _assert_continues(before: Incident, after: Incident) -> None:
    assert list(after.acts)[: len(before.acts)] == list(before.acts)
    assert list(after.asks)[: len(before.asks)] == list(before.asks)
    assert set(before.steps) <= set(after.steps)
    assert (after.opened, after.opened_at) == (before.opened, before.opened_at)
    for act in before.acts.values():
        if act.outcome:
            # An outcome stands, unless a later read told what became of the act.
            assert after.acts[act.id].outcome == act.outcome or after.acts[act.id].settled_at is not None
        if act.intended:
            assert after.acts[act.id].intended
    if before.acknowledged_at:
        assert after.acknowledged_at == before.acknowledged_at
    for moment in ("paged_at", "contained_at", "recovered_at", "ended_at", "aware_at"):
        assert getattr(before, moment) in {None, getattr(after, moment)}
    assert (after.contained, after.ended) == (before.contained or after.contained, before.ended or after.ended)
    assert after.severities_had[: len(before.severities_had)] == before.severities_had
    assert after.severities_had[-1] == after.severity
    assert set(before.facets) <= set(after.facets)
    for ask, state in before.asks.items():
        if state.denied:
            assert not after.asks[ask].granted
        if state.withdrawn is not None:
            assert not after.asks[ask].open
        assert after.asks[ask].veto_window_ended or not state.veto_window_ended


@given(histories())
@settings(max_examples=100)
def test_replaying_does_not_change_the_entries(story: Story) -> None:
    """Replaying the same entries twice gives the same incident."""
    copies = [entry.model_copy(deep=True) for entry in story.entries]
    assert replay(story.entries) == replay(story.entries)
    assert story.entries == copies


class _Times:
    """A clock that returns the time of the entry that is written next."""

    def __init__(self, story: Story) -> None:
        self.now = story.entries[0].at

    def __call__(self) -> Any:  # noqa: ANN401 - a datetime
        return self.now


@given(histories())
@settings(max_examples=60)
def test_storing_and_loading_gives_the_same_incident(story: Story) -> None:
    """The journal returns every entry as it was, with its hash."""
    with tempfile.TemporaryDirectory() as folder:
        times = _Times(story)
        with contextlib.closing(SqlJournal(new_journal(Path(folder)), REAL, times)) as journal:
            incident, _ = journal.open_incident("VS", story.entries[0].record, story.entries[0].by)
            for entry in story.entries[1:]:
                times.now = entry.at
                journal.append(incident, [entry.record], entry.by)
            loaded = journal.entries(incident)
            assert loaded == story.entries
            assert replay(loaded) == replay(story.entries)
            assert journal.broken_link(incident) is None


def test_a_history_begins_with_its_opening() -> None:
    """Without entries there is no incident, and a history without its opening is refused."""
    assert replay([]) is None
    with pytest.raises(JournalError):
        replay(Story().opened().entries[1:])


@given(histories(), st.data())
@settings(max_examples=60)
def test_stored_entries_and_later_entries_give_the_same_incident(story: Story, data: st.DataObject) -> None:
    """Entries from JSON, continued in another process, give the incident of the whole history."""
    cut = data.draw(st.integers(1, len(story.entries)))
    first = replay(story.entries[:cut])
    stored = [Entry.model_validate_json(entry.model_dump_json(by_alias=True)) for entry in story.entries]
    assert replay(stored[:cut]) == first
    assert replay([*stored[:cut], *story.entries[cut:]]) == story.incident


@given(histories(), st.data())
@settings(max_examples=60)
def test_applying_later_entries_gives_the_same_and_changes_no_earlier_state(story: Story, data: st.DataObject) -> None:
    """From any entry on, applying the rest gives the whole incident; the earlier state stays as it was."""
    cut = data.draw(st.integers(1, len(story.entries)))
    first = replay(story.entries[:cut])
    assert first is not None
    assert apply_to(first, story.entries[cut:]) == story.incident
    assert first == replay(story.entries[:cut])
