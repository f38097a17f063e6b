"""Opens the database that ALLCLEAR_JOURNAL_URL names.

An address may hold a password. No error message repeats it, and the errors of the parser are not chained.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from allclear.domain.errors import ConfigError
from allclear.journal.database import Database

_WRITE = "Write it as sqlite:///path/to/journal.db or postgresql://user@host/database."


def open_database(url: str) -> Database:
    """Open the database at `url`; create its tables if it is empty, and migrate them if they are older.

    Raises ConfigError for an invalid address, JournalError for a database that is not a journal, cannot be reached, or
    is not durable.
    """
    parsed = _parsed(url)
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise ConfigError("A journal in memory is lost when the process ends.", _WRITE)
            from allclear.journal.sqlite import SqliteDatabase  # noqa: PLC0415 - only what is asked for is loaded

            return SqliteDatabase(parsed)
        case "postgresql" | "postgresql+psycopg":
            if not parsed.database:
                raise ConfigError("ALLCLEAR_JOURNAL_URL names no database on its server.", _WRITE)
            from allclear.journal.postgres import PostgresDatabase  # noqa: PLC0415 - as above

            return PostgresDatabase(parsed)
        case other:
            raise ConfigError(f"A journal on {other} is not supported.", _WRITE)


def missing_file(url: str) -> Path | None:
    """Return the file of a journal on SQLite that does not exist yet, or None. Raises ConfigError."""
    parsed = _parsed(url)
    if not parsed.drivername.startswith("sqlite") or parsed.database in {None, "", ":memory:"}:
        return None
    file = Path(parsed.database or "").resolve()
    return None if file.exists() else file


def shown(url: str) -> str:
    """Return the address as it may be shown: without password and options. Raises ConfigError."""
    return without_secrets(_parsed(url))


def has_secrets(url: str) -> bool:
    """Return whether the address holds a password, as itself or as an option. Raises ConfigError."""
    parsed = _parsed(url)
    return parsed.password is not None or any("pass" in name or "secret" in name for name in parsed.query)


def without_secrets(url: URL) -> str:
    """Return the address without password and options: `?password=` is possible, too."""
    return URL.create(url.drivername, url.username, None, url.host, url.port, url.database).render_as_string()


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError("ALLCLEAR_JOURNAL_URL is not a database address.", _WRITE) from None
