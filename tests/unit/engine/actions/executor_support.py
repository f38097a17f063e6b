"""Several processes on one journal and the dials of `tests.unit.fakes_actions`, for tests of the executor."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from allclear.domain.base import utc_now
from allclear.domain.records import ActIntended
from allclear.domain.scope import Scope
from allclear.engine.actions.executor import LEASE
from allclear.journal.rows import Acquired
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal
from tests.scopes import REAL
from tests.unit.domain.stories import MACHINE
from tests.unit.fakes_actions import (
    Desk,
    Dials,
    Misfortune,
    TurnDial,
)


class Time:
    """A clock that a test sets forward."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        """Return the time that the test has set."""
        return self.now


class Office:
    """Several processes that share a journal, each with a `Desk`."""

    def __init__(self, folder: Path) -> None:
        self.url, self.time, self.dials = new_journal(folder), Time(), Dials()
        self.journals: list[SqlJournal] = []

    def desk(self, scope: Scope = REAL) -> Desk:
        """Return the desk of another process."""
        journal = SqlJournal(self.url, scope, self.time)
        self.journals.append(journal)
        return Desk(journal, self.dials, self.time)

    async def interrupted(self, kind: type[TurnDial], *, dead: bool) -> tuple[Desk, str, str]:
        """Leave an act with an intent and no outcome; its holder is dead, or only paused."""
        gone, desk = self.desk(), self.desk()
        incident = desk.opened()
        act = await desk.approved(incident, kind, 5)
        change = desk.act(incident, act).change or {}
        intent = ActIntended(act=act, digest="d", change=change, holder=gone.journal.holder)
        claim = gone.journal.claim(str(change["resource"]), incident, act, LEASE, intent, MACHINE)
        assert isinstance(claim, Acquired)
        if dead:
            gone.journal.close()
        else:
            self.time.now += LEASE + timedelta(seconds=1)
        return desk, incident, act


def kinds(desk: Desk, incident: str) -> list[str]:
    """Return the kinds of the incident's entries, in order."""
    return [entry.record.kind for entry in desk.journal.entries(incident)]


def hide(checks: int) -> Misfortune:
    """Return the misfortune that the next `checks` reads do not show the write."""

    async def happen(dials: Dials, _: str) -> None:
        dials.hidden = checks

    return happen
