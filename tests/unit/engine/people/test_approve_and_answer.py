"""Answers to questions: who may give which, and what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from allclear.domain.action import ActStatus, Verdict
from allclear.domain.approval import ONE_PERSON, ApprovalPolicy, Ask, AskKind
from allclear.domain.base import utc_now
from allclear.domain.errors import ConcurrentWrite, NotAllowed, NotFound
from allclear.domain.proof import Proof
from allclear.domain.records import AskOpened, NoteAdded
from allclear.domain.scope import Scope
from allclear.engine.people.facade import People
from allclear.journal.rows import OutboxKind
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal
from tests.unit.domain.stories import MACHINE
from tests.unit.engine.people.people_support import ANA, BEN, CHI, TWO, Room, vintstreet

# --- answers ---------------------------------------------------------------------------------------------


def test_one_yes_grants_an_ask_for_one_person(room: Room) -> None:
    """The ask is granted, and the outbox resumes the flow run that waits for it."""
    ask = room.asked()
    ana = ANA.model_copy(update={"proof": Proof.SLACK})
    said = room.people.answer(ask, ana, yes=True, reason=" looks right ")
    assert said == f"Approved: {ask}. The change begins now, and is verified after it."
    state = room.incident.asks[ask]
    assert (state.granted, state.answers[0].reason, state.answers[0].by.proof) == (True, "looks right", Proof.SLACK)
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
    assert room.people.answer(ask, ANA, yes=True) == f"Your yes is recorded. One more person must approve {ask}."
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


@pytest.mark.parametrize("policy", [TWO, ApprovalPolicy(roles=["on_call"], proof_needed=True)])
def test_a_claimed_name_is_not_enough_where_proof_is_needed(room: Room, policy: ApprovalPolicy) -> None:
    """Two claimed names could be one person. A denial stops the act, so a claimed name is enough for it."""
    claimed = ANA.model_copy(update={"proof": Proof.CLAIMED})
    ask = room.asked(policy=policy)
    with pytest.raises(NotAllowed, match="needs proof of who approves") as raised:
        room.people.answer(ask, claimed, yes=True)
    assert "personal link" in raised.value.next_step
    assert room.incident.asks[ask].open
    room.people.answer(ask, claimed, yes=False, reason="wrong")
    assert not room.incident.asks[ask].open


@pytest.mark.parametrize("second", [proof for proof in Proof if proof is not Proof.CLAIMED])
@pytest.mark.parametrize("first", [proof for proof in Proof if proof is not Proof.CLAIMED])
def test_of_two_links_in_pages_one_counts(room: Room, first: Proof, second: Proof) -> None:
    """One person who reads the pager's pages can open both links. Any other pair of proofs is of two people."""
    ask = room.asked(policy=TWO)
    room.people.answer(ask, ANA.model_copy(update={"proof": first}), yes=True)
    ben = BEN.model_copy(update={"proof": second})
    if first is second is Proof.PAGE_LINK:
        with pytest.raises(NotAllowed, match="only one of them counts"):
            room.people.answer(ask, ben, yes=True)
        room.people.answer(ask, ben.model_copy(update={"proof": Proof.TOKEN}), yes=True)
    else:
        room.people.answer(ask, ben, yes=True)
    assert room.incident.asks[ask].granted


@pytest.mark.parametrize(
    ("kind", "yes", "needed"),
    [
        (AskKind.APPROVAL, True, True),
        (AskKind.APPROVAL, False, False),
        (AskKind.STEP, True, True),
        (AskKind.STEP, False, True),
    ],
)
def test_a_denial_needs_no_reason(room: Room, kind: AskKind, *, yes: bool, needed: bool) -> None:
    """In a hurry the no is easier than the yes. A person's step that was not done needs its reason."""
    ask = room.asked(kind, ONE_PERSON.model_copy(update={"reason_needed": True}))
    if needed:
        with pytest.raises(NotAllowed, match="needs a reason"):
            room.people.answer(ask, ANA, yes=yes)
    room.people.answer(ask, ANA, yes=yes, reason="so" if needed else "")
    assert not room.incident.asks[ask].open


@pytest.mark.parametrize(
    ("simulated", "via", "proven"),
    [(True, "drill", True), (True, "terminal", True), (True, "cli", False), (False, "drill", False)],
)
def test_the_people_of_a_drill_are_proven_in_a_rehearsal_alone(
    tmp_path: Path, *, simulated: bool, via: str, proven: bool
) -> None:
    """So a company whose plan asks for proof can rehearse, and no one is proven by the name of a channel otherwise."""
    journal = SqlJournal(new_journal(tmp_path), Scope("vintstreet", simulated=simulated))
    room = Room(journal)
    ask = room.asked(policy=ApprovalPolicy(roles=["on_call"], proof_needed=True))
    played = ANA.model_copy(update={"proof": Proof.CLAIMED, "via": via})
    if proven:
        room.people.answer(ask, played, yes=True)
    else:
        with pytest.raises(NotAllowed, match="needs proof of who approves"):
            room.people.answer(ask, played, yes=True)
    assert room.incident.asks[ask].open is not proven
    journal.close()


@pytest.mark.parametrize("policy", [TWO, ApprovalPolicy(roles=["on_call"], in_prefect=False)])
def test_prefect_cannot_give_an_approval_that_the_policy_keeps_from_it(room: Room, policy: ApprovalPolicy) -> None:
    """Prefect has no users, so it can give neither an approval of two people nor one that the plan forbids it."""
    ask = room.asked(policy=policy)
    with pytest.raises(NotAllowed, match="Prefect") as raised:
        room.people.answer(ask, ANA.model_copy(update={"via": "prefect"}), yes=True)
    assert "Answer on the incident's page" in raised.value.next_step
    assert ("ALLCLEAR_TOKEN" in raised.value.next_step) is policy.needs_proof


