"""Answers on the command line, and `allclear` without a command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from allclear.bootstrap import Engine
from allclear.cli import answers, overview, response  # each adds its commands
from allclear.cli.root import app
from allclear.domain.approval import ONE_PERSON, Ask, AskKind, command_of
from allclear.domain.ask_state import AskState
from allclear.domain.base import Candidate
from allclear.domain.errors import AllclearError, NotAllowed, NotFound
from allclear.domain.records import AskOpened, By
from allclear.engine.people.declare import Declaration
from tests.scenario.response_support import MACHINE, engine_on, new_journal

COMMANDS = (answers, overview, response)
ANA = By(actor="Ana", role="on_call", via="cli")
ME = ("--as", "Ana", "--role", "on_call")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on the journal that the command line uses."""
    for name in [name for name in os.environ if name.startswith(("ALLCLEAR_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    url = new_journal(tmp_path)
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", url)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("COLUMNS", "200")
    engine = engine_on(url, None)
    yield engine
    asyncio.run(engine.close())


def run(*words: str, answer: str = "") -> Result:
    """Run a command with `answer` on standard input. The error that it raises is in the result."""
    return CliRunner().invoke(app, list(words), input=answer)


def printed(*words: str, answer: str = "") -> str:
    """Run a command, which must succeed, and return its output."""
    done = run(*words, answer=answer)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def refused(*words: str) -> AllclearError:
    """Run a command, which must be refused, and return the error."""
    error = run(*words).exception
    assert isinstance(error, AllclearError), error
    return error


def declared(engine: Engine, title: str = "Payments fail") -> str:
    """Open an incident, and return its id."""
    declaration = Declaration(title, "P0", "storefront", "bad-deployment")
    opened = engine.people.opening(declaration, ANA)
    return engine.journal.open_incident("VS", opened, MACHINE)[0]


def asked(engine: Engine, incident: str, step: str, kind: AskKind) -> str:
    """Open a question, and return its id."""
    ask = Ask(
        id=f"{incident}/contain/{step}",
        kind=kind,
        phase="contain",
        step=step,
        title=f"About {step}",
        text=f"What of {step}?",
        yes="Yes, then.",
        no="No, then.",
        policy=ONE_PERSON,
        choices=[Candidate(name="web-41", reason="well")] if kind is AskKind.CHOICE else [],
    )
    engine.journal.append(incident, [AskOpened(ask=ask)], MACHINE)
    return ask.id


def state(engine: Engine, ask: str) -> AskState:
    """Return a question as it is now."""
    return engine.conductor.incident(ask.partition("/")[0]).asks[ask]


@pytest.mark.parametrize("kind", AskKind)
@pytest.mark.parametrize("yes", [True, False])
def test_each_word_is_a_command(engine: Engine, kind: AskKind, *, yes: bool) -> None:
    """The words of Prefect's forms and of messages are the commands."""
    ask = asked(engine, declared(engine), "it", kind)
    chosen = ("web-41",) if yes and kind is AskKind.CHOICE else ()
    out = printed(command_of(state(engine, ask).ask.words[0 if yes else 1]), ask, *chosen, *ME, "--reason", "so")
    assert "What of it?" in out
    assert [answer.yes for answer in state(engine, ask).answers] == [yes]


@pytest.mark.parametrize("kind", [kind for kind in AskKind if kind is not AskKind.APPROVAL])
@pytest.mark.parametrize("word", ["approve", "deny"])
def test_approve_of_a_question_that_is_no_approval_is_refused_with_the_right_commands(
    engine: Engine, kind: AskKind, word: str
) -> None:
    """`approve` of "False alarm?" would have ended the incident."""
    ask = asked(engine, declared(engine), "it", kind)
    error = refused(word, ask, *ME)
    assert isinstance(error, NotAllowed)
    for right in state(engine, ask).ask.words:
        assert f"allclear {command_of(right)} {ask}" in error.next_step
    assert state(engine, ask).open


def test_approve_without_an_id_takes_the_only_question_that_waits_for_it(engine: Engine) -> None:
    """It is shown first. A step that waits too is none that `approve` answers."""
    first, second = declared(engine), declared(engine, "Search is slow")
    asked(engine, first, "a-step", AskKind.STEP)
    ask = asked(engine, second, "roll-back", AskKind.APPROVAL)
    out = printed("approve", *ME, answer="y")
    assert out.index("What of roll-back?") < out.index("Approve?")
    assert ask in out
    assert state(engine, ask).granted


def test_approve_without_an_id_reads_a_piped_no(engine: Engine) -> None:
    """`echo n | allclear approve` answers nothing."""
    ask = asked(engine, declared(engine), "roll-back", AskKind.APPROVAL)
    assert "Nothing was answered." in printed("approve", *ME, answer="n\n")
    assert not state(engine, ask).answers


def test_approve_without_an_id_is_refused_if_no_one_can_confirm_it(engine: Engine) -> None:
    """Without a terminal and without an answer on standard input nothing is approved; the command with the id is."""
    ask = asked(engine, declared(engine), "roll-back", AskKind.APPROVAL)
    error = refused("approve", *ME)
    assert isinstance(error, NotAllowed)
    assert f"allclear approve {ask} --as NAME" in error.next_step
    assert not state(engine, ask).answers


def test_approve_without_an_id_takes_none_of_several(engine: Engine) -> None:
    """The error lists the command for each."""
    first, second = declared(engine), declared(engine, "Search is slow")
    asks = [asked(engine, one, "roll-back", AskKind.APPROVAL) for one in (first, second)]
    error = refused("approve", *ME)
    assert all(f"allclear approve {ask} --as NAME" in error.next_step for ask in asks)
    assert all(state(engine, ask).open for ask in asks)


def test_approve_without_an_id_says_what_waits_instead(engine: Engine) -> None:
    """No approval waits: the next step is the command of what does."""
    error = refused("approve", *ME)
    assert isinstance(error, NotFound)
    assert "allclear incidents" in error.next_step
    ask = asked(engine, declared(engine), "a-step", AskKind.STEP)
    assert f"allclear done {ask} --as NAME" in refused("approve", *ME).next_step


def test_a_closed_question_is_refused_with_what_is_asked_now(engine: Engine) -> None:
    """The stale answer is not shown as if it were asked, and the next question stays open."""
    incident = declared(engine)
    old = asked(engine, incident, "roll-back", AskKind.APPROVAL)
    engine.people.answer(old, ANA, yes=False, reason="no")
    new = asked(engine, incident, "maintenance", AskKind.APPROVAL)
    error = refused("approve", old, *ME)
    assert "does not count" in error.message
    assert "deny, said Ana" in error.message
    assert f"allclear approve {new} --as NAME" in error.next_step
    assert state(engine, new).open


def test_a_blank_name_is_refused(engine: Engine) -> None:
    """Spaces and characters that cannot be seen are no name."""
    ask = asked(engine, declared(engine), "roll-back", AskKind.APPROVAL)
    for name in ("   ", "\u200b"):
        assert "name is missing" in refused("approve", ask, "--as", name, "--role", "on_call").message
    assert state(engine, ask).open


def test_allclear_lists_what_waits_for_whom(engine: Engine) -> None:
    """Each open incident with its questions, who is asked, and the commands that answer."""
    assert "No incident is open" in printed()
    first, second = declared(engine), declared(engine, "Search is slow")
    step = asked(engine, first, "a-step", AskKind.STEP)
    alarm = asked(engine, second, "verify", AskKind.FALSE_ALARM)
    out = printed()
    lines = [line.strip() for line in out.splitlines()]
    for incident, title in ((first, "Payments fail"), (second, "Search is slow")):
        assert any(incident in line and title in line and "P0" in line for line in lines)
        assert f"It is not acknowledged: allclear ack {incident} --as NAME --role on_call" in lines
    assert any(line.startswith("Waits for On-Call") for line in lines), out
    for command in ("done", "not-done"):
        assert f"allclear {command} {step} --as NAME --role on_call" in lines
    for command in ("false-alarm", "real"):
        assert f"allclear {command} {alarm} --as NAME --role on_call" in lines
    engine.people.false_alarm(first, "nothing was wrong", ANA)
    engine.people.false_alarm(second, "nothing was wrong", ANA)
    assert "No incident is open" in printed()


def test_help_still_lists_the_commands(engine: Engine) -> None:
    """`allclear --help` does not read the journal."""
    out = printed("--help")
    assert all(word in out for word in ("approve", "not-done", "none-of-them", "Run your incident response plan"))
    assert engine.journal.incidents() == []
