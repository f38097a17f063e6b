"""The journal's entries: they stay as written, each incident has its own chain, and open incidents are found by key."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import model_validator
from sqlalchemy.exc import DBAPIError

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.base import JsonDict
from allclear.domain.errors import ConcurrentWrite, JournalError, NotFound
from allclear.domain.plan import RotaOverride
from allclear.domain.records import GENESIS, ActFinished, ActProposed, AskAnswered, IncidentEnded, NoteAdded
from allclear.journal.rows import OutboxKind, OutboxMessage
from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import manual, open_one
from tests.scenario.response_support import MACHINE, OPENED

DONE = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Done.")
ENDED = IncidentEnded(ending="resolved", reason="all is well")


def test_overrides_are_listed_newest_first(journal: SqlJournal) -> None:
    """Each override of a rota is returned as it was stored."""
    overrides = [
        RotaOverride(role="on_call", layer="first", person=name, at=datetime(2026, 11, 2, hour, tzinfo=UTC))
        for name, hour in (("Ana", 9), ("Ben", 17))
    ]
    for override in overrides:
        journal.add_override(override)
    assert journal.overrides("on_call") == overrides[::-1]
    assert journal.overrides("on_call", limit=1) == overrides[1:]
    assert journal.overrides("cto") == []


def test_entries_are_read_in_the_order_in_which_they_were_written(journal: SqlJournal) -> None:
    """They are numbered from 1, and each is chained to the one before. `after` returns only the newer ones."""
    incident = open_one(journal)
    appended = journal.append(incident, [NoteAdded(text="one"), NoteAdded(text="two")], MACHINE)
    entries = journal.entries(incident)
    assert entries[1:] == appended
    assert [entry.number for entry in entries] == [1, 2, 3]
    assert [entry.previous_hash for entry in entries] == [GENESIS, entries[0].hash, entries[1].hash]
    assert journal.entries(incident, after=2) == entries[2:]
    assert journal.broken_link(incident) is None


def test_each_prefix_has_its_own_numbers(journal: SqlJournal) -> None:
    """VS and RG both start at 1. The list can be limited to open incidents, or to one service."""
    ids = [journal.open_incident(short, OPENED, MACHINE)[0] for short in ("VS", "VS", "RG")]
    assert ids == ["VS-1", "VS-2", "RG-1"]
    journal.append("VS-1", [ENDED], MACHINE)
    assert {row.id for row in journal.incidents(open_only=True)} == {"VS-2", "RG-1"}
    assert len(journal.incidents(service="storefront")) == 3
    assert journal.incidents(service="nothing") == []


@pytest.mark.parametrize("change", ["UPDATE entries SET record = '{}'", "DELETE FROM entries"])
def test_the_database_refuses_to_change_or_delete_an_entry(journal: SqlJournal, url: str, change: str) -> None:
    """The triggers also stop SQL that a person runs."""
    incident = open_one(journal)
    with manual(url) as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.exec_driver_sql(change)
    assert journal.broken_link(incident) is None


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE entries SET record = replace(record, 'two', 'too') WHERE number = 3", 3),
        ("""UPDATE entries SET "by" = replace("by", 'allclear', 'Eve') WHERE number = 2""", 2),
        ("UPDATE entries SET at = replace(at, '20', '19') WHERE number = 1", 1),
        ("DELETE FROM entries WHERE number = 2", 2),
        ("DELETE FROM entries WHERE number = 4", 4),
        ("UPDATE entries SET hash = previous_hash WHERE number = 4", 4),
    ],
)
def test_a_changed_entry_breaks_the_chain(journal: SqlJournal, url: str, change: str, broken: int) -> None:
    """If the triggers were dropped, the hashes still show the first entry that was changed."""
    incident = open_one(journal)
    journal.append(incident, [NoteAdded(text=text) for text in ("one", "two", "three")], MACHINE)
    with manual(url) as connection:
        table = "" if url.startswith("sqlite") else " ON entries"
        for name in ("update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER entries_no_{name}{table}")
        connection.exec_driver_sql(change)
    assert journal.broken_link(incident) == broken


def test_a_write_that_was_decided_on_an_old_entry_is_refused(journal: SqlJournal, other: SqlJournal) -> None:
    """Neither its entries nor its outbox messages are written."""
    incident = open_one(journal)
    other.append(incident, [NoteAdded(text="first")], MACHINE, expect=1)
    message = OutboxMessage(OutboxKind.START, incident, "late", {})
    with pytest.raises(ConcurrentWrite):
        journal.append(incident, [NoteAdded(text="second")], MACHINE, expect=1, outbox=[message])
    assert len(journal.entries(incident)) == 2
    assert journal.outbox() == []
    journal.append(incident, [NoteAdded(text="second")], MACHINE, expect=2)


def test_a_batch_is_written_whole_or_not_at_all(journal: SqlJournal) -> None:
    """An act has one outcome: a second one is refused with the rest of its batch, and the chain stays whole."""
    incident = open_one(journal)
    journal.append(incident, [ActFinished(act="a", outcome=DONE)], MACHINE)
    with pytest.raises(JournalError):
        journal.append(incident, [NoteAdded(text="x"), ActFinished(act="a", outcome=DONE)], MACHINE)
    assert len(journal.entries(incident)) == 2
    assert journal.broken_link(incident) is None


def test_an_unknown_incident_is_not_found(journal: SqlJournal) -> None:
    """Reading, writing and checking raise NotFound."""
    for call in (journal.entries, journal.broken_link, lambda incident: journal.append(incident, [], MACHINE)):
        with pytest.raises(NotFound, match="VS-99"):
            call("VS-99")


def test_half_a_character_is_stored_as_a_question_mark(journal: SqlJournal) -> None:
    """JSON can contain half a surrogate pair, which no database can store. The entry is written all the same."""
    incident = open_one(journal)
    journal.append(incident, [NoteAdded(text="half \ud83d, whole 🚨")], MACHINE)
    assert journal.entries(incident)[-1].record.text == "half ?, whole 🚨"
    assert journal.broken_link(incident) is None


# --- which incident ------------------------------------------------------------------------------------------


def test_a_key_opens_one_incident_while_it_is_open(journal: SqlJournal, other: SqlJournal) -> None:
    """A second one joins it with its records, without its outbox messages. After the end, the key opens a new one."""
    message = OutboxMessage(OutboxKind.START, "", "{incident}/respond", {"flow": "respond"})
    first = journal.open_incident("VS", OPENED, MACHINE, key="k", records=[NoteAdded(text="one")], outbox=[message])
    second = other.open_incident("VS", OPENED, MACHINE, key="k", records=[NoteAdded(text="two")], outbox=[message])
    assert (first, second) == (("VS-1", True), ("VS-1", False))
    assert [entry.record.kind for entry in journal.entries("VS-1")] == ["incident.opened", "note.added", "note.added"]
    assert [message.key for message in journal.outbox()] == ["VS-1/respond"]
    journal.append("VS-1", [ENDED], MACHINE)
    assert journal.open_incident("VS", OPENED, MACHINE, key="k") == ("VS-2", True)


def test_incidents_are_found_by_the_resource_of_an_act(journal: SqlJournal) -> None:
    """The oldest is first; closed incidents are included."""
    ids = [open_one(journal) for _ in range(3)]
    for incident in (ids[2], ids[0]):
        act = ActProposed(
            act="a",
            phase="contain",
            step="a",
            action="dial.turn",
            title="Turn",
            params={},
            change={},
            resource="dial:1",
        )
        journal.append(incident, [act], MACHINE)
    assert journal.incidents_touching("dial:1") == [ids[0], ids[2]]
    assert journal.incidents_touching("dial:2") == []


class OldAnswer(AskAnswered):
    """An answer as older versions stored it: how the name was proven stood here as well as in the entry's author."""

    identity: str

    @model_validator(mode="before")
    @classmethod
    def _without_identity(cls, stored: JsonDict) -> JsonDict:
        return stored


def test_an_answer_of_an_older_journal_is_read_and_its_chain_holds(journal: SqlJournal) -> None:
    """Its `identity` is left out: it is the `proof` of the author. The hash is that of what was stored."""
    incident = open_one(journal)
    journal.append(incident, [OldAnswer(ask="VS-1/a/b", yes=True, reason="so", identity="claimed")], MACHINE)
    assert journal.entries(incident)[-1].record == AskAnswered(ask="VS-1/a/b", yes=True, reason="so")
    assert journal.broken_link(incident) is None
