"""Who is alive among the processes that share a journal.

Each process is known by a lock that it holds for as long as it lives, and that whoever keeps the lock lets go of when
the process dies, however it dies. So a claim whose holder is gone is seen at once, and nobody waits out a lease. On
SQLite it is a lock on a file (`sqlite.py`), on PostgreSQL one that belongs to a session (`postgres.py`).
"""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Connection


class Liveness(Protocol):
    """This process among the holders of claims."""

    @property
    def holder(self) -> str:
        """Return this process's id."""
        ...

    @property
    def sure(self) -> bool:
        """Return whether a holder that is gone has surely ended, and was not merely cut off."""
        ...

    def hold(self) -> None:
        """Sees to it that we are known to be alive. Raises JournalError where that cannot be."""
        ...

    def gone(self, connection: Connection, holder: str) -> bool:
        """Return whether that holder is gone; a stopped one is not. Within the caller's transaction it stays so."""
        ...

    def leave(self) -> None:
        """Goes."""
        ...
