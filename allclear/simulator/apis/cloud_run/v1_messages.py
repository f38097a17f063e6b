"""The state of a simulated service as Cloud Run's v1 (Knative) shows it, and a replacement as an edit.

*Source:* the discovery document of run v1 of 2026-10-31, and what `gcloud run deploy --format json`
printed in github.com/google-github-actions/deploy-cloudrun/pull/556, read November 2026: the
namespace is the project's number, a status entry for LATEST names its revision, too, and an
operation's response begins with `@type`. From memory: the reasons and severities of conditions.
A resource version changes when v2's etag does, and is another string.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from allclear.simulator.apis.cloud_run.messages import CODES, Names, revision_uid, tag_url
from allclear.simulator.regional_services import RegionalService
from allclear.simulator.revisions import Revision, Target
from allclear.simulator.run_service import Operation, RunError, ServiceState

API = "serving.knative.dev/v1"
GOOGLE_S_OWN = tuple(
    f"{name}/"
    for name in (
        "serving.knative.dev",
        "autoscaling.knative.dev",
        "client.knative.dev",
        "run.googleapis.com",
        "cloud.googleapis.com",
    )
)
"""The labels and annotations that begin so are fields of their own in v2."""
DESCRIPTION = "run.googleapis.com/description"
SERVICE_LABEL = "serving.knative.dev/service"

_TYPE = "type.googleapis.com/google.cloud.run.v1.Service"
_STATUS = {True: "True", False: "False", None: "Unknown"}


def project_number(project: str) -> str:
    """Return the number that Google gave the project; v1 takes it and the project's id alike."""
    digest = hashlib.sha256(project.encode()).digest()
    return str(10**11 + int.from_bytes(digest[:8]) % (9 * 10**11))


def resource_version(etag: str) -> str:
    """Return the version of an object that has this etag in v2."""
    return base64.urlsafe_b64encode(hashlib.sha256(etag.encode()).digest()[:8]).decode().rstrip("=")


def service_view(site: RegionalService, state: ServiceState) -> dict[str, Any]:
    """Return the service as GET and PUT show it."""
    service, url = site.service, site.url
    annotations = {
        **dict(state.annotations),
        **({DESCRIPTION: state.description} if state.description else {}),
        "run.googleapis.com/ingress": site.ingress,
        "run.googleapis.com/ingress-status": site.ingress,
        **({"run.googleapis.com/operation-id": state.operation} if state.operation else {}),
        "run.googleapis.com/urls": json.dumps([url]),
        "serving.knative.dev/creator": _somebody(site),
        "serving.knative.dev/lastModifier": _somebody(site),
    }
    return {
        "apiVersion": API,
        "kind": "Service",
        "metadata": {
            **_metadata(site, "services", site.name, service.created_at),
            "uid": service.uid,
            "generation": state.generation,
            "resourceVersion": resource_version(state.etag),
            "labels": {**dict(state.labels), "cloud.googleapis.com/location": site.region},
            "annotations": annotations,
        },
        "spec": {
            "template": template_view(site, service.revisions[state.latest_created]),
            "traffic": [_target(target) for target in state.traffic],
        },
        "status": {
            "observedGeneration": state.observed_generation,
            "conditions": _service_conditions(state),
            "latestReadyRevisionName": state.latest_ready,
            "latestCreatedRevisionName": state.latest_created,
            "traffic": [_target_status(site, state, target) for target in state.serving],
            "url": url,
            "address": {"url": url},
        },
    }


def template_view(site: RegionalService, revision: Revision) -> dict[str, Any]:
    """Return what a service says of its newest revision; sent back unchanged it deploys nothing."""
    return {"metadata": {"name": revision.name}, "spec": _spec(site, revision)}


def revision_view(site: RegionalService, revision: Revision) -> dict[str, Any]:
    """Return a revision as GET shows it."""
    digest = hashlib.sha256(revision.image.encode()).hexdigest()
    image = f"{revision.image.partition(':')[0]}@sha256:{digest}"
    return {
        "apiVersion": API,
        "kind": "Revision",
        "metadata": {
            **_metadata(site, "revisions", revision.name, revision.created_at),
            "uid": revision_uid(site, revision),
            "generation": 1,
            "resourceVersion": resource_version(revision.name),
            "labels": revision_labels(site),
            "annotations": {"serving.knative.dev/creator": _somebody(site)},
        },
        "spec": _spec(site, revision),
        "status": {
            "observedGeneration": 1,
            "conditions": _revision_conditions(site, revision),
            "imageDigest": image,
            "containerStatuses": [{"name": f"{site.name}-1", "imageDigest": image}],
        },
    }


