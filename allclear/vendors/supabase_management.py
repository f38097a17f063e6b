"""Supabase's Management API: a project's state, its point-in-time recovery, and reading its database.

Source: Supabase's published description (supabase/cli, 2026-06) and supabase.com/docs/guides/platform/backups, 2026-11:
- `GET /v1/projects/{ref}` has `status`: RESTORING during a restore, then ACTIVE_HEALTHY or RESTORE_FAILED.
- `GET /v1/projects/{ref}/health?services=` lists {name, status: ACTIVE_HEALTHY | COMING_UP | UNHEALTHY, error}.
- `GET …/database/backups` has `pitr_enabled`, and in `physical_backup_data` `earliest_physical_backup_date_unix` and
  `latest_physical_backup_date_unix`, between which a point may lie; both are absent if there is none.
- `POST …/backups/restore-pitr` {recovery_time_target_unix} answers 201 without content: the restore has been started,
  and no more. It is in place, and the project is down meanwhile. There is no idempotency key.
- `POST …/backups/restore-point` {name, at most 20 characters} and `GET …/restore-point?name=` have `status`: AVAILABLE,
  PENDING, REMOVED or FAILED. `POST …/backups/undo` {name} goes back to it. The description marks these three as
  internal, and does not say which plans have them.
- `POST …/database/query/read-only` {query} answers 201 with the rows, as a user who may only read.
- 401, 403 and 429 are everywhere. A token needs `projects:read`, `database:read` and `database:write`.

Source: PostgreSQL 17's documentation, 26.3.6 Timelines and 9.28 System Administration Functions, 2026-11: a recovery to
a point in time ends with a new, higher timeline. `pg_last_xact_replay_timestamp()` then tells the time of the last
transaction that was applied, until the server is started again; then it is NULL.

Not confirmed: that the read-only user may call `pg_control_checkpoint()` (without it, the timeline is not known); what
`GET …/restore-point` answers if there is no such point (any refusal of it counts as none).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Self, cast

from pydantic import ConfigDict, ValidationError

from allclear.domain.base import JsonDict, Model
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected, HttpClient, OverHttp, Pause

if TYPE_CHECKING:
    import httpx

HEALTHY = "ACTIVE_HEALTHY"
UNHEALTHY = "ACTIVE_UNHEALTHY"
RESTORING = "RESTORING"
RESTORE_FAILED = "RESTORE_FAILED"
AVAILABLE, PENDING = "AVAILABLE", "PENDING"
LONGEST_POINT_NAME = 20
SERVICES = ("auth", "db", "pooler", "realtime", "rest", "storage")
_READ = Expected(frozenset({200}), dict)
_LISTED = Expected(frozenset({200}), list)
_STARTED = Expected(frozenset({201}))
_POINT = Expected(frozenset({201}), dict, ("status",))
_ROWS = Expected(frozenset({201}), list)
_UNEXPECTED = "unexpected JSON"
_TIMELINE = (
    "select (select timeline_id from pg_control_checkpoint()) as timeline, "
    "extract(epoch from pg_last_xact_replay_timestamp()) as replayed"
)
_MIGRATIONS = "select version, name from supabase_migrations.schema_migrations order by version desc limit 5"


class SupabaseManagementOptions(Model):
    """The Management API has no options: its secret is an access token, as sbp_...."""


class _Answer(Model):
    """An answer of Supabase, which may grow fields that we do not read."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ProjectView(_Answer):
    """A project: its name, and what it is doing."""

    name: str
    status: str


class _ServiceHealth(_Answer):
    name: str
    status: str


class _Physical(_Answer):
    earliest_physical_backup_date_unix: int | None = None
    latest_physical_backup_date_unix: int | None = None


class _Backups(_Answer):
    pitr_enabled: bool
    physical_backup_data: _Physical


class Window(Model):
    """Whether a project has point-in-time recovery, and between which points."""

    enabled: bool
    earliest: datetime | None = None
    latest: datetime | None = None


class Recovery(Model):
    """What the database itself tells of recoveries; None for what it does not."""

    timeline: int | None = None
    """Which history it is in: a restore to a point in time ends in a higher one."""
    replayed_until: datetime | None = None
    """The last transaction that the recovery has applied."""


class Migration(Model):
    """One migration that the database has recorded; its version says when it was written."""

    version: str
    name: str = ""


