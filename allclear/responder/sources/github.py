"""GitHub's webhooks: a workflow run or deployment that fails fires, the next that succeeds resolves.

*Source:* GitHub's documentation, "Webhook events and payloads" and "Validating webhook deliveries", 2026-11:
`X-GitHub-Event` names the event, `X-GitHub-Delivery` is the delivery's id, `X-Hub-Signature-256` is `sha256=` and the
hex HMAC of the raw body, be it JSON or a form with `payload`. GitHub waits 10 s and retries nothing.

Order: the number of the run with its attempt, or the id of the deployment with that of its status. The newer run
decides, even if an older one, of an older commit, ends after it.

A run of a fork is ignored: its branch may be called `main`, and every outsider can make it fail.

Labels: `alertname` (the workflow's name, or `deployment`), `event`, `repository`, `service` (the repository's short
name), `branch` or `environment`, `conclusion`. Key: the repository with workflow and branch, or with the environment.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from allclear.domain.alert import Alert
from allclear.domain.base import JsonDict
from allclear.responder.sources.payload import Body, Identifier, Text, Timestamp, iso_time, key, labels, validate
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.signatures import AuthenticationResult, Credentials, hmac_hex, verify_hmac
from allclear.responder.sources.source import MakeSample, NoAlert, ParseResult, Source, unknown_state, vendor_test
from allclear.responder.strict_json import decode

_SIGNATURE = "X-Hub-Signature-256"
_MOST_DIGITS = 18
"""Digits of a number of GitHub's."""
_RUN_FAILED = frozenset({"failure", "timed_out", "startup_failure"})
_RUN_OTHERS = frozenset({"action_required", "cancelled", "neutral", "skipped", "stale"})
_DEPLOYMENT_FAILED = frozenset({"failure", "error"})
_DEPLOYMENT_OTHERS = frozenset({"in_progress", "inactive", "pending", "queued", "waiting"})


class Repository(Body):
    """A repository."""

    id: Identifier
    name: Text = ""
    full_name: Text = ""


class Run(Body):
    """One run of a workflow."""

    workflow_id: Identifier
    name: Text = ""
    head_branch: Text = ""
    head_repository: Repository | None = None
    conclusion: Text = ""
    run_number: Text = ""
    run_attempt: Text = ""
    updated_at: Timestamp = None


class WorkflowRun(Body):
    """The body of `workflow_run`."""

    action: Text = ""
    repository: Repository
    workflow_run: Run


class Deployment(Body):
    """A deployment."""

    id: Text = ""
    environment: Text = ""
    ref: Text = ""


class Status(Body):
    """The state of a deployment."""

    id: Text = ""
    state: str
    environment: Text = ""
    created_at: Timestamp = None


class DeploymentStatus(Body):
    """The body of `deployment_status`."""

    repository: Repository
    deployment: Deployment = Deployment()
    deployment_status: Status


_SAMPLE_REPOSITORY = {"id": 812345678, "name": "sample-shop", "full_name": "sample-org/sample-shop"}


def _request(event: str, body: JsonDict) -> RawRequest:
    return json_request(body, {"X-GitHub-Event": event, "X-GitHub-Delivery": str(uuid.uuid4())})


def _run_sample(conclusion: str) -> MakeSample:
    def make(at: datetime) -> RawRequest:
        run = {
            "id": 9911223344,
            "workflow_id": 55667788,
            "run_number": 1 + int(at.timestamp()),
            "run_attempt": 1,
            "name": "Deploy",
            "head_branch": "main",
            "event": "push",
            "status": "completed",
            "conclusion": conclusion,
            "updated_at": iso_time(at),
            "head_repository": _SAMPLE_REPOSITORY,
        }
        body = {"action": "completed", "repository": _SAMPLE_REPOSITORY, "workflow_run": run}
        return _request("workflow_run", body)

    return make


def _deployment_sample(state: str) -> MakeSample:
    def make(at: datetime) -> RawRequest:
        body = {
            "action": "created",
            "repository": _SAMPLE_REPOSITORY,
            "deployment": {"id": int(at.timestamp()), "environment": "production", "ref": "main"},
            "deployment_status": {
                "id": int(at.timestamp()),
                "state": state,
                "environment": "production",
                "created_at": iso_time(at),
            },
        }
        return _request("deployment_status", body)

    return make


def _ping_sample(_at: datetime) -> RawRequest:
    return _request("ping", {"zen": "Keep it logically awesome.", "hook_id": 1, "repository": _SAMPLE_REPOSITORY})


