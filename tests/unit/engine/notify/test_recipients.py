"""Who a reminder is for while people are away: others with the role, its deputies, or the next person of the rota."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from allclear.domain.plan import Person, Role, Rota
from allclear.domain.records import ReminderDue
from allclear.engine.notify.recipients import RecipientFinder
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal
from tests.scopes import REAL
from tests.unit.domain.stories import Story, plan

CHRISTMAS = datetime(2026, 12, 25, 3, 0, tzinfo=UTC)
AWAY = [{"from": "2026-12-24", "until": "2026-12-26"}]


def person(name: str, role: str, **more: Any) -> Person:  # noqa: ANN401 - as in YAML
    """Return a person with a phone."""
    return Person.model_validate({"name": name, "roles": [role], "contacts": {"phone": f"+49 {name}"}} | more)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqlJournal]:
    """Return an empty journal."""
    with closing(SqlJournal(new_journal(tmp_path), REAL)) as opened:
        yield opened


def told(journal: SqlJournal, role: str, people: list[Person], **more: Any) -> str:  # noqa: ANN401 - fields of a plan
    """Return whom a reminder for `role` names at Christmas, when only `people` exist."""
    ours = plan().model_copy(update={"people": people, **more})
    reminder = ReminderDue(topic="page", level=1, sentence="Answer.", roles=[role])
    return RecipientFinder(journal, ours).of(reminder, Story().opened().incident, CHRISTMAS).words


def test_others_with_the_role_are_told_in_the_place_of_a_person_who_is_away(journal: SqlJournal) -> None:
    """The person who is away is not named."""
    people = [person("Ana", "cto", away=AWAY), person("Ben", "cto")]
    assert told(journal, "cto", people) == "CTO: Ben (phone +49 Ben)"


def test_deputies_are_told_if_everyone_with_the_role_is_away(journal: SqlJournal) -> None:
    """The role's own title stays, because the reminder is for the role."""
    people = [person("Ana", "cto", away=AWAY), person("Cleo", "tech_lead")]
    roles = plan().roles | {"cto": Role(title="CTO", deputies=["on_call", "tech_lead"])}
    assert told(journal, "cto", people, roles=roles) == "CTO: Cleo (phone +49 Cleo)"


def test_a_reminder_says_until_when_the_only_person_is_away(journal: SqlJournal) -> None:
    """Nothing else is left, so that people know whom they cannot reach."""
    assert told(journal, "cto", [person("Ana", "cto", away=AWAY)]) == "CTO: Ana (away until 2026-12-26)"


def test_the_next_person_of_the_rota_is_told_while_the_one_on_duty_is_away(journal: SqlJournal) -> None:
    """A rota that was not corrected before the holiday reaches someone all the same."""
    layer = {"name": "first", "people": ["Ana", "Ben"], "starts": "2026-12-21T09:00"}
    rota = Rota.model_validate({"role": "on_call", "layers": [layer]})
    people = [person("Ana", "on_call", away=AWAY), person("Ben", "on_call")]
    assert told(journal, "on_call", people, rotas=[rota]) == "On-Call: Ben (phone +49 Ben)"
