"""What people may do in an incident, in which role, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from allclear.company import Company, load_company
from allclear.domain.action import ActStatus, Outcome, Verdict
from allclear.domain.approval import ONE_PERSON, ApprovalPolicy, Ask, AskKind
from allclear.domain.base import utc_now
from allclear.domain.errors import ConcurrentWrite, NotAllowed, NotFound
from allclear.domain.incident import Incident
from allclear.domain.plan import Person
from allclear.domain.records import (
    ActFinished,
    ActProposed,
    AskOpened,
    By,
    LedgerHandedOver,
    NoteAdded,
    PhaseEntered,
)
from allclear.domain.replay import replay
from allclear.engine.people.declare import Declaration
from allclear.engine.people.people import People
from allclear.journal.ports import OutboxKind
from allclear.journal.sql_journal import SqlJournal
from tests.contract.simulator_support import REPOSITORY
from tests.scenario.response_support import new_journal
from tests.scopes import REAL
from tests.unit.domain.stories import MACHINE

ANA = By(actor="Ana", role="on_call", via="cli")
BEN = By(actor="Ben", role="cto", via="cli")
CHI = By(actor="Chi", role="communications_lead", via="cli")
DECLARED = Declaration("Payments fail", "P0", "storefront", "bad-deployment")
TWO = ApprovalPolicy(roles=["on_call", "cto"], people=2)


@cache
def _vintstreet() -> Company:
    return load_company(REPOSITORY / "runbooks" / "vintstreet")


def _named(*people: Person) -> Company:
    return replace(_vintstreet(), plan=_vintstreet().plan.model_copy(update={"people": list(people)}))


class Room:
    """A journal with one incident, and the functions for people."""

    def __init__(self, journal: SqlJournal) -> None:
        self.journal = journal
        self.people = People(journal, _vintstreet(), utc_now)
        self.id = self.people.declare(DECLARED, ANA)

    @property
    def incident(self) -> Incident:
        """Return the incident as it is now."""
        incident = replay(self.journal.entries(self.id))
        assert incident is not None
        return incident

    def wrote(self, *records: Any) -> None:  # noqa: ANN401 - records of any kind
        """Append records as the machine."""
        self.journal.append(self.id, records, MACHINE)

    def asked(self, kind: AskKind = AskKind.APPROVAL, policy: ApprovalPolicy = ONE_PERSON) -> str:
        """Open an ask, with an act if it is an approval, and return its id."""
        step = f"step-{len(self.incident.asks) + 1}"
        act = f"contain/{step}" if kind is AskKind.APPROVAL else None
        if act:
            self.wrote(_proposed(act, step))
        ask = Ask(
            id=f"{self.id}/contain/{step}",
            kind=kind,
            phase="contain",
            step=step,
            title="May it?",
            text="?",
            yes="It is done.",
            no="It is not done.",
            policy=policy,
            act=act,
            digest="d" if act else None,
        )
        self.wrote(AskOpened(ask=ask))
        return ask.id

    def in_place(self) -> str:
        """Record an act that is in place, and return its id."""
        done = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Done.")
        self.wrote(_proposed("contain/turn", "turn"), ActFinished(act="contain/turn", outcome=done))
        return "contain/turn"


def _proposed(act: str, step: str) -> ActProposed:
    return ActProposed(
        act=act,
        phase="contain",
        step=step,
        action="dial.turn",
        title="Turn",
        params={},
        change={},
        digest="d",
        resource="dial:main",
        leaves="dial turned",
    )


@pytest.fixture
def room(tmp_path: Path) -> Generator[Room]:
    """A new journal with one incident."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    yield Room(journal)
    journal.close()


# --- identity ------------------------------------------------------------------------------------------

NAMED = _named(Person(name="Ana Ruiz", roles=["on_call", "scribe"]), Person(name="[Name]", roles=["cto"]))


def _who(name: str, role: str | None, company: Company = NAMED) -> By:
    return People(journal=None, company=company, clock=utc_now).who(name, role, "cli")  # type: ignore[arg-type]


def test_a_person_of_the_plan_has_its_first_role_by_default() -> None:
    """A person whom the plan names need not give a role, and may give another one of theirs; case is ignored."""
    assert _who("ana ruiz", None).role == "on_call"
    assert _who("Ana Ruiz", "scribe").role == "scribe"
    assert _who("Ana Ruiz", "scribe").person