class SupabaseManagement(OverHttp):
    """Reads and restores the projects that one access token may manage."""

    system: ClassVar[str] = "supabase_management"
    options: ClassVar[type[Model]] = SupabaseManagementOptions

    def __init__(
        self,
        address: str,
        secret: str,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        self._http = HttpClient("Supabase", address, headers=headers, secret=secret, transport=transport, pause=pause)

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        options_of(access, SupabaseManagementOptions)
        return cls(web_address(access), secret_of(access))

    async def project(self, ref: str) -> ProjectView:
        """Return a project. Raises NotFound, Denied, VendorError."""
        request = VendorRequest("Supabase", f"read the project {ref}", write=False)
        answer: object = await self._http.send(request, "GET", f"/v1/projects/{ref}", expected=_READ)
        try:
            return ProjectView.model_validate(answer)
        except ValidationError:
            raise request.not_from_vendor(200, _UNEXPECTED) from None

    async def unhealthy(self, ref: str) -> list[str]:
        """Return the services of a project that are not healthy, each as `rest (COMING_UP)`."""
        request = VendorRequest("Supabase", f"read the health of {ref}", write=False)
        path = f"/v1/projects/{ref}/health?{'&'.join(f'services={name}' for name in SERVICES)}"
        answer: object = await self._http.send(request, "GET", path, expected=_LISTED)
        try:
            services = [_ServiceHealth.model_validate(one) for one in cast("list[object]", answer)]
        except ValidationError:
            raise request.not_from_vendor(200, _UNEXPECTED) from None
        if not services:  # named services were asked for: an empty list says nothing about them
            raise request.not_from_vendor(200, "an empty list")
        return [f"{one.name} ({one.status})" for one in services if one.status != HEALTHY]

    async def window(self, ref: str) -> Window:
        """Return between which points the project can be restored. Raises NotFound, Denied, VendorError."""
        request = VendorRequest("Supabase", f"read the backups of {ref}", write=False)
        answer: object = await self._http.send(request, "GET", f"/v1/projects/{ref}/database/backups", expected=_READ)
        try:
            backups = _Backups.model_validate(answer)
        except ValidationError:
            raise request.not_from_vendor(200, _UNEXPECTED) from None
        dates = backups.physical_backup_data
        return Window(
            enabled=backups.pitr_enabled,
            earliest=_moment(dates.earliest_physical_backup_date_unix),
            latest=_moment(dates.latest_physical_backup_date_unix),
        )

    async def recovery(self, ref: str) -> Recovery:
        """Return what the database tells of recoveries. Raises VendorError if it cannot be asked."""
        rows = await self._query(ref, _TIMELINE, "read the timeline")
        row = rows[0] if rows else {}
        timeline, replayed = _number(row.get("timeline")), _number(row.get("replayed"))
        return Recovery(timeline=None if timeline is None else int(timeline), replayed_until=_moment(replayed))

    async def migrations(self, ref: str) -> list[Migration]:
        """Return the newest migrations that the database has recorded, the newest first. Raises VendorError."""
        rows = await self._query(ref, _MIGRATIONS, "list the migrations")
        return [Migration(version=str(row.get("version", "")), name=str(row.get("name") or "")) for row in rows]

    async def restore(self, ref: str, point: datetime) -> None:
        """Start restoring the database to a point in time. Supabase does it later: see `project`."""
        request = VendorRequest("Supabase", f"restore {ref} to a point in time", write=True)
        body = {"recovery_time_target_unix": int(point.timestamp())}
        await self._backups(request, ref, "restore-pitr", body, _STARTED)

    async def undo(self, ref: str, name: str) -> None:
        """Start going back to a restore point. Supabase does it later: see `project`."""
        request = VendorRequest("Supabase", f"return {ref} to the restore point {name}", write=True)
        await self._backups(request, ref, "undo", {"name": name}, _STARTED)

    async def mark(self, ref: str, name: str) -> None:
        """Start making a restore point. Supabase makes it later: see `point_status`."""
        request = VendorRequest("Supabase", f"make the restore point {name}", write=True)
        await self._backups(request, ref, "restore-point", {"name": name}, _POINT)

    async def point_status(self, ref: str, name: str) -> str:
        """Return AVAILABLE, PENDING, REMOVED or FAILED. Raises NotFound, Denied, VendorError."""
        request = VendorRequest("Supabase", f"read the restore point {name}", write=False)
        path = f"/v1/projects/{ref}/database/backups/restore-point"
        expected = Expected(frozenset({200}), dict, ("status",))
        answer: JsonDict = await self._http.send(request, "GET", path, params={"name": name}, expected=expected)
        return str(answer["status"])

    async def _backups(self, request: VendorRequest, ref: str, path: str, body: JsonDict, expected: Expected) -> None:
        await self._http.send(
            request, "POST", f"/v1/projects/{ref}/database/backups/{path}", json=body, expected=expected
        )

    async def _query(self, ref: str, query: str, purpose: str) -> list[JsonDict]:
        request = VendorRequest("Supabase", f"{purpose} of {ref}", write=False)
        path = f"/v1/projects/{ref}/database/query/read-only"
        rows: list[object] = await self._http.send(request, "POST", path, json={"query": query}, expected=_ROWS)
        if not all(isinstance(row, dict) for row in rows):
            raise request.not_from_vendor(201, _UNEXPECTED)
        return cast("list[JsonDict]", rows)


def _number(value: object) -> float | None:
    """Return a number that may have come as a text, as PostgreSQL's `numeric` does."""
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
