"""The journal's inbox and outbox: deliveries and messages are stored once, and handled in order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.errors import NotFound
from allclear.domain.records import NoteAdded
from allclear.journal.rows import NewDelivery, OutboxKind, OutboxMessage
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


def test_a_repeat_behind_another_delivery_is_read_after_it(journal: SqlJournal) -> None:
    """Firing, resolved, and the first request again, byte for byte: all wait, and the last word is "firing"."""
    firing, _ = received(journal, "alertmanager", {}, b"firing", "f")
    resolved, _ = received(journal, "alertmanager", {}, b"resolved", "r")
    assert received(journal, "alertmanager", {}, b"firing", "f") == (firing, False)
    order = list[str]()
    while unread := journal.unread():
        order.append(unread[0][0])
        journal.set_delivery_state(unread[0][0], "repeat", "A reason.")
    assert order == [firing, resolved, firing]
    assert (journal.delivery(firing).count, journal.delivery(firing).state) == (2, "repeat")
    assert [delivery.id for delivery in journal.deliveries()] == [firing, resolved]


def test_a_repeat_of_a_delivery_that_was_read_is_read_after_those_that_wait(journal: SqlJournal) -> None:
    """It gets the place of its own arrival, and not that of the first."""
    firing, _ = received(journal, "alertmanager", {}, b"firing", "f")
    journal.set_delivery_state(firing, "opened", "A reason.")
    resolved, _ = received(journal, "alertmanager", {}, b"resolved", "r")
    assert received(journal, "alertmanager", {}, b"firing", "f") == (firing, True)
    assert [delivery for delivery, _ in journal.unread()] == [resolved, firing]


def test_deliveries_of_one_transaction_keep_the_order_of_their_arrival(journal: SqlJournal) -> None:
    """Their keys do not decide, and a repeat among them is read in its own place, whether its first was read or not."""
    old, _ = received(journal, "json", {}, b"old", "z")
    journal.set_delivery_state(old, "opened", "A reason.")
    new = [NewDelivery("json", {}, key.encode(), key) for key in ("c", "z", "a", "c", "b", "z")]
    stored = [delivery for delivery, _ in journal.receive_all(new)]
    order = list[str]()
    while unread := journal.unread():
        order.append(unread[0][0])
        journal.set_delivery_state(unread[0][0], "repeat", "A reason.")
    assert order == stored
    assert (stored[0], stored[1]) == (stored[3], old)


def test_repeats_that_alternate_are_read_until_the_last_word(journal: SqlJournal) -> None:
    """Firing and resolved alternate faster than they are read: none is starved, and the last to come is read last."""
    new = [NewDelivery("alertmanager", {}, key.encode(), key) for key in ["f", "r"] * 50 + ["f"]]
    stored = [delivery for delivery, _ in journal.receive_all(new)]
    order = list[str]()
    while unread := journal.unread():
        order.append(unread[0][0])
        journal.set_delivery_state(unread[0][0], "repeat", "A reason.")
    assert order == [stored[0], stored[1], stored[1], stored[0]]
    assert [journal.delivery(one).count for one in stored[:2]] == [51, 50]


def test_another_source_does_not_separate_a_delivery_from_its_repeat(journal: SqlJournal) -> None:
    """Order counts within a source only, so the repeat is counted with the first."""
    firing, _ = received(journal, "alertmanager", {}, b"firing", "f")
    received(journal, "json", {}, b"other", "o")
    assert received(journal, "alertmanager", {}, b"firing", "f") == (firing, False)


def test_a_delivery_that_is_sent_once_is_never_read_again(journal: SqlJournal) -> None:
    """A captured request that is sent again is counted, also behind another delivery and after it was read."""
    once = NewDelivery("sentry", {}, b"resolved", "s", once=True)
    ((delivery, new),) = journal.receive_all([once])
    received(journal, "sentry", {}, b"other", "o")
    assert (new, journal.receive_all([once])) == (True, [(delivery, False)])
    journal.set_delivery_state(delivery, "joined", "A reason.")
    assert journal.receive_all([once]) == [(delivery, False)]
    assert (journal.delivery(delivery).state, journal.delivery(delivery).count) == ("joined", 3)


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
    journal.close()
    assert journal.version() is None  # a watch that has not ended yet opens no connection


def test_a_waiting_run_is_stored_once(journal: SqlJournal) -> None:
    """Each run that waits for an answer is listed once for that question."""
    for run in ("one", "two", "one"):
        journal.add_waiting_run(run, "VS-1", "VS-1/contain/roll-back")
    assert sorted(journal.waiting_runs("VS-1/contain/roll-back")) == ["one", "two"]
    assert journal.waiting_runs("VS-1/contain/nothing") == []
    assert journal.awaited_by("one") == ("VS-1", "VS-1/contain/roll-back")
    assert journal.awaited_by("three") is None
