"""Vercel's webhooks: a deployment that fails fires, the next that succeeds resolves.

*Source:* Vercel's documentation, "Webhooks API Reference", 2026-11: `x-vercel-signature` is the hex HMAC-**SHA1** of
the body; `id` is the delivery's id, `createdAt` is in milliseconds, `payload` has `deployment`, `project.id`,
`team.id` (may be null) and `target` (production, staging, or null for a preview).

Order: `createdAt`, the time of the event; the body has no number of the deployment.

A failed deployment is no outage, because the previous one still runs. The plan's routes decide what it means.

Labels: `alertname` (`deployment.error`), `project` (the deployment's name), `project_id`, `environment` (the target,
else `preview`), `branch`. Key: team, project and target.
"""

from __future__ import annotations

from datetime import datetime

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Identifier, Labels, State, Text, Timestamp, key, labels, validate
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.signatures import AuthenticationResult, Credentials, hmac_hex, verify_hmac
from allclear.responder.sources.source import MakeSample, NoAlert, ParseResult, Source, unknown_state

_SIGNATURE = "x-vercel-signature"
_FAILED = "deployment.error"
_STATES: dict[str, State] = {_FAILED: "firing", "deployment.succeeded": "resolved"}
_OTHER_DEPLOYMENT_EVENTS = frozenset(
    f"deployment.{name}"
    for name in (
        "canceled",
        "check-rerequested",
        "checks.failed",
        "checks.succeeded",
        "cleanup",
        "created",
        "integration.action.cancel",
        "integration.action.cleanup",
        "integration.action.start",
        "prepared",
        "promoted",
        "ready",
        "rollback",
    )
)
_OTHER_EVENTS = (
    "ai-gateway.",
    "budget.",
    "domain.",
    "edge-config.",
    "flag.",
    "integration-configuration.",
    "integration-resource.",
    "marketplace.",
    "project.",
    "test-webhook",
)
"""The beginnings of documented event types that are not about deployments."""
_BRANCHES = ("githubCommitRef", "gitlabCommitRef", "bitbucketCommitRef")


class Named(Body):
    """A project or a team."""

    id: Identifier = ""


class Deployment(Body):
    """A deployment."""

    id: Identifier = ""
    name: Text = ""
    meta: Labels = {}


class Payload(Body):
    """The deployment with its project, team and target."""

    deployment: Deployment
    project: Named
    team: Named | None = None
    target: Text = ""


class Event(Body):
    """The body that Vercel posts."""

    type: str
    createdAt: Timestamp = None  # noqa: N815 - Vercel's own name
    payload: object = None


def _sample(kind: str) -> MakeSample:
    def make(at: datetime) -> RawRequest:
        payload = {
            "team": {"id": "team_sample"},
            "user": {"id": "user_sample"},
            "plan": "pro",
            "target": "production",
            "project": {"id": "prj_sample"},
            "regions": ["fra1"],
            "deployment": {
                "id": "dpl_sample",
                "name": "sample-shop",
                "url": "sample-shop-1.vercel.app",
                "meta": {"githubCommitRef": "main"},
            },
        }
        event = {"id": f"uev_{int(at.timestamp())}", "type": kind, "createdAt": int(at.timestamp() * 1000)}
        return json_request({**event, "region": None, "payload": payload})

    return make


class Vercel(Source):
    """Vercel."""

    name = "vercel"
    title = "Vercel"
    bodies_are_unique = True
    samples = {"firing": _sample("deployment.error"), "resolved": _sample("deployment.succeeded")}

    def authenticate(self, request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
        """Verify the signature over the body."""
        del now
        return verify_hmac(request, credentials, _SIGNATURE, algorithm="sha1")

    def sign(self, sample: RawRequest, credentials: Credentials, now: datetime) -> RawRequest:
        """Add the signature."""
        del now
        return sample.with_headers((_SIGNATURE, hmac_hex(credentials.secrets[0], sample.body, "sha1")))

    def parse(self, request: RawRequest) -> ParseResult:
        """Return a failed deployment as firing, one that succeeded as resolved."""
        event = validate(Event, request.json())
        if event.type not in _STATES:
            if event.type not in _OTHER_DEPLOYMENT_EVENTS and not event.type.startswith(_OTHER_EVENTS):
                raise unknown_state("the event", event.type, f"{', '.join(_STATES)} and others that are no alerts")
            return NoAlert(f"Vercel's {event.type!r} is neither a failed deployment nor one that succeeded.")
        payload = validate(Payload, event.payload)
        if not payload.project.id:
            msg = "payload.project has no id"
            raise ValueError(msg)
        state = _STATES[event.type]
        target, meta = payload.target or "preview", payload.deployment.meta
        alert_labels = labels(
            alertname=_FAILED,
            project=payload.deployment.name,
            project_id=payload.project.id,
            environment=target,
            branch=next((meta[name] for name in _BRANCHES if name in meta), None),
        )
        name = payload.deployment.name or payload.project.id
        title = f"{name}: the deployment to {target} {'succeeded' if state == 'resolved' else 'failed'}"
        identity = key(payload.team.id if payload.team and payload.team.id else "-", payload.project.id, target)
        at = event.createdAt
        return [Alert(self.name, identity, state, title, alert_labels, at=at, order=at)]
