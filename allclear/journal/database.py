"""The database under the journal: reading and writing transactions, migrations, and errors as sentences.

`sqlite.py` and `postgres.py` hold what differs between the two databases; `url.py` chooses one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import local
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from allclear.domain.errors import JournalError
from allclear.journal.liveness import Liveness

HEAD = "0005"
"""The newest migration; `allclear.journal.migrations` makes older journals as new as this."""

T = TypeVar("T")

Sentence = tuple[str, str]
"""The fault, as the end of a sentence that begins with "The journal X", and the next step."""


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
        """Holds the connection of this thread's open `transaction`."""
        self._known: tuple[int, dict[str, Any]] = (0, {})
        """What was read since the last commit, and the `version` of the database then."""

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Yield a connection that sees one snapshot of the database."""
        joined = self._joined
        with self.plain_errors(), nullcontext(joined) if joined else self._reader() as connection:
            yield connection

    @contextmanager
    def writing(self, *locks: str) -> Generator[Connection]:
        """Yield a connection that may write; the transaction commits at the end, and rolls back on an exception.

        Only one transaction at a time holds each of `locks`. They are taken before any row is locked, so that no two
        transactions wait for each other.
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
        """Make one transaction of all that this thread reads and writes inside; one inside another is part of it.

        Name all locks here that are taken inside, and wait for nothing but the database inside.
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
        """Turn every error of the database into a JournalError: one sentence and a next step."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            what, next_step = self._sentence(error)
            raise JournalError(f"The journal {self.shown} {what}.", next_step) from error

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def version(self) -> int | None:
        """Return a number that changes with every commit; None if the database has no cheap one."""
        return None

    def unless_written(self, key: str, read: Callable[[], T]) -> T:
        """Return what `read` returns, or what it returned for `key` before, if nothing was committed since then.

        Without a `version`, and inside a `transaction`, which sees what it has written itself, `read` is called.
        """
        version = None if self._joined else self.version()
        if version is None:
            return read()
        known = self._known
        if known[0] != version:
            known = self._known = (version, {})  # the version was read first: a later commit makes it another one
        if key not in known[1]:
            known[1][key] = read()
        return known[1][key]

    # --- what differs between the databases ----------------------------------------------------

    @abstractmethod
    def liveness(self) -> Liveness:
        """Register this process among the holders of claims. Raises JournalError."""

    @abstractmethod
    def add_unless_there(self, connection: Connection, table: Table, row: Mapping[str, Any], *key: str) -> bool:
        """Insert a row, unless one has the same values in the columns `key`; return whether it was inserted."""

    @abstractmethod
    def _take_locks(self, connection: Connection, locks: tuple[str, ...]) -> None:
        """Wait until this transaction holds each of `locks`."""

    @abstractmethod
    def _reader(self) -> AbstractContextManager[Connection]: ...

    @abstractmethod
    def _writer(self, locks: tuple[str, ...]) -> AbstractContextManager[Connection]: ...

    @abstractmethod
    def _sentence(self, error: Exception) -> Sentence:
        """Return the sentence for an error."""

    # --- its tables ----------------------------------------------------------------------------------

    def _bring_up_to_date(self) -> None:
        """Migrate an empty or older database. Two processes may do so at once."""
        with self.reading() as connection:
            if self._version(connection) == HEAD:
                return
        from allclear.journal.migrations import upgrade  # noqa: PLC0415 - Alembic is slow to import, and seldom needed

        with self.writing("tables") as connection:
            if self._version(connection) != HEAD:
                upgrade(connection)

    def _version(self, connection: Connection) -> str | None:
        """Return the version of the tables, or None for an empty database. Raises JournalError for foreign tables."""
        tables = set(inspect(connection).get_table_names())
        if not tables:
            return None
        version = None
        if {"alembic_version", "entries"} <= tables:  # because other programs, as Prefect, have the first table too
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
    """Return the first line of the database's own error message."""
    words = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return (words.splitlines() or ["nothing"])[0].rstrip(".")
