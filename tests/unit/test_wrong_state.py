"""What does not fit the present state is a conflict, not a missing right: exit code 6 and status 409."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from allclear.commands.problems import Problem
from allclear.domain.errors import WrongState
from allclear.journal.sql_journal import SqlJournal
from allclear.responder.routes.problems import add_error_handlers
from tests.scenario.response_support import new_journal
from tests.scopes import REAL
from tests.unit.engine.people.people_support import ANA, Room


@pytest.fixture
def room(tmp_path: Path) -> Generator[Room]:
    """A new journal with one incident."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    yield Room(journal)
    journal.close()


def held_again(room: Room) -> None:
    """Hold an incident twice."""
    room.people.hold(room.id, "look first", ANA)
    room.people.hold(room.id, "look first", ANA)


def not_held(room: Room) -> None:
    """Release an incident that is not held."""
    room.people.release(room.id, "", ANA)


def answered_late(room: Room) -> None:
    """Answer a question that is closed."""
    ask = room.asked()
    room.people.answer(ask, ANA, yes=False, reason="no")
    room.people.answer(ask, ANA, yes=True)


def ended_again(room: Room) -> None:
    """End an incident that is over."""
    room.people.false_alarm(room.id, "a test", ANA)
    room.people.resolve(room.id, "a test", ANA)


def answered_after_the_end(room: Room) -> None:
    """Answer a question of an incident that is over."""
    ask = room.asked()
    room.people.answer(ask, ANA, yes=False, reason="no")
    room.people.false_alarm(room.id, "a test", ANA)
    room.people.answer(ask, ANA, yes=True)


@pytest.mark.parametrize("act", [held_again, not_held, answered_late, ended_again, answered_after_the_end])
def test_what_does_not_fit_the_state_is_a_conflict(room: Room, act: Callable[[Room], None]) -> None:
    """The command line ends with 6, the responder answers 409, and the error is the same one behind HTTP."""
    with pytest.raises(WrongState) as raised:
        act(room)
    assert raised.value.exit_code == 6
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/")
    def fails() -> None:
        raise raised.value

    assert TestClient(app).get("/").status_code == 409
    assert type(Problem.of(raised.value).as_error()) is WrongState
