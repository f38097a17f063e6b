"""The journal on SQL, composed of one class for each port."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from allclear.domain.base import Clock, utc_now
from allclear.domain.scope import Scope
from allclear.journal.alerts import SqlAlerts
from allclear.journal.baselines import SqlBaselines
from allclear.journal.channel_tests import SqlChannelTests
from allclear.journal.claims import SqlClaims
from allclear.journal.inbox import SqlInbox
from allclear.journal.outbox import SqlOutbox
from allclear.journal.overrides import SqlOverrides
from allclear.journal.requests import SqlRequests
from allclear.journal.revocations import SqlRevocations
from allclear.journal.stats import SqlStats
from allclear.journal.url import open_database


class SqlJournal(
    SqlClaims,
    SqlInbox,
    SqlOutbox,
    SqlAlerts,
    SqlOverrides,
    SqlRevocations,
    SqlRequests,
    SqlBaselines,
    SqlChannelTests,
    SqlStats,
):
    """A journal in a SQL database; `allclear.journal.ports` documents its methods."""

    def __init__(self, url: str, scope: Scope, clock: Clock = utc_now) -> None:
        """Open the journal at `url` in `scope`: `sqlite:///journal.db`, or `postgresql://user@host/database`.

        Raises ConfigError or JournalError.
        """
        super().__init__(open_database(url), scope, clock)

    @contextmanager
    def transaction(self, *locks: str) -> Generator[None]:
        """Make one transaction of everything that this thread reads and writes inside."""
        with self._db.transaction(*locks):
            yield

    def close(self) -> None:
        """Release the claims and close the database."""
        self._liveness.leave()
        self._db.close()
