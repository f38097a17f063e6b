"""The journal on PostgreSQL: what its server and the way there can do to it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest

from allclear.cli.start import print_addresses
from allclear.domain.action import ActStatus, Outcome
from allclear.domain.errors import JournalError
from allclear.domain.records import ActFinished, ActIntended, NoteAdded
from allclear.journal.ports import Acquired, Claim, Held
from allclear.journal.sql_journal import SqlJournal
from allclear.journal.url import shown
from allclear.settings import Settings
from allclear.stack import Ports, Stack
from tests.journal_support import OnPostgres, manual
from tests.scenario.response_support import MACHINE, OPENED, received
from tests.scopes import REAL

LEASE = timedelta(seconds=30)
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


def _claim(journal: SqlJournal, incident: str, act: str = "a") -> Claim:
    intent = ActIntended(act=act, digest="d", change={}, holder=journal.holder)
    return journal.claim("dial:1", incident, act, LEASE, intent, MACHINE)


def _sessions(url: str) -> set[int]:
    with manual(url) as connection:
        asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return set(connection.exec_driver_sql(asked).scalars())


def _cut(url: str, sessions: set[int]) -> None:
    """End these sessions, as a failing network or a restart of the server would."""
    with manual(url) as connection:
        for one in sessions:
            assert connection.exec_driver_sql(f"SELECT pg_terminate_backend({one}, 5000)").scalar()


# --- who is alive ----------------------------------------------------------------------------------------


def test_a_broken_connection_is_taken_up_again(url: str, journal: SqlJournal, caplog: pytest.LogCaptureFixture) -> None:
    """Every session of a living process is cut: it says so, is known as alive again, and its claim is still its own."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    mine = _claim(journal, incident)
    assert isinstance(mine, Acquired)
    _cut(url, _sessions(url))
    other = SqlJournal(url, REAL)
    try:
        gone = _claim(other, incident, "b")
        assert isinstance(gone, Held)
        assert gone.gone
        with caplog.at_level(logging.WARNING, "allclear.journal"):
            assert journal.renew("dial:1", mine.token, LEASE)
        assert "Claims that others took over are lost" in caplog.text
        alive = _claim(other, incident, "b")
        assert isinstance(alive, Held)
        assert not alive.gone
        assert journal.finish("dial:1", mine.token, incident, FINISHED, MACHINE)
    finally:
        other.close()


def test_a_claim_that_was_taken_while_the_connection_was_broken_is_lost(
    url: str, journal: SqlJournal, other: SqlJournal
) -> None:
    """Another took it over: whoever had it can neither prolong nor finish, and nobody is sure that it is dead."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    others = _sessions(url)
    stranger = SqlJournal(url, REAL)
    try:
        lost = _claim(stranger, incident)
        assert isinstance(lost, Acquired)
        _cut(url, _sessions(url) - others)
        mine = _claim(other, incident)
        assert isinstance(mine, Acquired)
        assert (mine.resumed, mine.holder_dead) == (True, False)
        assert not stranger.renew("dial:1", lost.token, LEASE)
        assert not stranger.finish("dial:1", lost.token, incident, FINISHED, MACHINE)
        assert other.finish("dial:1", mine.token, incident, FINISHED, MACHINE)
    finally:
        stranger.close()


# --- turns -----------------------------------------------------------------------------------------------


def test_who_needs_nothing_of_another_does_not_wait_for_it(url: str, journal: SqlJournal) -> None:
    """While one incident is being written to, another is opened and written to."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    with manual(url) as connection:
        connection.exec_driver_sql("BEGIN; SELECT * FROM incidents FOR UPDATE")
        second, _ = journal.open_incident("VS", OPENED, MACHINE)
        assert len(journal.append(second, [NoteAdded(text="at once")], MACHINE)) == 1
        assert len(journal.entries(incident)) == 1


