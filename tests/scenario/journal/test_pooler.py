"""A journal behind a transaction pooler is refused, with the reason; one behind sessions of its own is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import OnPostgres, error_of_opening, open_one
from tests.pooler_support import transaction_pooler
from tests.scopes import REAL


@pytest.mark.parametrize(("sessions", "oldest_first"), [(1, False), (2, False), (2, True), (3, True)])
def test_a_transaction_pooler_is_refused_at_the_start(
    postgres: OnPostgres, sessions: int, *, oldest_first: bool
) -> None:
    """Whether it gives out its newest or its oldest idle session, a probe finds that sessions are shared."""
    url = make_url(postgres.new())
    socket = Path(str(url.query["host"])) / ".s.PGSQL.5432"
    with transaction_pooler(socket, sessions=sessions, oldest_first=oldest_first) as port:
        error = error_of_opening(f"postgresql://postgres@127.0.0.1:{port}/{url.database}?connect_timeout=20")
    assert "is behind a transaction pooler" in error
    assert "pool_mode = session" in error


def test_a_pooler_whose_every_client_has_a_session_of_its_own_is_not_refused(postgres: OnPostgres) -> None:
    """The server itself is used as before, and the probe leaves no mark in its session."""
    journal = SqlJournal(postgres.new(), REAL)
    try:
        assert open_one(journal)
        with journal._db.reading() as connection:  # noqa: SLF001 - the session that was probed
            assert connection.exec_driver_sql("SELECT current_setting('allclear.session', true)").scalar() in ("", None)
    finally:
        journal.close()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://postgres.abc:s3cret@aws-0-us-west-1.pooler.supabase.com:6543/postgres",
        "postgresql://postgres:s3cret@db.abc.supabase.co:6543/postgres",
        "postgresql://ana:s3cret@ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech/journal",
    ],
)
def test_the_addresses_of_well_known_poolers_are_refused_without_connecting(address: str) -> None:
    """The error says why and where to connect instead, and does not repeat the password."""
    error = error_of_opening(address)
    assert "is behind a transaction pooler" in error
    assert "s3cret" not in error
