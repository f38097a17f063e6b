"""What a plan adds to the next move: evidence, duties, severities that only make a ticket, and choices."""

# ruff: noqa: ANN401 - steps as a runbook's YAML has them
from __future__ import annotations

from typing import Any, Self

import pytest

from allclear.domain.action import ActStatus, Outcome, Refusal
from allclear.domain.approval import ApprovalPolicy, Ask, AskKind
from allclear.domain.base import Candidate
from allclear.domain.plan import Plan
from allclear.domain.pseudo_phases import DUTY
from allclear.domain.records import (
    ActFinished,
    ActIntended,
    ActProposed,
    AskAnswered,
    AskOpened,
    AskWithdrawn,
    Assessed,
    Contained,
    IncidentEnded,
    IncidentOpened,
    PhaseEntered,
    SeverityChanged,
    StepDone,
)
from allclear.domain.runbook import Phase, Runbook
from allclear.engine.response.moves import AskPeople, CarryOut, Enter, Leave, Move, Propose, RunProbe, Wait, WithdrawAsk
from allclear.engine.response.next_move import next_move
from allclear.engine.response.step_keys import choice_key
from tests.unit.domain.stories import ANA, HEALTH, Story, plan

ROLL_BACK = {"id": "roll-back", "action": "run.rollback", "measure": True}
CLOSE = {"id": "close", "action": "maintenance.enable", "measure": True}
TELL = {"id": "tell", "action": "chat.post"}
NUDGE = {"id": "nudge", "action": "chat.post", "meanwhile": True}
LOGS = {
    "name": "logs",
    "title": "Keep the logs",
    "ask": "Copy the logs.",
    "role": "on_call",
    "when": {"breach": "yes"},
}
IMAGE = {"name": "image", "title": "Keep the image", "ask": "Copy the image.", "role": "cto", "severities": ["P0"]}
REGULATOR = {
    "name": "regulator",
    "title": "Tell the authority",
    "ask": "Tell it.",
    "role": "cto",
    "within": "72h",
    "when": {"breach": "yes"},
}


def made(**parts: Any) -> Plan:
    """Return a plan with P0, P1 and a P3 that only makes a ticket."""
    whole = plan().model_dump(mode="json", by_alias=True)
    ticket = {"name": "P3", "title": "Low", "definition": "Typos", "ticket_only": True}
    more = {"severities": [*whole["severities"], ticket], "facets": {"breach": {"title": "Whether data leaked"}}}
    return Plan.model_validate(whole | more | parts)


