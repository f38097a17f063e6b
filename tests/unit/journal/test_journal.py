"""The journal: what is written stays as it was written, one at a time, and every trouble is one clear sentence."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, sleep

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, ConcurrentWrite, ConfigError, JournalError, NotFound
from allclear.domain.plan import RotaOverride
from allclear.domain.records import GENESIS, ActFinished, ActIntended, ActProposed, IncidentEnded, NoteAdded
from allclear.journal.database import HEAD
from allclear.journal.ports import Acquired, Claim, Finished, Held, OutboxKind, OutboxMessage
from allclear.journal.sql_journal import SqlJournal
from allclear.journal.tables import METADATA
from tests.journal_support import Journals, manual
from tests.scenario.response_support import MACHINE, OPENED, append_all, hold_claim, open_all, received
from tests.scopes import REAL

LEASE = timedelta(seconds=30)
DONE = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Done.")
ENDED = IncidentEnded(ending="resolved", reason="all is well")


class Time:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        """Return the present."""
        return self.now


@pytest.fixture
def url(journals: Journals) -> str:
    """The address of a new journal, on each database."""
    return journals.new()


@pytest.fixture
def time() -> Time:
    """The journal's clock."""
    return Time()


@pytest.fixture
def journal(url: str, time: Time) -> Generator[SqlJournal]:
    """A new journal."""
    journal = SqlJournal(url, REAL, time)
    yield journal
    journal.close()


@pytest.fixture
def other(url: str, time: Time) -> Generator[SqlJournal]:
    """The same journal, as another process has it."""
    journal = SqlJournal(url, REAL, time)
    yield journal
    journal.close()


def _opened(journal: SqlJournal) -> str:
    return journal.open_incident("VS", OPENED, MACHINE)[0]


# --- entries ---------------------------------------------------------------------------------------------


def test_takeovers_are_kept_the_newest_first(journal: SqlJournal) -> None:
    """Who took over which turn is read back as it was said."""
    said = [
        RotaOverride(role="on_call", layer="first", person=name, at=datetime(2026, 11, 2, hour, tzinfo=UTC))
        for name, hour in (("Ana", 9), ("Ben", 17))
    ]
    for one in said:
        journal.add_override(one)
    assert journal.overrides("on_call") == said[::-1]
    assert journal.overrides("on_call", limit=1) == said[1:]
    assert journal.overrides("cto") == []


def test_what_is_written_is_read_in_order(journal: SqlJournal) -> None:
    """Numbers from one on, each entry chained to the one before, and whoever asks for the newer ones gets those."""
    incident = _opened(journal)
    said = journal.append(incident, [NoteAdded(text="one"), NoteAdded(text="two")], MACHINE)
    entries = journal.entries(incident)
    assert entries[1:] == said
    assert [entry.number for entry in entries] == [1, 2, 3]
    assert [entry.previous_hash for entry in entries] == [GENESIS, entries[0].hash, entries[1].hash]
    assert journal.entries(incident, after=2) == entries[2:]
    assert journal.broken_link(incident) is None


def test_each_prefix_has_its_own_numbers(journal: SqlJournal) -> None:
    """VS-1, VS-2, RG-1: and the list has the newest first, by service and by whether it is open."""
    ids = [journal.open_incident(short, OPENED, MACHINE)[0] for short in ("VS", "VS", "RG")]
    assert ids == ["VS-1", "VS-2", "RG-1"]
    journal.append("VS-1", [ENDED], MACHINE)
    assert {row.id for row in journal.incidents(open_only=True)} == {"VS-2", "RG-1"}
    assert len(journal.incidents(service="storefront")) == 3
    assert journal.incidents(service="nothing") == []


