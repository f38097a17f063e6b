"""The state of a simulated service as Cloud Run's own messages, and requests as edits of it.

*Source:* `google.cloud.run_v2` 0.16.2 and cloud.google.com/run/docs/reference/rest/v2
(November 2026). From memory: an entry for LATEST in `traffic_statuses` has an empty `revision`;
the revision's name is in `latest_ready_revision`.
"""

# proto-plus and protobuf's dynamic modules come without type information.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false

# ruff: noqa: ANN401 - protobuf's messages have no types

from __future__ import annotations

import re
import secrets
import string
from datetime import datetime
from typing import Any

from google.cloud.run_v2 import types
from google.longrunning import operations_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.status_pb2 import Status

from allclear.simulator.regional_services import RegionalService
from allclear.simulator.revisions import ALL_TO_LATEST, Revision, Target
from allclear.simulator.run_service import Code, Edit, Operation, RunError, ServiceState
from allclear.simulator.scenario_schema import ALL_TRAFFIC

CODES: dict[Code, int] = {
    "INVALID_ARGUMENT": 3,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}
"""*Source:* google/rpc/code.proto."""
EDITABLE = ("traffic", "template", "description", "labels", "annotations")
"""The fields of a service that the simulation lets a client change."""

_NUMBER = re.compile(r"-(\d{5})-[a-z]{3}$")
_LATEST = types.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
_REVISION = types.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
_STATE = types.Condition.State


class Names:
    """The full resource names of a service and what belongs to it."""

    def __init__(self, site: RegionalService) -> None:
        self.location = f"projects/{site.project}/locations/{site.region}"
        self.service = f"{self.location}/services/{site.name}"

    def revision(self, short: str) -> str:
        """Return a revision's full name."""
        return f"{self.service}/revisions/{short}"

    def operation(self, identity: str) -> str:
        """Return an operation's full name."""
        return f"{self.location}/operations/{identity}"


_INGRESS = {
    "all": types.IngressTraffic.INGRESS_TRAFFIC_ALL,
    "internal": types.IngressTraffic.INGRESS_TRAFFIC_INTERNAL_ONLY,
    "internal-and-cloud-load-balancing": types.IngressTraffic.INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER,
}


def service_message(site: RegionalService, state: ServiceState) -> types.Service:
    """Return the service as GetService shows it."""
    names, service = Names(site), site.service
    ready = _condition("Ready", state, state.failure)
    routes = _condition("RoutesReady", state, state.failure)
    created = service.revisions[state.latest_created]
    return types.Service(
        name=names.service,
        uid=service.uid,
        generation=state.generation,
        observed_generation=state.observed_generation,
        description=state.description,
        labels=dict(state.labels),
        annotations=dict(state.annotations),
        create_time=service.created_at,
        update_time=state.updated_at,
        last_modifier=state.modified_by,
        ingress=_INGRESS[site.ingress],
        launch_stage=5,  # google.api.LaunchStage GA, not exported by run_v2
        template=types.RevisionTemplate(revision=created.name, containers=[types.Container(image=created.image)]),
        traffic=[_target(target) for target in state.traffic],
        traffic_statuses=[_target_status(site, target) for target in state.serving],
        terminal_condition=ready,
        conditions=[routes, _condition("ConfigurationsReady", state, None)],
        latest_ready_revision=names.revision(state.latest_ready),
        latest_created_revision=names.revision(state.latest_created),
        uri=site.url,
        urls=[site.url],
        reconciling=state.reconciling,
        etag=state.etag,
    )


def revision_message(site: RegionalService, revision: Revision) -> types.Revision:
    """Return a revision as GetRevision shows it."""
    condition = types.Condition(
        type_="Ready",
        state=_STATE.CONDITION_SUCCEEDED if revision.ready else _STATE.CONDITION_FAILED,
        message=revision.not_ready_because,
        last_transition_time=revision.created_at,
    )
    if not revision.ready:
        condition.revision_reason = types.Condition.RevisionReason.HEALTH_CHECK_CONTAINER_ERROR
    return types.Revision(
        name=Names(site).revision(revision.name),
        uid=revision_uid(site, revision),
        generation=1,
        observed_generation=1,
        service=site.name,
        create_time=revision.created_at,
        update_time=revision.created_at,
        delete_time=revision.deleted_at,
        containers=[types.Container(image=revision.image)],
        conditions=[condition],
        etag=f'"{revision.name}"',
    )


def operation_message(site: RegionalService, operation: Operation) -> operations_pb2.Operation:
    """Return an operation as UpdateService and GetOperation show it."""
    shown = operations_pb2.Operation(
        name=Names(site).operation(operation.id),
        done=operation.done,
        metadata=_packed(site, operation.edited),
    )
    if operation.error is not None:
        failed = Status(code=CODES[operation.error.code], message=operation.error.message)
        shown.error.CopyFrom(failed)
    elif operation.result is not None:
        shown.response.CopyFrom(_packed(site, operation.result))
    return shown