class PhaseStory(Story):
    """An incident in one phase of a runbook, under a plan, and its next move."""

    def __init__(self, it: Plan, *steps: dict[str, Any], phase: Phase = Phase.CONTAIN, severity: str = "P0") -> None:
        super().__init__()
        self.plan, self.phase = it, phase
        self.book = Runbook.model_validate(
            {
                "name": "outage",
                "title": "Outage",
                "about": "All is down.",
                "service": "shop",
                "health": {"probe": "http.smoke"},
                phase.value: list(steps),
            }
        )
        self.record(
            IncidentOpened(
                company="VintStreet",
                title="Trouble",
                severity=severity,
                service="shop",
                runbook="outage",
                reported="somehow",
            ),
            PhaseEntered(phase=phase.value),
        )

    @property
    def next(self) -> Move:
        """Return the next move."""
        return next_move(self.incident, self.plan, self.book, self.phase)

    @property
    def asks(self) -> str:
        """Return the step that people are asked about next."""
        move = self.next
        assert isinstance(move, AskPeople)
        return move.step.id

    def asked(self, step: str, kind: AskKind = AskKind.STEP, phase: str = "", number: int = 1, **more: Any) -> str:
        """Add a question to people, and return its id."""
        phase = phase or self.phase.value
        ask = f"{self.id}/{phase}/{step}" + (f"~{number}" if number > 1 else "")
        self.after(1).record(
            AskOpened(
                ask=Ask(
                    id=ask,
                    kind=kind,
                    phase=phase,
                    step=step,
                    title=step,
                    text="?",
                    yes="",
                    no="",
                    policy=ApprovalPolicy(roles=["on_call"]),
                    digest="1" * 64 if "act" in more else None,
                    **more,
                )
            )
        )
        return ask

    def done(self, step: str, phase: str = "") -> Self:
        """Add a person's result of a step."""
        phase = phase or self.phase.value
        ask = f"{self.id}/{phase}/{step}"
        self.after(1).record(AskAnswered(ask=ask, yes=True, reason="so"), by=ANA)
        return self.record(StepDone(phase=phase, step=step, title=step, finding=HEALTH), by=ANA)

    def known(self, **facets: str) -> Self:
        """Add an assessment."""
        return self.after(1).record(Assessed(facets=facets), by=ANA)

    def propose(self, step: str, number: int = 1, *names: str, ask: bool = True) -> Self:
        """Add a step's proposed act; with `names`, it is refused with these candidates."""
        act = f"{self.phase.value}/{step}" + (f"~{number}" if number > 1 else "")
        refusals = [
            Refusal(
                sentence="Which one?",
                next_step="Choose.",
                candidates=[Candidate(name=name, reason="It is there.") for name in names],
            )
        ]
        self.after(1).record(
            ActProposed(
                act=act,
                phase=self.phase.value,
                step=step,
                action="run.rollback",
                title=step,
                params={},
                change={},
                digest="1" * 64,
                refusals=refusals if names else [],
            )
        )
        if names:
            return self.finish(act, ActStatus.REFUSED)
        if ask:
            self.asked(step, AskKind.APPROVAL, act=act, number=number)
        return self

    def finish(self, act: str, status: ActStatus, *, drifted: bool = False) -> Self:
        """Add the outcome of an act."""
        changed = status is ActStatus.VERIFIED
        return self.record(
            ActFinished(
                act=act, outcome=Outcome(status=status, changed=changed, drifted=drifted, sentence="So it went.")
            )
        )


# --- evidence --------------------------------------------------------------------------------------------


def test_evidence_is_saved_before_the_first_measure() -> None:
    """The steps before the measures are done, then people save the evidence, and only then a measure is proposed."""
    story = PhaseStory(made(evidence=[LOGS, IMAGE]), TELL, ROLL_BACK, CLOSE, NUDGE)
    assert isinstance(story.next, Propose)
    story.propose("tell", ask=False).finish("contain/tell", ActStatus.VERIFIED)
    assert story.asks == "evidence-logs"
    logs = story.asked("evidence-logs")
    nudge = story.next
    assert isinstance(nudge, Propose)
    assert nudge.step.id == "nudge", "what may be done meanwhile is"
    story.propose("nudge", ask=False).finish("contain/nudge", ActStatus.VERIFIED)
    assert story.next == Wait((logs,))
    assert story.done("evidence-logs").asks == "evidence-image"
    story.asked("evidence-image")
    move = story.done("evidence-image").next
    assert isinstance(move, Propose)
    assert move.step.id == "roll-back"


@pytest.mark.parametrize(
    ("evidence", "severity", "facets"),
    [([LOGS], "P0", {"breach": "no"}), ([IMAGE], "P1", {}), ([LOGS | {"kinds": ["flood"]}], "P0", {}), ([], "P0", {})],
)
def test_evidence_that_does_not_apply_blocks_nothing(
    evidence: list[dict[str, Any]], severity: str, facets: dict[str, str]
) -> None:
    """A facet rules it out, or it is for another severity or another kind."""
    story = PhaseStory(made(evidence=evidence), ROLL_BACK, severity=severity).known(**facets)
    assert isinstance(story.next, Propose)