@pytest.mark.parametrize("change", ["UPDATE entries SET record = '{}'", "DELETE FROM entries"])
def test_the_database_refuses_to_change_an_entry(journal: SqlJournal, url: str, change: str) -> None:
    """Not even SQL by hand gets past the triggers."""
    incident = _opened(journal)
    with manual(url) as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.exec_driver_sql(change)
    assert journal.broken_link(incident) is None


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE entries SET record = replace(record, 'two', 'too') WHERE number = 3", 3),
        ("""UPDATE entries SET "by" = replace("by", 'allclear', 'Eve') WHERE number = 2""", 2),
        ("UPDATE entries SET at = replace(at, '20', '19') WHERE number = 1", 1),
        ("DELETE FROM entries WHERE number = 2", 2),
        ("DELETE FROM entries WHERE number = 4", 4),
        ("UPDATE entries SET hash = previous_hash WHERE number = 4", 4),
    ],
)
def test_a_changed_line_breaks_the_chain(journal: SqlJournal, url: str, change: str, broken: int) -> None:
    """Who gets past the triggers all the same is found out, at the first line that was touched."""
    incident = _opened(journal)
    journal.append(incident, [NoteAdded(text=text) for text in ("one", "two", "three")], MACHINE)
    with manual(url) as connection:
        of_a_table = "" if url.startswith("sqlite") else " ON entries"
        for name in ("update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER entries_no_{name}{of_a_table}")
        connection.exec_driver_sql(change)
    assert journal.broken_link(incident) == broken


def test_who_has_not_seen_the_newest_entry_is_told(journal: SqlJournal, other: SqlJournal) -> None:
    """A decision on what is out of date is not written, nor anything that goes with it."""
    incident = _opened(journal)
    other.append(incident, [NoteAdded(text="me first")], MACHINE, expect=1)
    message = OutboxMessage(OutboxKind.START, incident, "late", {})
    with pytest.raises(ConcurrentWrite):
        journal.append(incident, [NoteAdded(text="me too")], MACHINE, expect=1, outbox=[message])
    assert len(journal.entries(incident)) == 2
    assert journal.outbox() == []
    journal.append(incident, [NoteAdded(text="me too")], MACHINE, expect=2)


def test_a_batch_is_written_whole_or_not_at_all(journal: SqlJournal) -> None:
    """An act has one outcome: the second takes the rest of its batch with it, and the chain stays whole."""
    incident = _opened(journal)
    journal.append(incident, [ActFinished(act="a", outcome=DONE)], MACHINE)
    with pytest.raises(JournalError):
        journal.append(incident, [NoteAdded(text="x"), ActFinished(act="a", outcome=DONE)], MACHINE)
    assert len(journal.entries(incident)) == 2
    assert journal.broken_link(incident) is None


def test_an_unknown_incident_is_not_found(journal: SqlJournal) -> None:
    """Reading, writing and checking all say so."""
    for ask in (journal.entries, journal.broken_link, lambda it: journal.append(it, [], MACHINE)):
        with pytest.raises(NotFound, match="VS-99"):
            ask("VS-99")


def test_half_a_character_is_kept_as_a_question_mark(journal: SqlJournal) -> None:
    """What JSON can smuggle in and no file can hold does not stop the record."""
    incident = _opened(journal)
    journal.append(incident, [NoteAdded(text="half \ud83d, whole 🚨")], MACHINE)
    assert journal.entries(incident)[-1].record.text == "half ?, whole 🚨"
    assert journal.broken_link(incident) is None


# --- one incident for one trouble ------------------------------------------------------------------------


def test_a_key_opens_one_incident_while_it_is_open(journal: SqlJournal, other: SqlJournal) -> None:
    """The second joins it with its own records; its errands are not put in; after the end it is a new one."""
    message = OutboxMessage(OutboxKind.START, "", "{incident}/respond", {"flow": "respond"})
    first = journal.open_incident("VS", OPENED, MACHINE, key="k", records=[NoteAdded(text="one")], outbox=[message])
    again = other.open_incident("VS", OPENED, MACHINE, key="k", records=[NoteAdded(text="two")], outbox=[message])
    assert (first, again) == (("VS-1", True), ("VS-1", False))
    assert [entry.record.kind for entry in journal.entries("VS-1")] == ["incident.opened", "note.added", "note.added"]
    assert [one.key for one in journal.outbox()] == ["VS-1/respond"]
    journal.append("VS-1", [ENDED], MACHINE)
    assert journal.open_incident("VS", OPENED, MACHINE, key="k") == ("VS-2", True)


