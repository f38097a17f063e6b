"""Vercel: which deployment serves a project's production domain, and pointing it at another one.

Source: Vercel REST API reference, read 2026-11 (vercel.com/docs/rest-api, pages of 2026-05 and 2026-06), and how the
vendor's own command line uses it (github.com/vercel/vercel, packages/cli/src/commands/rollback and promote):
- `POST /v1/projects/{id}/rollback/{deployment}?description=` answers 201 (accepted); 402, 409 and 422 are refusals, and
  the reference does not say which is which. `POST /v10/projects/{id}/promote/{deployment}` answers 201 or 202, and 409.
  Neither builds anything. The command line sends `{}` as their body.
- Both are carried out later: `GET /v9/projects/{idOrName}?rollbackInfo=true` has `lastAliasRequest` {toDeploymentId,
  jobStatus: pending | in-progress | succeeded | failed | skipped, requestedAt in ms, type: rollback | promote}.
- `GET /v4/aliases/{domain}` says in `deploymentId` which deployment the domain serves to users.
- `GET /v6/deployments?projectId=&target=production` lists `uid`, `url`, `created` in ms, `readyState` (or `state`),
  `readySubstate` (STAGED never had production traffic, PROMOTED has), `isRollbackCandidate`.
- `GET /v13/deployments/{id}` has one deployment with the same fields; its creation time is `createdAt`.
- The project's `rollbackDescription` {userId, username, description, createdAt in ms} says who rolled back and why.
- The project's `security` has `attackModeEnabled` and `attackModeActiveUntil` in ms, which may have passed.
- After a rollback new deployments do not get the production domains, until a promotion
  (vercel.com/docs/instant-rollback). On the Hobby plan only the deployment just before may be rolled back to.

Not confirmed: what 402, 409 and 422 stand for in particular; whether 409 covers a domain that already points there;
that `rollbackInfo=true` is still needed (we send it because the command line of 2023 did); the order of the list (we
sort it). There is no idempotency key and no version to write against.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast

from pydantic import Field

from allclear.domain.base import JsonDict, Model, utc_now
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected, HttpClient, OverHttp, Pause
from allclear.vendors.lengths import shortened

if TYPE_CHECKING:
    import httpx

JobStatus = Literal["pending", "in-progress", "succeeded", "failed", "skipped", "unknown"]
READ = Expected(frozenset({200}), dict)
_ACCEPTED = Expected(frozenset({201, 202}))
LONGEST_DESCRIPTION = 250
"""Characters of the reason of a rollback (Vercel's published description, 2026-08)."""
LISTED = 50
"""How many production deployments are read: for most projects, those of several weeks."""
_JOBS: dict[object, JobStatus] = {
    "pending": "pending",
    "in-progress": "in-progress",
    "succeeded": "succeeded",
    "failed": "failed",
    "skipped": "skipped",
}


class VercelOptions(Model):
    """The team that owns the projects."""

    team: str | None = Field(default=None, description="The team's id, as team_...; a personal account has none.")


class VercelHandle(Model):
    """Its project on Vercel."""

    key: ClassVar[str] = "vercel"

    project: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$", description="The project's name or id.")
    domain: str = Field(
        pattern=r"^[A-Za-z0-9.-]+\.[A-Za-z]{2,}$",
        description="The production domain: the deployment that it points to serves users.",
    )


class Deployment(Model):
    """One production deployment."""

    id: str
    url: str = ""
    created: datetime
    ready: bool
    staged: bool = Field(default=False, description="Whether it was built for production and never served there.")
    candidate: bool | None = Field(default=None, description="Whether Vercel would roll back to it; None if not known.")


class AliasJob(Model):
    """The last rollback or promotion that was requested."""

    kind: str
    to: str
    status: JobStatus
    requested: datetime

    @property
    def running(self) -> bool:
        """Return whether Vercel is still carrying it out."""
        return self.status in ("pending", "in-progress")


class AttackMode(Model):
    """Whether every visitor is challenged, and until when; None: until it is switched off."""

    on: bool = False
    until: datetime | None = None


class Project(Model):
    """A project, with the fields that its actions need."""

    id: str
    name: str
    job: AliasJob | None = None
    attack_mode: AttackMode = AttackMode()
    rolled_back_by: str = ""
    """Who rolled it back; empty if Vercel does not say."""


class Vercel(OverHttp):
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
        self._http = HttpClient(
            "Vercel",
            address,
            headers={"Authorization": f"Bearer {secret}"},
            secret=secret,
            transport=transport,
            pause=pause,
        )

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        return cls(web_address(access), secret_of(access), options_of(access, VercelOptions))

    async def project(self, name: str) -> Project:
        """Return the project of that name or id, with its last job. Raises NotFound, VendorError."""
        request = VendorRequest("Vercel", f"read the project {name}", write=False)
        project = await self.send(request, "GET", f"/v9/projects/{name}", {"rollbackInfo": "true"})
        reason: object = project.get("rollbackDescription")
        author = cast("JsonDict", reason).get("username") if isinstance(reason, dict) else None
        return Project(
            id=str(project.get("id", "")),
            name=str(project.get("name", "")),
            job=_job(project),
            attack_mode=_attack_mode(project),
            rolled_back_by=author if isinstance(author, str) else "",
        )

    async def serving(self, domain: str, project: str) -> str:
        """Return the id of the deployment that `domain` points to. Raises NotFound, VendorError."""
        request = VendorRequest("Vercel", f"read where {domain} points", write=False)
        alias = await self.send(request, "GET", f"/v4/aliases/{domain}", {"projectId": project})
        return str(alias.get("deploymentId") or "")

    async def deployments(self, project: str) -> list[Deployment]:
        """Return the newest production deployments, newest first."""
        request = VendorRequest("Vercel", "list the production deployments", write=False)
        params = {"projectId": project, "target": "production", "limit": str(LISTED)}
        answer = await self.send(request, "GET", "/v6/deployments", params)
        deployments = [_deployment(entry) for entry in cast("list[JsonDict]", answer.get("deployments") or [])]
        return sorted(deployments, key=lambda deployment: deployment.created, reverse=True)

    async def deployment(self, deployment: str) -> Deployment:
        """Return the deployment of that id. Raises NotFound, VendorError."""
        request = VendorRequest("Vercel", f"read the deployment {deployment}", write=False)
        return _deployment(await self.send(request, "GET", f"/v13/deployments/{deployment}", {}))

    async def roll_back(self, project: str, deployment: str, reason: str) -> None:
        """Request that the production domains point to an earlier deployment. Vercel does it later: see `project`."""
        request = VendorRequest("Vercel", f"roll back to {deployment}", write=True)
        path = f"/v1/projects/{project}/rollback/{deployment}"
        await self.send(request, "POST", path, {"description": shortened(reason, LONGEST_DESCRIPTION)}, body={})

    async def promote(self, project: str, deployment: str) -> None:
        """Request that they point to `deployment` and to each later one. Vercel does it later: see `project`."""
        request = VendorRequest("Vercel", f"promote {deployment}", write=True)
        await self.send(request, "POST", f"/v10/projects/{project}/promote/{deployment}", {}, body={})

    async def send(
        self,
        request: VendorRequest,
        method: str,
        path: str,
        params: dict[str, str],
        body: JsonDict | None = None,
        expected: Expected | None = None,
    ) -> JsonDict:
        """Return the JSON object of a good answer, empty if it holds none.

        `expected` is 200 with an object for a read, and 201 or 202 for a write, if it is left out. Raises the error of
        `request`.
        """
        expected = expected or (_ACCEPTED if request.write else READ)
        return (await self.send_for_headers(request, method, path, params, body, expected))[0]

    async def send_for_headers(
        self,
        request: VendorRequest,
        method: str,
        path: str,
        params: dict[str, str],
        body: JsonDict | None = None,
        expected: Expected = READ,
    ) -> tuple[JsonDict, Mapping[str, str]]:
        """Return the JSON object of a good answer and its headers. Raises the error of `request`."""
        query = {**params, **self._team}
        answer, shown = await self._http.send_for_headers(
            request, method, path, json=body, params=query, expected=expected
        )
        return (cast("JsonDict", answer) if isinstance(answer, dict) else {}), shown


def _job(project: JsonDict) -> AliasJob | None:
    last: object = project.get("lastAliasRequest")
    if not isinstance(last, dict):
        return None
    job = cast("JsonDict", last)
    return AliasJob(
        kind=str(job.get("type") or "change"),
        to=str(job.get("toDeploymentId") or ""),
        status=_JOBS.get(job.get("jobStatus"), "unknown"),
        requested=_moment(job.get("requestedAt")),
    )


def _attack_mode(project: JsonDict) -> AttackMode:
    security: object = project.get("security")
    shown = cast("JsonDict", security) if isinstance(security, dict) else {}
    until: object = shown.get("attackModeActiveUntil")
    end = _moment(until) if isinstance(until, int | float) else None
    running = shown.get("attackModeEnabled") is True and (end is None or end > utc_now())
    return AttackMode(on=running, until=end if running else None)


def _deployment(entry: JsonDict) -> Deployment:
    candidate: object = entry.get("isRollbackCandidate")
    return Deployment(
        id=str(entry.get("uid") or entry.get("id") or ""),
        url=str(entry.get("url") or ""),
        created=_moment(entry.get("created") or entry.get("createdAt")),
        ready=(entry.get("readyState") or entry.get("state")) == "READY",
        staged=entry.get("readySubstate") == "STAGED",
        candidate=candidate if isinstance(candidate, bool) else None,
    )


def _moment(milliseconds: object) -> datetime:
    return datetime.fromtimestamp(float(milliseconds) / 1000 if isinstance(milliseconds, int | float) else 0, UTC)
