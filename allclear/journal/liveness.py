"""Liveness of the processes that share a journal.

Each process holds a lock while it lives. The kernel or the database server releases the lock when the process ends or
is killed. So the claim of a dead process is free at once, and no other process waits until the lease expires.
On SQLite the lock is on a file (`sqlite.py`), on PostgreSQL it belongs to a session (`postgres.py`).
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
        """Return whether a holder that is gone has certainly ended, and not only lost its connection."""
        ...

    def hold(self) -> None:
        """Take the lock again if it was lost. Raises JournalError."""
        ...

    def gone(self, connection: Connection, holder: str) -> bool:
        """Return whether that holder is gone; a stopped one is not. The answer holds until the transaction ends."""
        ...

    def leave(self) -> None:
        """Release the lock."""
        ...