def test_incidents_are_found_by_what_they_touch(journal: SqlJournal) -> None:
    """Those with an act on a resource, the oldest first, whether open or not."""
    ids = [_opened(journal) for _ in range(3)]
    for incident in (ids[2], ids[0]):
        act = ActProposed(
            act="a",
            phase="contain",
            step="a",
            action="dial.turn",
            title="Turn",
            params={},
            change={},
            resource="dial:1",
        )
        journal.append(incident, [act], MACHINE)
    assert journal.incidents_touching("dial:1") == [ids[0], ids[2]]
    assert journal.incidents_touching("dial:2") == []


# --- claims ----------------------------------------------------------------------------------------------


def _claim(journal: SqlJournal, incident: str, act: str = "a", resource: str = "dial:1") -> Claim:
    intent = ActIntended(act=act, digest="d", change={}, holder=journal.holder)
    return journal.claim(resource, incident, act, LEASE, intent, MACHINE)


def _intents(journal: SqlJournal, incident: str) -> int:
    return sum(entry.record.kind == "act.intended" for entry in journal.entries(incident))


def test_a_claim_is_had_once_and_let_go_with_the_outcome(journal: SqlJournal, other: SqlJournal) -> None:
    """The intent comes with it; others are told who is busy with what; then the outcome is there for all."""
    incident = _opened(journal)
    mine = _claim(journal, incident)
    assert isinstance(mine, Acquired)
    assert (mine.resumed, _intents(journal, incident)) == (False, 1)
    busy = _claim(other, incident)
    assert isinstance(busy, Held)
    assert (busy.incident, busy.act, busy.holder, busy.gone) == (incident, "a", journal.holder, False)
    assert isinstance(_claim(other, incident, "b"), Held)
    assert journal.finish("dial:1", mine.token, incident, ActFinished(act="a", outcome=DONE), MACHINE)
    assert _claim(other, incident) == Finished()
    assert isinstance(_claim(other, incident, "b"), Acquired)


def test_other_resources_are_other_claims(journal: SqlJournal, other: SqlJournal) -> None:
    """Two things can be changed at once."""
    incident = _opened(journal)
    assert isinstance(_claim(journal, incident), Acquired)
    assert isinstance(_claim(other, incident, "b", "dial:2"), Acquired)


def test_the_dead_lose_their_claim_at_once(journals: Journals, journal: SqlJournal, other: SqlJournal) -> None:
    """Nobody waits out a lease; the intent that stands is taken over and not written twice.

    PostgreSQL knows only that a connection ended: whether its process did, is not sure.
    """
    incident = _opened(journal)
    assert isinstance(_claim(other, incident), Acquired)
    other.close()
    busy = _claim(journal, incident, "b")
    assert isinstance(busy, Held)
    assert busy.gone
    mine = _claim(journal, incident)
    assert isinstance(mine, Acquired)
    assert (mine.resumed, mine.holder_dead, _intents(journal, incident)) == (True, journals.kind == "sqlite", 1)


