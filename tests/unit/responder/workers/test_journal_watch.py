"""The watch of a journal that another process writes into."""

from __future__ import annotations

import threading

from allclear.domain.errors import JournalError
from allclear.responder.workers.journal_watch import JournalWatch
from tests.patience import wait_until


class Written:
    """A journal's version, how often it was read, and how often the worker was woken."""

    def __init__(self) -> None:
        self.now: int | None = 1
        self.reads = 0
        self.woken = 0
        self.fails = False

    def version(self) -> int | None:
        """Return the version. Raises JournalError if the journal is away."""
        self.reads += 1
        if self.fails:
            raise JournalError("The journal is away.", "Wait.")
        return self.now

    def wake(self) -> None:
        """Count that the worker was woken."""
        self.woken += 1


def read_again(written: Written) -> None:
    """Wait until the version was read twice more."""
    seen = written.reads
    wait_until(lambda: written.reads > seen + 1)


def test_a_new_version_wakes_once_until_the_worker_has_seen_it() -> None:
    """The version that the worker knows does not wake it; each other one wakes it once."""
    written = Written()
    watch = JournalWatch(written.version, written.wake)
    with watch.running():
        assert watch.watch(1, wanted=True)
        read_again(written)
        assert written.woken == 0
        written.now = 2
        wait_until(lambda: written.woken)
        read_again(written)
        assert written.woken == 1
        watch.watch(2, wanted=True)
        written.now = 3
        wait_until(lambda: written.woken == 2)


def test_what_was_written_before_it_is_asked_wakes_too() -> None:
    """Between the worker's last look and the watch, nothing is lost."""
    written = Written()
    written.now = 5
    watch = JournalWatch(written.version, written.wake)
    with watch.running():
        watch.watch(4, wanted=True)
        wait_until(lambda: written.woken)


def test_nothing_is_read_unless_it_is_wanted_or_without_versions() -> None:
    """It rests while no approval is awaited, and always on a database that has no version."""
    written = Written()
    watch = JournalWatch(written.version, written.wake)
    with watch.running():
        assert watch.watch(1, wanted=False)
        assert not watch.watch(None, wanted=True)
    assert (written.reads, written.woken) == (0, 0)


def test_a_journal_that_is_away_is_read_again() -> None:
    """The worker finds the same error itself; the watch goes on."""
    written = Written()
    written.fails = True
    watch = JournalWatch(written.version, written.wake)
    with watch.running():
        watch.watch(1, wanted=True)
        wait_until(lambda: written.reads)
        written.now, written.fails = 2, False
        wait_until(lambda: written.woken)


def test_it_ends_with_the_worker() -> None:
    """Its thread is gone when the context is left."""
    written = Written()
    watch = JournalWatch(written.version, written.wake)
    with watch.running():
        watch.watch(1, wanted=True)
        read_again(written)
    assert "journal-watch" not in [thread.name for thread in threading.enumerate()]
