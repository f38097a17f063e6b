"""Vercel: which deployment serves a project's production domain, and pointing it at another one.

Source: Vercel REST API reference, read 2026-11 (vercel.com/docs/rest-api, pages of 2026-05 and 2026-06), and how the
vendor's own command line uses it (github.com/vercel/vercel, packages/cli/src/commands/rollback and promote):
- `POST /v1/projects/{id}/rollback/{deployment}?description=` answers 201 (accepted); 402, 409 and 422 are refusals, and
  the reference does not say of what. `POST /v10/projects/{id}/promote/{deployment}` answers 201 or 202, 409 as well.
  Neither builds anything. The command line sends `{}` as their body.
- Both are carried out later: `GET /v9/projects/{idOrName}?rollbackInfo=true` has `lastAliasRequest` {toDeploymentId,
  jobStatus: pending | in-progress | succeeded | failed | skipped, requestedAt in ms, type: rollback | promote}.
- `GET /v4/aliases/{domain}` says in `deploymentId` what the domain points to: that is what users meet.
- `GET /v6/deployments?projectId=&target=production` lists `uid`, `url`, `created` in ms, `readyState` (or `state`),
  `readySubstate` (STAGED never saw production traffic, PROMOTED has), `isRollbackCandidate`.
- A rollback turns off that new deployments get the production domains; a promotion turns it on again
  (vercel.com/docs/instant-rollback). On the Hobby plan only the deployment just before may be rolled back to.

Not confirmed: what 402, 409 and 422 stand for in particular; whether 409 covers a domain that is there already; that
`rollbackInfo=true` is still needed (it is sent, for the command line of 2023 did); the order of the list (it is sorted
here). There is no idempotency key and no version to write against.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, shown, web_address
from allclear.vendors.errors import Call
from allclear.vendors.http import Pause, Wire

if TYPE_CHECKING:
    import httpx

JobStatus = Literal["pending", "in-progress", "succeeded", "failed", "skipped", "unknown"]
LISTED = 50
"""Production deployments that are looked at: weeks of them, for most."""
_JOBS: dict[object, JobStatus] = {
    "pending": "pending",
    "in-progress": "in-progress",
    "succeeded": "succeeded",
    "failed": "failed",
    "skipped": "skipped",
}


class VercelOptions(Model):
    """Whose projects these are."""

    team: str | None = Field(default=None, description="The team's id, as team_...; a personal account has none.")


class Deployment(Model):
    """One production deployment."""

    id: str
    url: str = ""
    created: datetime
    ready: bool
    staged: bool = Field(default=False, description="It was built for production and never served there.")
    candidate: bool | None = Field(default=None, description="Whether Vercel would roll back to it; None: not said.")


class AliasJob(Model):
    """The last rollback or promotion that was asked for."""

    kind: str
    to: str
    status: JobStatus
    requested: datetime

    @property
    def running(self) -> bool:
        """Return whether Vercel is still at it."""
        return self.status in ("pending", "in-progress")


class Project(Model):
    """A project, as far as rollbacks need it."""

    id: str
    name: str
    job: AliasJob | None = None


class Vercel:
    """Reads and moves the production domains of one account's projects."""

    system: ClassVar[str] = "vercel"
    options: ClassVar[type[Model]] = VercelOptions

    def __init__(
        self,
        address: str,
        secret: str,
        options: VercelOptions | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._team = {"teamId": options.team} if options and options.team else {}
        self._wire = Wire(
            "Vercel",
            address,
            headers={"Authorization": f"Bearer {secret}"},
            secret=secret,
            transport=transport,
            pause=pause,
        )

    def __repr__(self) -> str:
        """Return where it is aimed, without its secret."""
        return f"Vercel({shown(self._wire.base)!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        return cls(web_address(access), secret_of(access), options_of(access, VercelOptions))

    async def warm(self) -> None:
        """Load what the first call needs, beside other work."""
        await self._wire.warm()

    async def close(self) -> None:
        """Release its connections."""
        await self._wire.close()

    async def project(self, name: str) -> Project:
        """Return the project of that name or id, with its last job. Raises NotFound, VendorError."""
        call = Call("Vercel", f"look at the project {name}", write=False)
        found = await self._ask(call, "GET", f"/v9/projects/{name}", {"rollbackInfo": "true"})
        return Project(id=str(found.get("id", "")), name=str(found.get("name", "")), job=_job(found))

    async def serving(self, domain: str, project: str) -> str:
        """Return the id of the deployment that `domain` points to. Raises NotFound, VendorError."""
        call = Call("Vercel", f"look at where {domain} points", write=False)
        found = await self._ask(call, "GET", f"/v4/aliases/{domain}", {"projectId": project})
        return str(found.get("deploymentId") or "")

    async def deployments(self, project: str) -> list[Deployment]:
        """Return the newest production deployments, the newest first."""
        call = Call("Vercel", "list the production deployments", write=False)
        asked = {"projectId": project, "target": "production", "limit": str(LISTED)}
        found = await self._ask(call, "GET", "/v6/deployments", asked)
        listed = [_deployment(one) for one in cast("list[JsonDict]", found.get("deployments") or [])]
        return sorted(listed, key=lambda one: one.created, reverse=True)

    async def roll_back(self, project: str, deployment: str, reason: str) -> None:
        """Ask for the production domains to point to an earlier deployment; done later, see `project`."""
        call = Call("Vercel", f"roll back to {deployment}", write=True)
        path = f"/v1/projects/{project}/rollback/{deployment}"
        await self._ask(call, "POST", path, {"description": reason}, body={})

    async def promote(self, project: str, deployment: str) -> None:
        """Ask for them to point to `deployment`, and to each that is deployed later; done later, see `project`."""
        call = Call("Vercel", f"promote {deployment}", write=True)
        await self._ask(call, "POST", f"/v10/projects/{project}/promote/{deployment}", {}, body={})

    async def _ask(
        self, call: Call, method: str, path: str, params: dict[str, str], body: JsonDict | None = None
    ) -> JsonDict:
        answer: Any = await self._wire.ask(call, method, path, json=body, params={**params, **self._team})
        return cast("JsonDict", answer) if isinstance(answer, dict) else {}


def _job(project: JsonDict) -> AliasJob | None:
    told: object = project.get("lastAliasRequest")
    if not isinstance(told, dict):
        return None
    job = cast("JsonDict", told)
    return AliasJob(
        kind=str(job.get("type") or "change"),
        to=str(job.get("toDeploymentId") or ""),
        status=_JOBS.get(job.get("jobStatus"), "unknown"),
        requested=_moment(job.get("requestedAt")),
    )


def _deployment(told: JsonDict) -> Deployment:
    candidate: object = told.get("isRollbackCandidate")
    return Deployment(
        id=str(told.get("uid") or told.get("id") or ""),
        url=str(told.get("url") or ""),
        created=_moment(told.get("created") or told.get("createdAt")),
        ready=(told.get("readyState") or told.get("state")) == "READY",
        staged=told.get("readySubstate") == "STAGED",
        candidate=candidate if isinstance(candidate, bool) else None,
    )


def _moment(milliseconds: object) -> datetime:
    return datetime.fromtimestamp(float(milliseconds) / 1000 if isinstance(milliseconds, int | float) else 0, UTC)
