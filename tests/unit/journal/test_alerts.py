"""Alerts in the journal: their state and the decisions about them, in one transaction with the entries."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from allclear.domain.alert import AlertDecision, AlertState
from allclear.domain.errors import NotFound
from allclear.domain.records import NoteAdded
from allclear.journal.ports import INCIDENTS
from allclear.journal.rows import NewDelivery
from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import Journals
from tests.scenario.response_support import MACHINE, OPENED
from tests.scopes import DRILL, REAL

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
DECISION = AlertDecision(
    "d1", 0, "opened", "A route fits.", NOW, "json", "json:k", "firing", "Payments", incident="VS-1"
)


@pytest.fixture
def url(journals: Journals) -> str:
    """The address of a new journal, on each database."""
    return journals.new()


@pytest.fixture
def journal(url: str) -> Generator[SqlJournal]:
    """A new journal."""
    journal = SqlJournal(url, REAL, lambda: NOW)
    yield journal
    journal.close()


def _known(incident: str) -> AlertState:
    return AlertState("json:k", incident, "json", "Payments", "firing", "firing", NOW, NOW, NOW, (NOW,), 2)


def test_the_state_of_an_alert_is_stored_by_its_key(url: str, journal: SqlJournal) -> None:
    """It is returned as it was stored, only in its scope and for its incident."""
    assert journal.alert("json:k") is None
    journal.save_alert(_known("VS-1"))
    assert journal.alert("json:k") == _known("VS-1")
    with closing(SqlJournal(url, DRILL)) as drill:
        assert drill.alert("json:k") is None
    later = replace(_known("VS-2"), source_state="resolved", source_time=None, transitions=())
    journal.save_alert(later)
    assert journal.alert("json:k") == later
    assert (journal.alerts_of("VS-1"), journal.alerts_of("VS-2")) == ([], [later])


def test_decisions_are_listed_in_order_and_repeats_are_counted(journal: SqlJournal) -> None:
    """The decision that opened an incident is one line, and all repeats of the alert are another."""
    repeat = replace(DECISION, decision="repeat", reason="Known.")
    for decision in (DECISION, repeat, replace(repeat, at=NOW + timedelta(minutes=1))):
        journal.add_decision(decision)
    journal.add_decision(replace(DECISION, delivery="d2", decision="ignored", incident=None))
    listed = [(line.decision, line.count, line.at) for line in journal.decisions(delivery="d1")]
    assert listed == [("opened", 1, NOW), ("repeat", 2, NOW + timedelta(minutes=1))]
    assert [line.delivery for line in journal.decisions(incident="VS-1")] == ["d1", "d1"]
    assert [(line.decision, line.incident) for line in journal.decisions(limit=1)] == [("ignored", None)]
    assert (journal.count_decisions("d1"), journal.count_decisions("d2"), journal.count_decisions("none")) == (2, 1, 0)


def test_all_decisions_of_an_incident_can_be_listed(journal: SqlJournal) -> None:
    """With `limit=None` all are returned, otherwise the newest thousand."""
    with journal.transaction():
        for number in range(1001):
            journal.add_decision(replace(DECISION, position=number))
    assert [line.position for line in journal.decisions(incident="VS-1", limit=None)] == list(range(1001))
    assert [line.position for line in journal.decisions(incident="VS-1")] == list(range(1, 1001))


def test_collapsed_alerts_are_counted_from_where_the_last_count_ended(journal: SqlJournal) -> None:
    """A second count has only the newer ones."""
    for number in range(3):
        journal.add_decision(replace(DECISION, delivery=f"c{number}", decision="collapsed"))
    count, last = journal.count_collapsed("VS-1", 0)
    assert count == 3
    assert journal.count_collapsed("VS-1", last) == (0, last)


def test_a_transaction_is_written_whole_or_not_at_all(journal: SqlJournal) -> None:
    """An error undoes the entry and the state of the alert, and the outer transaction with them."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    note = NoteAdded(text="seen")

    def write(key: str, *, fails: bool) -> None:
        with journal.transaction(INCIDENTS):
            journal.append(incident, [note], MACHINE)
            journal.save_alert(replace(_known(incident), key=key))
            assert journal.alert(key)
            if fails:
                raise NotFound("gone", "look")

    with pytest.raises(NotFound):
        write("first", fails=True)
    assert (journal.head(incident)[0], journal.alerts_of(incident)) == (1, [])
    with journal.transaction(INCIDENTS):
        write("second", fails=False)

    def both() -> None:
        with journal.transaction(INCIDENTS):
            write("third", fails=False)
            write("fourth", fails=True)

    with pytest.raises(NotFound):
        both()
    assert journal.head(incident)[0] == 2
    assert [alert.key for alert in journal.alerts_of(incident)] == ["second"]


def test_several_deliveries_are_stored_in_one_transaction(journal: SqlJournal) -> None:
    """They keep their order, and a repeat among them is counted with the first."""
    first, second = (NewDelivery("json", {}, body, body.decode()) for body in (b"1", b"2"))
    stored = journal.receive_all([first, second, first])
    assert (stored[0], stored[0] == stored[1]) == (stored[2], False)
    assert [(delivery.body, delivery.count) for delivery in journal.deliveries(state="new")] == [(b"1", 2), (b"2", 1)]
    assert journal.receive_all([second]) == [(stored[1][0], False)]


def test_the_head_is_that_of_the_last_entry(journal: SqlJournal) -> None:
    """It has the number of entries and the hash of the last. An unknown incident has none."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE, key="k")
    assert journal.head(incident) == (1, journal.entries(incident)[-1].hash)
    assert (journal.open_with_key("k"), journal.open_with_key("other")) == (incident, None)
    with pytest.raises(NotFound):
        journal.head("VS-99")


def test_incidents_are_found_by_the_time_at_which_they_were_opened(journal: SqlJournal) -> None:
    """`since` leaves out older ones."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    assert [row.id for row in journal.incidents(since=NOW)] == [incident]
    assert journal.incidents(since=NOW + timedelta(seconds=1)) == []
