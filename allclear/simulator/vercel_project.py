"""The simulated service as a project on Vercel: the revisions are its deployments, the traffic its production domain.

What it keeps to:

- A rollback or promotion is accepted at once and carried out later; `lastAliasRequest` tells how far it is.
- After a rollback a new deployment does not get the domain (it is STAGED); after a promotion it does.
  *Source:* vercel.com/docs/instant-rollback, read November 2026.
- One is carried out at a time: another is refused with 409 meanwhile. A deployment that cannot serve is refused with
  422, on the Hobby plan one that is older than the previous with 402. (Which refusal stands for what is our choice; the
  vendor documents the codes alone.)
- After the promotion of an older deployment, a new one does not get the domain here. (Vercel would give it.)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from allclear.simulator.event_log import Clock
from allclear.simulator.revisions import Revision, Target
from allclear.simulator.run_service import Edit, Operation, RunService
from allclear.simulator.scenario_schema import VercelSpec
from allclear.simulator.vercel_firewall import VercelFirewall

JobKind = Literal["rollback", "promote"]
_ID_LENGTH = 28


class VercelError(Exception):
    """A refusal of Vercel: a status, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Job:
    """A rollback or promotion that was asked for."""

    kind: JobKind
    source: str
    target: str
    requested_at: datetime
    operation: Operation
    by: str = "allclear"
    """The name of the account whose token asked for it."""
    reason: str = ""

    @property
    def status(self) -> str:
        """Return how far it is, in Vercel's words."""
        if not self.operation.done:
            return "in-progress"
        return "failed" if self.operation.error else "succeeded"


class VercelProject:
    """Deployments, the production domain, and the last change of where it points."""

    def __init__(self, spec: VercelSpec, service: RunService, clock: Clock) -> None:
        self.spec, self._service, self._clock = spec, service, clock
        self.id = f"prj_{_digest(spec.project)}"
        self.job: Job | None = None
        self.environments: dict[str, dict[str, Any]] = {}
        """Flag -> its production environment, as the last write left it."""
        self.flag_kinds: dict[str, str] = {}
        """Flag -> its kind, if it is no boolean one."""
        self.archived_flags: set[str] = set()
        self.unversioned_flags: set[str] = set()
        """Flags that are shown without an ETag."""
        self.firewall = VercelFirewall(spec.plan, spec.team, self.id, clock)
        self._served = {name for name, revision in service.revisions.items() if revision.ready and not revision.staged}

    @property
    def serving(self) -> str:
        """Return the name of the deployment that users meet."""
        return self._service.state.serves()[0][0]

    def deployments(self) -> list[Revision]:
        """Return every production deployment, the newest first."""
        self._note_served()
        return self._service.newest_first(deleted=False)

    def has_served(self, name: str) -> bool:
        """Return whether that deployment has ever had the production domain."""
        self._note_served()
        return name in self._served

    def find(self, deployment: str) -> Revision:
        """Return the deployment with that id.

        Raises VercelError: 404.
        """
        for revision in self.deployments():
            if deployment_id(revision.name) == deployment:
                return revision
        raise VercelError(404, "not_found", "The deployment could not be found.")

    def roll_back(self, deployment: str) -> None:
        """Ask for the domain to point to an earlier deployment.

        Raises VercelError: 402, 404, 409 or 422; nothing was changed.
        """
        target = self.find(deployment)
        if not target.can_serve or not self.has_served(target.name):
            raise VercelError(422, "unprocessable_entity", "This deployment cannot be rolled back to.")
        if self.spec.plan == "hobby" and target.name != self._previous():
            raise VercelError(402, "payment_required", "To roll back further, upgrade to pro.")
        self._start("rollback", target, Target(target.name, 100))

    def promote(self, deployment: str) -> None:
        """Ask for the domain to point to a deployment, and to each later one.

        Raises VercelError: 404, 409 or 422; nothing was changed.
        """
        target = self.find(deployment)
        if not target.can_serve:
            raise VercelError(422, "unprocessable_entity", "This deployment cannot be promoted.")
        newest = target.name == next(one.name for one in self.deployments() if one.can_serve)
        self._start("promote", target, Target(None if newest else target.name, 100))
        self._service.revisions[target.name] = replace(target, staged=False)

    def _start(self, kind: JobKind, target: Revision, wanted: Target) -> None:
        if self.job is not None and not self.job.operation.done:
            raise VercelError(409, "conflict", "Another rollback or promotion is in progress.")
        if target.name == self.serving:
            raise VercelError(409, "conflict", "This deployment is already the current production deployment.")
        source = self.serving
        operation = self._service.update(Edit(traffic=(wanted,)), etag="")
        self.job = Job(kind, deployment_id(source), deployment_id(target.name), self._clock(), operation)

    def _note_served(self) -> None:
        self._served.add(self.serving)

    def _previous(self) -> str | None:
        names = [one.name for one in self.deployments()]
        older = names[names.index(self.serving) + 1 :]
        return next((name for name in older if self.has_served(name)), None)


def deployment_id(name: str) -> str:
    """Return the id of the deployment that the scenario calls `name`."""
    return f"dpl_{_digest(name)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:_ID_LENGTH]
