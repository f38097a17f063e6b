"""Who a person is, and how people declare and acknowledge an incident."""

from __future__ import annotations

from dataclasses import replace

import pytest

from allclear.company import Company
from allclear.domain.base import utc_now
from allclear.domain.errors import NotAllowed, NotFound
from allclear.domain.records import (
    By,
    NoteAdded,
)
from allclear.engine.people.declare import DeclareResult, declared_words
from allclear.engine.people.facade import People
from allclear.journal.rows import OutboxKind
from tests.unit.engine.people.people_support import ANA, BEN, DECLARED, NAMED, Room

# --- identity ------------------------------------------------------------------------------------------


def _who(name: str, role: str | None, company: Company = NAMED) -> By:
    return People(journal=None, company=company, clock=utc_now).who(name, role, "cli")  # type: ignore[arg-type]


def test_a_person_of_the_plan_has_its_first_role_by_default() -> None:
    """A person whom the plan names need not give a role, and may give another one of theirs; case is ignored."""
    assert _who("ana ruiz", None).role == "on_call"
    assert _who("Ana Ruiz", "scribe").role == "scribe"
    assert _who("Ana Ruiz", "scribe").person


def test_only_the_holders_of_a_role_may_use_it() -> None:
    """Other people are refused, and the refusal names the holders."""
    with pytest.raises(NotAllowed, match="Ana Ruiz"):
        _who("Eve", "on_call")


def test_a_role_without_holders_may_be_claimed() -> None:
    """A blank in the plan does not stop a person at night."""
    assert _who("Eve", "cto") == By(actor="Eve", role="cto", via="cli")


@pytest.mark.parametrize(
    ("name", "role", "error"),
    [
        ("", "cto", NotAllowed),
        ("  ", None, NotAllowed),
        ("Eve", None, NotAllowed),
        ("[Name]", None, NotAllowed),
        ("Eve", "king", NotFound),
    ],
)
def test_unknown_names_and_roles_are_refused(name: str, role: str | None, error: type[Exception]) -> None:
    """No name, an unknown name without a role, a blank of the plan, and an unknown role are refused."""
    with pytest.raises(error):
        _who(name, role)


# --- declaring and acknowledging -------------------------------------------------------------------------


def test_declaring_opens_an_incident_and_starts_its_response(room: Room) -> None:
    """The record has who declared it, and the outbox has one message that starts the first flow."""
    assert room.id == "VS-1"
    assert room.incident.opened.reported == "declared by Ana"
    assert [(one.kind, one.detail) for one in room.journal.outbox()] == [(OutboxKind.START, {"flow": "respond"})]


def test_a_repeated_declaration_is_one_incident(room: Room) -> None:
    """Declared again while it is open, it is a note in the same incident; after its end, it is a new incident."""
    first = room.id
    again = room.people.declare(DECLARED, BEN)
    assert again == DeclareResult(first, joined=True)
    assert declared_words(room.incident, again) == (
        "VS-1 was open already for the same service and runbook, so your declaration was added to it as a note."
    )
    assert [note.text for _, _, note in room.incident.notes] == ["Declared again: Payments fail"]
    room.people.false_alarm(first, "nothing there", ANA)
    new = room.people.declare(DECLARED, ANA)
    assert (new.incident != first, new.joined) == (True, False)


def test_a_request_that_is_repeated_is_told_what_it_did_first(room: Room) -> None:
    """One that opened the incident did not join it, and one that joined it did."""
    carla = ANA.model_copy(update={"request": "key-1"})
    opened = room.people.declare(replace(DECLARED, runbook="broken-feature"), carla)
    assert [opened.joined, room.people.declare(DECLARED, carla) == opened] == [False, True]
    ben = BEN.model_copy(update={"request": "key-2"})
    joined = [room.people.declare(replace(DECLARED, runbook="broken-feature"), ben) for _ in range(2)]
    assert joined == [DeclareResult(opened.incident, joined=True)] * 2


@pytest.mark.parametrize("field", ["severity", "service", "runbook"])
def test_a_declaration_of_something_unknown_is_refused(room: Room, field: str) -> None:
    """An unknown severity, service or runbook opens nothing."""
    with pytest.raises(NotFound):
        room.people.declare(replace(DECLARED, **{field: "unknown"}), ANA)
    assert len(room.journal.incidents()) == 1


def test_the_first_to_acknowledge_leads(room: Room) -> None:
    """Every acknowledgement counts and is recorded; the next person reads who leads."""
    assert room.people.acknowledge(room.id, ANA) == "VS-1 is acknowledged by Ana. Ana leads it."
    assert room.people.acknowledge(room.id, BEN) == "VS-1 is acknowledged by Ben. Ana leads it."
    assert room.incident.roles == {"incident_commander": "Ana"}
    assert room.incident.acknowledged_by == "Ana"
    entries = room.journal.entries(room.id)
    assert [entry.by.actor for entry in entries if entry.record.kind == "acknowledged"][-1] == "Ben"


def test_any_entry_of_a_person_acknowledges(room: Room) -> None:
    """A person's note acknowledges the incident; an entry of the machine or an alert does not."""
    alert = By(actor="alert from json", via="json")
    opened = room.people.opening(DECLARED, alert)
    room.id, _ = room.journal.open_incident("VS", opened, alert)
    room.wrote(NoteAdded(text="by the machine"))
    assert room.incident.acknowledged_at is None
    room.people.note(room.id, "I see it too", BEN)
    assert room.incident.acknowledged_by == "Ben"