def test_prefect_can_give_the_approval_of_one_person(room: Room) -> None:
    """An approval of one person may come from Prefect's form."""
    ask = room.asked()
    room.people.answer(ask, ANA.model_copy(update={"via": "prefect"}), yes=True)
    assert room.incident.asks[ask].granted


def test_some_answers_need_a_reason(room: Room) -> None:
    """Spaces are not a reason."""
    ask = room.asked(policy=ONE_PERSON.model_copy(update={"reason_needed": True}))
    with pytest.raises(NotAllowed, match="reason"):
        room.people.answer(ask, ANA, yes=True, reason="  ")
    room.people.answer(ask, ANA, yes=True, reason="because")


def test_an_ask_is_answered_once(room: Room) -> None:
    """A second answer is refused, and names the first; an unknown ask is not found."""
    ask = room.asked()
    room.people.answer(ask, ANA, yes=True)
    with pytest.raises(NotAllowed, match="is closed: approve, said Ana at"):
        room.people.answer(ask, BEN, yes=False)
    with pytest.raises(NotFound):
        room.people.answer(f"{room.id}/contain/nothing", ANA, yes=True)
    with pytest.raises(NotFound):
        room.people.answer("VS-99/contain/nothing", ANA, yes=True)


@pytest.mark.parametrize("kind", AskKind)
def test_a_stale_answer_is_told_what_is_asked_now(room: Room, kind: AskKind) -> None:
    """It counts for no other question, and the next step is the commands of those that wait."""
    old, now = room.asked(), room.asked(kind)
    room.people.answer(old, BEN, yes=False)
    with pytest.raises(NotAllowed, match="Your answer does not count") as refused:
        room.people.answer(old, ANA, yes=True)
    assert refused.value.next_step.startswith("Asked now: May it? (allclear ")
    assert now in refused.value.next_step
    assert old not in refused.value.next_step
    assert room.incident.asks[now].open
    with pytest.raises(NotFound, match="was never asked") as unknown:
        room.people.answer(f"{room.id}/contain/nothing", ANA, yes=True)
    assert unknown.value.next_step == refused.value.next_step


def test_an_answer_to_a_step_that_no_longer_applies_is_refused(room: Room) -> None:
    """Also before the responder or a flow has withdrawn the question; the error has the reason."""
    ask = Ask(
        id=f"{room.id}/contain/status-page",
        kind=AskKind.STEP,
        phase="contain",
        step="maintenance",
        title="Switch maintenance on",
        text="?",
        yes="It is done.",
        no="It is not done.",
        policy=ONE_PERSON,
    )
    room.wrote(AskOpened(ask=ask))
    room.people.severity(room.id, "P3", "typo", ANA)
    with pytest.raises(NotAllowed, match="is no longer asked: the severity is P3 now"):
        room.people.answer(ask.id, ANA, yes=True)
    assert room.incident.asks[ask.id].answers == []


def test_a_decision_is_read_from_the_text_of_a_form(room: Room) -> None:
    """It names the question; another word, or an unknown question, is refused."""
    ask = room.asked(AskKind.STEP)
    decision = room.people.decision(f"not done: {ask}")
    assert (decision.ask, decision.yes, decision.choice) == (ask, False, None)
    with pytest.raises(NotAllowed, match='"approve" does not answer'):
        room.people.decision(f"approve: {ask}")
    with pytest.raises(NotFound, match="was never asked"):
        room.people.decision(f"done: {ask}~2")


# --- while others write ----------------------------------------------------------------------------------


class Crowded:
    """A journal (by delegation) in which another entry is written right before each of the first `times` appends."""

    def __init__(self, inner: SqlJournal, times: int) -> None:
        self._inner, self._times = inner, times

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - attributes of any type
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
    People(Crowded(room.journal, 5), vintstreet(), utc_now).answer(ask, ANA, yes=True)  # type: ignore[arg-type]
    assert len(room.incident.asks[ask].answers) == 1


def test_an_append_that_always_comes_second_is_an_error(room: Room) -> None:
    """It is attempted a limited number of times, and the error says what to do."""
    with pytest.raises(ConcurrentWrite, match="again"):
        People(Crowded(room.journal, 10_000), vintstreet(), utc_now).note(room.id, "me too", ANA)  # type: ignore[arg-type]


# --- the role of the one who answers ---------------------------------------------------------------------


@pytest.mark.parametrize("proof", [Proof.CLAIMED, Proof.TOKEN])
def test_the_person_who_leads_answers_as_the_lead(room: Room, proof: Proof) -> None:
    """Whatever role was given, the role that the person has in the incident is known."""
    ask = room.asked(AskKind.STEP, ApprovalPolicy(roles=["incident_commander"]))
    by = ANA.model_copy(update={"proof": proof})
    with pytest.raises(NotAllowed, match="not for On-Call"):
        room.people.answer(ask, BEN.model_copy(update={"role": "on_call"}), yes=True)
    room.people.acknowledge(room.id, by)
    assert room.incident.roles == {"incident_commander": "Ana"}
    room.people.answer(ask, by, yes=True, reason="told")
    answered = room.incident.asks[ask].answers[0]
    assert (answered.by.actor, answered.by.role) == ("Ana", "incident_commander")
