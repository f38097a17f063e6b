"""The production's database as a project on Supabase: its state, its migrations, and going back to an earlier time.

What it keeps to:

- A restore is accepted at once and carried out later; the project's status is RESTORING meanwhile, and no user is
  served. *Source:* Supabase's published description of its Management API, 2026-06.
- It ends in a new timeline, and everything that was written after the point is gone. *Source:* PostgreSQL 17's
  documentation, 26.3.6 Timelines, read November 2026.
- A restore to a point that does not lie between the earliest and the latest is refused with 400, and so is one while
  another is carried out. (Our choice; the vendor does not document it.) A restore point stays there after an undo.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from allclear.simulator.event_log import Clock, EventLog, iso
from allclear.simulator.flag_table import FlagTable
from allclear.simulator.run_service import Later
from allclear.simulator.scenario_schema import MigrationSpec, SupabaseSpec, Trouble

Status = Literal["ACTIVE_HEALTHY", "ACTIVE_UNHEALTHY", "RESTORING", "RESTORE_FAILED", "INACTIVE"]


class SupabaseError(Exception):
    """A refusal of the Management API: a status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Ran:
    """A migration that has run, and when."""

    spec: MigrationSpec
    at: datetime


class SupabaseProject:
    """One project: its database's state, what ran in it, its restore points."""

    def __init__(self, spec: SupabaseSpec, flags: FlagTable, clock: Clock, later: Later, event_log: EventLog) -> None:
        self.spec, self._flags, self._clock, self._later, self._truth = spec, flags, clock, later, event_log
        self.created_at = clock() - timedelta(days=90)
        self.status: Status = "ACTIVE_HEALTHY"
        self.fails_restore = False
        """Whether the next restore ends as RESTORE_FAILED."""
        self.timeline = 1
        self.replayed_until: datetime | None = None
        self.ran: list[Ran] = []
        self._past = [(datetime.min.replace(tzinfo=UTC), self.ran)]
        """When migrations ran, and all that had run from then on."""
        self.points: dict[str, datetime] = {}
        """Restore point -> when it was made."""

    @property
    def up(self) -> bool:
        """Return whether the database answers."""
        return self.status == "ACTIVE_HEALTHY"

    @property
    def latest(self) -> datetime:
        """Return the latest point that can be restored."""
        return self._clock()

    @property
    def earliest(self) -> datetime:
        """Return the earliest point that can be restored."""
        return self._clock() - self.spec.keeps

    def faults(self, path: str) -> list[tuple[str, Trouble]]:
        """Return what the database makes fail on a page, each with its cause."""
        if not self.up:
            return [("the database", Trouble(path=path, error_rate=1.0))]
        return [
            (f"migration {one.spec.name}", trouble)
            for one in self.ran
            for trouble in one.spec.faults
            if trouble.path == path
        ]

    def migrate(self, spec: MigrationSpec) -> None:
        """Run a migration now."""
        self._now_ran([*self.ran, Ran(spec, self._clock())])
        self._truth.record("migration_ran", version=spec.version, name=spec.name)

    def go_down(self) -> None:
        """Stop answering, until a person restarts the project."""
        self.status = "ACTIVE_UNHEALTHY"
        self._truth.record("database_down")

    def restart(self) -> None:
        """Answer again, as after a restart in the dashboard."""
        self.status = "ACTIVE_HEALTHY"
        self._truth.record("database_restarted")

    def restore(self, unix: int) -> None:
        """Start going back to a point in time.

        Raises SupabaseError: 400; nothing was changed.
        """
        if not self.spec.point_in_time:
            raise SupabaseError(400, "PITR is not enabled for this project.")
        point = datetime.fromtimestamp(unix, UTC)
        if not self.earliest <= point <= self.latest:
            raise SupabaseError(400, "The recovery time target is outside of the available window.")
        self._start(point)

    def mark(self, name: str) -> None:
        """Make a restore point.

        Raises SupabaseError: 403 if the plan has none.
        """
        self._require_points()
        self.points[name] = self._clock()

    def point(self, name: str) -> datetime:
        """Return when a restore point was made.

        Raises SupabaseError: 403 if the plan has none, 404 if there is no such point.
        """
        self._require_points()
        if name not in self.points:
            raise SupabaseError(404, "Restore point not found.")
        return self.points[name]

    def undo(self, name: str) -> None:
        """Start going back to a restore point, which brings back what was written until then.

        Raises SupabaseError: 400, 403 or 404; nothing was changed.
        """
        self._start(self.point(name))

    def _require_points(self) -> None:
        if not self.spec.restore_points:
            raise SupabaseError(403, "Restore points are not available on this plan.")

    def _start(self, point: datetime) -> None:
        if self.status == "RESTORING":
            raise SupabaseError(400, "The project is being restored already.")
        self.status = "RESTORING"
        self._later(self.spec.restore_takes, lambda: self._end(point))

    def _now_ran(self, ran: list[Ran]) -> None:
        self.ran = ran
        self._past.append((self._clock(), ran))

    def _end(self, point: datetime) -> None:
        if self.fails_restore:
            self.status, self.fails_restore = "RESTORE_FAILED", False
            return
        self._flags.go_back(point)
        self._now_ran(next(ran for at, ran in reversed(self._past) if at <= point))
        self.timeline += 1
        self.replayed_until = point
        self.status = "ACTIVE_HEALTHY"
        self._truth.record("database_restored", to=iso(point), timeline=self.timeline)