def test_only_the_holders_of_a_role_may_use_it() -> None:
    """Other people are refused, and the refusal names the holders."""
    with pytest.raises(NotAllowed, match="Ana Ruiz"):
        _who("Eve", "on_call")


def test_a_role_without_holders_may_be_claimed() -> None:
    """A blank in the plan does not stop a person at night."""
    assert _who("Eve", "cto") == By(actor="Eve", role="cto", via="cli")


@pytest.mark.parametrize(
    ("name", "role", "error"),
    [
        ("", "cto", NotAllowed),
        ("  ", None, NotAllowed),
        ("Eve", None, NotAllowed),
        ("[Name]", None, NotAllowed),
        ("Eve", "king", NotFound),
    ],
)
def test_unknown_names_and_roles_are_refused(name: str, role: str | None, error: type[Exception]) -> None:
    """No name, an unknown name without a role, a blank of the plan, and an unknown role are refused."""
    with pytest.raises(error):
        _who(name, role)


# --- declaring and acknowledging -------------------------------------------------------------------------


def test_declaring_opens_an_incident_and_starts_its_response(room: Room) -> None:
    """The record has who declared it, and the outbox has one message that starts the first flow."""
    assert room.id == "VS-1"
    assert room.incident.opened.reported == "declared by Ana"
    assert [(one.kind, one.detail) for one in room.journal.outbox()] == [(OutboxKind.START, {"flow": "respond"})]


def test_a_repeated_declaration_is_one_incident(room: Room) -> None:
    """Declared again while it is open, it is a note in the same incident; after its end, it is a new incident."""
    first = room.id
    assert room.people.declare(DECLARED, BEN) == first
    assert [note.text for _, _, note in room.incident.notes] == ["Declared again: Payments fail"]
    room.people.false_alarm(first, "nothing there", ANA)
    assert room.people.declare(DECLARED, ANA) != first


@pytest.mark.parametrize("field", ["severity", "service", "runbook"])
def test_a_declaration_of_something_unknown_is_refused(room: Room, field: str) -> None:
    """An unknown severity, service or runbook opens nothing."""
    with pytest.raises(NotFound):
        room.people.declare(replace(DECLARED, **{field: "unheard-of"}), ANA)
    assert len(room.journal.incidents()) == 1


def test_the_first_to_acknowledge_leads(room: Room) -> None:
    """An incident is acknowledged once; the next person reads by whom."""
    assert "acknowledged by Ana" in room.people.acknowledge(room.id, ANA)
    assert "by Ana already" in room.people.acknowledge(room.id, BEN)
    assert room.incident.roles == {"incident_commander": "Ana"}
    assert room.incident.acknowledged_by == "Ana"


def test_any_entry_of_a_person_acknowledges(room: Room) -> None:
    """A person's note acknowledges the incident; an entry of the machine or an alert does not."""
    alert = By(actor="alert from json", via="json")
    opened = room.people.opening(DECLARED, alert)
    room.id, _ = room.journal.open_incident("VS", opened, alert)
    room.wrote(NoteAdded(text="by the machine"))
    assert room.incident.acknowledged_at is None
    room.people.note(room.id, "I see it too", BEN)
    assert room.incident.acknowledged_by == "Ben"


# --- answers ---------------------------------------------------------------------------------------------


def test_one_yes_grants_an_ask_for_one_person(room: Room) -> None:
    """The ask is granted, and the outbox resumes the flow run that waits for it."""
    ask = room.asked()
    assert room.people.answer(ask, ANA, yes=True, reason=" looks right ", identity="slack").startswith("Yes to")
    state = room.incident.asks[ask]
    assert (state.granted, state.answers[0].reason, state.answers[0].identity) == (True, "looks right", "slack")
    assert {"ask": ask} in [one.detail for one in room.journal.outbox() if one.kind is OutboxKind.RESUME]


def test_a_no_rejects_the_act_at_once(room: Room) -> None:
    """The ask is denied, and the act gets its outcome in the same transaction, with who said no and why."""
    ask = room.asked()
    room.people.answer(ask, ANA, yes=False, reason="wrong revision")
    outcome = room.incident.acts["contain/step-1"].outcome
    assert outcome is not None
    assert (outcome.status, outcome.changed) == (ActStatus.REJECTED, False)
    assert outcome.sentence == "Ana said no: wrong revision."
    assert room.incident.asks[ask].denied


