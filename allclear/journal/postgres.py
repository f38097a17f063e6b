"""The journal on PostgreSQL: durable settings, advisory locks, and sentences for errors.

*Durability*: a commit returns when it is on the server's disk. If the server's `synchronous_commit` is off, each
session turns it on. If `fsync` is off, no session can turn it on, and the journal is refused.

*Locks*: transactions are READ COMMITTED, so none fails because another wrote meanwhile. Each takes its locks in one
order (named locks by name, then the incident's row, then outbox messages by key) and sees all that was committed
before. Transactions that need different locks write at the same time. Reading sees one snapshot (REPEATABLE READ).

*Timeouts*: waiting for a lock, an answer or the network ends (`_PATIENCE`, `_SESSION`). A process that is stopped in
the middle of a transaction loses the transaction.

The address must lead to the server itself, or to a pooler that gives each client a session of its own (`pooler.py`).

*Source:* PostgreSQL 18: 13.2 Transaction Isolation, 13.3.5 Advisory Locks, 19.5.1 (fsync, synchronous_commit), 19.11.1
(timeouts), 32.1.2 (the connection's parameters), appendix A (SQLSTATE).
"""

from __future__ import annotations

import hashlib
import logging
import re
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from threading import Lock
from typing import Any, cast

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, select, text
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from allclear.domain.errors import JournalError
from allclear.journal.database import Database, Sentence, first_line
from allclear.journal.liveness import Liveness
from allclear.journal.pooler import require_sessions
from allclear.journal.url import without_secrets

log = logging.getLogger("allclear.journal")

_PATIENCE: dict[str, str | int] = {
    "connect_timeout": 5,  # seconds; so are the keepalives'
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
"""Network timeouts; an option in the address, as `?connect_timeout=20`, replaces one."""

_SESSION = text(
    "SELECT set_config('lock_timeout', '5s', false),"
    " set_config('idle_in_transaction_session_timeout', '10s', false),"
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)"
)

_SERVER_PROCESS = select(func.pg_backend_pid())
_BROKEN_OFF = {"57P01", "57P02", "57P03", "57P05", "25P03"}
"""The server ended the session: it is stopping, or this process was stopped in the middle of a transaction."""

_BY_STATE = {
    "55P03": ("is locked by another program", "Close what holds it (a psql session, a backup) and try again."),
    "25006": ("is read-only", "Point ALLCLEAR_JOURNAL_URL at the primary server, and let this user write."),
    "42501": (
        "does not let this user do all it must",
        "Give it the right to everything there: let it own the database, or the schema and its tables.",
    ),
    "53100": ("cannot grow: the disk is full", "Free disk space on its server and try again; nothing was lost."),
    "53300": ("has no connection left", "Raise max_connections on its server, or close other programs."),
    "40001": ("was written by another at the same moment", "Try again: nothing was written."),
    "40P01": ("was written by another at the same moment", "Try again: nothing was written."),
}
_CONNECTING = (
    ("password authentication failed", "refuses this user's password", "Correct the password in ALLCLEAR_JOURNAL_URL."),
    ("no password supplied", "asks for a password", "Put it into ALLCLEAR_JOURNAL_URL, or into ~/.pgpass."),
    ("no pg_hba.conf entry", "does not let this user in from here", "Add a line to pg_hba.conf on its server."),
    ('role ".*" does not exist', "knows no such user", "Correct the user in ALLCLEAR_JOURNAL_URL, or create it."),
    ('database ".*" does not exist', "does not exist", "Create it (createdb), or correct ALLCLEAR_JOURNAL_URL."),
    ("too many clients|connection slots", *_BY_STATE["53300"]),
    ("the database system is", "is starting or stopping", "Wait a moment and try again."),
    ("resolve host", "cannot be reached: its host is unknown", "Correct the host in ALLCLEAR_JOURNAL_URL."),
    (
        "refused|no such file",
        "cannot be reached: no server listens there",
        "Start PostgreSQL, or correct host and port.",
    ),
    ("closed the connection", "cannot be reached: its server closed the connection", "Wait a moment and try again."),
    ("timeout", "cannot be reached: it does not answer", "Check the host, the port and the network between."),
    ("connection option|connection is bad", "has an invalid option", "Correct what follows ? in the address."),
)
"""Errors before there is a connection, which have no SQLSTATE."""