def test_a_connection_that_breaks_in_a_write_is_one_sentence(url: str, journal: SqlJournal) -> None:
    """It says to look whether the write is there; nothing is, and the next one goes through."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    with manual(url) as connection, ThreadPoolExecutor(1) as pool:
        connection.exec_driver_sql("BEGIN; LOCK TABLE entries")
        writing = pool.submit(journal.append, incident, [NoteAdded(text="lost")], MACHINE)
        _cut(url, {_waiting(url)})
        with pytest.raises(JournalError, match=r"broke off.*look first") as raised:
            writing.result()
        assert "\n" not in str(raised.value)
    journal.append(incident, [NoteAdded(text="live-message")], MACHINE)
    assert [entry.record.kind for entry in journal.entries(incident)] == ["incident.opened", "note.added"]


def _waiting(url: str) -> int:
    asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    end = monotonic() + 4
    while monotonic() < end:
        with manual(url) as connection:
            if (found := connection.exec_driver_sql(asked).scalar()) is not None:
                return found
        sleep(0.01)
    pytest.fail("Nobody waits.")


def test_sessions_that_ended_meanwhile_trouble_nobody(url: str, journal: SqlJournal) -> None:
    """After the server was started again, the next reading and writing simply work."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    _cut(url, _sessions(url))
    assert len(journal.entries(incident)) == 1
    _cut(url, _sessions(url))
    journal.append(incident, [NoteAdded(text="after")], MACHINE)


# --- durable, and every text -----------------------------------------------------------------------------


