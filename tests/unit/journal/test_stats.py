"""The journal's figures for monitoring, and the check that it can be written, on each database."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.records import ActFinished, ActIntended
from allclear.domain.scope import Scope
from allclear.journal.counts import Counts
from allclear.journal.rows import Acquired, OutboxKind, OutboxMessage
from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import Journals
from tests.scenario.response_support import MACHINE, OPENED, new_journal, received
from tests.scopes import REAL


@pytest.fixture
def url(journals: Journals) -> str:
    """The address of a new journal."""
    return journals.new()


@pytest.fixture
def journal(url: str) -> Generator[SqlJournal]:
    """A new journal."""
    journal = SqlJournal(url, REAL)
    yield journal
    journal.close()


def carried_out(journal: SqlJournal, act: str, status: ActStatus) -> None:
    """Open an incident in which one act has this outcome."""
    message = OutboxMessage(OutboxKind.START, "", "{incident}/respond", {})
    opened = OPENED.model_copy(update={"company": journal.scope.company})
    incident, _ = journal.open_incident("VS", opened, MACHINE, outbox=[message])
    intent = ActIntended(act=act, digest="", change={}, holder=journal.holder)
    claim = journal.claim("dial", incident, act, timedelta(seconds=30), intent, MACHINE)
    assert isinstance(claim, Acquired)
    outcome = Outcome(status=status, sentence='It says "status".', changed=True)
    assert journal.finish("dial", claim.token, incident, ActFinished(act=act, outcome=outcome), MACHINE)


def counts(journal: SqlJournal) -> Counts:
    """Return the journal's figures."""
    return journal.counts()


def test_deliveries_are_listed_without_their_bodies(journal: SqlJournal) -> None:
    """The newest is first. The list can be limited to a state, to a source, and to a number."""
    first, _ = received(journal, "json", {}, b"{}", "a")
    received(journal, "grafana", {}, b"[]", "b")
    received(journal, "json", {}, b"{}", "a")
    journal.set_delivery_state(first, "ignored", "reason")
    (shown,) = journal.delivery_summaries(source="json")
    assert (shown.id, shown.count, shown.state, shown.reason) == (first, 2, "ignored", "reason")
    assert [summary.source for summary in journal.delivery_summaries()] == ["grafana", "json"]
    assert [summary.source for summary in journal.delivery_summaries(limit=1)] == ["grafana"]
    assert journal.delivery_summaries(state="new", source="json") == []


def test_deliveries_are_counted_by_state(journal: SqlJournal) -> None:
    """`unread_since` is the time of the oldest that was never handled. A repeat of a handled one does not count."""
    assert (counts(journal).deliveries, counts(journal).unread_since) == ({}, None)
    first, _ = received(journal, "json", {}, b"{}", "a")
    second, _ = received(journal, "grafana", {}, b"[]", "b")
    assert counts(journal).deliveries == {"new": 2}
    assert counts(journal).unread_since == journal.delivery(first).received_at
    journal.set_delivery_state(first, "ignored", "reason")
    received(journal, "json", {}, b"{}", "a")
    assert counts(journal).deliveries == {"new": 2}
    assert counts(journal).unread_since == journal.delivery(second).received_at


def test_acts_and_outbox_are_counted(journal: SqlJournal) -> None:
    """Acts are counted by the status of their outcome, and outbox messages while they are not done."""
    carried_out(journal, "contain/roll-back", ActStatus.VERIFIED)
    carried_out(journal, "contain/flag", ActStatus.FAILED)
    carried_out(journal, "contain/flag", ActStatus.VERIFIED)
    assert counts(journal).acts == {"verified": 2, "failed": 1}
    assert sorted(counts(journal).outbox) == ["VS-1/respond", "VS-2/respond", "VS-3/respond"]
    journal.message_done("VS-2/respond")
    assert sorted(counts(journal).outbox) == ["VS-1/respond", "VS-3/respond"]


def test_each_company_counts_its_own(url: str, journal: SqlJournal) -> None:
    """The figures leave out the other company on the same journal."""
    with closing(SqlJournal(url, Scope("other", simulated=False))) as other:
        received(other, "json", {}, b"{}", "theirs")
        carried_out(other, "contain/roll-back", ActStatus.FAILED)
        assert counts(journal) == Counts(deliveries={}, unread_since=None, acts={}, outbox=[])
        theirs = other.counts()
    assert (theirs.deliveries, theirs.acts, theirs.outbox) == ({"new": 1}, {"failed": 1}, ["VS-1/respond"])


def test_the_check_that_it_can_be_written_changes_no_figure(journal: SqlJournal) -> None:
    """Three checks leave all counts as they were."""
    carried_out(journal, "contain/roll-back", ActStatus.VERIFIED)
    before = counts(journal)
    for _ in range(3):
        journal.check_writable()
    assert counts(journal) == before


def test_the_check_that_it_can_be_written_writes_to_the_disk(tmp_path: Path) -> None:
    """Each check writes, so a disk that is full or gone is noticed."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    log = tmp_path / "journal.db-wal"
    journal.check_writable()
    grown = log.stat().st_size
    journal.check_writable()
    assert log.stat().st_size > grown
    journal.close()