def test_the_stopped_lose_their_claim_when_the_lease_is_over(
    journal: SqlJournal, other: SqlJournal, time: Time
) -> None:
    """Who was overtaken can neither prolong nor finish; its outcome is not written."""
    incident = _opened(journal)
    stopped = _claim(other, incident)
    assert isinstance(stopped, Acquired)
    time.now += LEASE - timedelta(seconds=1)
    assert other.renew("dial:1", stopped.token, LEASE)
    time.now += LEASE - timedelta(seconds=1)
    assert isinstance(_claim(journal, incident), Held)
    time.now += timedelta(seconds=2)
    mine = _claim(journal, incident)
    assert isinstance(mine, Acquired)
    assert (mine.resumed, mine.holder_dead) == (True, False)
    assert not other.renew("dial:1", stopped.token, LEASE)
    finished = ActFinished(act="a", outcome=DONE)
    length = len(journal.entries(incident))
    assert not other.finish("dial:1", stopped.token, incident, finished, MACHINE)
    assert len(journal.entries(incident)) == length
    assert journal.finish("dial:1", mine.token, incident, finished, MACHINE, [NoteAdded(text="and this")])
    assert journal.entries(incident)[-1].record == NoteAdded(text="and this")


def test_a_lease_that_is_over_is_still_its_holders_until_another_takes_it(journal: SqlJournal, time: Time) -> None:
    """A process that was merely slow finishes what it began."""
    incident = _opened(journal)
    mine = _claim(journal, incident)
    assert isinstance(mine, Acquired)
    time.now += 2 * LEASE
    assert journal.finish("dial:1", mine.token, incident, ActFinished(act="a", outcome=DONE), MACHINE)


# --- the post --------------------------------------------------------------------------------------------


def test_a_delivery_is_kept_byte_for_byte_and_a_repeat_is_counted(journal: SqlJournal) -> None:
    """What monitoring sends again is one delivery, and nothing to work on."""
    body = b'{"a": "\xff\x00"}'
    first, new = received(journal, "alertmanager", {"x-id": "1"}, body, "key")
    again = received(journal, "alertmanager", {}, b"other", "key")
    assert (new, again) == (True, (first, False))
    kept = journal.delivery(first)
    assert (kept.body, kept.headers, kept.count, kept.state) == (body, {"x-id": "1"}, 2, "new")
    with pytest.raises(NotFound):
        journal.delivery("nothing")


def test_a_repeat_is_looked_at_once_more_after_it_was_dealt_with(journal: SqlJournal) -> None:
    """The same words may mean something new by then; while they wait to be looked at, a repeat is only counted."""
    delivery, _ = received(journal, "alertmanager", {}, b"{}", "key")
    assert received(journal, "alertmanager", {}, b"{}", "key") == (delivery, False)
    journal.set_delivery_state(delivery, "ignored", "No open incident has this alert.")
    assert journal.deliveries(state="new") == []
    assert received(journal, "alertmanager", {}, b"{}", "key") == (delivery, True)
    assert [(one.id, one.count) for one in journal.deliveries(state="new")] == [(delivery, 3)]


def test_deliveries_are_worked_on_in_their_order(journal: SqlJournal) -> None:
    """The oldest first for those to be worked on, the newest first for people who look."""
    ids = [received(journal, "json", {}, b"{}", str(number))[0] for number in range(3)]
    assert [one.id for one in journal.deliveries(state="new")] == ids
    assert [one.id for one in journal.deliveries(limit=2)] == ids[:0:-1]


def test_an_message_is_one_by_its_key(journal: SqlJournal, time: Time) -> None:
    """However often it is asked for; put off it comes back later, and done it stays done."""
    incident = _opened(journal)
    message = OutboxMessage(OutboxKind.START, incident, "VS-1/contain", {"flow": "contain"})
    for _ in range(2):
        journal.append(incident, [], MACHINE, outbox=[message, message])
    assert [one.key for one in journal.outbox()] == ["VS-1/contain"]
    journal.message_failed("VS-1/contain", "Prefect is down.", timedelta(seconds=10))
    assert journal.outbox() == []
    time.now += timedelta(seconds=11)
    assert [one.attempts for one in journal.outbox()] == [1]
    journal.message_done("VS-1/contain")
    journal.append(incident, [], MACHINE, outbox=[message])
    time.now += timedelta(days=1)
    assert journal.outbox() == []


