"""A second read of an incident reads only new entries, and the result is always what the journal has."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from allclear.domain.errors import NotFound
from allclear.domain.records import NoteAdded
from allclear.domain.replay import replay
from allclear.engine.incidents import read_incident
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import MACHINE, OPENED, new_journal
from tests.scopes import REAL


class Counting:
    """A journal (by delegation) that counts the entries that are read."""

    def __init__(self, inner: SqlJournal) -> None:
        self._inner = inner
        self.read = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - attributes of any type
        """Return the journal's attribute."""
        return getattr(self._inner, name)

    def entries(self, incident: str, *, after: int = 0) -> Any:  # noqa: ANN401 - as above
        """Return the entries, and count them."""
        found = self._inner.entries(incident, after=after)
        self.read += len(found)
        return found


@pytest.fixture
def journal(tmp_path: Path) -> Generator[Any]:
    """A new journal that counts."""
    inner = SqlJournal(new_journal(tmp_path), REAL)
    yield Counting(inner)
    inner.close()


def _noted(journal: Any, incident: str, text: str) -> None:  # noqa: ANN401 - as above
    journal.append(incident, [NoteAdded(text=text)], MACHINE)


def test_only_new_entries_are_read(journal: Any) -> None:  # noqa: ANN401 - as above
    """Twenty reads read each entry once, and an incident that was read before stays as it was."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    held = read_incident(journal, incident)
    for number in range(20):
        _noted(journal, incident, str(number))
        assert read_incident(journal, incident).length == number + 2
    assert journal.read == 21
    assert (held.length, held.notes) == (1, [])
    assert read_incident(journal, incident) == replay(journal.entries(incident))


def test_entries_of_a_transaction_that_failed_are_forgotten(journal: Any) -> None:  # noqa: ANN401 - as above
    """Entries that were read inside the failed transaction do not stay, even if others are written in their place."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)

    def fails() -> None:
        with journal.transaction():
            _noted(journal, incident, "lost")
            assert len(read_incident(journal, incident).notes) == 1
            raise NotFound("gone", "Check the id.")

    with pytest.raises(NotFound):
        fails()
    assert read_incident(journal, incident).notes == []
    for text in ("live-message", "and more"):
        _noted(journal, incident, text)
    assert [note.text for _, _, note in read_incident(journal, incident).notes] == ["live-message", "and more"]


def test_incidents_of_two_journals_are_not_mixed_up(tmp_path: Path) -> None:
    """Two journals in one process have incidents with the same id."""
    journals = [SqlJournal(new_journal(tmp_path / name), REAL) for name in ("one", "two")]
    for number, journal in enumerate(journals):
        incident, _ = journal.open_incident("VS", OPENED.model_copy(update={"title": str(number)}), MACHINE)
        assert read_incident(journal, incident).title == str(number)
    for journal in journals:
        journal.close()
