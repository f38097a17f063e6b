"""`allclear approve` at a terminal: a question that the command did not name is shown and confirmed first."""

from __future__ import annotations

import asyncio
import os
import pty
from pathlib import Path

import pytest

from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.records import AskOpened, By
from tests.end_to_end.stack_support import allclear_that_reads
from tests.scenario.response_support import MACHINE, OPENED, engine_on, new_journal

pytestmark = pytest.mark.slow

ASK = "VS-1/contain/roll-back"


def at_terminal(url: str, typed: str, *words: str) -> str:
    """Run `allclear` with a terminal as its input, type the answer, and return what it printed."""
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    try:
        done = allclear_that_reads(
            Path(os.ttyname(theirs)),
            *(*words, "--as", "Ana", "--role", "on_call"),
            ALLCLEAR_JOURNAL_URL=url,
            PREFECT_API_URL="http://127.0.0.1:9/api",
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_answer_without_the_question_s_id_is_confirmed(tmp_path: Path) -> None:
    """A no leaves the question open, a yes answers the one that was shown; with its id nothing is asked."""
    url = new_journal(tmp_path)
    engine = engine_on(url, None)
    try:
        incident, _ = engine.journal.open_incident("VS", OPENED, By(actor="Ana", role="on_call", via="cli"))
        ask = Ask(
            id=ASK,
            kind=AskKind.APPROVAL,
            phase="contain",
            step="roll-back",
            title="Roll back",
            text="From 42 to 41.",
            yes="It is done.",
            no="It is not done.",
            policy=ONE_PERSON,
        )
        engine.journal.append(incident, [AskOpened(ask=ask)], MACHINE)
        for words in (("approve",), ("approve", incident)):
            out = at_terminal(url, "n\n", *words)
            assert out.index("From 42 to 41.") < out.index("Approve?")
            assert "Nothing was answered." in out
            assert engine.conductor.incident(incident).asks[ASK].answers == []
        assert "Approve?" in at_terminal(url, "y\n", "approve")
        assert engine.conductor.incident(incident).asks[ASK].granted
        again = ask.model_copy(update={"id": f"{ASK}~2"})
        engine.journal.append(incident, [AskOpened(ask=again)], MACHINE)
        assert "?" not in at_terminal(url, "", "deny", again.id).splitlines()[-1]
        assert engine.conductor.incident(incident).asks[again.id].denied
    finally:
        asyncio.run(engine.close())
