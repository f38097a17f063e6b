"""What was read of the journal stands until something is committed, by any process; inside a transaction it is read."""

from __future__ import annotations

import pytest

from allclear.domain.records import NoteAdded
from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import Journals, open_one
from tests.scenario.response_support import MACHINE, Killed
from tests.scopes import REAL

NOTE = NoteAdded(text="x")


def test_the_length_is_that_of_the_last_commit(journals: Journals) -> None:
    """Also if another connection wrote, if a transaction was rolled back, and in the midst of one's own transaction."""
    url = journals.new()
    journal, other = SqlJournal(url, REAL), SqlJournal(url, REAL)
    try:
        incident = open_one(journal)
        assert (journal.head(incident), journal.head(incident)) == (other.head(incident), other.head(incident))
        other.append(incident, [NOTE], MACHINE)
        assert journal.head(incident)[0] == 2
        with journal.transaction():
            assert journal.head(incident)[0] == 2
            journal.append(incident, [NOTE], MACHINE)
            assert journal.head(incident)[0] == 3
            assert other.head(incident)[0] == 2 if journals.kind == "sqlite" else True
        assert (journal.head(incident), other.head(incident)[0]) == (other.head(incident), 3)
        with pytest.raises(Killed):
            _write_and_roll_back(journal, incident)
        assert journal.head(incident)[0] == 3
    finally:
        journal.close()
        other.close()


def _write_and_roll_back(journal: SqlJournal, incident: str) -> None:
    with journal.transaction():
        journal.append(incident, [NOTE], MACHINE)
        assert journal.head(incident)[0] == 4
        raise Killed


def test_what_is_known_is_asked_for_once_for_each_commit(journals: Journals) -> None:
    """On SQLite; PostgreSQL has no number that changes with every commit, so there it is read each time."""
    journal, reads = SqlJournal(journals.new(), REAL), list[str]()

    def read() -> int:
        reads.append("read")
        return len(reads)

    try:
        known = journal._db.unless_written  # noqa: SLF001 - counted at the mechanism itself
        assert known("a", read) == 1
        assert known("a", read) == (1 if journals.kind == "sqlite" else 2)
        open_one(journal)
        assert known("a", read) == (2 if journals.kind == "sqlite" else 3)
    finally:
        journal.close()
