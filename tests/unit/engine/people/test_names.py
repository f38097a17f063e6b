"""A name counts in every spelling, wherever people are named, and the record has the plan's own spelling."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from allclear.company import Company
from allclear.domain.errors import NotAllowed
from allclear.domain.plan import Layer, Person, Rota, RotaOverride, WorkingTime
from allclear.engine.people.facade import People
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal
from tests.scopes import REAL
from tests.unit.engine.people.people_support import DECLARED, named, vintstreet

MONDAY = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
IN_THE_SECOND_TURN = datetime(2026, 11, 10, 12, 0, tzinfo=UTC)
LAYER = Layer(name="first", people=["Ana Ruiz", "Ben Okafor"], starts="2026-11-02T09:00")
SPELLINGS = ["ben okafor", "BEN  OKAFOR ", "Ben\u200b Okafor", "Ben Okafor"]


def company(*, hand_over: bool = True) -> Company:
    """Return VintStreet with two people who take turns on call."""
    people = [Person(name=name, roles=["on_call", "scribe"]) for name in LAYER.people]
    made = named(*people)
    rota = Rota(role="on_call", zone="UTC", layers=[LAYER], hand_over=hand_over)
    return replace(made, plan=made.plan.model_copy(update={"rotas": [rota]}))


@pytest.fixture
def journal(tmp_path: Path) -> Generator[SqlJournal]:
    """A new journal."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    yield journal
    journal.close()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_shift_is_taken_over_in_any_spelling(journal: SqlJournal, spelling: str) -> None:
    """The person takes turns and is on duty from then on; the override has the plan's spelling."""
    there = company()
    people = People(journal, there, lambda: IN_THE_SECOND_TURN)
    told = people.take_over("on_call", people.who(spelling, "on_call", "cli"))
    assert told.startswith("Ben Okafor is on duty as ")
    (override,) = journal.overrides("on_call")
    assert override.person == "Ben Okafor"
    (shift,) = there.plan.rotas[0].on_duty(IN_THE_SECOND_TURN, there.plan.working_time, [override])
    assert (shift.person, shift.next_person) == ("Ben Okafor", "Ana Ruiz")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_override_of_an_earlier_version_counts_in_any_spelling(spelling: str) -> None:
    """One that holds the name as it was typed begins the person's turn, too."""
    rota = Rota(role="on_call", zone="UTC", layers=[LAYER], hand_over=True)
    taken = RotaOverride(role="on_call", layer="first", person=spelling, at=IN_THE_SECOND_TURN)
    (shift,) = rota.on_duty(IN_THE_SECOND_TURN, WorkingTime(zone="UTC"), [taken])
    assert (shift.person, shift.next_person) == ("Ben Okafor", "Ana Ruiz")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_record_has_the_plan_s_spelling(journal: SqlJournal, spelling: str) -> None:
    """In the author of an entry and in the holder of a role."""
    people = People(journal, company(), lambda: MONDAY)
    by = people.who(spelling, None, "cli")
    assert (by.actor, by.role) == ("Ben Okafor", "on_call")
    incident = people.declare(DECLARED, by).incident
    people.hand_over(incident, "scribe", spelling, by)
    entries = journal.entries(incident)
    assert {entry.by.actor for entry in entries} == {"Ben Okafor"}
    assert entries[-1].record.model_dump()["person"] == "Ben Okafor"


def test_a_stranger_is_recorded_as_typed(journal: SqlJournal) -> None:
    """The plan names no one for this role, so anyone may claim it."""
    people = People(journal, company(), lambda: MONDAY)
    assert people.who(" Zoë ", "cto", "cli").actor == "Zoë"


@pytest.mark.parametrize("name", ["Eve\n\x1b[31mred\x1b[0m \u202eevil", "Eve\x9b31m\u2066"])
def test_a_name_cannot_control_the_terminal_of_another_person(journal: SqlJournal, name: str) -> None:
    """It is written into the record without escapes, lines and characters that turn the text around."""
    people = People(journal, vintstreet(), lambda: MONDAY)
    eve = people.who(name, "on_call", "cli")
    incident = people.declare(DECLARED, eve).incident
    told = people.acknowledge(incident, eve)
    told += people.hand_over(incident, "incident_commander", name, eve)
    assert eve.actor.startswith("Eve")
    assert told.isprintable()


def test_a_name_has_a_limit(journal: SqlJournal) -> None:
    """A page of text is no name, and the refusal does not repeat it."""
    people = People(journal, vintstreet(), lambda: MONDAY)
    with pytest.raises(NotAllowed, match="too long for a name") as refused:
        people.who("Eve" * 1000, "on_call", "cli")
    assert len(str(refused.value)) < 200
    with pytest.raises(NotAllowed, match="Your name is missing"):
        people.who("\x1b[31m\u202e", "on_call", "cli")


@pytest.mark.parametrize(
    ("said", "role", "meant"),
    [
        ("Ana", None, "Did you mean Ana Ruiz? "),
        ("ana", "on_call", "Did you mean Ana Ruiz? "),
        ("Okafor", None, "Did you mean Ben Okafor? "),
        ("Ana Riuz", "on_call", "Did you mean Ana Ruiz? "),
        ("Zed", None, ""),
    ],
)
def test_a_first_name_or_a_slip_is_answered_with_the_name_that_is_meant(
    journal: SqlJournal, said: str, role: str | None, meant: str
) -> None:
    """At night people type a first name. It is not taken as the person, and the answer says whom the plan has."""
    people = People(journal, company(), lambda: MONDAY)
    with pytest.raises(NotAllowed) as raised:
        people.who(said, role, "cli")
    expected = "The plan names: Ana Ruiz, Ben Okafor." if role else "Give your role (on the command line: --role ROLE)"
    assert raised.value.next_step.startswith(meant + expected)
