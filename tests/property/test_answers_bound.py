"""Whatever happens between a question and its answer, only what the answering person saw is done.

People open forms and submit them later. Meanwhile others deny, the target drifts, the severity changes, acts are
carried out and undone, candidates to choose from change, and new questions are asked.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from allclear.domain.action import Candidate, Change
from allclear.domain.approval import AskKind
from allclear.domain.base import utc_now
from allclear.domain.decisions import decisions
from allclear.domain.errors import AllclearError, NotAllowed, Refused
from allclear.domain.incident import Incident
from allclear.domain.records import ActIntended, ActProposed, AskAnswered, By
from allclear.domain.runbook import Phase, Runbook, Step
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.manual import ManualActions, ManualRequest
from allclear.engine.actions.proposals import Proposer
from allclear.engine.actions.registry import Registry
from allclear.engine.people.declare import Declaration
from allclear.engine.people.facade import People
from allclear.engine.response.conductor import Conductor
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal, vintstreet
from tests.scopes import REAL
from tests.unit.domain.stories import MACHINE
from tests.unit.fakes_actions import KINDS, DialContext, DialParams, Dials, DialState, TurnDial

PEOPLE = [By(actor=name, role="on_call", via="prefect") for name in ("Ana", "Ben")]
CHI = By(actor="Chi", role="communications_lead", via="cli")
"""May start an action by hand, and not approve it."""

BY_HAND = "a try"
"""The reason of an action that a person starts; starting it approves it, if the person may."""

BOOK = Runbook.model_validate(
    {
        "name": "bad-deployment",
        "title": "Dials",
        "about": "A dial points to the wrong place.",
        "service": "storefront",
        "health": {"probe": "dial.check", "with": {"healthy": 99}},
        "contain": [
            {"id": "first", "title": "Turn it", "action": "dial.turn", "with": {"to": 5}, "measure": True},
            {"id": "look", "title": "Look", "person": "on_call", "ask": "Is it squeaking?", "meanwhile": True},
            {
                "id": "second",
                "title": "Turn it further",
                "action": "dial.turn",
                "with": {"to": 7},
                "measure": True,
                "severities": ["P0"],
            },
        ],
    }
)


class ChosenDial(TurnDial):
    """Turns a dial to a position that people choose among two, which depend on where it points."""

    name = "dial.chosen"
    chooses = "to"

    @override
    def plan(self, params: DialParams, before: DialState) -> Change[DialState]:
        if params.to >= 0:
            return super().plan(params, before)
        names = [str(before.points + step) for step in (1, 2)]
        raise Refused("Two positions may be meant.", "Choose one.", [Candidate(name=one, reason="") for one in names])


CHOICE = {
    "id": "third",
    "title": "Turn it where people choose",
    "action": "dial.chosen",
    "with": {"to": -1},
    "meanwhile": True,
}
ALL_KINDS = Registry.of([*KINDS.actions.values(), *KINDS.probes.values(), ChosenDial])
WITH_CHOICE = BOOK.model_copy(update={"contain": [*BOOK.contain, Step.model_validate(CHOICE)]})
"""The runbook with one more question: a choice, which waits beside the others."""


@dataclass(frozen=True)
class Form:
    """A form as it stands open in a person's browser."""

    ask: str
    kind: AskKind
    person: By
    texts: tuple[str, ...]
    digest: str | None
    """The change that the person reads, or None if the question is about none."""


