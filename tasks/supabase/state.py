"""What restoring a database reads: the project's state, its window, and the timeline of its history."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import State
from allclear.domain.base import utc_now
from allclear.domain.errors import NotAllowed, Refused, VendorError
from allclear.domain.local_times import named_clock, read_past
from allclear.vendors.supabase_management import HEALTHY, RESTORING, UNHEALTHY, Recovery, SupabaseManagement

TYPED = "Day and time, as 2026-11-22 14:30:00 UTC"


class DatabaseState(State):
    """A project's database: as it is now, as it was at a point in time, or as a restore point has kept it."""

    incidental: ClassVar[frozenset[str]] = frozenset(
        {"status", "unhealthy", "enabled", "earliest", "latest", "read_at", "timeline", "replayed_until", "kept_as"}
    )

    project: str
    point: datetime | None = None
    """In the intended state: the point that is restored."""
    back_to: str = ""
    """In the intended state of an undo: the restore point that is restored."""
    restoring: bool = False

    status: str = ""
    """As Supabase names it."""
    unhealthy: tuple[str, ...] = ()
    """The services that are not healthy; read only if the project is."""
    enabled: bool = False
    """Whether point-in-time recovery is on."""
    earliest: datetime | None = None
    latest: datetime | None = None
    read_at: datetime
    timeline: int | None = None
    """Which history the database is in; in the intended state, the one of the proposal."""
    replayed_until: datetime | None = None
    kept_as: str = ""
    """In the intended state: the restore point that is made first; empty if there is none."""

    @override
    def in_words(self) -> str:
        if self.point:
            return f"the database as it was at {second(self.point)}"
        if self.back_to:
            return f"the database as the restore point {self.back_to} has kept it"
        if self.restoring:
            return "being restored"
        return "the database as it is now"

    @property
    def trouble(self) -> str:
        """Return why the project does not work, in words; empty if all of it is healthy."""
        if self.status != HEALTHY:
            return f"its status is {self.status}"
        return f"{', '.join(self.unhealthy)} not healthy yet" if self.unhealthy else ""

    @property
    def can_be_restored(self) -> bool:
        """Return whether the project is in a state in which a restore can be started."""
        return self.status in (HEALTHY, UNHEALTHY)

    def outside(self, point: datetime) -> str:
        """Return why the point cannot be restored, as a sentence; empty if it can."""
        if not self.enabled:
            return f"Point-in-time recovery of {self.project} is off, so no point can be restored."
        if self.earliest is None or self.latest is None:
            return f"Supabase has no backup of {self.project} yet, so no point can be restored."
        if self.earliest <= point <= self.latest:
            return ""
        return (
            f"{second(point)} cannot be restored: {self.project} can go back to a time from {second(self.earliest)}"
            f" to {second(self.latest)}."
        )


def second(at: datetime) -> str:
    """Return a time to the second, as `2026-11-22 14:30:00 UTC`."""
    return named_clock(at, UTC, "%Y-%m-%d %H:%M:%S")


def read_point(text: str, now: datetime) -> datetime:
    """Return the time that a person typed, to the second. Raises Refused, which lets people type another."""
    try:
        point = read_past(text, UTC, now)
    except NotAllowed as error:
        raise Refused(error.message, error.next_step, typed=TYPED) from None
    if point is None:
        raise Refused(
            "No point in time was named.",
            "Name the last moment at which the data was good: to='2026-11-22 14:30:00 UTC'.",
            typed=TYPED,
        )
    return point.replace(microsecond=0)


async def read_database(supabase: SupabaseManagement, ref: str) -> DatabaseState:
    """Read the state, the window and the timeline. Raises NotFound, Denied, VendorError."""
    window = await supabase.window(ref)
    state = await read_result(supabase, ref)
    return state.model_copy(update={"enabled": window.enabled, "earliest": window.earliest, "latest": window.latest})


async def read_result(supabase: SupabaseManagement, ref: str) -> DatabaseState:
    """Read the project's state, and of a healthy one its services and its timeline. Raises NotFound, VendorError."""
    project = await supabase.project(ref)
    unhealthy, recovery = list[str](), Recovery()
    if project.status == HEALTHY:
        unhealthy = await supabase.unhealthy(ref)
        with suppress(VendorError):  # the database does not answer, or the token may not read it: nothing is known
            recovery = await supabase.recovery(ref)
    return DatabaseState(
        project=ref,
        restoring=project.status == RESTORING,
        status=project.status,
        unhealthy=tuple(unhealthy),
        read_at=utc_now(),
        timeline=recovery.timeline,
        replayed_until=recovery.replayed_until,
    )
