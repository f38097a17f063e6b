"""The shipped runbooks ask for the evidence that their plan lists before the first step that changes something."""

from __future__ import annotations

from functools import cache

import pytest

from allclear.company import Company, find_company
from allclear.domain.action import Finding, Verdict
from allclear.domain.approval import ONE_PERSON, Ask
from allclear.domain.records import AskAnswered, AskOpened, StepDone
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import AskPeople, Propose, RunProbe, Wait
from allclear.engine.response.next_move import applicable, next_move
from tests.unit.domain.stories import BEN
from tests.unit.engine.response.next_move_support import PhaseStory

find_company = cache(find_company)


class Played(PhaseStory):
    """One phase of a shipped runbook, made until people must answer."""

    def __init__(self, company: Company, book: str, phase: Phase, severity: str) -> None:
        super().__init__(phase, severity=severity, kind=company.runbook(book).kind)
        self.company, self.book = company, company.runbook(book)

    def until_people_are_needed(self) -> list[str]:
        """Make the moves, and return them: each question, and each action that was proposed."""
        made = list[str]()
        while not isinstance(move := next_move(self.incident, self.company.plan, self.book, self.phase), Wait):
            match move:
                case AskPeople():
                    made.append(f"ask {move.step.id}")
                    ask = Ask(
                        id=f"{self.id}/{move.phase}/{move.step.id}",
                        kind=move.kind,
                        phase=str(move.phase),
                        step=move.step.id,
                        title=move.step.title,
                        text="?",
                        yes="",
                        no="",
                        policy=ONE_PERSON,
                    )
                    self.record(AskOpened(ask=ask))
                case Propose():
                    made.append(f"act {move.step.action}")
                    self.propose(move.step.id)
                case RunProbe():
                    finding = Finding(verdict=Verdict.SUCCESS, sentence="The app answers.")
                    self.record(StepDone(phase=self.phase.value, step=move.key, title=move.step.title, finding=finding))
                case _:
                    pytest.fail(f"{move} after {made}")
        return made

    def save_evidence(self) -> None:
        """Answer, as the person who was asked, that the evidence is saved."""
        (ask,) = [state.ask for state in self.incident.open_asks if state.ask.step.startswith("evidence-")]
        said = Finding(verdict=Verdict.SUCCESS, sentence="The logs are exported.")
        self.record(
            AskAnswered(ask=ask.id, yes=True, reason=said.sentence),
            StepDone(phase=ask.phase, step=ask.step, title=ask.title, finding=said),
            by=BEN,
        )


def changes(company: Company, book: str, phase: Phase) -> set[str]:
    """Return what a phase does that changes something: acts that leave something in place, and people's own changes."""
    steps = company.runbook(book).steps(phase)
    acts = {f"act {step.action}" for step in steps if step.action and step.owner}
    return acts | {f"ask {step.id}" for step in steps if step.person and not step.meanwhile}


def first_change(company: Company, book: str, severity: str) -> list[Phase]:
    """Return the phase with the first change at a severity, if there is any: not every severity is contained."""
    played = Played(company, book, Phase.CONTAIN, severity)
    changing = [
        phase
        for phase in (Phase.CONTAIN, Phase.RESOLVE)
        for step in applicable(played.incident, company.plan, played.book, phase)
        if not step.meanwhile and not step.probe and not step.undo
    ]
    return changing[:1]


WITH_EVIDENCE = [
    (name, book.name, severity.name, phase)
    for name, company in ((name, find_company(name)) for name in ("retailgen", "vintstreet"))
    for book in company.runbooks.values()
    for severity in company.plan.severities
    if company.plan.applying(company.plan.evidence, severity.name, book.kind, {})
    for phase in first_change(company, book.name, severity.name)
]


@pytest.mark.parametrize(("company", "book", "severity", "phase"), WITH_EVIDENCE)
def test_evidence_is_saved_before_the_first_change(company: str, book: str, severity: str, phase: Phase) -> None:
    """Until then no act that leaves something in place is proposed, and no person is asked to change anything.

    Messages, calls and probes do not wait for it. If a severity is not contained, the first change is in `resolve`.
    """
    played = Played(find_company(company), book, phase, severity)
    first = played.until_people_are_needed()
    assert [one for one in first if one.startswith("ask evidence-")] == ["ask evidence-before-containment"]
    assert not set(first) & changes(played.company, book, phase)
    played.save_evidence()
    assert played.until_people_are_needed()[0] in changes(played.company, book, phase)


def test_each_security_runbook_is_among_them() -> None:
    """The two worst severities of each plan are contained."""
    for name in ("retailgen", "vintstreet"):
        played = [(severity, phase) for company, _, severity, phase in WITH_EVIDENCE if company == name]
        worst = [severity.name for severity in find_company(name).plan.severities[:2]]
        assert played[:2] == [(severity, Phase.CONTAIN) for severity in worst]