@dataclass
class Night:
    """An incident, the people with their open forms, and what they submitted."""

    journal: SqlJournal
    dials: Dials = field(default_factory=lambda: Dials(points={"main": 1}, version={"main": 1}))
    forms: list[Form] = field(default_factory=list[Form])
    counted: list[tuple[Form, str]] = field(default_factory=list[tuple[Form, str]])

    def __post_init__(self) -> None:
        """Declare the incident, which Ana leads."""
        company = replace(vintstreet(), runbooks={BOOK.name: WITH_CHOICE})
        context = DialContext(self.dials)
        executor = Executor(self.journal, ALL_KINDS, context)
        proposer = Proposer(self.journal, executor, company.plan, utc_now)
        self.conductor = Conductor(self.journal, ALL_KINDS, executor, proposer, company, context, utc_now)
        self.people = People(self.journal, company, utc_now)
        self.manual = ManualActions(self.journal, company, executor, proposer, self.conductor, self.people)
        self.id = self.people.declare(Declaration("Dials", "P0", "storefront", BOOK.name), PEOPLE[0]).incident

    @property
    def incident(self) -> Incident:
        """Return the incident as it is now."""
        return self.conductor.incident(self.id)

    async def do(self, what: str, number: int) -> None:
        """Let one thing happen; `number` decides which one of several."""
        match what:
            case "go on":
                await self.conductor.run(self.id, Phase.CONTAIN, MACHINE)
            case "open":
                self._open(number)
            case "submit":
                await self._submit(number)
            case "answer":
                self._open(number)
                await self._submit(max(len(self.forms) - 1, 0))
            case "drift":
                self.dials.turn("main", number)
            case "severity":
                self.people.severity(self.id, ["P0", "P1", "P2"][number % 3], "so", PEOPLE[0])
            case "by hand":
                request = ManualRequest("dial.turn", {"to": number}, BY_HAND, self.id)
                await self.manual.do(request, PEOPLE[0] if number % 2 else CHI)
            case "undo":
                await self._undo(number)
            case _:
                raise AssertionError(what)

    async def _undo(self, number: int) -> None:
        """Undo what an act left in place: Ana at once, Chi by a question to those who may approve it."""
        left = self.incident.in_place
        if left:
            act = left[number % len(left)].id
            await self.manual.undo(self.id, act, BY_HAND, PEOPLE[0] if number % 2 else CHI)

    def _open(self, number: int) -> None:
        waiting = self.incident.open_asks
        if waiting:
            ask = waiting[number % len(waiting)].ask
            texts = tuple(decision.text for decision in decisions(ask))
            self.forms.append(Form(ask.id, ask.kind, PEOPLE[number % 2], texts, ask.digest))

    async def _submit(self, number: int) -> None:
        """Submit one of the open forms. If its question is closed, the answer is refused and changes nothing."""
        if not self.forms:
            return
        form = self.forms[number % len(self.forms)]
        text = form.texts[(number // 3) % len(form.texts)]
        before = self.incident
        error = self._answer(form, text)
        if error is None:
            assert before.asks[form.ask].open
            self.counted.append((form, text))
            await self.manual.after_answer(form.ask, form.person)
            return
        assert self.incident.length == before.length
        if not before.asks[form.ask].open:
            assert "does not count" in error.message
            assert form.ask in error.message
            assert all(state.ask.id in error.next_step for state in before.open_asks)

    def _answer(self, form: Form, text: str) -> NotAllowed | None:
        """Answer, and return the error if the answer does not count."""
        decision = self.people.decision(text)
        try:
            self.people.answer(decision.ask, form.person, yes=decision.yes, reason="so", choice=decision.choice)
        except NotAllowed as error:
            return error
        return None

    def check(self) -> None:
        """Check that each answer is one that was submitted for this question, and each act one that was seen."""
        answered = [
            (entry.record.ask, entry.by.actor)
            for entry in self.journal.entries(self.id)
            if isinstance(entry.record, AskAnswered) and entry.record.reason != BY_HAND
        ]
        submitted = [(form.ask, form.person.actor) for form, _ in self.counted]
        assert sorted(answered) == sorted(submitted)
        for entry in self.journal.entries(self.id):
            if isinstance(entry.record, ActIntended):
                self._check_seen(entry.record)
            if isinstance(entry.record, ActProposed) and entry.record.action == ChosenDial.name:
                self._check_chosen(entry.record)

    def _check_seen(self, intent: ActIntended) -> None:
        """Check that a person who approved the act saw this change in the form, or confirmed it by starting it."""
        asks = self.incident.acts[intent.act].asks
        assert asks
        seen = [form.digest for form, text in self.counted if form.ask in asks and text.startswith("approve")]
        confirmed = [answer for ask in asks for answer in self.incident.asks[ask].answers if answer.reason == BY_HAND]
        assert confirmed or intent.digest in seen

    def _check_chosen(self, proposed: ActProposed) -> None:
        """Check that a position which was proposed is one that a person chose in a form which offered it."""
        to = proposed.params["to"]
        chosen = [text for form, text in self.counted if form.kind is AskKind.CHOICE]
        assert to == -1 or proposed.undoes or any(text.startswith(f"choose {to}: ") for text in chosen)


OPS = st.tuples(
    st.sampled_from([*["go on", "answer"] * 3, *["open", "submit"] * 2, "drift", "severity", "by hand", "undo"]),
    st.integers(0, 11),
)


REFUSED = {"by hand": (AllclearError,), "severity": (NotAllowed,), "undo": (AllclearError,)}
"""The steps that may be refused, as an action whose change was worked out from a state that has changed since."""


async def _play(steps: list[tuple[str, int]], folder: Path) -> None:
    journal = SqlJournal(new_journal(folder), REAL)
    try:
        night = Night(journal)
        for what, number in [("go on", 0), *steps]:
            with suppress(*REFUSED.get(what, ())):
                await night.do(what, number)
        night.check()
    finally:
        journal.close()


@settings(max_examples=80, deadline=None)
@given(st.lists(OPS, min_size=4, max_size=24))
def test_only_what_the_answering_person_saw_is_done(steps: list[tuple[str, int]]) -> None:
    """An answer counts for the question that its form showed, while that question is open, and for no other one."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(steps, Path(folder)))


async def test_a_form_left_open_does_not_approve_the_next_question(tmp_path: Path) -> None:
    """The roll back is denied elsewhere and the next measure is asked: the old form's *approve* is refused, loudly."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    try:
        night = Night(journal)
        await night.do("go on", 0)
        stale = night.incident.ask_of(Phase.CONTAIN, "first")
        assert stale is not None
        approve, _ = (decision.text for decision in decisions(stale.ask))
        night.people.answer(stale.ask.id, PEOPLE[1], yes=False, reason="wrong one")
        await night.do("go on", 0)
        asked = night.incident.ask_of(Phase.CONTAIN, "second")
        assert asked is not None
        assert asked.open
        decision = night.people.decision(approve)
        with pytest.raises(NotAllowed) as refused:
            night.people.answer(decision.ask, PEOPLE[0], yes=decision.yes)
        told = f"{stale.ask.id} (Turn the dial main from 1 to 5) is closed: deny, said Ben at"
        assert told in refused.value.message
        assert f"allclear approve {asked.ask.id}" in refused.value.next_step
        assert asked == night.incident.ask_of(Phase.CONTAIN, "second")
        assert night.dials.sent == []
    finally:
        journal.close()
