"""Claims: one process at a time changes a resource, and a claim of a process that stopped can be taken over."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.records import ActFinished, NoteAdded
from allclear.journal.rows import Acquired, Finished, Held
from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import LEASE, Journals, SteppedClock, claim, open_one
from tests.scenario.response_support import MACHINE

DONE = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Done.")


def _intents(journal: SqlJournal, incident: str) -> int:
    return sum(entry.record.kind == "act.intended" for entry in journal.entries(incident))


def test_a_claim_is_held_by_one_act_and_released_with_its_outcome(journal: SqlJournal, other: SqlJournal) -> None:
    """It writes the intent. Others learn who holds it, and afterwards that the act is finished."""
    incident = open_one(journal)
    acquired = claim(journal, incident)
    assert isinstance(acquired, Acquired)
    assert (acquired.resumed, _intents(journal, incident)) == (False, 1)
    held = claim(other, incident)
    assert isinstance(held, Held)
    assert (held.incident, held.act, held.holder, held.gone) == (incident, "a", journal.holder, False)
    assert isinstance(claim(other, incident, "b"), Held)
    assert journal.finish("dial:1", acquired.token, incident, ActFinished(act="a", outcome=DONE), MACHINE)
    assert claim(other, incident) == Finished()
    assert isinstance(claim(other, incident, "b"), Acquired)


def test_each_resource_has_its_own_claim(journal: SqlJournal, other: SqlJournal) -> None:
    """Two resources can be changed at the same time."""
    incident = open_one(journal)
    assert isinstance(claim(journal, incident), Acquired)
    assert isinstance(claim(other, incident, "b", "dial:2"), Acquired)


def test_the_claim_of_a_process_that_ended_can_be_taken_over_at_once(
    journals: Journals, journal: SqlJournal, other: SqlJournal
) -> None:
    """The lease need not expire. The intent is taken over and not written twice.

    PostgreSQL only shows that a connection ended. Its process may still run.
    """
    incident = open_one(journal)
    assert isinstance(claim(other, incident), Acquired)
    other.close()
    held = claim(journal, incident, "b")
    assert isinstance(held, Held)
    assert held.gone
    acquired = claim(journal, incident)
    assert isinstance(acquired, Acquired)
    assert (acquired.resumed, acquired.holder_dead, _intents(journal, incident)) == (True, journals.kind == "sqlite", 1)


def test_the_claim_of_a_process_that_hangs_can_be_taken_over_when_the_lease_has_expired(
    journal: SqlJournal, other: SqlJournal, time: SteppedClock
) -> None:
    """The former holder can neither renew nor finish it; its outcome is not written."""
    incident = open_one(journal)
    former = claim(other, incident)
    assert isinstance(former, Acquired)
    time.now += LEASE - timedelta(seconds=1)
    assert other.renew("dial:1", former.token, LEASE)
    time.now += LEASE - timedelta(seconds=1)
    assert isinstance(claim(journal, incident), Held)
    time.now += timedelta(seconds=2)
    acquired = claim(journal, incident)
    assert isinstance(acquired, Acquired)
    assert (acquired.resumed, acquired.holder_dead) == (True, False)
    assert not other.renew("dial:1", former.token, LEASE)
    finished = ActFinished(act="a", outcome=DONE)
    length = len(journal.entries(incident))
    assert not other.finish("dial:1", former.token, incident, finished, MACHINE)
    assert len(journal.entries(incident)) == length
    assert journal.finish("dial:1", acquired.token, incident, finished, MACHINE, [NoteAdded(text="and this")])
    assert journal.entries(incident)[-1].record == NoteAdded(text="and this")


def test_an_expired_claim_stays_with_its_holder_until_another_takes_it(journal: SqlJournal, time: SteppedClock) -> None:
    """A process that was only slow can finish its act."""
    incident = open_one(journal)
    acquired = claim(journal, incident)
    assert isinstance(acquired, Acquired)
    time.now += 2 * LEASE
    assert journal.finish("dial:1", acquired.token, incident, ActFinished(act="a", outcome=DONE), MACHINE)
