"""A new journal on each database, and a second process that has it open."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import Journals, SteppedClock
from tests.scopes import REAL


@pytest.fixture
def url(journals: Journals) -> str:
    """The address of a new journal, on each database."""
    return journals.new()


@pytest.fixture
def time() -> SteppedClock:
    """The journal's clock."""
    return SteppedClock()


@pytest.fixture
def journal(url: str, time: SteppedClock) -> Generator[SqlJournal]:
    """A new journal."""
    journal = SqlJournal(url, REAL, time)
    yield journal
    journal.close()


@pytest.fixture
def other(url: str, time: SteppedClock) -> Generator[SqlJournal]:
    """The same journal, as another process has it open."""
    journal = SqlJournal(url, REAL, time)
    yield journal
    journal.close()
