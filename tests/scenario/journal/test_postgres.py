"""The journal on PostgreSQL: broken connections, locks, settings of the server, and errors."""

from __future__ import annotations

import logging
import shlex
import socket
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import pytest

from allclear.cli.start import print_addresses
from allclear.domain.action import ActStatus, Outcome
from allclear.domain.errors import JournalError
from allclear.domain.records import ActFinished, NoteAdded
from allclear.journal.rows import Acquired, Held
from allclear.journal.sql_journal import SqlJournal
from allclear.journal.url import shown
from allclear.settings import Settings
from allclear.stack import Ports, Stack
from tests.journal_support import LEASE, OnPostgres, claim, manual
from tests.patience import wait_until
from tests.scenario.response_support import MACHINE, OPENED, received
from tests.scopes import REAL

FINISHED = ActFinished(act="a", outcome=Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Done."))


@pytest.fixture
def url(postgres: OnPostgres) -> str:
    """The address of a new journal."""
    return postgres.new()


@pytest.fixture
def journal(url: str) -> Generator[SqlJournal]:
    """A new journal."""
    journal = SqlJournal(url, REAL)
    yield journal
    journal.close()


@pytest.fixture
def other(url: str, journal: SqlJournal) -> Generator[SqlJournal]:
    """The same journal, as another process has it."""
    journal.incidents()
    journal = SqlJournal(url, REAL)
    yield journal
    journal.close()


def _sessions(url: str) -> set[int]:
    with manual(url) as connection:
        asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return set(connection.exec_driver_sql(asked).scalars())


def _cut(url: str, sessions: set[int]) -> None:
    """End these sessions, as a failing network or a restart of the server would."""
    with manual(url) as connection:
        for session in sessions:
            assert connection.exec_driver_sql(f"SELECT pg_terminate_backend({session}, 60000)").scalar()


# --- liveness ----------------------------------------------------------------------------------------


def test_a_process_whose_connections_break_keeps_its_claim(
    url: str, journal: SqlJournal, caplog: pytest.LogCaptureFixture
) -> None:
    """It logs a warning, opens a new session, and other processes see it as alive again."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    mine = claim(journal, incident)
    assert isinstance(mine, Acquired)
    _cut(url, _sessions(url))
    other = SqlJournal(url, REAL)
    try:
        gone = claim(other, incident, "b")
        assert isinstance(gone, Held)
        assert gone.gone
        with caplog.at_level(logging.WARNING, "allclear.journal"):
            assert journal.renew("dial:1", mine.token, LEASE)
        assert "Claims that others took over are lost" in caplog.text
        alive = claim(other, incident, "b")
        assert isinstance(alive, Held)
        assert not alive.gone
        assert journal.finish("dial:1", mine.token, incident, FINISHED, MACHINE)
    finally:
        other.close()


def test_a_claim_that_was_taken_while_the_connection_was_broken_is_lost(
    url: str, journal: SqlJournal, other: SqlJournal
) -> None:
    """Another process took it over. The former holder can neither renew nor finish it, and may still be alive."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    others = _sessions(url)
    stranger = SqlJournal(url, REAL)
    try:
        lost = claim(stranger, incident)
        assert isinstance(lost, Acquired)
        _cut(url, _sessions(url) - others)
        mine = claim(other, incident)
        assert isinstance(mine, Acquired)
        assert (mine.resumed, mine.holder_dead) == (True, False)
        assert not stranger.renew("dial:1", lost.token, LEASE)
        assert not stranger.finish("dial:1", lost.token, incident, FINISHED, MACHINE)
        assert other.finish("dial:1", mine.token, incident, FINISHED, MACHINE)
    finally:
        stranger.close()


# --- locks -----------------------------------------------------------------------------------------------


def test_a_write_to_one_incident_does_not_wait_for_another_incident(url: str, journal: SqlJournal) -> None:
    """While the row of one incident is locked, another is opened and written."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    with manual(url) as connection:
        connection.exec_driver_sql("BEGIN; SELECT * FROM incidents FOR UPDATE")
        second, _ = journal.open_incident("VS", OPENED, MACHINE)
        assert len(journal.append(second, [NoteAdded(text="at once")], MACHINE)) == 1
        assert len(journal.entries(incident)) == 1


def test_a_connection_that_breaks_during_a_write_is_one_error(url: str, journal: SqlJournal) -> None:
    """Its next step is to check whether the write is there. It is not, and the next write succeeds."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    with manual(url) as connection, ThreadPoolExecutor(1) as pool:
        connection.exec_driver_sql("BEGIN; LOCK TABLE entries")
        writing = pool.submit(journal.append, incident, [NoteAdded(text="lost")], MACHINE)
        _cut(url, {_waiting(url)})
        with pytest.raises(JournalError, match=r"broke off.*before you try again") as raised:
            writing.result()
        assert "\n" not in str(raised.value)
    journal.append(incident, [NoteAdded(text="live-message")], MACHINE)
    assert [entry.record.kind for entry in journal.entries(incident)] == ["incident.opened", "note.added"]


def _waiting(url: str) -> int:
    asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    def waiting() -> int | None:
        with manual(url) as connection:
            return connection.exec_driver_sql(asked).scalar()

    return wait_until(waiting)


def test_sessions_that_ended_are_replaced(url: str, journal: SqlJournal) -> None:
    """After a restart of the server, reading and writing work."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    _cut(url, _sessions(url))
    assert len(journal.entries(incident)) == 1
    _cut(url, _sessions(url))
    journal.append(incident, [NoteAdded(text="after")], MACHINE)


# --- durability, and texts -----------------------------------------------------------------------------


def test_a_server_with_fsync_off_is_refused(postgres: OnPostgres, url: str) -> None:
    """A power cut would lose committed entries."""
    with _server_with(postgres, "fsync", "off"):
        assert "would not survive a power cut" in _error(url)
    SqlJournal(url, REAL).close()


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: OnPostgres) -> None:
    """People write in every script, so the encoding must be UTF-8."""
    postgres.run("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        assert "ENCODING 'UTF8'" in _error(postgres.address("ascii"))
    finally:
        postgres.run("DROP DATABASE ascii")


def test_commits_wait_for_the_disk_if_the_server_has_that_off(postgres: OnPostgres, url: str) -> None:
    """synchronous_commit is off on the server, and on in each of our sessions."""
    with _server_with(postgres, "synchronous_commit", "off"):
        journal = SqlJournal(url, REAL)
        try:
            with journal._db.writing() as connection:  # noqa: SLF001 - the setting is visible only in a session
                assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        finally:
            journal.close()


@contextmanager
def _server_with(postgres: OnPostgres, setting: str, value: str) -> Generator[None]:
    before = postgres.run(f"SHOW {setting}")
    try:
        _set(postgres, setting, value)
        yield
    finally:
        _set(postgres, setting, before)


def _set(postgres: OnPostgres, setting: str, value: str) -> None:
    postgres.run(f"ALTER SYSTEM SET {setting} = {value}")
    postgres.run("SELECT pg_reload_conf()")
    while postgres.run(f"SHOW {setting}") != value:
        sleep(0.01)


def test_the_character_zero_is_stored_as_its_symbol(journal: SqlJournal) -> None:
    """JSON can contain it, and PostgreSQL's text cannot. A key with it is still found."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE, key="a\0b", records=[NoteAdded(text="c\0d")])
    assert journal.open_incident("VS", OPENED, MACHINE, key="a\0b") == (incident, False)
    assert journal.entries(incident)[-1].record.text == "c\0d"
    assert journal.broken_link(incident) is None
    delivery, _ = received(journal, "json", {"x": "\0"}, b"\0", "e\0f")
    journal.set_delivery_state(delivery, "quarantined", "It cannot be read: \0.")
    assert journal.delivery(delivery).body == b"\0"


# --- errors -----------------------------------------------------------------------------------


def _error(url: str) -> str:
    """Return the error of opening the journal, after checking that it is plain and has no password."""
    with pytest.raises(JournalError) as raised:
        SqlJournal(url, REAL).close()
    error = raised.value
    for text in (error.message, error.next_step):
        assert "\n" not in text
        assert "sqlalche.me" not in text
        assert text.endswith(".")
    assert "s3cret" not in repr(error)
    return str(error)


def test_a_wrong_or_missing_password(postgres: OnPostgres, url: str) -> None:
    """The error does not contain the password."""
    name = url.partition("?")[0].rpartition("/")[2]
    postgres.run("CREATE ROLE ana LOGIN PASSWORD 'right'")
    rules = Path(postgres.run("SHOW hba_file"))
    before = rules.read_text()
    try:
        rules.write_text(f"local all ana scram-sha-256\n{before}")
        postgres.run("SELECT pg_reload_conf()")
        while "password" not in (error := _error_or_nothing(postgres.address(name, "ana:s3cret"))):
            sleep(0.01)
        assert "refuses this user's password" in error
        assert "asks for a password" in _error(postgres.address(name, "ana"))
        assert "right to everything" in _error(postgres.address(name, "ana:right"))
    finally:
        rules.write_text(before)
        postgres.run("SELECT pg_reload_conf()")
        postgres.run("DROP ROLE ana")


def _error_or_nothing(url: str) -> str:
    try:
        SqlJournal(url, REAL).close()
    except JournalError as error:
        return str(error)
    return ""


def test_an_unknown_database_user_or_option(postgres: OnPostgres, url: str) -> None:
    """Each has an error of its own."""
    assert "does not exist. Create it" in _error(postgres.address("missing", "postgres:s3cret"))
    assert "knows no such user" in _error(postgres.address("postgres", "nobody:s3cret"))
    assert "invalid option" in _error(f"{url}&sslmod=require")
    assert "invalid option" in _error(f"{url}&sslmode=s3cret")


def test_a_server_that_cannot_be_reached() -> None:
    """No process listens, the host is unknown, or the server never answers."""
    assert "no server listens there" in _error("postgresql://ana:s3cret@127.0.0.1:1/journal")
    assert "no server listens there" in _error("postgresql:///journal?host=/nowhere&password=s3cret")
    assert "its host is unknown" in _error("postgresql://ana:s3cret@nowhere.invalid/journal")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert "does not answer" in _error(f"postgresql://ana:s3cret@127.0.0.1:{port}/journal?connect_timeout=2")


def test_a_server_that_is_read_only(postgres: OnPostgres, url: str, journal: SqlJournal) -> None:
    """A standby is read-only: the next step names the primary."""
    postgres.run(f"ALTER DATABASE {url.partition('?')[0].rpartition('/')[2]} SET default_transaction_read_only = on")
    _cut(url, _sessions(url))
    with pytest.raises(JournalError, match=r"is read-only.*primary"):
        journal.open_incident("VS", OPENED, MACHINE)


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("postgresql://ana:s3cret@host:5432/journal", True),
        ("postgresql://ana@host:5432/journal?password=s3cret", True),
        ("postgresql://ana@host:5432/journal?sslmode=require", False),
        ("sqlite:////var/lib/journal.db", False),
    ],
)
def test_the_journal_s_address_is_printed_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, *, secret: bool
) -> None:
    """`allclear up` prints it, and writes it for other terminals if it has no secret."""
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", address)
    print_addresses(Stack("vintstreet", tmp_path, Ports(4200, 8077)))
    printed, written = capsys.readouterr().out, (tmp_path / "environment.sh").read_text()
    assert "s3cret" not in printed + written
    assert (f"export ALLCLEAR_JOURNAL_URL={shlex.quote(address)}" in written) != secret
    assert shown(address) in printed
    assert "host:5432/journal" in shown(address) or "/var/lib/journal.db" in shown(address)


def test_a_password_is_in_no_description(url: str) -> None:
    """The repr of the settings, the journal and its database leaves it out."""
    secret = url.replace("//postgres@", "//postgres:s3cret@")
    settings, journal = Settings(journal_url=secret), SqlJournal(secret, REAL)
    try:
        shown = [repr(one) for one in (settings, journal, journal._db, journal._db.engine)]  # noqa: SLF001 - all
        assert "s3cret" in settings.journal_url
        assert not [one for one in shown if "s3cret" in one]
        assert "s3cret" not in journal._db.shown  # noqa: SLF001 - it is in every error
    finally:
        journal.close()
