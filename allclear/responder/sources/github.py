"""GitHub's webhooks: workflow runs and deployments that fail, and the next that succeeds.

*Source:* GitHub's documentation, "Webhook events and payloads" and "Validating webhook deliveries", 2026-11:
`X-GitHub-Event` says what it is, `X-GitHub-Delivery` numbers the delivery, `X-Hub-Signature-256` is `sha256=` and the
hex HMAC of the raw body, whether that is JSON or a form with `payload`. GitHub waits 10 s and repeats nothing.

A run of a fork is left out: its branch may be called `main`, and anybody can make it fail.

Labels: `alertname` (the workflow's name, or `deployment`), `event`, `repository`, `service` (the repository's short
name), `branch` or `environment`, `conclusion`. Key: the repository with workflow and branch, or with the environment.
"""

from __future__ import annotations

from datetime import datetime

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Text, When, Word, fit, key, labels
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import Keys, Proof, Signed, by_hmac, hexdigest
from allclear.responder.sources.source import Nothing, Reading, Source, delivery_id, test_call
from allclear.responder.strict_json import decode

_SIGNATURE = "X-Hub-Signature-256"
_RUN_FAILED = frozenset({"failure", "timed_out", "startup_failure"})
_DEPLOYMENT_FAILED = frozenset({"failure", "error"})


class Repository(Body):
    """A repository."""

    id: Word
    name: Text = ""
    full_name: Text = ""


class Run(Body):
    """One run of a workflow."""

    workflow_id: Word
    name: Text = ""
    head_branch: Text = ""
    head_repository: Repository | None = None
    conclusion: Text = ""
    updated_at: When = None


class WorkflowRun(Body):
    """The body of `workflow_run`."""

    action: Text = ""
    repository: Repository
    workflow_run: Run


class Deployment(Body):
    """What was deployed."""

    environment: Text = ""
    ref: Text = ""


class Status(Body):
    """How it stands with a deployment."""

    state: str
    environment: Text = ""
    created_at: When = None


class DeploymentStatus(Body):
    """The body of `deployment_status`."""

    repository: Repository
    deployment: Deployment = Deployment()
    deployment_status: Status


class GitHub(Source):
    """GitHub."""

    name = "github"
    title = "GitHub"
    keeps = ("x-github-event", "x-github-delivery")

    def authenticate(self, request: RawRequest, keys: Keys, now: datetime) -> Proof:
        """Return what the signature proves."""
        del now
        return by_hmac(request, keys, _SIGNATURE, prefix="sha256=")

    def sign(self, body: bytes, keys: Keys, now: datetime) -> Signed:
        """Return the signature."""
        del now
        return Signed(((_SIGNATURE, f"sha256={hexdigest(keys.secrets[0], body)}"),))

    def delivery(self, request: RawRequest) -> str | None:
        """Return GitHub's number of the delivery."""
        return delivery_id(request, "x-github-delivery")

    def document(self, request: RawRequest) -> bytes:
        """Return the body, or of a form its `payload`. Raises ValueError for a form that cannot be read."""
        return request.form().get("payload", "").encode() if request.is_form else request.body

    def parse(self, request: RawRequest) -> Reading:
        """Return the failure, or its end."""
        event = request.header("x-github-event")
        if event == "ping":
            return test_call("GitHub's ping")
        if event not in {"workflow_run", "deployment_status"}:
            return Nothing(f"GitHub's {event or 'unnamed event'!r} tells of no trouble.")
        body = decode(self.document(request))
        return (
            self._run(fit(WorkflowRun, body))
            if event == "workflow_run"
            else self._deployed(fit(DeploymentStatus, body))
        )

    def _run(self, said: WorkflowRun) -> Reading:
        run, repository = said.workflow_run, said.repository
        if said.action != "completed":
            return Nothing(f"A run that is {said.action!r} has no result yet.")
        if run.head_repository and run.head_repository.id != repository.id:
            return Nothing("A run of a fork says nothing of what is ours.")
        if run.conclusion != "success" and run.conclusion not in _RUN_FAILED:
            return Nothing(f"The conclusion {run.conclusion!r} is neither a failure nor a success.")
        over = run.conclusion == "success"
        named = labels(
            alertname=run.name or "workflow_run",
            event="workflow_run",
            repository=repository.full_name,
            service=repository.name,
            branch=run.head_branch,
            conclusion=run.conclusion,
        )
        title = f"{repository.full_name}: {run.name or 'a workflow'} on {run.head_branch}: {run.conclusion}"
        identity = key(repository.id, "workflow", run.workflow_id, run.head_branch)
        return [Alert(self.name, identity, "resolved" if over else "firing", title, named, at=run.updated_at)]

    def _deployed(self, said: DeploymentStatus) -> Reading:
        status, repository = said.deployment_status, said.repository
        if status.state != "success" and status.state not in _DEPLOYMENT_FAILED:
            return Nothing(f"The state {status.state!r} is neither a failure nor a success.")
        over = status.state == "success"
        where = status.environment or said.deployment.environment or "-"
        named = labels(
            alertname="deployment",
            event="deployment_status",
            repository=repository.full_name,
            service=repository.name,
            environment=where,
            branch=said.deployment.ref,
            conclusion=status.state,
        )
        title = f"{repository.full_name}: the deployment to {where}: {status.state}"
        identity = key(repository.id, "deployment", where)
        return [Alert(self.name, identity, "resolved" if over else "firing", title, named, at=status.created_at)]
