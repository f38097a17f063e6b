"""The database under the journal: how it is opened, how a transaction is taken, how its errors read.

SQLite runs with WAL and `synchronous=FULL`: what was committed survives a power cut. A write takes its turn
on a file lock first, for SQLite's own waiting is unfair between processes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from allclear.domain.errors import ConfigError, JournalError

HEAD = "0002"
"""The newest migration; `allclear.journal.migrations` makes older journals as new as this."""

_BUSY_SECONDS = 3


class Database:
    """One SQL database that holds a journal. Thread-safe; transactions are short and never await."""

    def __init__(self, url: str) -> None:
        """Opens `url` (`sqlite:///path`), makes its tables when new, brings them up to date when old.

        Raises ConfigError for a URL that cannot be, JournalError for a database that is not a journal.
        """
        self.url = url
        self.path = _sqlite_path(url)
        self._lock = RLock()
        self._turn_file: int | None = None
        with _plain_errors(url):
            if self.path:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._turn_file = os.open(f"{self.path}.turn", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            self.engine = _engine(url)
            with self._turn():  # two processes may open a new journal at once
                self._check_and_migrate()

    @property
    def holders(self) -> Path:
        """Returns the folder of those who hold claims."""
        return Path(f"{self.path}.holders")

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Yields a connection that sees one state of the database."""
        with _plain_errors(self.url), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """Yields a connection that may write; all of it is durable on leaving, or nothing when that raises."""
        with (
            _plain_errors(self.url),
            self._lock,
            self._turn(),
            self.engine.connect() as connection,
            connection.execution_options(allclear_write=True).begin(),
        ):
            yield connection

    @contextmanager
    def _turn(self) -> Generator[None]:
        if self._turn_file is None:
            yield
            return
        fcntl.flock(self._turn_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn_file, fcntl.LOCK_UN)

    def _check_and_migrate(self) -> None:
        with self.engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            version = None
            if "alembic_version" in tables:
                version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version == HEAD:
            return
        if tables and version is None:
            raise JournalError(
                f"{_shown(self.url)} is a database, but not a journal.",
                "Point ALLCLEAR_JOURNAL_URL at a new file, or at a journal.",
            )
        if version is not None and version > HEAD:
            raise JournalError(
                f"{_shown(self.url)} was written by a newer allclear (journal version {version}, known {HEAD}).",
                "Run that newer version.",
            )
        from allclear.journal.migrations import upgrade  # noqa: PLC0415 - Alembic is slow to import, and seldom needed

        upgrade(self.engine)

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()
        if self._turn_file is not None:
            os.close(self._turn_file)
            self._turn_file = None


def _sqlite_path(url: str) -> Path | None:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            f"ALLCLEAR_JOURNAL_URL is no database address: {url!r}.", "Write it as sqlite:///path/to/journal.db."
        ) from error
    if parsed.get_backend_name() != "sqlite":
        raise ConfigError(
            f"A journal on {parsed.get_backend_name()} is not supported.", "Write it as sqlite:///path/to/journal.db."
        )
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError("A journal in memory would forget everything.", "Write it as sqlite:///path/to/journal.db.")
    return Path(parsed.database).resolve()


def _engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    def on_connect(dbapi_connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
        dbapi_connection.isolation_level = None  # we say BEGIN ourselves, see on_begin
        cursor = dbapi_connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA synchronous=FULL")
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        # A deferred BEGIN that writes later fails at once when another wrote meanwhile, whatever the timeout.
        write = connection.get_execution_options().get("allclear_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


_SENTENCES = (
    ("not a database", "is not a journal: it is some other file", "Point ALLCLEAR_JOURNAL_URL at a journal."),
    ("readonly", "is read-only", "Give this user the right to write to the file and its folder."),
    ("read-only", "is read-only", "Give this user the right to write to the file and its folder."),
    ("locked", "is locked by another program", "Close what holds it (a database browser, a backup) and try again."),
    ("unable to open", "cannot be opened", "Check that its folder exists and that this user may write there."),
    ("malformed", "is damaged", "Restore it from a backup; `allclear verify` shows what is whole."),
    ("disk is full", "cannot grow: the disk is full", "Make room, then try again: nothing was lost."),
)


@contextmanager
def _plain_errors(url: str) -> Generator[None]:
    try:
        yield
    except DBAPIError as error:
        text_of = str(error.orig).lower()
        for mark, what, next_step in _SENTENCES:
            if mark in text_of:
                raise JournalError(f"The journal {_shown(url)} {what}.", next_step) from error
        raise JournalError(f"The journal {_shown(url)} failed: {error.orig}.", "Look at the database.") from error
    except PermissionError as error:
        raise JournalError(
            f"The journal {_shown(url)} is read-only or out of reach.",
            "Give this user the right to write to the file and its folder.",
        ) from error
    except OSError as error:
        raise JournalError(f"The journal {_shown(url)} cannot be opened: {error}.", "Check the path.") from error


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
