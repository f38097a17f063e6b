"""What a drill makes of a person who decides otherwise than its script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from allclear.bootstrap import Engine
from allclear.company import load_company
from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.decisions import Decision, decision_for
from allclear.domain.incident import Incident
from allclear.domain.records import ActProposed, AskOpened, By, IncidentEnded, PhaseEntered, PhaseLeft
from allclear.drill.cast import TERMINAL, Cast
from allclear.drill.director import compared
from allclear.drill.script import Line, Script, find_script
from tests.contract.simulator_support import REPOSITORY
from tests.scenario.response_support import MACHINE, OPENED, engine_on, new_journal

ACT = "contain/roll-back"


class Denier:
    """A person who acknowledges at once and denies everything."""

    def __init__(self) -> None:
        self.who = ""
        self.asked: list[str] = []

    async def begin(self, who: str, others: list[str], questions: int) -> None:  # noqa: ARG002 - as the protocol has it
        """Keep who the person is."""
        self.who = who

    async def acknowledge(self, incident: Incident) -> None:
        """Acknowledge."""

    async def decide(self, ask: Ask) -> tuple[Decision, str]:
        """Deny."""
        self.asked.append(ask.id)
        return decision_for(ask, ask.words[1]), "not now"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with an incident of a drill."""
    engine = engine_on(new_journal(tmp_path), None)
    engine.journal.open_incident("VS", OPENED, MACHINE)
    yield engine
    asyncio.run(engine.close())


@pytest.fixture
def script() -> Script:
    """The P0 drill's script."""
    folder = load_company(REPOSITORY / "runbooks" / "vintstreet").folder
    return find_script(folder, "payment-processing-down")[1]


async def until(condition: Callable[[], bool]) -> None:
    """Let the drill run on until the condition holds."""
    while True:
        if condition():
            return
        await asyncio.sleep(0)


def ask(step: str, *roles: str) -> AskOpened:
    """Return a question to the people with these roles."""
    return AskOpened(
        ask=Ask(
            id=f"VS-1/{step}",
            kind=AskKind.APPROVAL,
            phase=step.partition("/")[0],
            step=step.partition("/")[2],
            title=step,
            text="t",
            yes="y",
            no="n",
            policy=ONE_PERSON.model_copy(update={"roles": list(roles)}),
        )
    )


def test_the_person_plays_one_member_and_the_cast_does_not_answer_for_that_member(
    engine: Engine, script: Script
) -> None:
    """Ana is asked what the script has for Ana, in each of her roles; Ben answers his own. Its texts stay unwritten."""
    engine.journal.append(
        "VS-1",
        [
            ask(ACT, "on_call", "incident_commander"),
            ask("contain/public", "incident_commander"),
            ask("investigate/root-cause", "tech_lead", "incident_commander"),
        ],
        MACHINE,
    )
    person = Denier()

    async def work() -> None:
        playing = asyncio.create_task(Cast(script, engine, "http://127.0.0.1:9", person).play("VS-1"))
        await until(lambda: not engine.conductor.incident("VS-1").open_asks)
        ended = IncidentEnded(ending="resolved", reason="over")
        records = [ended, PhaseEntered(phase="review")]
        engine.journal.append("VS-1", records, MACHINE)
        await until(lambda: len(engine.conductor.incident("VS-1").follow_ups) == len(script.follow_ups))
        engine.journal.append("VS-1", [PhaseLeft(phase="review")], MACHINE)
        await playing

    asyncio.run(work())
    incident = engine.conductor.incident("VS-1")
    assert person.who == "Ana Ruiz (On-Call, Incident Lead)"
    assert sorted(person.asked) == ["VS-1/contain/public", f"VS-1/{ACT}"]
    given = {state.ask.step: state.answers[0].by for state in incident.asks.values()}
    assert given["roll-back"] == By(actor="Ana Ruiz", role="on_call", via=TERMINAL)
    assert given["public"].actor == "Ana Ruiz"
    assert given["root-cause"].actor == "Ben Okafor"
    assert incident.written == {}


def test_a_denial_by_the_person_is_a_choice_and_no_shortcoming(engine: Engine, script: Script) -> None:
    """The sentence says what was denied and what the drill expects. That no one was notified is a shortcoming."""
    proposed = ActProposed(
        act=ACT, phase="contain", step="roll-back", action="a.b", title="Roll back", params={}, change=None
    )
    opened = ask(ACT, "on_call")
    opened = opened.model_copy(update={"ask": opened.ask.model_copy(update={"act": ACT})})
    engine.journal.append("VS-1", [proposed, opened], MACHINE)
    ana = By(actor="Ana Ruiz", role="on_call", via=TERMINAL)
    engine.people.answer(f"VS-1/{ACT}", ana, yes=False, reason="not now")
    engine.journal.append("VS-1", [IncidentEnded(ending="resolved", reason="over"), PhaseLeft(phase="review")], MACHINE)
    told = script.expect.model_copy(update={"notified": {"cto": "email"}})
    expecting = script.model_copy(update={"expect": told})
    misses, choices = compared(expecting, engine, engine.conductor.incident("VS-1"), 1.0)
    assert choices == ['You denied "Roll back" (contain/roll-back). This drill expects that it is approved.']
    assert misses == ["CTO was to be notified by email, and was notified by nothing."]


def test_the_script_answers_the_undo_of_a_later_proposal(engine: Engine, script: Script) -> None:
    """An act that was proposed again after people chose a target is still the act of its step."""
    line = Line(ask="resolve/undo-contain-roll-back", yes=False, reason="It stays.")
    cast = Cast(script.model_copy(update={"answers": [line]}), engine, "")
    ask = Ask(
        id="VS-1/resolve/undo-contain-roll-back~2",
        kind=AskKind.APPROVAL,
        phase="resolve",
        step="undo-contain-roll-back~2",
        title="Undo",
        text="",
        yes="",
        no="",
        policy=ONE_PERSON,
    )
    assert cast.line_for(ask, 0) == line


def test_the_cast_goes_on_when_trying_again_does_not_help(engine: Engine, script: Script) -> None:
    """A check that the script does not expect to fail, as on a busy machine, keeps no drill going to its limit."""
    check = ask("contain/other-proof", "on_call").ask.model_copy(update={"kind": AskKind.RETRY})
    cast = Cast(script, engine, "")
    assert cast.line_for(check, 0).yes
    assert cast.line_for(check.model_copy(update={"id": f"{check.id}~20"}), 0).yes
    last = cast.line_for(check.model_copy(update={"id": f"{check.id}~21"}), 0)
    assert not last.yes
    assert last.reason == "It did not help 20 times."
    change = check.model_copy(update={"id": f"{check.id}~21", "kind": AskKind.APPROVAL})
    assert cast.line_for(change, 0).yes, "a change that is proposed again is approved as before"
