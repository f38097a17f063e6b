"""The files of a SQLite journal are for their owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from pathlib import Path

import pytest

from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import open_one
from tests.scopes import REAL


def modes(folder: Path) -> dict[str, int]:
    """Return the mode of each file in the folder, by its name."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def usual_umask() -> Generator[None]:
    """The mask of most systems, which lets everyone read new files."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
def test_a_new_journal_and_its_log_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    """The database, its write-ahead log, the log's index and the lock have mode 0600."""
    journal = SqlJournal(f"sqlite:///{tmp_path}/journal.db", REAL)
    open_one(journal)
    found = modes(tmp_path)
    journal.close()
    assert {"journal.db", "journal.db-wal", "journal.db-shm", "journal.db.turn"} <= set(found)
    assert set(found.values()) == {0o600}


@pytest.mark.usefixtures("usual_umask")
def test_a_journal_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    """One that an earlier version made gets mode 0600 when it is opened, and keeps its content."""
    address = f"sqlite:///{tmp_path}/journal.db"
    journal = SqlJournal(address, REAL)
    incident = open_one(journal)
    journal.close()
    for path in tmp_path.iterdir():
        path.chmod(0o644 if path.is_file() else 0o755)
    reopened = SqlJournal(address, REAL)
    try:
        assert [row.id for row in reopened.incidents()] == [incident]
        assert modes(tmp_path)["journal.db"] == 0o600
        assert modes(tmp_path)["journal.db-wal"] == 0o600
    finally:
        reopened.close()
