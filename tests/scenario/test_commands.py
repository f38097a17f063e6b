"""Commands mean the same whichever way they come in, and a command that is sent twice is carried out once."""

from __future__ import annotations

import pytest

from allclear.bootstrap import Engine
from allclear.commands.answers import Answer
from allclear.commands.catalog import BY_NAME, COMMANDS
from allclear.commands.notes import Note
from allclear.domain.errors import NotAllowed
from allclear.domain.proof import Proof
from allclear.domain.records import By, NoteAdded
from allclear.engine.people.declare import Declaration

ANA = By(actor="Ana", role="on_call", via="api", proof=Proof.TOKEN)


@pytest.fixture
def incident(engine: Engine) -> str:
    """An incident that Ana declared."""
    declared = Declaration(title="Errors", severity="P1", service="storefront", runbook="bad-deployment")
    return engine.people.declare(declared, ANA)


def test_each_command_has_a_name_of_its_own() -> None:
    """The name is a part of its route."""
    assert len(BY_NAME) == len(COMMANDS)
    assert all(command.title and command.__doc__ for command in COMMANDS)


async def test_a_command_that_is_sent_again_adds_nothing(engine: Engine, incident: str) -> None:
    """Its answer was lost, and the sender repeats it with the same key."""
    by = ANA.model_copy(update={"request": "ana:1"})
    for _ in range(3):
        await Note(text="Support has 14 tickets").carry_out(engine, incident, by)
    await Note(text="Support has 14 tickets").carry_out(engine, incident, ANA)
    notes = [entry for entry in engine.journal.entries(incident) if isinstance(entry.record, NoteAdded)]
    assert [entry.by.request for entry in notes] == ["ana:1", ""]


async def test_an_answer_names_a_question_of_its_incident(engine: Engine, incident: str) -> None:
    """The route's incident and the question's must be the same."""
    with pytest.raises(NotAllowed, match="no question of"):
        await Answer(ask="VS-999/contain/roll-back", word="approve").carry_out(engine, incident, ANA)
