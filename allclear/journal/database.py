"""The database under the journal: how it is read and written, brought up to date, and how its troubles read.

What SQLite and PostgreSQL do each in their own way is in `sqlite.py` and `postgres.py`; `address.py` chooses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import local
from typing import Any

from sqlalchemy import Connection, Engine, Table, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from allclear.domain.errors import JournalError
from allclear.journal.liveness import Liveness

HEAD = "0001"
"""The newest migration; `allclear.journal.migrations` makes older journals as new as this."""

Sentence = tuple[str, str]
"""What is wrong, to follow "The journal X", and the next step."""


class Database(ABC):
    """One SQL database that holds a journal. Thread-safe; transactions are short and never await.

    Attributes:
        shown: its address, without secrets.
        engine: SQLAlchemy's.
    """

    shown: str
    engine: Engine

    def __init__(self) -> None:
        self._own = local()
        """The connection of the transaction that this thread holds together."""

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Yield a connection that sees one state of the database."""
        joined = self._joined
        with self.plain_errors(), nullcontext(joined) if joined else self._reader() as connection:
            yield connection

    @contextmanager
    def writing(self, *locks: str) -> Generator[Connection]:
        """Yield a connection that may write; all of it is durable on leaving, or nothing when that raises.

        `turns` name what nobody else may be writing meanwhile: whoever names the same waits. They are taken before
        any row is locked, so that no two wait for each other.
        """
        if joined := self._joined:
            with self.plain_errors():
                self._take_locks(joined, locks)
                yield joined
            return
        with self.plain_errors(), self._writer(locks) as connection:
            yield connection

    @contextmanager
    def transaction(self, *locks: str) -> Generator[None]:
        """Make all that this thread reads and writes inside one transaction; one inside another is part of it.

        Name all turns here that are taken inside, and let nothing inside wait for anything but the database.
        """
        if joined := self._joined:
            self._take_locks(joined, locks)
            yield
            return
        with self.plain_errors(), self._writer(locks) as connection:
            self._own.connection = connection
            try:
                yield
            finally:
                self._own.connection = None

    @property
    def _joined(self) -> Connection | None:
        return getattr(self._own, "connection", None)

    @contextmanager
    def plain_errors(self) -> Generator[None]:
        """Make every trouble of the database a JournalError: one sentence and a next step."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            what, next_step = self._sentence(error)
            raise JournalError(f"The journal {self.shown} {what}.", next_step) from error

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def version(self) -> int | None:
        """Return a number that changes with whatever is committed; None where nothing as cheap tells."""
        return None

    # --- what each database does in its own way ----------------------------------------------------

    @abstractmethod
    def liveness(self) -> Liveness:
        """Make this process known among the holders of claims. Raises JournalError."""

    @abstractmethod
    def add_unless_there(self, connection: Connection, table: Table, row: Mapping[str, Any], key: str) -> None:
        """Add a row, unless one with its `key` is there."""

    @abstractmethod
    def _take_locks(self, connection: Connection, locks: tuple[str, ...]) -> None:
        """Wait until nobody else who names one of `turns` writes."""

    @abstractmethod
    def _reader(self) -> AbstractContextManager[Connection]: ...

    @abstractmethod
    def _writer(self, locks: tuple[str, ...]) -> AbstractContextManager[Connection]: ...

    @abstractmethod
    def _sentence(self, error: Exception) -> Sentence:
        """Return what a trouble means."""

    # --- its tables ----------------------------------------------------------------------------------

    def _bring_up_to_date(self) -> None:
        """Make the tables of a new database, and migrates an old one; two processes may come at once."""
        with self.reading() as connection:
            if self._version(connection) == HEAD:
                return
        from allclear.journal.migrations import upgrade  # noqa: PLC0415 - Alembic is slow to import, and seldom needed

        with self.writing("tables") as connection:
            if self._version(connection) != HEAD:
                upgrade(connection)

    def _version(self, connection: Connection) -> str | None:
        """Return the version of the tables; None where there are none. Raises JournalError for others' tables."""
        tables = set(inspect(connection).get_table_names())
        if not tables:
            return None
        version = None
        if {"alembic_version", "entries"} <= tables:  # others use Alembic, too: Prefect does
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version is None:
            raise JournalError(
                f"{self.shown} is a database, but not a journal.",
                "Point ALLCLEAR_JOURNAL_URL at an empty database, or at a journal.",
            )
        if version > HEAD:
            raise JournalError(
                f"{self.shown} was written by a newer allclear (journal version {version}, known {HEAD}).",
                "Run that newer version.",
            )
        return version


def first_line(error: Exception) -> str:
    """Return the first line of what the database itself said."""
    words = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return (words.splitlines() or ["nothing"])[0].rstrip(".")
