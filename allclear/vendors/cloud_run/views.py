"""Cloud Run's services and revisions as we see them: small, frozen, without protobuf.

Source: google-cloud-run 0.16.2 (`google.cloud.run_v2.types`), tried 2026-11:
- `TrafficTarget.revision` is a short name; `latest_ready_revision` and `Revision.name` are full paths.
- Empty `traffic` means 100 % to the latest ready revision. An entry may carry a tag and no percent.
- While `reconciling` is true, `observed_generation`, `latest_ready_revision` and `traffic_statuses` are transient.
- A revision is fit to serve when its condition `Ready` succeeded and it has no `delete_time`. Its condition `Active`
  says only whether it has instances: an old revision is retired and still ready.
- `last_modifier` and a revision's `creator` are e-mail addresses of the authenticated caller.
- The service's terminal condition also fails when the newest deployment did, though traffic is as asked: its
  condition `RoutesReady` speaks of traffic alone.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# reason: proto-plus messages are untyped containers; this module is where they are turned into typed ones.

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from allclear.domain.base import Model, Moment

if TYPE_CHECKING:
    from google.cloud import run_v2

_LATEST, _SUCCEEDED = 1, 4
"""TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST and CONDITION_SUCCEEDED, by number: the library is not imported here."""
_BEHIND_LOAD_BALANCER = frozenset({2, 3, 4})
"""INGRESS_TRAFFIC_INTERNAL_ONLY, _INTERNAL_LOAD_BALANCER and _NONE, by number; without a value, all is admitted."""


class Traffic(Model):
    """One entry of a service's traffic; `revision` is None for whichever is the latest ready one."""

    revision: str | None
    percent: int = 0
    tag: str | None = None


class RunRevision(Model):
    """One revision of a service."""

    name: str
    created: Moment
    ready: bool
    deleted: bool = False
    trouble: str = ""
    creator: str = ""
    """Who deployed it, as an e-mail address; empty if Cloud Run does not say."""


class RunService(Model):
    """A service and where its users are sent."""

    path: str
    etag: str
    generation: int
    observed_generation: int
    reconciling: bool
    succeeded: bool
    routed: bool
    trouble: str = ""
    latest_ready: str | None = None
    latest_created: str | None = None
    updated: Moment | None = None
    modified_by: str = ""
    """Who wrote it last, as an e-mail address; empty if Cloud Run does not say."""
    traffic: tuple[Traffic, ...] = ()
    serving: dict[str, int] = Field(default={})
    direct: bool = False
    """Whether it answers requests from the internet that pass no load balancer."""


class OperationResult(Model):
    """How a long-running operation stands."""

    done: bool
    error: str = ""


def short(path: str) -> str | None:
    """Return the last part of a resource's path; None for an empty one."""
    return path.rsplit("/", 1)[-1] or None


def service_view(service: run_v2.Service) -> RunService:
    """Return `service` as we see it."""
    latest_ready = short(service.latest_ready_revision)
    terminal = service.terminal_condition
    succeeded = int(terminal.state) == _SUCCEEDED
    routed = any(c.type_ == "RoutesReady" and int(c.state) == _SUCCEEDED for c in service.conditions)
    serving: dict[str, int] = {}
    for status in service.traffic_statuses:
        name = short(status.revision) or latest_ready
        if name and status.percent:
            serving[name] = serving.get(name, 0) + int(status.percent)
    return RunService(
        path=service.name,
        etag=service.etag,
        generation=int(service.generation),
        observed_generation=int(service.observed_generation),
        reconciling=bool(service.reconciling),
        succeeded=succeeded,
        routed=succeeded or routed,
        trouble="" if succeeded else terminal.message,
        latest_ready=latest_ready,
        latest_created=short(service.latest_created_revision),
        updated=_moment(service.update_time) if service.update_time else None,
        modified_by=service.last_modifier,
        traffic=tuple(_entry(target) for target in service.traffic) or (Traffic(revision=None, percent=100),),
        serving=serving,
        direct=int(service.ingress) not in _BEHIND_LOAD_BALANCER,
    )


def _moment(stamp: Any) -> datetime:  # noqa: ANN401 - proto-plus gives a datetime of its own with nanoseconds
    return datetime.fromtimestamp(stamp.timestamp(), UTC)


def _entry(target: run_v2.TrafficTarget) -> Traffic:
    latest = int(target.type_) == _LATEST or not target.revision
    return Traffic(
        revision=None if latest else short(target.revision), percent=int(target.percent), tag=target.tag or None
    )


def revision_view(revision: run_v2.Revision) -> RunRevision:
    """Return `revision` as we see it."""
    ready = next((condition for condition in revision.conditions if condition.type_ == "Ready"), None)
    fine = ready is not None and int(ready.state) == _SUCCEEDED
    return RunRevision(
        name=short(revision.name) or "",
        created=_moment(revision.create_time),
        ready=fine,
        deleted=bool(revision.delete_time),
        trouble="" if fine or ready is None else ready.message,
        creator=revision.creator,
    )


def traffic_message(traffic: tuple[Traffic, ...]) -> list[run_v2.TrafficTarget]:
    """Return `traffic` as Cloud Run takes it."""
    from google.cloud import run_v2  # noqa: PLC0415 - 1 s, loaded already by the caller

    kinds = run_v2.TrafficTargetAllocationType
    return [
        run_v2.TrafficTarget(
            type_=kinds.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
            if entry.revision
            else kinds.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST,
            revision=entry.revision or "",
            percent=entry.percent,
            tag=entry.tag or "",
        )
        for entry in traffic
    ]
