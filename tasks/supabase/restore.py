"""Restoring a database on Supabase to a point in time, in place: what was written after that point is lost.

Supabase starts it at once and carries it out later. It offers no idempotency key and tells nothing of the point that a
database was restored to, so the database's own timeline proves it: PostgreSQL ends each recovery in a new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import (
    COMPANY,
    Action,
    Change,
    Client,
    Fence,
    Finding,
    ParamProblem,
    Params,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.approval import TWO_PEOPLE
from allclear.domain.backoff import Backoff
from allclear.domain.base import utc_now
from allclear.domain.durations import in_words
from allclear.domain.errors import (
    AllclearError,
    AnswerLost,
    Denied,
    NotAllowed,
    NotFound,
    Refused,
    VendorError,
    VendorRefused,
)
from allclear.domain.local_times import read_past
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle, Service
from allclear.engine.concurrency import sleep_without_slot
from allclear.vendors.cloud_run.client import CloudRun
from allclear.vendors.supabase import SupabaseFlags
from allclear.vendors.supabase_management import AVAILABLE, PENDING, RESTORE_FAILED, SupabaseManagement
from tasks.cloud_run.preflights import CloudRunPreflight
from tasks.feature_flags import SupabasePreflight
from tasks.maintenance import is_closed
from tasks.maintenance_handle import MaintenanceHandle
from tasks.permissions import CLOUD_RUN_READ, DATABASE_RESTORE, FLAGS_WRITE
from tasks.service_params import ServiceParams
from tasks.supabase.handles import SupabaseProjectHandle, database_of
from tasks.supabase.preflight import SupabaseManagementPreflight
from tasks.supabase.state import TYPED, DatabaseState, read_database, read_point, read_result, second

DEADLINE = timedelta(hours=1)
"""How long a restore is watched. Supabase names no time; it grows with the database. Later reads can still tell."""

_PENDING = Backoff(first=0.2, factor=1.5, longest=5.0)
"""The pauses while Supabase makes a restore point, or begins a restore."""


class RestoreParams(ServiceParams):
    """Which service, and to which point in time."""

    to: str = Field(
        default="",
        max_length=40,
        description="The last moment at which the data was good, to the second: 2026-11-22 14:30:00 UTC.",
    )


class RestoreToPoint(Action[RestoreParams, DatabaseState]):
    """Sets the database of a service back to a point in time. All that was written after it is lost."""

    name = "supabase.restore_to_point"
    title = "Restore the database to a point in time (Supabase)"
    permissions = (DATABASE_RESTORE, CLOUD_RUN_READ, FLAGS_WRITE)
    usual_risk = (
        "All that was written after the point is lost, in every table. The database is down until the restore ends,"
        " minutes to hours."
    )
    usual_undo = "Returns to the restore point that was made first; without one, it cannot be undone."
    params: ClassVar[type[Params]] = RestoreParams
    state: ClassVar[type[State]] = DatabaseState
    needs: ClassVar[tuple[type[Client], ...]] = (SupabaseManagement,)
    uses: ClassVar[tuple[type[Client], ...]] = (CloudRun, SupabaseFlags)
    handles: ClassVar[tuple[type[Handle], ...]] = (SupabaseProjectHandle,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (
        SupabaseManagementPreflight,
        CloudRunPreflight,
        SupabasePreflight,
    )
    fence: ClassVar[Fence] = Fence.NONE
    chooses = "to"
    approval = TWO_PEOPLE
    undone_on_request = True
    reads_every = timedelta(seconds=5)
    shows_late = True
    begins_within: ClassVar[timedelta] = timedelta(minutes=2)
    """How long a restore that was accepted may take to show as begun, before that is reported as doubtful."""
    point_within: ClassVar[timedelta] = timedelta(minutes=5)
    """How long a restore point may take."""

    @property
    def supabase(self) -> SupabaseManagement:
        """Return the client."""
        return self.context.client(SupabaseManagement)

    @classmethod
    @override
    def check_params(cls, params: RestoreParams, services: Mapping[str, Service]) -> Iterator[ParamProblem]:
        try:
            read_past(params.to, UTC, utc_now())
        except NotAllowed as error:
            yield ParamProblem(param="to", sentence=error.message, next_step=error.next_step)

    @override
    def resource(self, params: RestoreParams) -> str:
        return f"database:{database_of(self.context, params.service).ref}"

    @override
    async def observe(self, params: RestoreParams) -> DatabaseState:
        return await read_database(self.supabase, database_of(self.context, params.service).ref)

    @override
    async def observe_result(self, params: RestoreParams) -> DatabaseState:
        return await read_result(self.supabase, database_of(self.context, params.service).ref)

    @override
    def plan(self, params: RestoreParams, before: DatabaseState) -> Change[DatabaseState]:
        point = read_point(params.to, before.read_at)
        if problem := before.outside(point):
            raise _cannot_go_there(before, problem)
        keeps = database_of(self.context, params.service).restore_points
        name = f"allclear-{int(before.read_at.timestamp()):x}" if keeps else ""
        after = DatabaseState(
            project=before.project, point=point, read_at=before.read_at, timeline=before.timeline, kept_as=name
        )
        first = f" A restore point ({name}) is made first." if name else ""
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Restore the database of {params.service} ({before.project}) to {second(point)}.{first}",
            before=before,
            after=after,
            risk=_risk(params.service, before.read_at, point),
            undo=f"Returns to the restore point {name}: what is written after the restore is lost then."
            if name
            else "Cannot be undone: what was written after that time is lost for good. `restore_points` under"
            " `supabase_project` in systems.yaml makes a restore point first, if the project's plan has them.",
            deadline=DEADLINE,
        )

    @override
    async def precheck(self, params: RestoreParams, change: Change[DatabaseState]) -> list[Refusal]:
        now, after, refusals = change.before, change.after, list[Refusal]()
        dashboard = f"https://supabase.com/dashboard/project/{now.project}"
        if now.restoring:
            sentence = f"The database {now.project} is being restored already."
            refusals.append(
                Refusal(sentence=sentence, next_step=f"Wait until it is over, and ask who started it: {dashboard}.")
            )
        elif not now.can_be_restored:
            sentence = f"{now.project} cannot be restored now: {now.trouble}."
            refusals.append(Refusal(sentence=sentence, next_step=f"Find out why, at {dashboard}."))
        if after.timeline and now.timeline and now.timeline != after.timeline:
            sentence = f"The database {now.project} was restored since this was proposed."
            refusals.append(
                Refusal(sentence=sentence, next_step="Find out by whom, and to which time. Then propose again.")
            )
        if after.point and (problem := now.outside(after.point)):
            refusals.append(Refusal(sentence=problem, next_step=_cannot_go_there(now, problem).next_step))
        return [*refusals, *await self._open_to_users(params)]

    async def _open_to_users(self, params: RestoreParams) -> list[Refusal]:
        """Return why people could still write to the database; maintenance comes first."""
        service = params.service
        handle = self.context.service(service).handle(MaintenanceHandle)
        mode = handle and (handle.only("revision") or handle.only("flag"))
        if mode is None:
            sentence = f"systems.yaml has no `{MaintenanceHandle.key}` for {service}, so it is not known whether users"
            return [Refusal(sentence=f"{sentence} are still writing: close it first.", next_step="", warning=True)]
        by = "revision" if mode.revision_tag else "flag"
        try:
            closed = await is_closed(self.context, service, mode)
        except AllclearError as error:
            sentence = f"Whether {service} is in maintenance could not be read: {error.message}"
            return [Refusal(sentence=sentence, next_step=error.next_step)]
        if not closed:
            command = f"allclear act {COMPANY} maintenance.enable service={service} by={by} --reason WHY --as NAME"
            return [
                Refusal(
                    sentence=f"{service} is open: users would write while its database is restored.",
                    next_step=f"Put it into maintenance first: {command}",
                )
            ]
        if by == "flag":
            sentence = (
                f"{service} is closed by the flag {mode.flag}. If that stands in the same database, it goes back too,"
                " and users are let in as soon as the database answers."
            )
            return [Refusal(sentence=sentence, next_step="", warning=True)]
        return []

    @override
    async def apply(self, params: RestoreParams, change: Change[DatabaseState], key: str) -> Receipt:
        before, after = change.before, change.after
        await self._require_unrestored(params, before)
        if after.kept_as:
            await self._keep(after.project, after.kept_as)
            await self._require_unrestored(params, before)
        if after.point:
            await self.supabase.restore(after.project, after.point)
        else:
            await self.supabase.undo(after.project, after.back_to)
        return Receipt(facts={"write": "accepted", "begun": await self._begins(after.project, before.timeline)})

    async def _require_unrestored(self, params: RestoreParams, before: DatabaseState) -> None:
        """Raise Refused if the database was restored since it was read, or is being restored."""
        now = await self.observe_result(params)
        if now.restoring or (now.timeline and before.timeline and now.timeline != before.timeline):
            # No conflict: a new timeline would then be taken for the one that this act was to bring about.
            raise Refused(f"The database {now.project} was restored meanwhile.", "Find out by whom, and decide again.")

    async def _made(self, ref: str, name: str) -> bool:
        """Return whether an earlier attempt of this act has made the restore point, or has begun to."""
        try:
            return await self.supabase.point_status(ref, name) in (AVAILABLE, PENDING)
        except (VendorError, NotFound):
            return False

    async def _keep(self, ref: str, name: str) -> None:
        """Make the restore point, and wait until it is there. Raises VendorRefused or Denied: nothing was restored.

        One that is there is kept: made again after a restore has begun, it would hold the restored data.
        """
        try:
            if not await self._made(ref, name):
                await self.supabase.mark(ref, name)
        except AnswerLost:
            pass  # reading it tells
        except Denied as error:
            raise Denied(f"{error.message} Nothing was restored.", error.next_step) from error
        status, end = "unknown", utc_now() + self.point_within
        for pause in _PENDING.pauses():
            try:
                status = await self.supabase.point_status(ref, name)
            except VendorError as error:
                status = f"unknown ({error.message.rstrip('.')})"
            except NotFound:
                status = "missing"
            if status == AVAILABLE:
                return
            if status in ("FAILED", "REMOVED", "missing") or utc_now() + timedelta(seconds=pause) > end:
                break
            await sleep_without_slot(pause)
        raise VendorRefused(
            f"Supabase did not make the restore point {name} (it is {status}), so nothing was restored.",
            "Try again. If the project's plan has no restore points, take `restore_points` out of systems.yaml and"
            " propose the restore again: it then cannot be undone.",
        )

    async def _begins(self, ref: str, was: int | None) -> bool:
        """Return whether the restore was seen to begin; `was` is the timeline before it. A failed read says nothing."""
        end = utc_now() + self.begins_within
        for pause in _PENDING.pauses():
            try:
                now = await read_result(self.supabase, ref)
                if now.restoring or (was and now.timeline and now.timeline > was):
                    return True
            except (VendorError, NotFound):
                pass
            if utc_now() + timedelta(seconds=pause) > end:
                break
            await sleep_without_slot(pause)
        return False

    @override
    def verify(self, change: Change[DatabaseState], after: DatabaseState, receipt: Receipt | None) -> Finding:
        ref, wanted, was = after.project, change.after, change.before.timeline
        facts = {"status": after.status, "timeline_before": was, "timeline": after.timeline}
        begun = bool(receipt and receipt.facts.get("begun"))
        renewed = bool(was and after.timeline and after.timeline > was)
        seen = renewed or (begun and not (was and after.timeline))
        verdict, final = Verdict.INCONCLUSIVE, False
        if after.status == RESTORE_FAILED:
            final = True
            sentence = f"Supabase reports that the restore of {ref} failed (RESTORE_FAILED). Ask its support at once."
        elif after.restoring:
            sentence = f"Supabase is still restoring {ref}."
        elif not seen:
            final = receipt is not None and not begun
            begin = "was not seen to begin" if final else "may still begin"
            sentence = f"The restore of {ref} {begin}: the database is in the same timeline as before."
        elif after.trouble:
            sentence = f"{ref} was restored, and {after.trouble}."
        elif wanted.point and after.replayed_until and after.replayed_until > wanted.point + timedelta(seconds=1):
            final = True
            sentence = f"{ref} was restored, but to {second(after.replayed_until)} and not to {second(wanted.point)}."
        else:
            verdict = Verdict.SUCCESS
            proof = "the database is in a new timeline" if renewed else "Supabase was seen restoring it"
            sentence = f"{ref} is {_words(wanted)}, and all its services are healthy: {proof}."
        return Finding(verdict=verdict, sentence=sentence, facts=facts, final=final)

    @override
    def target_reached(self, change: Change[DatabaseState], now: DatabaseState) -> bool:
        # Only a new timeline proves a restore that this act has begun: another person's is no target of ours.
        was = change.before.timeline
        return not now.restoring and bool(was and now.timeline and now.timeline > was)

    @override
    def undo(self, params: RestoreParams, done: Change[DatabaseState], now: DatabaseState) -> Change[DatabaseState]:
        name = done.after.kept_as
        if not name:
            raise Refused(
                f"No restore point was made before the restore of {now.project}, so it cannot be undone.",
                f"To go to another time: allclear act {COMPANY} {self.name} service={params.service} to=TIME"
                " --reason WHY --as NAME",
            )
        after = DatabaseState(project=now.project, back_to=name, read_at=now.read_at, timeline=now.timeline)
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Return the database of {params.service} ({now.project}) to the restore point {name}.",
            before=now,
            after=after,
            risk="All that was written since the restore is lost. What the restore was to remove is back. The database"
            f" is down meanwhile, and every user of {params.service} with it.",
            undo="Cannot be undone.",
            deadline=DEADLINE,
        )


def _risk(service: str, now: datetime, point: datetime) -> str:
    """Return what is lost, what comes back and what is down meanwhile, for the people who approve."""
    return (
        f"Everything that was written after {second(point)} is lost, in all tables and in the accounts of users:"
        f" {in_words(now - point)} until now, and what is still written until it begins. What was deleted or revoked"
        " since then comes back, scheduled jobs included: pause pg_cron's jobs first. Files in Storage stay as they"
        f" are. The database is down until it ends, minutes to hours, and every user of {service} with it. Payments"
        " and other systems do not go back."
    )


def _cannot_go_there(now: DatabaseState, problem: str) -> Refused:
    if now.enabled and now.earliest and now.latest:
        return Refused(problem, "Name a time within that.", typed=TYPED)
    if now.enabled:
        return Refused(problem, "Wait for the first backup, or ask Supabase's support: support@supabase.io.")
    return Refused(
        problem,
        "Restore a daily backup in Supabase's dashboard (Database, Backups), which loses more. For the next time,"
        " switch the add-on for point-in-time recovery on.",
    )


def _words(wanted: DatabaseState) -> str:
    if wanted.point:
        return f"restored to {second(wanted.point)}"
    return f"back at the restore point {wanted.back_to}"
