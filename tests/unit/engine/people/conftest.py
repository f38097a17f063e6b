"""The fixture of the tests of what people do."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal
from tests.scopes import REAL
from tests.unit.engine.people.people_support import Room


@pytest.fixture
def room(tmp_path: Path) -> Generator[Room]:
    """A new journal with one incident."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    yield Room(journal)
    journal.close()