def test_without_a_measure_no_evidence_is_asked_for() -> None:
    """Nor for a severity that is not contained, nor once the incident is contained."""
    it = made(evidence=[IMAGE | {"severities": None}])
    assert isinstance(PhaseStory(it, TELL).next, Propose)
    assert PhaseStory(it, ROLL_BACK, severity="P3").next == Leave(Phase.CONTAIN)
    assert PhaseStory(it, ROLL_BACK).record(Contained(by="itself", finding=HEALTH)).next == Leave(Phase.CONTAIN)


def test_evidence_that_applies_later_comes_before_the_pending_measure() -> None:
    """If a breach is found while the rollback waits for approval, the logs come first, even after the approval."""
    story = PhaseStory(made(evidence=[LOGS]), ROLL_BACK).known(breach="no").propose("roll-back")
    roll_back = f"{story.id}/contain/roll-back"
    assert story.next == Wait((roll_back,))
    assert story.known(breach="yes").asks == "evidence-logs"
    logs = story.asked("evidence-logs")
    assert story.next == Wait((roll_back, logs))
    story.record(AskAnswered(ask=roll_back, yes=True), by=ANA)
    assert story.next == Wait((logs,))
    assert isinstance(story.done("evidence-logs").next, CarryOut)


def test_a_measure_that_has_begun_waits_for_no_evidence() -> None:
    """It has no outcome yet, so it is reconciled first."""
    story = PhaseStory(made(evidence=[LOGS]), ROLL_BACK).known(breach="no").propose("roll-back", ask=False)
    story.record(ActIntended(act="contain/roll-back", digest="1" * 64, change={}, holder="gone")).known(breach="yes")
    assert isinstance(story.next, CarryOut)


def test_a_message_that_has_begun_lets_no_measure_skip_the_evidence() -> None:
    """Only a measure that has begun may have changed something."""
    story = PhaseStory(made(evidence=[LOGS]), ROLL_BACK, NUDGE).propose("nudge", ask=False)
    story.record(ActIntended(act="contain/nudge", digest="1" * 64, change={}, holder="gone"))
    assert story.asks == "evidence-logs"


# --- duties ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", list(Phase))
def test_a_duty_is_asked_for_once_the_trouble_is_verified(phase: Phase) -> None:
    """In every phase after detection, before anything else, the person in its role is asked."""
    story = PhaseStory(made(duties=[REGULATOR]), TELL, phase=phase)
    move = story.next
    if phase is Phase.DETECT:
        assert isinstance(move, Propose)
        return
    assert isinstance(move, AskPeople)
    assert (move.phase, move.kind, move.step.id, move.step.person) == (DUTY, AskKind.STEP, "regulator", "cto")


def test_a_duty_blocks_only_the_review() -> None:
    """The other phases go on and end without it; the review waits for it."""
    for phase in (Phase.CONTAIN, Phase.INVESTIGATE, Phase.RESOLVE):
        story = PhaseStory(made(duties=[REGULATOR]), TELL, phase=phase)
        story.asked("regulator", phase=DUTY)
        assert isinstance(story.next, Propose)
        story.propose("tell", ask=False).finish(f"{phase.value}/tell", ActStatus.VERIFIED)
        assert story.next == Leave(phase)
    story = PhaseStory(made(duties=[REGULATOR]), TELL, phase=Phase.REVIEW)
    ask = story.asked("regulator", phase=DUTY)
    assert isinstance(story.next, Propose)
    story.propose("tell", ask=False).finish("review/tell", ActStatus.VERIFIED)
    assert story.next == Wait((ask,))
    assert story.done("regulator", DUTY).next == Leave(Phase.REVIEW)


def test_a_duty_is_asked_for_while_a_measure_waits() -> None:
    """It blocks nothing, and nothing blocks it."""
    story = PhaseStory(made(duties=[REGULATOR]), ROLL_BACK).known(breach="no").propose("roll-back")
    assert isinstance(story.next, Wait)
    assert story.known(breach="yes").asks == "regulator"
    story.asked("regulator", phase=DUTY)
    assert story.next == Wait((f"{story.id}/contain/roll-back",))


