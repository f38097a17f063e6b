"""The person at the terminal of an interactive drill."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from rich.text import Text

from allclear.cli.drill_person import PersonAtTerminal, Screen
from allclear.domain.approval import ONE_PERSON, ONE_PERSON_WITH_REASON, ApprovalPolicy, Ask, AskKind
from allclear.domain.decisions import Decision
from allclear.domain.records import AskOpened, By, Entry, NoteAdded, Record
from tests.unit.domain.stories import Story


def asked(policy: ApprovalPolicy = ONE_PERSON) -> Ask:
    """Return a question."""
    return Ask(
        id="VS-1/contain/roll-back",
        kind=AskKind.APPROVAL,
        phase="contain",
        step="roll-back",
        title="Roll back",
        text="From 42 to 41.",
        yes="It is done.",
        no="It is not done.",
        policy=policy,
    )


def entry(record: Record) -> Entry:
    """Return an entry."""
    return Entry(
        incident="VS-1",
        number=1,
        at=datetime(2026, 11, 22, tzinfo=UTC),
        by=By(actor="allclear", via="test"),
        record=record,
        previous_hash="",
        hash="",
    )


def typing(*lines: str, before: Callable[[], None] = lambda: None) -> Callable[[str], str]:
    """Return a reader that types these lines in order, and then reaches the end of the input."""
    left = list(lines)

    def read(prompt: str) -> str:
        before()
        sys.stdout.write(f"{prompt}\n")
        if not left:
            raise EOFError
        return left.pop(0)

    return read


def decide(screen: Screen, read: Callable[[str], str], ask: Ask) -> tuple[Decision, str]:
    """Print the question's entry, and ask the person."""

    async def work() -> tuple[Decision, str]:
        screen.show(entry(AskOpened(ask=ask)), Text("Asked On-Call to approve: Roll back."))
        return await PersonAtTerminal(screen, read).decide(ask)

    return asyncio.run(work())


def test_a_word_that_answers_nothing_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """The words that answer are named, and the question is asked again."""
    decision, reason = decide(Screen(), typing("yes", "Approve", ""), asked())
    assert (decision.yes, reason) == (True, "")
    assert "That answers nothing. Type approve or deny." in capsys.readouterr().out


def test_a_reason_that_is_needed_is_not_made_up(capsys: pytest.CaptureFixture[str]) -> None:
    """As in a real incident, an empty one is refused."""
    decision, reason = decide(Screen(), typing("approve", " ", "wrong revision"), asked(ONE_PERSON_WITH_REASON))
    assert (decision.yes, reason) == (True, "wrong revision")
    assert "This answer needs a reason" in capsys.readouterr().out


def test_no_line_is_printed_between_a_question_and_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """The line that says who is asked comes before the question, lines of meanwhile after the answer."""
    screen = Screen()

    def meanwhile() -> None:
        screen.show(entry(NoteAdded(text="x")), Text("Note by Chi."))

    decide(screen, typing("approve", "so", before=meanwhile), asked())
    printed = capsys.readouterr().out
    places = [printed.index(words) for words in ("Asked On-Call", "From 42 to 41", "Reason (Enter", "Note by Chi.")]
    assert places == sorted(places)


def test_the_end_of_the_input_ends_the_drill() -> None:
    """The error reaches the command, which says where the logs are."""
    with pytest.raises(EOFError):
        decide(Screen(), typing(), asked())


def test_the_person_learns_the_role_and_the_colleagues(capsys: pytest.CaptureFixture[str]) -> None:
    """And how many questions come, and how to leave; the page is acknowledged with Enter."""
    person = PersonAtTerminal(Screen(), typing(""))

    async def work() -> None:
        await person.begin("Ana Ruiz (On-Call)", ["Ben Okafor (Tech Lead)"], 3)
        await person.acknowledge(Story().opened().incident)

    asyncio.run(work())
    printed = capsys.readouterr().out
    for words in (
        "You are Ana Ruiz (On-Call).",
        "Ben Okafor (Tech Lead)",
        "about 3 questions",
        "Ctrl-C",
        "paged: VS-12",
    ):
        assert words in printed
