"""Errors of a journal's database: each is one sentence with a next step."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, make_url
from sqlalchemy.exc import OperationalError

from allclear.domain.errors import ConfigError, JournalError
from allclear.journal.database import HEAD
from allclear.journal.sql_journal import SqlJournal
from allclear.journal.sqlite import SqliteDatabase
from allclear.journal.tables import METADATA
from tests.journal_support import Journals, error_of_opening, manual
from tests.scopes import REAL


def test_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    """The file is not changed."""
    path = tmp_path / "notes.txt"
    path.write_text("Buy milk.\n" * 1000)
    assert "it is another file" in error_of_opening(f"sqlite:///{path}")
    assert path.read_text() == "Buy milk.\n" * 1000


@pytest.mark.parametrize("tables", [["orders"], ["alembic_version", "flow_run"]])
def test_a_database_of_another_program(journals: Journals, tables: list[str]) -> None:
    """No table of ours is added, not even to a database that Alembic migrates too, as Prefect's."""
    url = journals.blank()
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir()
    with manual(url) as connection:
        for table in tables:
            connection.exec_driver_sql(f"CREATE TABLE {table} (version_num TEXT)")
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ('0001')")  # noqa: S608 - the names are above
    assert "not a journal" in error_of_opening(url)
    with manual(url) as connection:
        assert sorted(inspect(connection).get_table_names()) == tables


def test_a_journal_of_a_newer_version(url: str) -> None:
    """An older allclear refuses to use it."""
    with manual(url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert "newer" in error_of_opening(url)


def test_the_migrations_create_the_tables_that_the_code_uses(journals: Journals) -> None:
    """Opening a journal migrates an empty database. Its tables, columns and indexes are those of the code."""
    url = journals.blank()
    SqlJournal(url, REAL).close()
    with manual(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == HEAD


def test_a_file_in_place_of_the_journal_s_folder(tmp_path: Path) -> None:
    """The folder cannot be made."""
    (tmp_path / "file").touch()
    assert "cannot be opened" in error_of_opening(f"sqlite:///{tmp_path}/file/journal.db")


@pytest.mark.parametrize(
    "address",
    [
        "journal.db",
        "",
        "mysql://host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://host",
        "postgres://host/db",
        "postgresql+psycopg2://host/db",
        "postgresql://ana:s3cret@host:port/db",
    ],
)
def test_a_journal_url_that_cannot_work_is_a_configurationerror_of_opening(address: str) -> None:
    """It is not a URL, has another kind of database or driver, names no database, or would be only in memory."""
    error = error_of_opening(address, ConfigError)
    assert "sqlite:///path/to/journal.db" in error
    assert "postgresql://user@host/database" in error
    assert "s3cret" not in error


@contextmanager
def _unprivileged() -> Generator[Path]:
    """Yield a folder without write permission. A process that is root becomes an unprivileged user meanwhile."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    root = os.geteuid() == 0
    try:
        (folder / "closed").mkdir(mode=0o555)
        SqlJournal(
            f"sqlite:///{folder}/warm.db", REAL
        ).close()  # imports modules, which the unprivileged user might not be able to read
        shutil.copy(folder / "warm.db", folder / "journal.db")
        (folder / "journal.db").chmod(0o444)
        folder.chmod(0o555)
        if root:
            os.seteuid(65534)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        for path in (folder, folder / "closed"):
            path.chmod(0o755)
        shutil.rmtree(folder)


def test_a_journal_without_write_permission() -> None:
    """Neither the file nor its folder can be written."""
    with _unprivileged() as folder:
        error = error_of_opening(f"sqlite:///{folder}/journal.db")
    assert "is read-only" in error or "cannot be opened" in error


def test_a_folder_without_write_permission() -> None:
    """A new journal cannot be created in the folder, nor in a folder below it that would have to be made."""
    with _unprivileged() as folder:
        for place in ("closed/journal.db", "closed/deeper/journal.db"):
            error = error_of_opening(f"sqlite:///{folder}/{place}")
            assert "is read-only" in error or "cannot be opened" in error


@pytest.mark.parametrize(
    ("words", "free", "sentence"),
    [
        ("database or disk is full", 10**9, "is full"),
        ("disk I/O error", 4096, "is full"),
        ("disk I/O error", 10**9, "cannot be read or written"),
    ],
)
def test_a_disk_that_is_full_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, free: int, sentence: str
) -> None:
    """SQLite calls some writes that found no space an I/O error; the sentence names the folder."""
    database = SqliteDatabase(make_url(f"sqlite:///{tmp_path}/journal.db"))
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", {database.shown: usage, tmp_path: usage}.__getitem__)
    with pytest.raises(JournalError, match=sentence) as raised, database.plain_errors():
        raise OperationalError("INSERT", {}, sqlite3.OperationalError(words))
    assert str(tmp_path) in raised.value.message
    with pytest.raises(JournalError, match="is full"), database.plain_errors():
        raise OSError(errno.ENOSPC, "No space left on device")
    database.close()