def test_a_duty_is_withdrawn_when_it_is_ruled_out_and_asked_for_again_when_it_applies() -> None:
    """Its ask is withdrawn; a new ask is opened when the facet changes again, or is unknown again."""
    story = PhaseStory(made(duties=[REGULATOR]))
    ask = story.asked("regulator", phase=DUTY)
    assert story.next == Leave(Phase.CONTAIN)
    move = story.known(breach="no").next
    assert isinstance(move, WithdrawAsk)
    assert move.ask == ask
    story.record(AskWithdrawn(ask=ask, reason=move.reason))
    assert story.next == Leave(Phase.CONTAIN)
    for number, value in ((2, "unknown"), (3, "yes")):
        assert story.known(breach=value).asks == "regulator"
        again = story.asked("regulator", phase=DUTY, number=number)
        assert story.next == Leave(Phase.CONTAIN)
        story.known(breach="no").record(AskWithdrawn(ask=again, reason="no"))
        assert story.next == Leave(Phase.CONTAIN)


def test_a_duty_that_was_answered_is_not_asked_for_again() -> None:
    """Neither when it is ruled out afterwards, nor when it applies once more; its answer stays."""
    story = PhaseStory(made(duties=[REGULATOR]), phase=Phase.REVIEW)
    story.asked("regulator", phase=DUTY)
    story.done("regulator", DUTY)
    for value in ("no", "yes", "unknown", "no"):
        assert story.known(breach=value).next == Leave(Phase.REVIEW)


def test_a_duty_stays_when_the_severity_is_lowered() -> None:
    """It applied at the higher severity, so its ask is not withdrawn."""
    it = made(duties=[REGULATOR | {"when": {}, "severities": ["P0"]}])
    story = PhaseStory(it, phase=Phase.REVIEW)
    ask = story.asked("regulator", phase=DUTY)
    story.record(SeverityChanged(was="P0", now="P1", reason="so"), by=ANA)
    assert story.next == Wait((ask,))
    late = PhaseStory(it, phase=Phase.REVIEW, severity="P1")
    assert late.next == Leave(Phase.REVIEW)
    late.record(
        SeverityChanged(was="P1", now="P0", reason="so"), SeverityChanged(was="P0", now="P1", reason="so"), by=ANA
    )
    assert late.asks == "regulator"


def test_a_review_after_the_end_still_asks_for_the_duties() -> None:
    """If people end the incident before its containment, its duties still apply."""
    story = PhaseStory(made(duties=[REGULATOR]), phase=Phase.DETECT)
    story.record(IncidentEnded(ending="resolved", reason="so"), by=ANA)
    assert next_move(story.incident, story.plan, story.book, Phase.REVIEW) == Enter(Phase.REVIEW)
    story.record(PhaseEntered(phase="review"))
    story.phase = Phase.REVIEW
    assert story.asks == "regulator"


# --- severities that only make a ticket ------------------------------------------------------------------


def test_a_ticket_only_severity_makes_only_a_ticket() -> None:
    """Only the steps that name the severity are done, and acts in place are undone; no one gets a page or message."""
    ticket = {"id": "ticket", "person": "on_call", "ask": "Make one.", "severities": ["P3"]}
    both = {"id": "both", "action": "chat.post", "severities": ["P1", "P3"]}
    undo = {"id": "undo", "undo": "everything"}
    check = {"id": "verify", "probe": "http.smoke", "expects": "trouble"}
    story = PhaseStory(made(), check, TELL, ROLL_BACK, undo, ticket, both, severity="P3")
    assert story.asks == "ticket"
    story.asked("ticket")
    move = story.done("ticket").next
    assert isinstance(move, Propose)
    assert move.step.id == "both"
    story.propose("both", ask=False).finish("contain/both", ActStatus.VERIFIED)
    assert story.next == Leave(Phase.CONTAIN)