def test_the_version_tells_that_somebody_has_written(
    journals: Journals, journal: SqlJournal, other: SqlJournal
) -> None:
    """It is another one after a write of this or another process, and the same after a look; PostgreSQL has none."""
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    if journals.kind == "postgresql":
        assert journal.version() is None
        return
    seen = [journal.version()]
    for writer in (other, journal, other):
        writer.append(incident, [NoteAdded(text="a note")], MACHINE)
        seen.append(journal.version())
    journal.entries(incident)
    other.entries(incident)
    assert (len(set(seen)), journal.version()) == (4, seen[-1])


def test_runs_that_wait_are_noted_once(journal: SqlJournal) -> None:
    """Each run once for each ask."""
    for run in ("one", "two", "one"):
        journal.add_waiting_run(run, "VS-1", "VS-1/contain/roll-back")
    assert sorted(journal.waiting_runs("VS-1/contain/roll-back")) == ["one", "two"]
    assert journal.waiting_runs("VS-1/contain/nothing") == []


# --- what can be wrong with a database -------------------------------------------------------------------


def _complaint(url: str, kind: type[AllclearError] = JournalError) -> str:
    """Open the journal, writes to it, and returns what is said: one sentence, a next step, no traceback's words."""
    with pytest.raises(kind) as raised:
        _use(url)
    said = raised.value
    assert said.next_step
    for text in (said.message, said.next_step):
        assert "\n" not in text
        assert "sqlalche.me" not in text
        assert text.endswith(".")
    return str(said)


def test_a_locked_journal_says_so(url: str) -> None:
    """Another program holds it: after some patience that is said, and nothing is lost."""
    with manual(url) as connection:
        if url.startswith("sqlite"):
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            connection.exec_driver_sql("BEGIN; LOCK TABLE incidents")
        assert "locked by another program" in _complaint(url)


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    """Some other file stands there; it is left as it was."""
    path = tmp_path / "notes.txt"
    path.write_text("Buy milk.\n" * 1000)
    assert "it is another file" in _complaint(f"sqlite:///{path}")
    assert path.read_text() == "Buy milk.\n" * 1000


@pytest.mark.parametrize("tables", [["orders"], ["alembic_version", "flow_run"]])
def test_another_database_says_so(journals: Journals, tables: list[str]) -> None:
    """Somebody's own tables stand there (Prefect's have a migration of their own); no table of ours is added."""
    url = journals.blank()
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir()
    with manual(url) as connection:
        for table in tables:
            connection.exec_driver_sql(f"CREATE TABLE {table} (version_num TEXT)")
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ('0001')")  # noqa: S608 - names of our own
    assert "not a journal" in _complaint(url)
    with manual(url) as connection:
        assert sorted(inspect(connection).get_table_names()) == tables


