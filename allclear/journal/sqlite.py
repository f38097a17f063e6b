"""The journal on SQLite: a file, its write-ahead log, a lock file for writers, and a folder of liveness locks.

With WAL and `synchronous=FULL` a commit survives a power cut. A writer takes a lock on a file first, because SQLite's
own waiting is unfair between processes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock, RLock
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.engine import URL
from sqlalchemy.pool import PoolProxiedConnection

from allclear.journal.database import Database, Sentence, first_line
from allclear.journal.liveness import Liveness

_BUSY_SECONDS = 3
_OWNER_ONLY, _FOR_OTHERS = 0o600, 0o077
"""The mode of the journal's files, and the bits that give rights to its group and to others."""

_NOT_OURS = "Give this user the right to write to the file and its folder."
_SENTENCES = (
    ("not a database", "is not a journal: it is another file", "Point ALLCLEAR_JOURNAL_URL at a journal."),
    ("readonly", "is read-only", _NOT_OURS),
    ("read-only", "is read-only", _NOT_OURS),
    ("locked", "is locked by another program", "Close what holds it (a database browser, a backup) and try again."),
    ("unable to open", "cannot be opened", "Check that its folder exists and that this user may write there."),
    ("malformed", "is damaged", "Restore it from a backup; `allclear verify` shows which records are whole."),
    ("disk i/o", "cannot be read or written (disk I/O error)", "Check the disk and its log of errors."),
)

_LEAST_SPACE = 1_000_000
"""Bytes: with fewer free ones a write that fails has found no space."""


class SqliteDatabase(Database):
    """A journal in a file. All writers share one lock."""

    def __init__(self, url: URL) -> None:
        super().__init__()
        self._path = path = Path(url.database or "").resolve()
        self.shown = url.render_as_string()
        self._holders = Path(f"{path}.holders")
        self._lock = RLock()
        self._turn_file: int | None = None
        self._turns = 0
        self._watching = Lock()
        self._watcher: PoolProxiedConnection | None = None
        self._closed = False
        with self.plain_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            _keep_private(path)
            self._turn_file = os.open(f"{path}.turn", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            self.engine = self._engine(url)
            try:
                self._bring_up_to_date()
            except BaseException:
                self.close()
                raise

    def liveness(self) -> Liveness:
        """Register this process in the folder of holders. Raises JournalError."""
        with self.plain_errors():
            return FileLiveness(self._holders)

    def add_unless_there(self, connection: Connection, table: Table, row: Mapping[str, Any], *key: str) -> bool:
        """Insert a row, unless one has the same values in the columns `key`; return whether it was inserted."""
        return connection.execute(_unless_there(table, key), row).rowcount == 1

    def version(self) -> int | None:
        """Return SQLite's `data_version`, read by one connection that never writes; None once it is closed."""
        with self.plain_errors(), self._watching:
            if self._closed:
                return None
            if self._watcher is None:
                self._watcher = self.engine.raw_connection()
            driver: Any = self._watcher.driver_connection  # without SQLAlchemy's wrapper: this is read often
            return int(driver.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close every connection."""
        with self._watching:
            self._closed = True
            if self._watcher is not None:
                self._watcher.close()
                self._watcher = None
        super().close()
        file, self._turn_file = self._turn_file, None
        if file is not None:
            os.close(file)

    def _take_locks(self, connection: Connection, locks: tuple[str, ...]) -> None:
        """Do nothing, because every writer holds the one lock already."""

    @contextmanager
    def _reader(self) -> Generator[Connection]:
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def _writer(self, locks: tuple[str, ...]) -> Generator[Connection]:  # noqa: ARG002 - all writers share one lock
        with (
            self._turn(),
            self.engine.connect() as connection,
            connection.execution_options(allclear_write=True).begin(),
        ):
            yield connection

    @contextmanager
    def _turn(self) -> Generator[None]:
        """Hold the writers' lock; it is re-entrant."""
        with self._lock:
            if self._turn_file is not None and not self._turns:
                fcntl.flock(self._turn_file, fcntl.LOCK_EX)
            self._turns += 1
            try:
                yield
            finally:
                self._turns -= 1
                if self._turn_file is not None and not self._turns:
                    fcntl.flock(self._turn_file, fcntl.LOCK_UN)

    def _engine(self, url: URL) -> Engine:
        engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

        def on_connect(dbapi_connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
            dbapi_connection.isolation_level = None  # because `on_begin` begins transactions
            cursor = dbapi_connection.cursor()
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA synchronous=FULL")
            with self._turn():  # because two processes that open a new journal at once would lock each other out
                if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    cursor.execute("PRAGMA journal_mode=WAL")
            cursor.close()

        def on_begin(connection: Connection) -> None:
            # A deferred BEGIN that writes later fails at once if another process wrote meanwhile, whatever the timeout.
            write = connection.get_execution_options().get("allclear_write")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

        event.listen(engine, "connect", on_connect)
        event.listen(engine, "begin", on_begin)
        return engine

    def _sentence(self, error: Exception) -> Sentence:
        if isinstance(error, PermissionError):
            return "is read-only or out of reach", _NOT_OURS
        if isinstance(error, OSError):
            return (
                _full(self._path) if error.errno == errno.ENOSPC else (f"cannot be opened: {error}", "Check the path.")
            )
        words = first_line(error)
        # SQLite reports some writes that found no space, as those of its log, as a broken disk.
        if "disk is full" in words.lower() or ("disk i/o error" in words.lower() and _has_no_space(self._path)):
            return _full(self._path)
        for mark, what, next_step in _SENTENCES:
            if mark in words.lower():
                return what, next_step
        return f"failed: {words}", f"Check {self._path}, its folder and its disk."


def _full(path: Path) -> Sentence:
    return f"cannot grow: the disk of {path.parent} is full", "Free space on it and try again; nothing was lost."


def _has_no_space(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _LEAST_SPACE
    except OSError:
        return False


def _keep_private(path: Path) -> None:
    """Create the file if it is missing, and let only its owner read it and its log. Raises OSError.

    SQLite gives the files of its write-ahead log the mode of the database.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, _OWNER_ONLY))
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        # Another process may remove the log meanwhile, and a file that belongs to another user keeps its mode.
        with suppress(FileNotFoundError, PermissionError):
            if file.stat().st_mode & _FOR_OTHERS:
                file.chmod(_OWNER_ONLY)


@lru_cache
def _unless_there(table: Table, key: tuple[str, ...]) -> Insert:
    """Return the statement, built once for each table and key."""
    return insert(table).on_conflict_do_nothing(index_elements=key)


class FileLiveness:
    """A lock on a file of this process in `folder`, which the kernel releases when the process ends."""

    sure = True

    def __init__(self, folder: Path) -> None:
        """Take the lock; create `folder` if it is missing. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.holder = uuid.uuid4().hex
        self._folder = folder
        self._file: int | None = os.open(self._path(self.holder), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def hold(self) -> None:
        """Do nothing, because a living process cannot lose the lock."""

    def gone(self, connection: Connection, holder: str) -> bool:  # noqa: ARG002 - liveness is not in the database
        """Return whether that holder's process has ended; a stopped process is not gone."""
        if holder == self.holder:
            return False
        try:
            other = os.open(self._path(holder), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(other)

    def leave(self) -> None:
        """Release the lock and delete its file. A second call does nothing.

        It must not close the file descriptor again: the system may have given its number to another file or socket.
        """
        file, self._file = self._file, None
        if file is None:
            return
        with suppress(OSError):
            self._path(self.holder).unlink()
        os.close(file)

    def _path(self, holder: str) -> Path:
        return self._folder / f"{holder}.alive"
