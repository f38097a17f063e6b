"""GitHub: one account's token, its requests over REST and GraphQL, and what it refuses; branches and commits.

Source: GitHub REST API reference, version 2022-11-28, and GraphQL reference, read 2026-11 (docs.github.com/rest):
- `X-GitHub-Api-Version` names the version; one that is no longer supported is answered with 400 or 410.
- A primary rate limit is 403 or 429 with `x-ratelimit-remaining: 0` and `x-ratelimit-reset`; a secondary limit is 403
  or 429 with `retry-after`. Both did nothing.
- 404 stands also for a private repository that the token may not see.
- GraphQL answers 200 with `errors` when it refuses; each has a `type`, as NOT_FOUND or FORBIDDEN.
- `GET /repos/{repo}/commits/{ref}` has a commit with its parents and its tree, 404 or 422 without one;
  `GET /repos/{repo}/git/ref/heads/{branch}` has where a branch points.
- On an Enterprise Server the REST API is under `/api/v3` and GraphQL at `/api/graphql`.

Not confirmed: that lists of pull requests, commits and runs show a write at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import AllclearError, VendorRefused
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, web_address
from allclear.vendors.errors import RATE_LIMITED, VendorRequest, one_line, seconds_to_wait
from allclear.vendors.http import ANY_JSON, Expected, HttpClient, OverHttp, Pause, reason_of

if TYPE_CHECKING:
    import httpx

API_VERSION = "2022-11-28"
READ = Expected(frozenset({200}), dict)
READ_LIST = Expected(frozenset({200}), list)
CREATED = Expected(frozenset({201}), dict)
GONE = Expected(frozenset({204}))
PAGE = 100
"""How many entries of a list are read: the most that GitHub returns at once."""
UNEXPECTED = "unexpected JSON"
_ENTERPRISE = "/api/v3"
_FORBIDDEN = 403
_NO_SUCH = frozenset({404, 422})
_VERSION_GONE = frozenset({400, 410})
_GONE = 410


class GithubOptions(Model):
    """GitHub has no options: its secret is a token."""


class Answer(BaseModel):
    """A part of an answer: what it has beside these fields is not read."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


A = TypeVar("A", bound=Answer)


class Rights(Answer):
    """What the token's account may do in a repository."""

    push: bool = False


class Repository(Answer):
    """A repository as its own page names it."""

    full_name: str
    archived: bool = False
    has_issues: bool = True
    permissions: Rights = Rights()


class Sha(Answer):
    """A reference to a commit, a tree, or another object of git."""

    sha: str


class _Signature(Answer):
    name: str = ""
    date: datetime | None = None


class _GitCommit(Answer):
    message: str
    tree: Sha
    author: _Signature | None = None
    committer: _Signature | None = None


class Commit(Answer):
    """A commit with its parents and its tree."""

    sha: str
    commit: _GitCommit
    parents: tuple[Sha, ...]

    @property
    def title(self) -> str:
        """Return the first line of its message."""
        return self.commit.message.strip().partition("\n")[0]

    @property
    def author(self) -> str:
        """Return the name of its author; empty if there is none."""
        return self.commit.author.name if self.commit.author else ""

    @property
    def made_at(self) -> datetime | None:
        """Return when it was made."""
        return self.commit.committer.date if self.commit.committer else None


class _Ref(Answer):
    object: Sha


class _GraphqlError(Answer):
    type: str = ""
    message: str = ""


class _Graphql(Answer):
    data: dict[str, Any] | None = None
    errors: tuple[_GraphqlError, ...] = ()


