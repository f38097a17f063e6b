"""GitHub's pull requests: reading one with its checks, reverting one that was merged, opening, closing and merging one.

Source: GitHub REST API reference, version 2022-11-28, and GraphQL reference, read 2026-11:
- `GET /repos/{repo}/pulls?state=&base=&sort=created&direction=desc` lists them; `GET …/pulls/{number}` has `mergeable`
  too, null while GitHub is computing it, and `mergeable_state` (clean, blocked, dirty, draft, unstable, behind, …).
- `GET /repos/{repo}/commits/{sha}/pulls` lists the pull requests that brought a commit to a branch.
- The GraphQL mutation `revertPullRequest(input: {pullRequestId, title, body, draft})` opens a pull request that reverts
  a merged one, and does not merge it. Its branch is called `revert-NUMBER-BRANCH`.
- `POST …/pulls` answers 201; 422 if the branch has an open one already, or nothing to merge.
- `PUT …/pulls/{number}/merge` {sha, merge_method} answers 200; 405 if it cannot be merged, 409 if its head is no longer
  `sha`.
- `GET …/commits/{sha}/check-runs` and `…/commits/{sha}/status`: the combined `state` is `pending` also if no one has
  ever reported a status, so the statuses are read one by one.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from allclear.domain.base import JsonDict, Model
from allclear.vendors.errors import VendorRequest
from allclear.vendors.github import PAGE, READ, Answer, Github, parsed
from allclear.vendors.lengths import shortened

MergeMethod = Literal["merge", "squash", "rebase"]
LONGEST_TITLE = 256
_GOOD = frozenset({"success", "neutral", "skipped"})
_COMPLETED = "completed"
_REVERT = (
    "mutation($input: RevertPullRequestInput!)"
    " { revertPullRequest(input: $input) { revertPullRequest { number url } } }"
)


class _User(Answer):
    login: str = ""


class _Repository(Answer):
    full_name: str


class Branch(Answer):
    """Where a pull request comes from, or goes to. `repo` is None if that repository is gone."""

    ref: str
    sha: str
    repo: _Repository | None = None


class Pull(Answer):
    """A pull request. `merged_at` is set once it was merged; `mergeable` is read only by `Pulls.pull`."""

    number: int
    node_id: str
    title: str
    state: Literal["open", "closed"]
    url: str = Field(alias="html_url")
    head: Branch
    base: Branch
    draft: bool = False
    merged_at: AwareDatetime | None = None
    merge_commit_sha: str | None = None
    mergeable: bool | None = None
    mergeable_state: str = ""
    user: _User | None = None

    @property
    def open(self) -> bool:
        """Return whether it can still be merged."""
        return self.state == "open"

    @property
    def merged(self) -> bool:
        """Return whether it was merged."""
        return self.merged_at is not None

    @property
    def author(self) -> str:
        """Return the login of the person or program that opened it; empty if that account is gone."""
        return self.user.login if self.user else ""

    @property
    def fork(self) -> str:
        """Return which fork its branch is in, in words; empty if it is in the repository itself."""
        if self.head.repo is None:
            return "a fork that is gone"
        same = self.base.repo is not None and self.head.repo.full_name == self.base.repo.full_name
        return "" if same else f"the fork {self.head.repo.full_name}"


class _CheckRun(Answer):
    name: str
    status: str
    conclusion: str | None = None


class _CheckRuns(Answer):
    check_runs: tuple[_CheckRun, ...]


class _Status(Answer):
    context: str
    state: str


class _Statuses(Answer):
    statuses: tuple[_Status, ...]


class _Reverted(Answer):
    number: int
    url: str


class _RevertPayload(Answer):
    pull: _Reverted = Field(alias="revertPullRequest")


class _RevertAnswer(Answer):
    payload: _RevertPayload = Field(alias="revertPullRequest")


class _Merged(Answer):
    sha: str
    merged: bool


class Checks(Model):
    """What the checks of a commit have come to: the names of those that failed, still run, and passed."""

    failed: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()


class Pulls:
    """The pull requests of one repository."""

    def __init__(self, github: Github, repository: str) -> None:
        self._github, self._repository = github, repository
        self._path = f"/repos/{repository}"

    async def pull(self, number: int) -> Pull:
        """Return a pull request, with whether it can be merged. Raises NotFound, Denied, VendorError."""
        request = self._request(f"read the pull request #{number} of {self._repository}")
        return await self._github.read(request, f"{self._path}/pulls/{number}", Pull)

    async def newest(self, base: str) -> list[Pull]:
        """Return the newest pull requests into a branch, open and closed, the newest first. Raises VendorError."""
        request = self._request(f"list the pull requests of {self._repository}")
        params = {"state": "all", "base": base, "sort": "created", "direction": "desc", "per_page": str(PAGE)}
        return await self._github.read_list(request, f"{self._path}/pulls", Pull, params)

    async def of_commit(self, sha: str) -> list[Pull]:
        """Return the pull requests that brought a commit to a branch. Raises NotFound, VendorError."""
        request = self._request(f"list the pull requests of the commit {sha}")
        return await self._github.read_list(request, f"{self._path}/commits/{sha}/pulls", Pull)

    async def checks(self, sha: str) -> Checks:
        """Return what the checks of a commit have come to. Raises NotFound, Denied, VendorError."""
        request = self._request(f"read the checks of the commit {sha}")
        path = f"{self._path}/commits/{sha}"
        params = {"per_page": str(PAGE)}
        runs = (await self._github.read(request, f"{path}/check-runs", _CheckRuns, params)).check_runs
        statuses = (await self._github.read(request, f"{path}/status", _Statuses, params)).statuses
        running = [run.name for run in runs if run.status != _COMPLETED]
        failed = [run.name for run in runs if run.status == _COMPLETED and run.conclusion not in _GOOD]
        passed = [run.name for run in runs if run.status == _COMPLETED and run.conclusion in _GOOD]
        running += [one.context for one in statuses if one.state == "pending"]
        failed += [one.context for one in statuses if one.state in {"failure", "error"}]
        passed += [one.context for one in statuses if one.state == "success"]
        return Checks(failed=tuple(failed), running=tuple(running), passed=tuple(passed))

    async def revert(self, pull: str, number: int, title: str, body: str) -> int:
        """Open a pull request that reverts a merged one, and return its number; `pull` is the merged one's node id.

        Raises VendorRefused, for example if it cannot be reverted cleanly, Denied and AnswerLost.
        """
        request = self._request(f"open a pull request that reverts #{number} of {self._repository}", write=True)
        wanted: JsonDict = {"pullRequestId": pull, "title": shortened(title, LONGEST_TITLE), "body": body}
        data = await self._github.graphql(request, _REVERT, {"input": wanted | {"draft": False}})
        return parsed(request, data, _RevertAnswer).payload.pull.number

    async def create(self, *, title: str, head: str, base: str, body: str) -> int:
        """Open a pull request, and return its number. Raises VendorRefused if the branch has an open one already."""
        request = self._request(f"open a pull request from {head} in {self._repository}", write=True)
        wanted = {"title": shortened(title, LONGEST_TITLE), "head": head, "base": base, "body": body}
        return (await self._github.write(request, "POST", f"{self._path}/pulls", wanted, Pull)).number

    async def close(self, number: int) -> None:
        """Close a pull request without merging it; its branch stays."""
        request = self._request(f"close the pull request #{number} of {self._repository}", write=True)
        await self._github.write(request, "PATCH", f"{self._path}/pulls/{number}", {"state": "closed"}, Pull, READ)

    async def merge(self, number: int, head: str, method: MergeMethod) -> str:
        """Merge a pull request whose head is `head`, and return the sha of what is on the branch then.

        Raises Conflict if its head is another one now, VendorRefused if it cannot be merged.
        """
        request = self._request(f"merge the pull request #{number} of {self._repository}", write=True)
        wanted: JsonDict = {"sha": head, "merge_method": method}
        answer = await self._github.write(request, "PUT", f"{self._path}/pulls/{number}/merge", wanted, _Merged, READ)
        if not answer.merged:
            raise request.refused("it answered that nothing was merged")
        return answer.sha

    def _request(self, purpose: str, *, write: bool = False) -> VendorRequest:
        return VendorRequest("GitHub", purpose, write=write)