def revision_labels(site: RegionalService) -> dict[str, str]:
    """Return the labels that every revision of the service has."""
    service = site.name
    return {
        SERVICE_LABEL: service,
        "serving.knative.dev/configuration": service,
        "serving.knative.dev/serviceUid": site.service.uid,
        "cloud.googleapis.com/location": site.region,
    }


def list_view(kind: str, items: list[dict[str, Any]], after: str = "") -> dict[str, Any]:
    """Return a list; `after` is the token of the next page."""
    metadata = {"continue": after} if after else {}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "items": items}


def operation_view(site: RegionalService, operation: Operation) -> dict[str, Any]:
    """Return an operation: `done` and one of `response` and `error` once it has ended."""
    view: dict[str, Any] = {
        "name": Names(site).operation(operation.id),
        "metadata": {"@type": _TYPE, **service_view(site, operation.edited)},
    }
    if operation.error is not None:
        error = {"code": CODES[operation.error.code], "message": operation.error.message}
        return {**view, "done": True, "error": error}
    if operation.result is not None:
        return {**view, "done": True, "response": {"@type": _TYPE, **service_view(site, operation.result)}}
    return view


def _metadata(site: RegionalService, plural: str, name: str, created: datetime) -> dict[str, Any]:
    namespace = project_number(site.project)
    return {
        "name": name,
        "namespace": namespace,
        "selfLink": f"/apis/{API}/namespaces/{namespace}/{plural}/{name}",
        "creationTimestamp": _time(created),
    }


def _spec(site: RegionalService, revision: Revision) -> dict[str, Any]:
    container = {
        "name": f"{site.name}-1",
        "image": revision.image,
        "ports": [{"name": "http1", "containerPort": 8080}],
        "resources": {"limits": {"cpu": "1000m", "memory": "512Mi"}},
    }
    return {
        "containerConcurrency": 80,
        "timeoutSeconds": 300,
        "serviceAccountName": f"{project_number(site.project)}-compute@developer.gserviceaccount.com",
        "containers": [container],
    }


def _target(target: Target) -> dict[str, Any]:
    return {
        **({"revisionName": target.revision} if target.revision else {"latestRevision": True}),
        **({"percent": target.percent} if target.percent else {}),
        **({"tag": target.tag} if target.tag else {}),
    }


def _target_status(site: RegionalService, state: ServiceState, target: Target) -> dict[str, Any]:
    named = {"revisionName": target.revision or state.latest_ready}
    url = {"url": tag_url(site, target.tag)} if target.tag else {}
    return {**_target(target), **named, **url}


def _service_conditions(state: ServiceState) -> list[dict[str, Any]]:
    well = None if state.reconciling else state.failure is None
    failure = None if state.reconciling else state.failure
    return [
        _condition("Ready", well, state.updated_at, failure),
        _condition("ConfigurationsReady", None if state.reconciling else True, state.updated_at, None),
        _condition("RoutesReady", well, state.updated_at, failure),
    ]


def _condition(kind: str, well: bool | None, since: datetime, failure: RunError | None) -> dict[str, Any]:  # noqa: FBT001 - Knative's three-valued status
    said = {"reason": "RevisionFailed", "message": failure.message} if failure else {}
    return {"type": kind, "status": _STATUS[well], "lastTransitionTime": _time(since), **said}


def _revision_conditions(site: RegionalService, revision: Revision) -> list[dict[str, Any]]:
    state, since = site.service.state, revision.created_at
    failed = {"reason": "HealthCheckContainerError", "message": revision.not_ready_because}
    said = {} if revision.ready else failed
    routed = revision.name in [target.revision or state.latest_ready for target in state.serving]
    retired = {} if routed else {"reason": "Retired", "message": "Revision retired."}
    return [
        {**_condition("Ready", revision.ready, since, None), **said},
        {**_condition("Active", routed, since, None), "severity": "Info", **retired},
        {**_condition("ContainerHealthy", revision.ready, since, None), **said},
        _condition("ResourcesAvailable", True, since, None),  # noqa: FBT003 - as above
    ]


def _somebody(site: RegionalService) -> str:
    return f"deployer@{site.project}.iam.gserviceaccount.com"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