class GitHub(Source):
    """GitHub."""

    name = "github"
    title = "GitHub"
    bodies_are_unique = True
    needed_headers = ("x-github-event", "x-github-delivery")
    samples = {
        "firing": _run_sample("failure"),
        "resolved": _run_sample("success"),
        "deployment": _deployment_sample("failure"),
        "deployment-resolved": _deployment_sample("success"),
        "test": _ping_sample,
    }

    def authenticate(self, request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
        """Verify the signature over the body."""
        del now
        return verify_hmac(request, credentials, _SIGNATURE, prefix="sha256=")

    def sign(self, sample: RawRequest, credentials: Credentials, now: datetime) -> RawRequest:
        """Add the signature."""
        del now
        return sample.with_headers((_SIGNATURE, f"sha256={hmac_hex(credentials.secrets[0], sample.body)}"))

    def json_document(self, request: RawRequest) -> bytes:
        """Return the body, or the `payload` of a form. Raises ValueError for a form that cannot be parsed."""
        return request.form().get("payload", "").encode() if request.is_form else request.body

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the failure as firing, the success as resolved."""
        event = request.header("x-github-event")
        if event == "ping":
            return vendor_test("GitHub's ping")
        if not event:
            msg = "the header X-GitHub-Event is missing"
            raise ValueError(msg)
        if event not in {"workflow_run", "deployment_status"}:
            return NoAlert(f"GitHub's {event!r} is no alert.")
        body = decode(self.json_document(request))
        return (
            self._run(validate(WorkflowRun, body))
            if event == "workflow_run"
            else self._deployed(validate(DeploymentStatus, body))
        )

    def _run(self, event: WorkflowRun) -> ParseResult:
        run, repository = event.workflow_run, event.repository
        if event.action not in {"completed", "requested", "in_progress"}:
            raise unknown_state("the action", event.action, "requested, in_progress, completed")
        if event.action != "completed":
            return NoAlert(f"A run that is {event.action!r} has no result yet.")
        if run.head_repository and run.head_repository.id != repository.id:
            return NoAlert("A run of a fork is ignored.")
        if run.conclusion in _RUN_OTHERS:
            return NoAlert(f"The conclusion {run.conclusion!r} is neither a failure nor a success.")
        if run.conclusion != "success" and run.conclusion not in _RUN_FAILED:
            known = ", ".join(sorted({"success"} | _RUN_FAILED | _RUN_OTHERS))
            raise unknown_state("the conclusion", run.conclusion, known)
        state = "resolved" if run.conclusion == "success" else "firing"
        alert_labels = labels(
            alertname=run.name or "workflow_run",
            event="workflow_run",
            repository=repository.full_name,
            service=repository.name,
            branch=run.head_branch,
            conclusion=run.conclusion,
        )
        title = f"{repository.full_name}: {run.name or 'a workflow'} on {run.head_branch}: {run.conclusion}"
        identity = key(repository.id, "workflow", run.workflow_id, run.head_branch)
        order = _numbers(run.run_number, run.run_attempt or "1")
        return [Alert(self.name, identity, state, title, alert_labels, at=run.updated_at, order=order)]

    def _deployed(self, event: DeploymentStatus) -> ParseResult:
        status, repository = event.deployment_status, event.repository
        if status.state in _DEPLOYMENT_OTHERS:
            return NoAlert(f"The state {status.state!r} is neither a failure nor a success.")
        if status.state != "success" and status.state not in _DEPLOYMENT_FAILED:
            known = ", ".join(sorted({"success"} | _DEPLOYMENT_FAILED | _DEPLOYMENT_OTHERS))
            raise unknown_state("the state", status.state, known)
        state = "resolved" if status.state == "success" else "firing"
        environment = status.environment or event.deployment.environment or "-"
        alert_labels = labels(
            alertname="deployment",
            event="deployment_status",
            repository=repository.full_name,
            service=repository.name,
            environment=environment,
            branch=event.deployment.ref,
            conclusion=status.state,
        )
        title = f"{repository.full_name}: the deployment to {environment}: {status.state}"
        identity = key(repository.id, "deployment", environment)
        order = _numbers(event.deployment.id, status.id)
        return [Alert(self.name, identity, state, title, alert_labels, at=status.created_at, order=order)]


def _numbers(*texts: str) -> tuple[int, ...] | None:
    """Return GitHub's numbers; None if one is missing."""
    if all(text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS for text in texts):
        return tuple(map(int, texts))
    return None
