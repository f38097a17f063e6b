"""Refuses an address that leads to a transaction pooler, because the journal needs sessions of its own.

A transaction pooler gives a client another session of the server for each transaction. This process's liveness is a
lock of a session (`postgres.py`): through such a pooler other processes would see it as gone although it lives, and
would take over acts that it is carrying out.

It is recognised in two ways: by the addresses of well-known poolers, and by a probe, because PgBouncer can listen
anywhere and its mode does not show in the address.

*Source:* pgbouncer.org/features (SET and session advisory locks do not work in transaction pooling);
supabase.com/docs/guides/database/connecting-to-postgres (port 6543 is transaction mode, 5432 session mode);
neon.com/docs/connect/connection-pooling (hosts with `-pooler` run PgBouncer in transaction mode), read 2026-11.
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack, suppress

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from allclear.domain.errors import JournalError

_SUPABASE_PORT = 6543
_SETTING = "allclear.session"
_ROUNDS = 2
"""A pooler that hands out its idle sessions in turn may pass the first round by chance, and not the second."""


def require_sessions(engine: Engine, url: URL, shown: str) -> None:
    """Raise JournalError if the address leads to a transaction pooler; `shown` is the address without secrets.

    Raises SQLAlchemyError if the database does not answer.
    """
    if _known_pooler(url) or _sessions_are_shared(engine):
        raise JournalError(
            f"The journal {shown} is behind a transaction pooler, which shares its sessions among clients: a living "
            "process would count as gone, and its acts could be done twice.",
            "Point ALLCLEAR_JOURNAL_URL at the server itself, or at a pooler in session mode (Supabase: port 5432; "
            "Neon: the host without -pooler; PgBouncer: pool_mode = session).",
        )


def _known_pooler(url: URL) -> bool:
    host = (url.host or "").lower()
    if host.endswith(".neon.tech"):
        return host.partition(".")[0].endswith("-pooler")
    return host.endswith((".pooler.supabase.com", ".supabase.co")) and url.port == _SUPABASE_PORT


def _sessions_are_shared(engine: Engine) -> bool:
    """Return whether two connections use one session, or one connection uses two.

    The first connection marks its session. Then a second one holds a transaction open: either it sees the mark, or, if
    the pooler gave it another session, the first may be given another one too and does not see its own mark.
    """
    mark = uuid.uuid4().hex
    with ExitStack() as stack:
        first = stack.enter_context(engine.connect()).execution_options(isolation_level="AUTOCOMMIT")
        first.execute(select(func.set_config(_SETTING, mark, False)))  # noqa: FBT003 - SQL's argument
        try:
            for _ in range(_ROUNDS):
                with engine.connect() as second, second.begin():
                    if _mark(second) == mark or _mark(first) != mark:
                        return True
        finally:
            with suppress(SQLAlchemyError):
                first.execute(select(func.set_config(_SETTING, "", False)))  # noqa: FBT003 - as above
    return False


def _mark(connection: Connection) -> str | None:
    return connection.execute(select(func.current_setting(_SETTING, True))).scalar()  # noqa: FBT003 - SQL's argument
