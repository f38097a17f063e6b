"""Two processes on one journal: nothing is lost, a killed process frees its claim, and a foreign lock is an error."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest

from allclear.journal.rows import Acquired, Held
from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import Journals, SteppedClock, claim, error_of_opening, manual, open_one
from tests.patience import wait_until
from tests.scenario.response_support import append_all, hold_claim, open_all, other_processes
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


def test_two_processes_open_a_new_journal_at_the_same_time(tmp_path: Path, journals: Journals) -> None:
    """One creates the tables, and both can write."""
    urls = [journals.blank() for _ in range(6)]
    with ProcessPoolExecutor(2, mp_context=other_processes()) as pool:
        errors = [line for lines in pool.map(open_all, [urls] * 2, [str(tmp_path)] * 2, "ab") for line in lines]
    assert errors == []
    for url in urls:
        journal = SqlJournal(url, REAL)
        assert {row.id for row in journal.incidents()} == {"VS-1", "VS-2"}
        journal.close()


def test_two_processes_write_at_the_same_time_and_nothing_is_lost(
    tmp_path: Path, url: str, journal: SqlJournal, time: SteppedClock
) -> None:
    """They write to the same incidents, keys and deliveries. Every entry is stored, and each chain is whole."""
    incidents, count = [open_one(journal), open_one(journal)], 50
    with ProcessPoolExecutor(2, mp_context=other_processes()) as pool:
        list(pool.map(append_all, [url] * 2, [str(tmp_path)] * 2, [incidents, incidents[::-1]], [count] * 2, "ab"))
    for incident in incidents:
        entries = journal.entries(incident)
        assert sorted(entry.record.text for entry in entries[1:]) == sorted(
            f"{writer} {number}" for writer in "ab" for number in range(count)
        )
        assert [entry.number for entry in entries] == list(range(1, 2 * count + 2))
        assert journal.broken_link(incident) is None
    time.now += timedelta(days=1)
    assert len(journal.outbox(limit=1000)) == 2 * count
    assert sorted(delivery.count for delivery in journal.deliveries(limit=1000)) == [2] * count
    assert len(journal.incidents()) == 2 + count


def test_the_claim_of_a_killed_process_is_free_before_its_lease_expires(
    tmp_path: Path, url: str, journal: SqlJournal
) -> None:
    """The journal's clock stands still, so the lease never expires: the journal notices that the process is gone."""
    incident = open_one(journal)
    claimed = tmp_path / "claimed"
    process = other_processes().Process(target=hold_claim, args=(url, incident, str(claimed)))
    process.start()
    try:
        while not claimed.exists():
            assert process.is_alive()
            sleep(0.01)
        held = claim(journal, incident, "b")
        assert isinstance(held, Held)
        assert not held.gone
    finally:
        process.kill()
        process.join()
    wait_until(lambda: isinstance(held := claim(journal, incident, "b"), Held) and held.gone)
    assert isinstance(claim(journal, incident, "contain/1"), Acquired)


def test_a_journal_that_another_program_has_locked(url: str) -> None:
    """The error comes after a few seconds of waiting."""
    with manual(url) as connection:
        if url.startswith("sqlite"):
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            connection.exec_driver_sql("BEGIN; LOCK TABLE incidents")
        assert "locked by another program" in error_of_opening(url)