class PostgresDatabase(Database):
    """A journal in a PostgreSQL database."""

    def __init__(self, url: URL) -> None:
        super().__init__()
        self.shown = without_secrets(url)
        with self.plain_errors():
            self.engine = _engine(url)
            try:
                require_sessions(self.engine, url, self.shown)
                self._require_durable()
                self._bring_up_to_date()
            except BaseException:
                self.close()
                raise

    def liveness(self) -> Liveness:
        """Register this process by a session of its own. Raises JournalError."""
        return SessionLiveness(self)

    def add_unless_there(self, connection: Connection, table: Table, row: Mapping[str, Any], *key: str) -> bool:
        """Insert a row, unless one has the same values in the columns `key`; return whether it was inserted."""
        return connection.execute(_unless_there(table, key), row).rowcount == 1

    def _take_locks(self, connection: Connection, locks: tuple[str, ...]) -> None:
        for lock in sorted(locks):
            connection.execute(select(func.pg_advisory_xact_lock(lock_key(f"lock {lock}"))))

    @contextmanager
    def _reader(self) -> Generator[Connection]:
        with self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def _writer(self, locks: tuple[str, ...]) -> Generator[Connection]:
        with self.engine.connect() as connection, connection.begin():
            self._take_locks(connection, locks)
            yield connection

    def _require_durable(self) -> None:
        with self.reading() as connection:
            asked = text("SELECT current_setting('fsync'), current_setting('server_encoding')")
            fsync, encoding = connection.execute(asked).one()
        if fsync == "off":
            raise JournalError(
                f"The journal {self.shown} would not survive a power cut: its server runs with fsync off.",
                "Set fsync = on in its postgresql.conf and reload.",
            )
        if encoding != "UTF8":
            raise JournalError(
                f"The journal {self.shown} cannot hold every text: its encoding is {encoding}.",
                "Create the database with ENCODING 'UTF8'.",
            )

    def _sentence(self, error: Exception) -> Sentence:
        words = first_line(error)
        if isinstance(error, DBAPIError):
            state = getattr(error.orig, "sqlstate", None)
            if state in _BY_STATE:
                return _BY_STATE[state]
            if error.connection_invalidated or state in _BROKEN_OFF:
                return "broke off", "Check whether the last write is there before you try again."
            if state is None:
                for pattern, what, next_step in _CONNECTING:
                    if re.search(pattern, words, re.IGNORECASE):
                        return what, next_step
        return f"failed: {words}", "Look at the database and its server's log."


@lru_cache
def _unless_there(table: Table, key: tuple[str, ...]) -> Insert:
    """Return the statement, built once for each table and key."""
    return insert(table).on_conflict_do_nothing(index_elements=key)


class SessionLiveness:
    """An advisory lock that belongs to a session of this process: the server releases it when the session ends.

    When the process dies, the kernel closes its connection and the session ends at once. A connection can also break
    while the process lives (the server restarts, the network fails). Then:

    - other processes see this one as gone and may take over its claims. `sure` is False, so an act that no vendor
      fences becomes indeterminate and is not done a second time
    - this process checks its session before each claim and with each renewal. If the session has ended, it logs that
      and takes the lock in a new session
    - a claim that no process took over meanwhile stays with this process, by its token. A claim that was taken over is
      lost: `renew` and `finish` return False

    The lock is shared, so a new session never waits for the remains of the old one. A process that checks whether
    another is gone tries to take that lock exclusively.
    """

    sure = False

    def __init__(self, database: PostgresDatabase) -> None:
        """Open the session and take the lock. Raises JournalError."""
        self.holder = uuid.uuid4().hex
        self._db = database
        self._lock = Lock()
        with database.plain_errors():
            self._session, self._server_process = self._take()

    def hold(self) -> None:
        """Check the session, and take the lock in a new one if it has ended. Raises JournalError."""
        with self._lock, self._db.plain_errors():
            if self._stands():
                return
            log.warning(
                "The session at the journal %s ended; opening a new one. Claims that others took over are lost.",
                self._db.shown,
            )
            self._end()
            self._session, self._server_process = self._take()

    def gone(self, connection: Connection, holder: str) -> bool:
        """Return whether that holder has no session. It cannot open one until the caller's transaction ends.

        If two processes ask at the same moment, one of them may get False although the holder is gone.
        """
        if holder == self.holder:
            return False
        alone = func.pg_try_advisory_xact_lock(lock_key(f"holder {holder}"))
        return bool(connection.execute(select(alone)).scalar_one())

    def leave(self) -> None:
        """End the session."""
        with self._lock:
            self._end()

    def _take(self) -> tuple[Connection, int]:
        session = self._db.engine.connect()
        try:
            session.execution_options(isolation_level="AUTOCOMMIT")
            session.detach()  # otherwise the pool would give it to other callers
            session.execute(select(func.pg_advisory_lock_shared(lock_key(f"holder {self.holder}"))))
            return session, session.execute(_SERVER_PROCESS).scalar_one()
        except BaseException:
            session.close()
            raise

    def _stands(self) -> bool:
        try:
            return self._session.execute(_SERVER_PROCESS).scalar_one() == self._server_process
        except SQLAlchemyError:
            return False

    def _end(self) -> None:
        with suppress(SQLAlchemyError):
            self._session.close()


def lock_key(name: str) -> int:
    """Return the 64-bit key of an advisory lock. Two names with one key would only wait for each other."""
    return int.from_bytes(hashlib.sha256(f"allclear {name}".encode()).digest()[:8], signed=True)


def _engine(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,  # replaces connections that broke when the server restarted
        connect_args={name: value for name, value in _PATIENCE.items() if name not in url.query}
        | {"client_encoding": "utf8"},
    )

    def on_connect(dbapi_connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
        dbapi_connection.autocommit = True
        dbapi_connection.execute(_SESSION.text)
        dbapi_connection.autocommit = False

    def on_execute(
        _connection: Connection,
        _cursor: object,
        statement: str,
        parameters: Any,  # noqa: ANN401 - SQLAlchemy's shape
        _context: object,
        _many: bool,  # noqa: FBT001 - as above
    ) -> tuple[str, Any]:
        """Replace the character zero, which PostgreSQL's text cannot hold, by its symbol."""
        if isinstance(parameters, dict):
            row = cast("dict[str, Any]", parameters)
            return statement, {
                name: value.replace("\0", "␀") if isinstance(value, str) else value for name, value in row.items()
            }
        return statement, parameters

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "before_cursor_execute", on_execute, retval=True)
    return engine
