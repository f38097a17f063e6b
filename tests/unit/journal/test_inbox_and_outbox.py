"""The journal's inbox and outbox: deliveries and messages are stored once, and handled in order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.errors import NotFound
from allclear.domain.records import NoteAdded
from allclear.journal.ports import OutboxKind, OutboxMessage
from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import Journals, SteppedClock, open_one
from tests.scenario.response_support import MACHINE, OPENED, received


def test_a_delivery_is_stored_byte_for_byte_and_a_repeat_is_counted(journal: SqlJournal) -> None:
    """A request that monitoring sends twice is one delivery, and handled once."""
    body = b'{"a": "\xff\x00"}'
    first, new = received(journal, "alertmanager", {"x-id": "1"}, body, "key")
    repeat = received(journal, "alertmanager", {}, b"other", "key")
    assert (new, repeat) == (True, (first, False))
    delivery = journal.delivery(first)
    assert (delivery.body, delivery.headers, delivery.count, delivery.state) == (body, {"x-id": "1"}, 2, "new")
    with pytest.raises(NotFound):
        journal.delivery("nothing")


def test_a_repeat_is_handled_once_more_if_the_first_was_handled_already(journal: SqlJournal) -> None:
    """The same request may mean something new then. While the first waits, a repeat is only counted."""
    delivery, _ = received(journal, "alertmanager", {}, b"{}", "key")
    assert received(journal, "alertmanager", {}, b"{}", "key") == (delivery, False)
    journal.set_delivery_state(delivery, "ignored", "No open incident has this alert.")
    assert journal.deliveries(state="new") == []
    assert received(journal, "alertmanager", {}, b"{}", "key") == (delivery, True)
    assert [(waiting.id, waiting.count) for waiting in journal.deliveries(state="new")] == [(delivery, 3)]


def test_deliveries_are_handled_in_their_order(journal: SqlJournal) -> None:
    """The oldest new delivery is first for the worker, and the newest delivery is first for people."""
    ids = [received(journal, "json", {}, b"{}", str(number))[0] for number in range(3)]
    assert [delivery.id for delivery in journal.deliveries(state="new")] == ids
    assert [delivery.id for delivery in journal.deliveries(limit=2)] == ids[:0:-1]


def test_an_outbox_message_is_stored_once_for_its_key(journal: SqlJournal, time: SteppedClock) -> None:
    """After a failure it is due again later; after a success it is never due again."""
    incident = open_one(journal)
    message = OutboxMessage(OutboxKind.START, incident, "VS-1/contain", {"flow": "contain"})
    for _ in range(2):
        journal.append(incident, [], MACHINE, outbox=[message, message])
    assert [waiting.key for waiting in journal.outbox()] == ["VS-1/contain"]
    journal.message_failed("VS-1/contain", "Prefect is down.", timedelta(seconds=10))
    assert journal.outbox() == []
    time.now += timedelta(seconds=11)
    assert [waiting.attempts for waiting in journal.outbox()] == [1]
    journal.message_done("VS-1/contain")
    journal.append(incident, [], MACHINE, outbox=[message])
    time.now += timedelta(days=1)
    assert journal.outbox() == []


def test_the_version_changes_with_each_write(journals: Journals, journal: SqlJournal, other: SqlJournal) -> None:
    """A write of this or of another process changes it, and reading does not. PostgreSQL has no version."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    if journals.kind == "postgresql":
        assert journal.version() is None
        return
    versions = [journal.version()]
    for writer in (other, journal, other):
        writer.append(incident, [NoteAdded(text="a note")], MACHINE)
        versions.append(journal.version())
    journal.entries(incident)
    other.entries(incident)
    assert (len(set(versions)), journal.version()) == (4, versions[-1])


def test_a_waiting_run_is_stored_once(journal: SqlJournal) -> None:
    """Each run that waits for an answer is listed once for that question."""
    for run in ("one", "two", "one"):
        journal.add_waiting_run(run, "VS-1", "VS-1/contain/roll-back")
    assert sorted(journal.waiting_runs("VS-1/contain/roll-back")) == ["one", "two"]
    assert journal.waiting_runs("VS-1/contain/nothing") == []
    assert journal.awaited_by("one") == ("VS-1", "VS-1/contain/roll-back")
    assert journal.awaited_by("three") is None
