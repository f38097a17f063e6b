"""The journal's memory of alerts: written with the entries that say so, or not at all; on both databases."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from allclear.domain.alert import AlertDecision, AlertState
from allclear.domain.errors import NotFound
from allclear.domain.records import NoteAdded
from allclear.journal.ports import INCIDENTS, NewDelivery
from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import Journals
from tests.scenario.response_support import MACHINE, OPENED
from tests.scopes import DRILL, REAL

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HEARD = AlertDecision("d1", 0, "opened", "A route fits.", NOW, "json", "json:k", "firing", "Payments", incident="VS-1")


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


def test_an_alert_is_kept_and_changed_by_its_key(url: str, journal: SqlJournal) -> None:
    """How it stands comes back as it was written, for its scope and its incident alone."""
    assert journal.alert("json:k") is None
    journal.save_alert(_known("VS-1"))
    assert journal.alert("json:k") == _known("VS-1")
    with closing(SqlJournal(url, DRILL)) as drill:
        assert drill.alert("json:k") is None
    later = replace(_known("VS-2"), source_state="resolved", source_time=None, transitions=())
    journal.save_alert(later)
    assert journal.alert("json:k") == later
    assert (journal.alerts_of("VS-1"), journal.alerts_of("VS-2")) == ([], [later])


def test_what_was_heard_is_told_in_order_and_the_same_again_is_counted(journal: SqlJournal) -> None:
    """An alert that opened an incident and was then repeated has a line for each, the repeats in one."""
    repeat = replace(HEARD, decision="repeat", reason="Known.")
    for one in (HEARD, repeat, replace(repeat, at=NOW + timedelta(minutes=1))):
        journal.add_decision(one)
    journal.add_decision(replace(HEARD, delivery="d2", decision="ignored", incident=None))
    told = [(one.decision, one.count, one.at) for one in journal.decisions(delivery="d1")]
    assert told == [("opened", 1, NOW), ("repeat", 2, NOW + timedelta(minutes=1))]
    assert [one.delivery for one in journal.decisions(incident="VS-1")] == ["d1", "d1"]
    assert [(one.decision, one.incident) for one in journal.decisions(limit=1)] == [("ignored", None)]
    assert (journal.count_decisions("d1"), journal.count_decisions("d2"), journal.count_decisions("none")) == (2, 1, 0)


def test_all_that_was_heard_can_be_had(journal: SqlJournal) -> None:
    """Without a limit nothing is left out, however much it is; else the newest stay."""
    with journal.transaction():
        for number in range(1001):
            journal.add_decision(replace(HEARD, position=number))
    assert [one.position for one in journal.decisions(incident="VS-1", limit=None)] == list(range(1001))
    assert [one.position for one in journal.decisions(incident="VS-1")] == list(range(1, 1001))


def test_collapsed_alerts_are_counted_from_where_the_last_count_ended(journal: SqlJournal) -> None:
    """Each is counted once."""
    for number in range(3):
        journal.add_decision(replace(HEARD, delivery=f"c{number}", decision="collapsed"))
    count, last = journal.count_collapsed("VS-1", 0)
    assert count == 3
    assert journal.count_collapsed("VS-1", last) == (0, last)


def test_what_is_written_together_is_there_together_or_not_at_all(journal: SqlJournal) -> None:
    """An entry and the alert's state are one; what fails inside is undone, with whatever it is a part of."""
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
    assert [one.key for one in journal.alerts_of(incident)] == ["second"]


def test_many_deliveries_are_kept_as_one_by_one(journal: SqlJournal) -> None:
    """In one transaction, in their order; a repeat among them is counted by the first of its kind."""
    one, two = (NewDelivery("json", {}, body, body.decode()) for body in (b"1", b"2"))
    kept = journal.receive_all([one, two, one])
    assert (kept[0], kept[0] == kept[1]) == (kept[2], False)
    assert [(found.body, found.count) for found in journal.deliveries(state="new")] == [(b"1", 2), (b"2", 1)]
    assert journal.receive_all([two]) == [(kept[1][0], False)]


def test_the_head_is_that_of_the_last_entry(journal: SqlJournal) -> None:
    """Length and hash, as they change with each entry; there is none of an unknown incident."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE, key="k")
    assert journal.head(incident) == (1, journal.entries(incident)[-1].hash)
    assert (journal.open_with_key("k"), journal.open_with_key("other")) == (incident, None)
    with pytest.raises(NotFound):
        journal.head("VS-99")


def test_incidents_are_found_by_when_they_were_opened(journal: SqlJournal) -> None:
    """Those of the last minutes, without reading all that there ever were."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    assert [row.id for row in journal.incidents(since=NOW)] == [incident]
    assert journal.incidents(since=NOW + timedelta(seconds=1)) == []