@pytest.mark.parametrize(("yes", "verdict"), [(True, Verdict.SUCCESS), (False, Verdict.INCONCLUSIVE)])
def test_a_reported_step_has_its_result_at_once(room: Room, *, yes: bool, verdict: Verdict) -> None:
    """The result is done or not done, with the note that says how."""
    ask = room.asked(AskKind.STEP, ApprovalPolicy(roles=["on_call"], reason_needed=True))
    room.people.answer(ask, ANA, yes=yes, reason="deployed 43")
    step = room.incident.step("contain", "step-1")
    assert step is not None
    assert step.finding.verdict is verdict
    assert step.finding.sentence.endswith("Ana: deployed 43")


def test_two_people_must_be_different_people(room: Room) -> None:
    """The same person twice counts once, in whatever case the name is; another person makes it two."""
    ask = room.asked(policy=TWO)
    assert room.people.answer(ask, ANA, yes=True) == f"Noted. {ask} needs 1 more."
    with pytest.raises(NotAllowed, match="already"):
        room.people.answer(ask, ANA.model_copy(update={"actor": "ANA", "role": "cto"}), yes=True)
    assert not room.incident.asks[ask].granted
    room.people.answer(ask, BEN, yes=True)
    assert room.incident.asks[ask].granted


def test_one_no_is_enough_to_deny_an_ask_for_two(room: Room) -> None:
    """A yes and a no deny the ask, and the act is rejected."""
    ask = room.asked(policy=TWO)
    room.people.answer(ask, ANA, yes=True)
    room.people.answer(ask, BEN, yes=False)
    assert room.incident.asks[ask].denied
    assert room.incident.acts["contain/step-1"].status is ActStatus.REJECTED


def test_only_the_roles_that_are_asked_may_answer(room: Room) -> None:
    """A person in another role is refused, and reads which roles may answer."""
    ask = room.asked(policy=ApprovalPolicy(roles=["cto"]))
    with pytest.raises(NotAllowed, match="is for CTO, not for Communications Lead"):
        room.people.answer(ask, CHI, yes=True)
    assert room.incident.asks[ask].answers == []


def test_a_machine_approves_nothing(room: Room) -> None:
    """An actor without a role cannot answer."""
    with pytest.raises(NotAllowed):
        room.people.answer(room.asked(), MACHINE, yes=True)


@pytest.mark.parametrize("policy", [TWO, ApprovalPolicy(roles=["on_call"], in_prefect=False)])
def test_prefect_cannot_give_an_approval_that_the_policy_keeps_from_it(room: Room, policy: ApprovalPolicy) -> None:
    """Prefect has no users, so it can give neither an approval of two people nor one that the plan forbids it."""
    ask = room.asked(policy=policy)
    with pytest.raises(NotAllowed, match="Prefect"):
        room.people.answer(ask, ANA.model_copy(update={"via": "prefect"}), yes=True)


def test_prefect_can_give_the_approval_of_one_person(room: Room) -> None:
    """An approval of one person may come from Prefect's form."""
    ask = room.asked()
    room.people.answer(ask, ANA.model_copy(update={"via": "prefect"}), yes=True)
    assert room.incident.asks[ask].granted


@pytest.mark.parametrize("yes", [True, False])
def test_some_answers_need_a_reason(room: Room, *, yes: bool) -> None:
    """Spaces are not a reason."""
    ask = room.asked(policy=ONE_PERSON.model_copy(update={"reason_needed": True}))
    with pytest.raises(NotAllowed, match="reason"):
        room.people.answer(ask, ANA, yes=yes, reason="  ")
    room.people.answer(ask, ANA, yes=yes, reason="because")


def test_an_ask_is_answered_once(room: Room) -> None:
    """A second answer is refused, and names the first; an unknown ask is not found."""
    ask = room.asked()
    room.people.answer(ask, ANA, yes=True)
    with pytest.raises(NotAllowed, match="yes, said Ana"):
        room.people.answer(ask, BEN, yes=False)
    with pytest.raises(NotFound):
        room.people.answer(f"{room.id}/contain/nothing", ANA, yes=True)
    with pytest.raises(NotFound):
        room.people.answer("VS-99/contain/nothing", ANA, yes=True)


# --- notes -----------------------------------------------------------------------------------------------