def test_a_ticket_whose_severity_is_raised_gets_a_response() -> None:
    """Raised, it goes through the steps of the phase that it left out; lowered to a ticket, it leaves them out."""
    story = PhaseStory(made(), TELL, ROLL_BACK, severity="P3")
    assert story.next == Leave(Phase.CONTAIN)
    story.record(SeverityChanged(was="P3", now="P0", reason="so"), by=ANA)
    assert isinstance(story.next, Propose)
    story.record(SeverityChanged(was="P0", now="P3", reason="so"), by=ANA)
    assert story.next == Leave(Phase.CONTAIN)


# --- choices ---------------------------------------------------------------------------------------------

KEY = choice_key("roll-back")


def test_people_choose_among_the_candidates() -> None:
    """If an act is refused with candidates, people are asked, and the chosen one is proposed."""
    story = PhaseStory(made(), ROLL_BACK, TELL).propose("roll-back", 1, "41", "40")
    assert story.next == AskPeople(Phase.CONTAIN, story.book.contain[0], AskKind.CHOICE, "contain/roll-back")
    ask = story.asked(KEY, AskKind.CHOICE)
    assert story.next == Wait((ask,))
    story.record(AskAnswered(ask=ask, yes=True, choice="40"), by=ANA)
    assert story.next == Propose(Phase.CONTAIN, story.book.contain[0], "40")
    story.propose("roll-back", 2)
    assert story.next == Wait((f"{story.id}/contain/roll-back~2",))


def test_people_may_choose_no_candidate() -> None:
    """The next measure follows, or the next step."""
    story = PhaseStory(made(), ROLL_BACK, CLOSE).propose("roll-back", 1, "41", "40")
    story.record(AskAnswered(ask=story.asked(KEY, AskKind.CHOICE), yes=False), by=ANA)
    move = story.next
    assert isinstance(move, Propose)
    assert move.step.id == "close"


def test_after_a_chosen_candidate_is_refused_people_choose_again() -> None:
    """They choose among the present candidates; the fourth proposal of the step is the last."""
    story = PhaseStory(made(), ROLL_BACK, CLOSE)
    for number in (1, 2, 3):
        story.propose("roll-back", number, "41", "40")
        move = story.next
        assert isinstance(move, AskPeople)
        assert move.kind is AskKind.CHOICE
        assert move.about == "contain/roll-back" + (f"~{number}" if number > 1 else "")
        ask = story.asked(KEY, AskKind.CHOICE, number=number)
        story.record(AskAnswered(ask=ask, yes=True, choice="41"), by=ANA)
        assert story.next == Propose(Phase.CONTAIN, story.book.contain[0], "41")
    story.propose("roll-back", 4, "41", "40")
    move = story.next
    assert isinstance(move, Propose)
    assert move.step.id == "close"


def test_a_choice_is_kept_when_the_target_changes() -> None:
    """If the chosen act has drifted, it is proposed again for the same candidate."""
    story = PhaseStory(made(), ROLL_BACK).propose("roll-back", 1, "41", "40")
    story.record(AskAnswered(ask=story.asked(KEY, AskKind.CHOICE), yes=True, choice="40"), by=ANA)
    story.propose("roll-back", 2).record(AskAnswered(ask=f"{story.id}/contain/roll-back~2", yes=True), by=ANA)
    story.finish("contain/roll-back~2", ActStatus.FAILED, drifted=True)
    assert story.next == Propose(Phase.CONTAIN, story.book.contain[0], "40")


def test_a_chosen_measure_is_checked_like_any_other() -> None:
    """A health check shows whether it helped."""
    story = PhaseStory(made(), ROLL_BACK).propose("roll-back", 1, "41", "40")
    story.record(AskAnswered(ask=story.asked(KEY, AskKind.CHOICE), yes=True, choice="40"), by=ANA)
    story.propose("roll-back", 2, ask=False).finish("contain/roll-back~2", ActStatus.VERIFIED)
    assert isinstance(story.next, RunProbe)