def test_a_journal_of_a_newer_version_says_so(url: str) -> None:
    """An older allclear does not touch what it does not know."""
    with manual(url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert "newer" in _complaint(url)


def test_the_migrations_create_the_tables_that_the_code_uses(journals: Journals) -> None:
    """An empty database is migrated when a journal is opened on it; its tables, columns and indexes are the code's."""
    url = journals.blank()
    SqlJournal(url, REAL).close()
    with manual(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == HEAD


def test_a_folder_that_is_a_file_says_so(tmp_path: Path) -> None:
    """The journal's folder cannot be made where a file stands."""
    (tmp_path / "file").touch()
    assert "cannot be opened" in _complaint(f"sqlite:///{tmp_path}/file/journal.db")


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
def test_an_address_that_cannot_be_is_a_wrong_setting(address: str) -> None:
    """What is no address, another database or driver, names no database, or would forget everything."""
    said = _complaint(address, ConfigError)
    assert "sqlite:///path/to/journal.db" in said
    assert "postgresql://user@host/database" in said
    assert "s3cret" not in said


def _use(url: str) -> None:
    journal = SqlJournal(url, REAL)
    try:
        _opened(journal)
    finally:
        journal.close()


@contextmanager
def _unprivileged() -> Generator[Path]:
    """Yield a folder that everybody may enter; within the block, this process is nobody if it was root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    root = os.geteuid() == 0
    try:
        (folder / "shut").mkdir(mode=0o555)
        SqlJournal(f"sqlite:///{folder}/warm.db", REAL).close()  # what is imported late is imported as who we are
        shutil.copy(folder / "warm.db", folder / "journal.db")
        (folder / "journal.db").chmod(0o444)
        folder.chmod(0o555)
        if root:
            os.seteuid(65534)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        for path in (folder, folder / "shut"):
            path.chmod(0o755)
        shutil.rmtree(folder)


def test_a_journal_that_may_not_be_written_says_so() -> None:
    """A file and folder that are read-only for us."""
    with _unprivileged() as folder:
        said = _complaint(f"sqlite:///{folder}/journal.db")
    assert "read-only" in said or "cannot be opened" in said


def test_a_folder_that_may_not_be_written_says_so() -> None:
    """A new journal in a folder that is not ours, and one below it that cannot be made."""
    with _unprivileged() as folder:
        for place in ("shut/journal.db", "shut/deeper/journal.db"):
            said = _complaint(f"sqlite:///{folder}/{place}")
            assert "read-only" in said or "cannot be opened" in said


# --- two processes at once -------------------------------------------------------------------------------


def test_two_processes_open_a_new_journal_at_once(tmp_path: Path, journals: Journals) -> None:
    """Responder and runner start at the same moment: one makes the tables, both write."""
    urls = [journals.blank() for _ in range(6)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        wrong = [line for lines in pool.map(open_all, [urls] * 2, [str(tmp_path)] * 2, "ab") for line in lines]
    assert wrong == []
    for url in urls:
        journal = SqlJournal(url, REAL)
        assert {row.id for row in journal.incidents()} == {"VS-1", "VS-2"}
        journal.close()


def test_two_processes_write_at_once_and_nothing_is_lost(
    tmp_path: Path, url: str, journal: SqlJournal, time: Time
) -> None:
    """The same incidents, keys and deliveries, in a tight loop: every word of both is there, each chain is whole."""
    incidents, count = [_opened(journal), _opened(journal)], 50
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(append_all, [url] * 2, [str(tmp_path)] * 2, [incidents, incidents[::-1]], [count] * 2, "ab"))
    for incident in incidents:
        entries = journal.entries(incident)
        assert sorted(entry.record.text for entry in entries[1:]) == sorted(
            f"{me} {number}" for me in "ab" for number in range(count)
        )
        assert [entry.number for entry in entries] == list(range(1, 2 * count + 2))
        assert journal.broken_link(incident) is None
    time.now += timedelta(days=1)
    assert len(journal.outbox(limit=1000)) == 2 * count
    assert sorted(one.count for one in journal.deliveries(limit=1000)) == [2] * count
    assert len(journal.incidents()) == 2 + count


def test_who_is_killed_is_gone_at_once(tmp_path: Path, url: str, journal: SqlJournal) -> None:
    """SIGKILL: the claim of a process that held it is free for the next look, long before its lease is over."""
    incident = _opened(journal)
    process = get_context("spawn").Process(target=hold_claim, args=(url, incident, str(tmp_path / "told")))
    process.start()
    try:
        while not (tmp_path / "told").exists():
            assert process.is_alive()
            sleep(0.01)
        busy = _claim(journal, incident, "b", "dial:1")
        assert isinstance(busy, Held)
        assert not busy.gone
    finally:
        process.kill()
        process.join()
    killed = monotonic()
    while not (isinstance(busy := _claim(journal, incident, "b", "dial:1"), Held) and busy.gone):
        assert monotonic() - killed < 1
    assert isinstance(_claim(journal, incident, "contain/1"), Acquired)