def test_notes_and_decisions_are_entries(room: Room) -> None:
    """They are recorded with their authors, in order."""
    room.people.note(room.id, "Support has 14 tickets", CHI)
    room.people.decide(room.id, "Fix forward", "41 lacks the tax change", BEN)
    assert [(by.actor, note.text) for _, by, note in room.incident.notes] == [
        ("Chi", "Support has 14 tickets"),
        ("Ben", "Fix forward"),
    ]


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


def test_the_severity_changes_to_one_of_the_plan(room: Room) -> None:
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
    with pytest.raises(NotAllowed, match=f"still in place: {act}"):
        end(room.id, "all is well", ANA)
    assert not room.incident.over
    room.wrote(LedgerHandedOver(act=act, to="Ana", due=datetime(2026, 12, 1, tzinfo=UTC)))
    end(room.id, "all is well", ANA)
    assert room.incident.ended is not None
    assert room.incident.ended.ending == ending


def test_an_end_starts_the_review_and_resumes_the_waiting_flow_runs(room: Room) -> None:
    """After a resolved incident the review starts; after a false alarm it does not. Open asks are resumed in both."""
    ask = room.asked()
    room.people.resolve(room.id, "all is well", ANA)
    outbox = room.journal.outbox()
    assert [one.detail for one in outbox if one.kind is OutboxKind.RESUME] == [{"ask": ask}]
    assert {"flow": "review"} in [one.detail for one in outbox]
    other = room.people.declare(DECLARED, ANA)
    room.people.false_alarm(other, "nothing there", ANA)
    assert [one.detail for one in room.journal.outbox() if one.incident == other] == [{"flow": "respond"}]


def test_after_the_end_only_the_post_mortem_is_written(room: Room) -> None:
    """Notes, answers, severities and a second end are refused; texts of the post-mortem and follow-ups are not."""
    ask = room.asked()
    room.people.resolve(room.id, "all is well", ANA)
    for say in (
        lambda: room.people.note(room.id, "late", ANA),
        lambda: room.people.answer(ask, ANA, yes=True),
        lambda: room.people.severity(room.id, "P1", "late", ANA),
        lambda: room.people.resolve(room.id, "again", ANA),
        lambda: room.people.false_alarm(room.id, "after all", ANA),
    ):
        with pytest.raises(NotAllowed, match="over"):
            say()
    room.people.write_post_mortem(room.id, "summary", "It broke.", ANA)
    room.people.write_post_mortem(room.id, "summary", "It broke, and was mended.", ANA)
    room.people.follow_up(room.id, "Test it", "Ben", datetime(2026, 12, 1, tzinfo=UTC), ANA)
    assert room.incident.written == {"summary": "It broke, and was mended."}
    assert [one.owner for one in room.incident.follow_ups] == ["Ben"]


def test_in_the_review_people_may_answer_and_write_again(room: Room) -> None:
    """Asks of the review are answered and notes are recorded, although the incident has ended."""
    room.people.resolve(room.id, "all is well", ANA)
    room.wrote(PhaseEntered(phase="review"))
    ask = room.asked(AskKind.STEP)
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


# --- while others write ----------------------------------------------------------------------------------


class Crowded:
    """A journal (by delegation) in which another entry is written right before each of the first `times` appends."""

    def __init__(self, inner: SqlJournal, times: int) -> None:
        self._inner, self._times = inner, times

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the journal has
        """Return the journal's attribute."""
        return getattr(self._inner, name)

    def append(self, incident: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the journal takes it
        """Append another entry first."""
        if self._times:
            self._times -= 1
            self._inner.append(incident, [NoteAdded(text="me first")], MACHINE)
        return self._inner.append(incident, *args, **more)


def test_an_append_is_decided_again_when_another_entry_came_first(room: Room) -> None:
    """It is checked against the newer entries, and written once."""
    ask = room.asked()
    People(Crowded(room.journal, 5), _vintstreet(), utc_now).answer(ask, ANA, yes=True)  # type: ignore[arg-type]
    assert len(room.incident.asks[ask].answers) == 1


def test_an_append_that_always_comes_second_is_an_error(room: Room) -> None:
    """It is attempted a limited number of times, and the error says what to do."""
    with pytest.raises(ConcurrentWrite, match="again"):
        People(Crowded(room.journal, 10_000), _vintstreet(), utc_now).note(room.id, "me too", ANA)  # type: ignore[arg-type]