class Github(OverHttp):
    """Sends the requests of one token, and reads branches and commits."""

    system: ClassVar[str] = "github"
    options: ClassVar[type[Model]] = GithubOptions

    def __init__(
        self,
        address: str,
        secret: str,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        enterprise = address.endswith(_ENTERPRISE)
        self._rest, self._graphql = (_ENTERPRISE, "/api/graphql") if enterprise else ("", "/graphql")
        self._http = HttpClient(
            "GitHub",
            address.removesuffix(_ENTERPRISE),
            headers={
                "Authorization": f"Bearer {secret}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": API_VERSION,
                "User-Agent": "allclear",  # GitHub refuses requests without one
            },
            secret=secret,
            transport=transport,
            pause=pause,
            refused=self._refused,
        )

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        options_of(access, GithubOptions)
        return cls(web_address(access), secret_of(access))

    async def repository(self, repository: str) -> Repository:
        """Return the repository. Raises NotFound, Denied, VendorError."""
        request = VendorRequest("GitHub", f"read the repository {repository}", write=False)
        return await self.read(request, f"/repos/{repository}", Repository)

    async def head(self, repository: str, branch: str) -> str:
        """Return the sha of the commit that a branch points to. Raises NotFound, VendorError."""
        request = VendorRequest("GitHub", f"read the branch {branch} of {repository}", write=False)
        path = f"/repos/{repository}/git/ref/heads/{quote(branch)}"
        return (await self.read(request, path, _Ref)).object.sha

    async def commit(self, repository: str, name: str) -> Commit:
        """Return the commit of that sha, branch or tag. Raises NotFound, VendorError."""
        request = VendorRequest("GitHub", f"read the commit {name} of {repository}", write=False)
        return await self.read(request, f"/repos/{repository}/commits/{quote(name, safe='')}", Commit)

    async def commits(self, repository: str, branch: str, count: int) -> list[Commit]:
        """Return the newest commits of a branch, the newest first. Raises NotFound, VendorError."""
        request = VendorRequest("GitHub", f"list the commits of {branch} of {repository}", write=False)
        params = {"sha": branch, "per_page": str(count)}
        return await self.read_list(request, f"/repos/{repository}/commits", Commit, params)

    async def create_commit(self, repository: str, *, message: str, tree: str, parent: str, made_at: datetime) -> str:
        """Make a commit that no branch has yet, and return its sha.

        The same arguments give the same sha, so it can be made again.
        """
        request = VendorRequest("GitHub", f"make a commit in {repository}", write=True, repeatable=True)
        signature = {"name": "allclear", "email": "allclear@localhost", "date": made_at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        body = {
            "message": message,
            "tree": tree,
            "parents": [parent],
            "author": signature,
            "committer": signature,
        }
        return (await self.write(request, "POST", f"/repos/{repository}/git/commits", body, Sha)).sha

    async def create_branch(self, repository: str, branch: str, sha: str) -> None:
        """Make a branch at a commit. Raises VendorRefused if there is a branch of that name."""
        request = VendorRequest("GitHub", f"make the branch {branch} in {repository}", write=True)
        body = {"ref": f"refs/heads/{branch}", "sha": sha}
        await self.write(request, "POST", f"/repos/{repository}/git/refs", body, _Ref)

    async def delete_branch(self, repository: str, branch: str) -> None:
        """Delete a branch; its commits stay."""
        request = VendorRequest("GitHub", f"delete the branch {branch} of {repository}", write=True)
        path = f"/repos/{repository}/git/refs/heads/{quote(branch)}"
        await self.send(request, "DELETE", path, expected=GONE)

    # --- requests ----------------------------------------------------------------------------------------

    async def read(self, request: VendorRequest, path: str, model: type[A], params: dict[str, str] | None = None) -> A:
        """Return what GitHub answers to a GET. Raises the error of `request`, also for an answer of another shape."""
        return parsed(request, await self.send(request, "GET", path, params=params, expected=READ), model)

    async def read_list(
        self, request: VendorRequest, path: str, model: type[A], params: dict[str, str] | None = None
    ) -> list[A]:
        """Return the list that GitHub answers to a GET. Raises the error of `request`."""
        answer = await self.send(request, "GET", path, params=params, expected=READ_LIST)
        return [parsed(request, entry, model) for entry in cast("list[object]", answer)]

    async def write(
        self,
        request: VendorRequest,
        method: str,
        path: str,
        body: JsonDict,
        model: type[A],
        expected: Expected = CREATED,
    ) -> A:
        """Return what GitHub answers to a write. Raises the error of `request`, also for an answer of another shape."""
        return parsed(request, await self.send(request, method, path, body, expected=expected), model)

    async def send(
        self,
        request: VendorRequest,
        method: str,
        path: str,
        body: JsonDict | None = None,
        *,
        params: dict[str, str] | None = None,
        expected: Expected = ANY_JSON,
    ) -> Any:  # noqa: ANN401 - whatever JSON GitHub answers
        """Return the JSON of a good answer, None for an empty one. Raises the error of `request`."""
        return await self._http.send(
            request, method, f"{self._rest}{path}", json=body, params=params, expected=expected
        )

    async def graphql(self, request: VendorRequest, query: str, variables: JsonDict) -> JsonDict:
        """Return the `data` of an answer without errors. Raises the error of `request`: GraphQL refuses with 200."""
        body = {"query": query, "variables": variables}
        sent = await self._http.send(request, "POST", self._graphql, json=body, expected=READ)
        answer = parsed(request, sent, _Graphql)
        if answer.errors:
            raise self._graphql_error(request, answer.errors)
        if answer.data is None:
            raise request.not_from_vendor(200, UNEXPECTED)
        return answer.data

    def _graphql_error(self, request: VendorRequest, errors: tuple[_GraphqlError, ...]) -> AllclearError:
        reason = one_line(self._http.without_secret("; ".join(error.message for error in errors if error.message)))
        reason = reason or "it gave no reason"
        kinds = {error.type for error in errors}
        if "RATE_LIMITED" in kinds:
            return request.rate_limited(None)
        if kinds & {"FORBIDDEN", "INSUFFICIENT_SCOPES"}:
            return request.denied(reason)
        if "NOT_FOUND" in kinds:
            return request.not_found(_hidden_repository(reason))
        # An error without a type may come after a part of the work was done.
        return request.refused(reason) if all(error.type for error in errors) else request.answer_lost(reason)

    def _refused(self, request: VendorRequest, response: httpx.Response, body: object) -> AllclearError | None:
        """Return the error for a refusal that GitHub words in its own way; None for any other answer."""
        del body
        if response.is_success:
            return None
        status, headers = response.status_code, response.headers
        if status == _FORBIDDEN or status in RATE_LIMITED:
            reset = seconds_to_wait(headers.get("x-ratelimit-reset"))
            if headers.get("x-ratelimit-remaining") == "0" and reset is not None:
                return request.rate_limited(max(0.0, reset - self._clock()))
            if (seconds := seconds_to_wait(headers.get("retry-after"))) is not None:
                return request.rate_limited(seconds)
        reason = self._http.without_secret(reason_of(response))
        if status in _VERSION_GONE and "version" in reason.lower():
            unchanged = "; nothing was changed" if request.write else ""
            return VendorRefused(
                f"GitHub no longer answers version {API_VERSION} of its API, and did not {request.purpose}{unchanged}.",
                "Install a newer version of allclear, and do it by hand on GitHub until then.",
            )
        deleted = status == _GONE and "deleted" in reason.lower()
        if (status in _NO_SUCH or deleted) and not request.write:
            return request.not_found(_hidden_repository(one_line(reason) or f"it answered {status}"))
        return None


def parsed(request: VendorRequest, answer: object, model: type[A]) -> A:
    """Return an answer as its model. Raises the error of `request` for one of another shape."""
    try:
        return model.model_validate(answer)
    except ValidationError:
        raise request.not_from_vendor(200, UNEXPECTED) from None


def _hidden_repository(reason: str) -> str:
    return f"{reason} (GitHub says so too if the token may not see it)"
