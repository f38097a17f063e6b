"""Vercel's webhooks: deployments that fail, and the next that succeeds.

*Source:* Vercel's documentation, "Webhooks API Reference", 2026-11: `x-vercel-signature` is the hex HMAC-**SHA1** of
the body; `id` numbers the delivery, `createdAt` is in milliseconds, `payload` has `deployment`, `project.id`,
`team.id` (may be null) and `target` (production, staging, or null for a preview).

A failed deployment is no outage: what ran before still runs. What it means is for the plan's routes to say.

Labels: `alertname` (`deployment.error`), `project` (the deployment's name), `project_id`, `environment` (the target,
else `preview`), `branch`. Key: team, project and target.
"""

from __future__ import annotations

from datetime import datetime

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Labels, Text, When, Word, fit, key, labels
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import Keys, Proof, Signed, by_hmac, hexdigest
from allclear.responder.sources.source import Nothing, Reading, Source

_SIGNATURE = "x-vercel-signature"
_FAILED = "deployment.error"
_STATES = {_FAILED: "firing", "deployment.succeeded": "resolved"}
_BRANCHES = ("githubCommitRef", "gitlabCommitRef", "bitbucketCommitRef")


class Named(Body):
    """A project or a team."""

    id: Word = ""


class Deployment(Body):
    """What was deployed."""

    id: Word = ""
    name: Text = ""
    meta: Labels = {}


class Payload(Body):
    """What the event is about."""

    deployment: Deployment
    project: Named
    team: Named | None = None
    target: Text = ""


class Event(Body):
    """The body that Vercel posts."""

    type: str
    createdAt: When = None  # noqa: N815 - Vercel's own name
    payload: object = None


class Vercel(Source):
    """Vercel."""

    name = "vercel"
    title = "Vercel"

    def authenticate(self, request: RawRequest, keys: Keys, now: datetime) -> Proof:
        """Return what the signature proves."""
        del now
        return by_hmac(request, keys, _SIGNATURE, algorithm="sha1")

    def sign(self, body: bytes, keys: Keys, now: datetime) -> Signed:
        """Return the signature."""
        del now
        return Signed(((_SIGNATURE, hexdigest(keys.secrets[0], body, "sha1")),))

    def parse(self, request: RawRequest) -> Reading:
        """Return the failure of a deployment, or its end."""
        event = fit(Event, request.json())
        if event.type not in _STATES:
            return Nothing(f"Vercel's {event.type!r} is neither a failed deployment nor one that succeeded.")
        said = fit(Payload, event.payload)
        if not said.project.id:
            msg = "payload.project: there is no id in it"
            raise ValueError(msg)
        over = _STATES[event.type] == "resolved"
        target, meta = said.target or "preview", said.deployment.meta
        named = labels(
            alertname=_FAILED,
            project=said.deployment.name,
            project_id=said.project.id,
            environment=target,
            branch=next((meta[name] for name in _BRANCHES if name in meta), None),
        )
        what = said.deployment.name or said.project.id
        title = f"{what}: the deployment to {target} {'succeeded' if over else 'failed'}"
        identity = key(said.team.id if said.team and said.team.id else "-", said.project.id, target)
        return [Alert(self.name, identity, "resolved" if over else "firing", title, named, at=event.createdAt)]
