"""The journal when it is big: rows 10 and 11. The big ones are written by SQL, entry by entry a true chain."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from allclear.company.load import load_company
from allclear.domain.action import Finding, Verdict
from allclear.domain.base import utc_now
from allclear.domain.records import GENESIS, By, IncidentEnded, IncidentOpened, NoteAdded, PhaseEntered, StepDone
from allclear.domain.replay import replay
from allclear.domain.scope import Scope
from allclear.journal.hash_chain import link
from allclear.journal.sql_journal import SqlJournal
from allclear.postmortem.document import PostMortem, write_post_mortem
from tests.benchmarks.company import names, write_company
from tests.benchmarks.figures import Group, Row, milliseconds

_OF_ONE = 200
"""Entries of each incident in a big journal."""
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_BY = By(actor="Ana Approver", role="on_call", via="cli")
_ENTRY = (
    "INSERT INTO entries (incident, number, at, by, kind, record, previous_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INCIDENT = (
    "INSERT INTO incidents (id, number, short, scope, service, opened_at, ended_at, length, head)"
    " VALUES (?, ?, 'BM', 'bench', ?, ?, ?, ?, ?)"
)

_Rows = tuple[list[tuple[object, ...]], tuple[object, ...]]


def appends(home: Path, sizes: list[int], rounds: int) -> list[Group]:
    """Measures row 10: appends to journals of several sizes in turn, and beside them a raw insert with its commit."""
    home.mkdir(parents=True)
    journals = [_journal_of(home / f"journal-{size}.db", size) for size in sizes]
    open_ones = [journal.open_incident("NEW", _opened("k-0001"), _BY)[0] for journal in journals]
    raw = sqlite3.connect(home / "raw.db", isolation_level=None)
    raw.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE entries (record TEXT)")
    took, least, note = [list[float]() for _ in sizes], list[float](), NoteAdded(text="One more line.")
    for _ in range(rounds + 5):
        for times, journal, incident in zip(took, journals, open_ones, strict=True):
            began = time.monotonic()
            journal.append(incident, [note], _BY)
            times.append(time.monotonic() - began)
        began = time.monotonic()
        raw.execute("INSERT INTO entries VALUES (?)", (note.model_dump_json(),))
        least.append(time.monotonic() - began)
    raw.close()
    for journal, incident in zip(journals, open_ones, strict=True):
        if journal.broken_link(incident) or journal.broken_link("BM-1"):
            raise RuntimeError("a chain is broken")
        journal.close()
    rows = list[Row]()
    empty = milliseconds(took[0][5:])
    for size, times in zip(sizes, took, strict=True):
        mine = milliseconds(times[5:])
        rows.append(
            Row(
                f"one append to {size:,} entries",
                "ms",
                mine,
                milliseconds(least[5:]),
                "an empty one's, within 25 %",
                wanted=1.25,
                reached=mine.median / empty.median,
                because="deeper indexes, and more of them to check",
            )
        )
    how = (
        f"Journals of incidents of {_OF_ONE} entries each, in turn one append to each, by the journal's own method with"
        " its turn, hash and fsync. The floor is an insert into a bare SQLite table with synchronous=FULL."
    )
    return [Group("10", "Appending to a big journal", how, rows)]


def post_mortem(home: Path, entries: int, rounds: int) -> list[Group]:
    """Measures row 11: the document of one long incident, as the command line writes it."""
    home.mkdir(parents=True)
    path = home / "journal.db"
    journal = _journal_of(path, entries, of_one=entries)
    company = load_company(write_company(home / "bench", names("k", 1, 1)))
    took, least, length = list[float](), list[float](), 0
    for _ in range(rounds):
        began = time.monotonic()
        found = journal.entries("BM-1")
        state = replay(found)
        if state is None:
            raise RuntimeError("the incident is empty")
        document = write_post_mortem(PostMortem(state, found, company.plan, "k-0001", company.post_mortem, utc_now()))
        took.append(time.monotonic() - began)
        length = len(document)
        began = time.monotonic()
        with sqlite3.connect(path) as raw:
            "\n".join(
                f"- {at} {record}" for at, record in raw.execute("SELECT at, record FROM entries ORDER BY number")
            )
        least.append(time.monotonic() - began)
    journal.close()
    mine = milliseconds(took)
    row = Row(
        f"post-mortem of {entries:,} entries",
        "ms",
        mine,
        milliseconds(least),
        "1 s",
        wanted=1000,
        reached=mine.median,
        because="reading the entries into checked records is half of it, writing their lines the rest",
    )
    how = (
        f"The entries are read and replayed, and the company's template is filled ({length:,} characters). The floor"
        " reads the same rows and joins them as they are."
    )
    return [Group("11", "Post-mortem of a long incident", how, [row])]


def _journal_of(path: Path, entries: int, of_one: int = _OF_ONE) -> SqlJournal:
    """Return a journal with so many entries; each hash is the one that the journal itself would have written."""
    journal = SqlJournal(f"sqlite:///{path}", Scope("bench", simulated=False))
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA synchronous=OFF")
    for number in range(1, max(1, entries // of_one) + 1):
        rows, incident = _incident(number, min(of_one, entries))
        raw.executemany(_ENTRY, rows)
        raw.execute(_INCIDENT, incident)
        if number % 100 == 0:
            raw.commit()
    raw.commit()
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    return journal


def _incident(number: int, length: int) -> _Rows:
    """Return the rows of one incident that has ended: a probe or a note a second."""
    incident, head, said = f"BM-{number}", GENESIS, _BY.model_dump_json()
    began, rows = _BEGAN + timedelta(minutes=number), list[tuple[object, ...]]()
    at = began
    for place, (kind, record) in enumerate(_records(length), start=1):
        at = began + timedelta(seconds=place)
        hashed = link(incident, place, at.isoformat(), said, record, head)
        rows.append((incident, place, at.isoformat(), said, kind, record, head, hashed))
        head = hashed
    return rows, (incident, number, "k-0001", began.isoformat(), at.isoformat(), length, head)


def _records(length: int) -> Iterator[tuple[str, str]]:
    failure = Finding(
        verdict=Verdict.FAILURE, sentence="5 requests: 3 failed (60 %), p95 20 ms.", facts={"requests": 5}
    )
    check = StepDone(phase="contain", step="probe", title="Probed it", finding=failure, health_check=True)
    note = NoteAdded(text="The queue is getting shorter; the second region is still failing.")
    middle = [(one.kind, one.model_dump_json(by_alias=True)) for one in (note, check)]
    for first in (_opened("k-0001"), PhaseEntered(phase="detect")):
        yield first.kind, first.model_dump_json(by_alias=True)
    for place in range(length - 3):
        yield middle[place % 2]
    last = IncidentEnded(ending="resolved", reason="The service is well.")
    yield last.kind, last.model_dump_json(by_alias=True)


def _opened(service: str) -> IncidentOpened:
    return IncidentOpened(
        company="bench", title=f"{service} is failing", severity="SEV1", service=service, runbook="k", reported="alert"
    )