def test_a_server_that_does_not_keep_its_word_is_refused(postgres: OnPostgres, url: str) -> None:
    """With fsync off a power cut takes what was committed: that is no journal."""
    with _server_with(postgres, "fsync", "off"):
        assert "would not survive a power cut" in _complaint(url)
    SqlJournal(url, REAL).close()


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: OnPostgres) -> None:
    """People write names and signs of every script: the encoding must be UTF-8."""
    postgres.tell("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        assert "ENCODING 'UTF8'" in _complaint(postgres.address("ascii"))
    finally:
        postgres.tell("DROP DATABASE ascii")


def test_commits_wait_for_the_disk_whatever_the_server_prefers(postgres: OnPostgres, url: str) -> None:
    """synchronous_commit is off on the server: each of our sessions has it on."""
    with _server_with(postgres, "synchronous_commit", "off"):
        journal = SqlJournal(url, REAL)
        try:
            with journal._db.writing() as connection:  # noqa: SLF001 - a setting shows nowhere else
                assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        finally:
            journal.close()


@contextmanager
def _server_with(postgres: OnPostgres, setting: str, value: str) -> Generator[None]:
    before = postgres.tell(f"SHOW {setting}")
    try:
        _set(postgres, setting, value)
        yield
    finally:
        _set(postgres, setting, before)


def _set(postgres: OnPostgres, setting: str, value: str) -> None:
    postgres.tell(f"ALTER SYSTEM SET {setting} = {value}")
    postgres.tell("SELECT pg_reload_conf()")
    while postgres.tell(f"SHOW {setting}") != value:
        sleep(0.01)


def test_the_character_zero_stops_nothing(journal: SqlJournal) -> None:
    """PostgreSQL's text cannot hold it, JSON can smuggle it in: its picture stands there, and the same is the same."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE, key="a\0b", records=[NoteAdded(text="c\0d")])
    assert journal.open_incident("VS", OPENED, MACHINE, key="a\0b") == (incident, False)
    assert journal.entries(incident)[-1].record.text == "c\0d"
    assert journal.broken_link(incident) is None
    delivery, _ = received(journal, "json", {"x": "\0"}, b"\0", "e\0f")
    journal.set_delivery_state(delivery, "quarantined", "It cannot be read: \0.")
    assert journal.delivery(delivery).body == b"\0"


# --- what can be wrong -----------------------------------------------------------------------------------


def _complaint(url: str) -> str:
    """Open the journal and returns what is said: one sentence and a next step, without a secret."""
    with pytest.raises(JournalError) as raised:
        SqlJournal(url, REAL).close()
    said = raised.value
    for text in (said.message, said.next_step):
        assert "\n" not in text
        assert "sqlalche.me" not in text
        assert text.endswith(".")
    assert "s3cret" not in repr(said)
    return str(said)


def test_a_wrong_password_says_so(postgres: OnPostgres, url: str) -> None:
    """And one that is missing; neither is ever shown."""
    name = url.partition("?")[0].rpartition("/")[2]
    postgres.tell("CREATE ROLE ana LOGIN PASSWORD 'right'")
    rules = Path(postgres.tell("SHOW hba_file"))
    before = rules.read_text()
    try:
        rules.write_text(f"local all ana scram-sha-256\n{before}")
        postgres.tell("SELECT pg_reload_conf()")
        while "password" not in (said := _complaint_of(postgres.address(name, "ana:s3cret"))):
            sleep(0.01)
        assert "refuses this user's password" in said
        assert "asks for a password" in _complaint(postgres.address(name, "ana"))
        assert "right to everything" in _complaint(postgres.address(name, "ana:right"))
    finally:
        rules.write_text(before)
        postgres.tell("SELECT pg_reload_conf()")
        postgres.tell("DROP ROLE ana")


def _complaint_of(url: str) -> str:
    try:
        SqlJournal(url, REAL).close()
    except JournalError as error:
        return str(error)
    return ""


def test_who_and_what_is_not_there_says_so(postgres: OnPostgres, url: str) -> None:
    """A database or a user that the server does not know, and an option that nobody knows."""
    assert "does not exist. Create it" in _complaint(postgres.address("missing", "postgres:s3cret"))
    assert "knows no such user" in _complaint(postgres.address("postgres", "nobody:s3cret"))
    assert "option that cannot be" in _complaint(f"{url}&sslmod=require")
    assert "option that cannot be" in _complaint(f"{url}&sslmode=s3cret")


def test_a_server_that_is_out_of_reach_says_so() -> None:
    """Nobody listens, nobody knows the host, or whoever listens never answers."""
    assert "nobody listens there" in _complaint("postgresql://ana:s3cret@127.0.0.1:1/journal")
    assert "nobody listens there" in _complaint("postgresql:///journal?host=/nowhere&password=s3cret")
    assert "nobody knows its host" in _complaint("postgresql://ana:s3cret@nowhere.invalid/journal")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert "does not answer" in _complaint(f"postgresql://ana:s3cret@127.0.0.1:{port}/journal?connect_timeout=2")


def test_a_journal_that_may_not_be_written_says_so(postgres: OnPostgres, url: str, journal: SqlJournal) -> None:
    """A server that only reads, as a standby does."""
    postgres.tell(f"ALTER DATABASE {url.partition('?')[0].rpartition('/')[2]} SET default_transaction_read_only = on")
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
def test_where_the_journal_is_can_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, *, secret: bool
) -> None:
    """`allclear up` says where it is, and how other terminals reach it, without a password."""
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", address)
    print_addresses(Stack("vintstreet", tmp_path, Ports(4200, 8077)))
    said = capsys.readouterr().out
    assert "s3cret" not in said
    assert (f"export ALLCLEAR_JOURNAL_URL={address}" in said) != secret
    assert shown(address) in said
    assert "host:5432/journal" in shown(address) or "/var/lib/journal.db" in shown(address)


def test_a_password_is_in_no_description(url: str) -> None:
    """Neither of the settings, nor of the journal and its database."""
    secret = url.replace("//postgres@", "//postgres:s3cret@")
    settings, journal = Settings(journal_url=secret), SqlJournal(secret, REAL)
    try:
        shown = [repr(one) for one in (settings, journal, journal._db, journal._db.engine)]  # noqa: SLF001 - all
        assert "s3cret" in settings.journal_url
        assert not [one for one in shown if "s3cret" in one]
        assert "s3cret" not in journal._db.shown  # noqa: SLF001 - it is in every sentence
    finally:
        journal.close()