def edit_from_request(site: RegionalService, request: types.UpdateServiceRequest) -> Edit:
    """Return what an UpdateService request wants changed.

    Raises RunError: INVALID_ARGUMENT for what the vendor does not accept, UNIMPLEMENTED for a
        field that the simulation keeps fixed.
    """
    wanted = request.service
    paths = [path.partition(".")[0] for path in request.update_mask.paths]
    if not paths or "*" in paths:
        paths = list(EDITABLE)
    for path in paths:
        if path not in types.Service.meta.fields:
            raise RunError("INVALID_ARGUMENT", f"update_mask: unknown field '{path}'.")
        if path not in EDITABLE:
            known = ", ".join(EDITABLE)
            raise RunError("UNIMPLEMENTED", f"The simulated service changes only {known}.")
    return Edit(
        traffic=_targets(wanted.traffic) if "traffic" in paths else None,
        deploy=_deployed(site, wanted.template) if "template" in paths else None,
        description=wanted.description if "description" in paths else None,
        labels=tuple(wanted.labels.items()) if "labels" in paths else None,
        annotations=tuple(wanted.annotations.items()) if "annotations" in paths else None,
    )


def _targets(entries: Any) -> tuple[Target, ...]:
    targets: list[Target] = []
    for index, entry in enumerate(entries):
        where = f"traffic[{index}]"
        named = bool(entry.revision)
        if entry.type_ not in (_LATEST, _REVISION) or named != (entry.type_ == _REVISION):
            said = "a type REVISION with a revision, or LATEST without one, is required"
            raise RunError("INVALID_ARGUMENT", f"{where}: {said}.")
        if "/" in entry.revision:
            said = f"'{entry.revision}' must be the revision's short name"
            raise RunError("INVALID_ARGUMENT", f"{where}.revision: {said}.")
        targets.append(Target(entry.revision or None, entry.percent, entry.tag))
    return whole_traffic(targets, "traffic")


def whole_traffic(targets: list[Target], where: str) -> tuple[Target, ...]:
    """Return the entries as a service's traffic; none at all is everything to the latest.

    Raises RunError: INVALID_ARGUMENT naming `where`, for entries that do not make up a whole.
    """
    if not targets:
        return ALL_TO_LATEST
    for index, target in enumerate(targets):
        if not 0 <= target.percent <= ALL_TRAFFIC:
            raise RunError("INVALID_ARGUMENT", f"{where}[{index}].percent: must be between 0 and 100.")
    total = sum(target.percent for target in targets)
    if total != ALL_TRAFFIC:
        raise RunError("INVALID_ARGUMENT", f"{where}: percents must add up to 100, got {total}.")
    tags = [target.tag for target in targets if target.tag]
    if len(set(tags)) != len(tags):
        raise RunError("INVALID_ARGUMENT", f"{where}: a tag may be used once only.")
    return tuple(targets)


def new_revision(site: RegionalService, name: str, image: str, where: str) -> Revision:
    """Return a revision to deploy; without a name it is given one, as Cloud Run makes them up.

    Raises RunError: INVALID_ARGUMENT for a name that does not begin with the service's.
    """
    service = site.name
    numbers = [int(found[1]) for found in map(_NUMBER.search, site.service.revisions) if found]
    number = max(numbers, default=0) + 1
    suffix = "".join(secrets.choice(string.ascii_lowercase) for _ in range(3))
    name = name or f"{service}-{number:05d}-{suffix}"
    if not name.startswith(f"{service}-"):
        raise RunError("INVALID_ARGUMENT", f"{where}: must begin with '{service}-'.")
    return Revision(name, image, site.now())


def _deployed(site: RegionalService, template: types.RevisionTemplate) -> Revision:
    if not template.containers:
        raise RunError("INVALID_ARGUMENT", "template.containers: at least one is required.")
    return new_revision(site, template.revision, template.containers[0].image, "template.revision")


def _target(target: Target) -> types.TrafficTarget:
    return types.TrafficTarget(
        type_=_REVISION if target.revision else _LATEST,
        revision=target.revision or "",
        percent=target.percent,
        tag=target.tag,
    )


def tag_url(site: RegionalService, tag: str) -> str:
    """Return where a tagged revision is reached by itself; empty without a tag.

    Every name under `localhost` is this machine. *Source:* RFC 6761, 6.3.
    """
    port = site.url.rpartition(":")[2]
    return f"http://{tag}---{site.name}.localhost:{port}" if tag else ""


def revision_uid(site: RegionalService, revision: Revision) -> str:
    """Return the revision's id, which stays the same for as long as the service does."""
    return f"{site.service.uid[:24]}{abs(hash(revision.name)) % 16**12:012x}"


def _target_status(site: RegionalService, target: Target) -> types.TrafficTargetStatus:
    return types.TrafficTargetStatus(
        type_=_REVISION if target.revision else _LATEST,
        revision=target.revision or "",
        percent=target.percent,
        tag=target.tag,
        uri=tag_url(site, target.tag),
    )


def _condition(kind: str, state: ServiceState, failure: RunError | None) -> types.Condition:
    if state.reconciling:
        outcome = _STATE.CONDITION_RECONCILING
    else:
        outcome = _STATE.CONDITION_FAILED if failure else _STATE.CONDITION_SUCCEEDED
    when: datetime = state.updated_at
    condition = types.Condition(type_=kind, state=outcome, last_transition_time=when)
    if failure is not None and not state.reconciling:
        condition.message = failure.message
        condition.reason = types.Condition.CommonReason.REVISION_FAILED
    return condition


def _packed(site: RegionalService, state: ServiceState) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(types.Service.pb(service_message(site, state)))
    return packed
