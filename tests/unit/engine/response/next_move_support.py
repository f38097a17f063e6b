"""An incident in one phase of a runbook, for tests of its next move."""

from __future__ import annotations

from typing import Any, Self

from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.approval import ONE_PERSON, ApprovalPolicy, Ask, AskKind
from allclear.domain.plan import Severity
from allclear.domain.records import (
    ActFinished,
    ActProposed,
    AskAnswered,
    AskOpened,
    IncidentOpened,
    PhaseEntered,
    StepDone,
)
from allclear.domain.runbook import Phase, Runbook
from allclear.engine.response.moves import (
    AskPeople,
    Move,
    Propose,
    ProposeUndo,
    RunProbe,
)
from allclear.engine.response.next_move import next_move
from tests.unit.domain.stories import ANA, Story, plan

PLAN = plan().model_copy(
    update={
        "severities": [
            *plan().severities,
            Severity(name="P3", title="Low", definition="Typos", contain=False),
        ]
    }
)
UNKNOWN = Finding(verdict=Verdict.INCONCLUSIVE, sentence="It shows its maintenance page.")


def book(phase: Phase, *steps: dict[str, Any]) -> Runbook:
    """Return a runbook with these steps in one phase."""
    whole = {
        "name": "outage",
        "title": "Outage",
        "about": "All is down.",
        "service": "shop",
        "health": {"probe": "http.smoke", "with": {"service": "shop"}},
        phase.value: list(steps),
    }
    return Runbook.model_validate(whole)


class PhaseStory(Story):
    """An incident in one phase, built from records, and its next move."""

    def __init__(self, phase: Phase, *steps: dict[str, Any], severity: str = "P0", kind: str = "outage") -> None:
        super().__init__()
        self.phase, self.book = phase, book(phase, *steps)
        self.record(
            IncidentOpened(
                company="VintStreet",
                title="Trouble",
                severity=severity,
                service="shop",
                runbook="outage",
                reported="by Ana",
                incident_kind=kind,
            ),
            PhaseEntered(phase=phase.value),
        )

    @property
    def next(self) -> Move:
        """Return the next move."""
        return next_move(self.incident, PLAN, self.book, self.phase)

    def found(self, step: str, finding: Finding) -> Self:
        """Add the finding of a probe."""
        self.after(1)
        return self.record(StepDone(phase=self.phase.value, step=step, title=step, finding=finding))

    def asked(self, step: str, kind: AskKind, number: int = 1, act: str | None = None) -> Self:
        """Add a question to people."""
        self.after(1)
        policy = ApprovalPolicy(roles=["on_call"]) if kind is not AskKind.APPROVAL else ONE_PERSON
        return self.record(
            AskOpened(
                ask=Ask(
                    id=self.ask_id(step, number),
                    kind=kind,
                    phase=self.phase.value,
                    step=step,
                    title=step,
                    text="?",
                    yes="",
                    no="",
                    policy=policy,
                    act=act,
                    digest="1" * 64 if act else None,
                )
            )
        )

    def ask_id(self, step: str, number: int = 1) -> str:
        """Return the id of a step's ask."""
        return f"{self.id}/{self.phase.value}/{step}" + (f"~{number}" if number > 1 else "")

    def answer(self, step: str, *, yes: bool, number: int = 1) -> Self:
        """Add Ana's answer."""
        self.after(1)
        return self.record(AskAnswered(ask=self.ask_id(step, number), yes=yes, reason="so"), by=ANA)

    def act_id(self, step: str, number: int = 1) -> str:
        """Return the id of a step's act."""
        return f"{self.phase.value}/{step}" + (f"~{number}" if number > 1 else "")

    def propose(
        self,
        step: str,
        number: int = 1,
        *,
        ask: bool = True,
        leaves: str | None = None,
        undoes: str | None = None,
        tells: bool = False,
    ) -> Self:
        """Add a step's proposed act, and its approval."""
        self.after(1).record(
            ActProposed(
                act=self.act_id(step, number),
                phase=self.phase.value,
                step=step,
                action="dial.turn",
                title=step,
                params={},
                change={"summary": step},
                digest="1" * 64,
                resource="dial:main",
                tells=tells,
                leaves=leaves,
                undoes=undoes,
            )
        )
        return self.asked(step, AskKind.APPROVAL, number, self.act_id(step, number)) if ask else self

    def finish(
        self,
        step: str,
        status: ActStatus,
        number: int = 1,
        *,
        changed: bool = True,
        drifted: bool = False,
        passes: bool = False,
    ) -> Self:
        """Add the outcome of a step's act."""
        outcome = Outcome(
            status=status, changed=changed, drifted=drifted, passes=passes, sentence="So it went.", next_step="See."
        )
        return self.after(1).record(ActFinished(act=self.act_id(step, number), outcome=outcome))


def step_of(move: Move) -> str:
    """Return the id of the step that the move is about."""
    assert isinstance(move, RunProbe | Propose | ProposeUndo | AskPeople)
    return move.step.id
