"""GitHub's issues: opening one, finding ours again, and closing it.

Source: GitHub REST API reference, version 2022-11-28, read 2026-11:
- `POST /repos/{repo}/issues` {title, body, labels, assignees} answers 201; 410 if issues are switched off. There is no
  idempotency key. Labels and assignees are left out without an error if the token's account may not write.
- `GET /repos/{repo}/issues?state=all&sort=created&direction=desc` lists the newest first; it lists pull requests too,
  each with `pull_request`.
- `GET /repos/{repo}/issues/{number}` answers 410 for an issue that was deleted, 301 for one that was transferred.
- `PATCH /repos/{repo}/issues/{number}` {state, state_reason} closes one or opens it again.

Not confirmed: that the list shows a new issue at once; the search, which we do not use, does not.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from allclear.domain.base import JsonDict
from allclear.vendors.errors import VendorRequest
from allclear.vendors.github import PAGE, READ, Answer, Github
from allclear.vendors.lengths import shortened

LONGEST_TITLE = 256
LONGEST_BODY = 65_536
_STRANGERS = frozenset({"NONE", "FIRST_TIMER", "FIRST_TIME_CONTRIBUTOR", "CONTRIBUTOR", "MANNEQUIN"})
"""What GitHub calls authors without the right to write. *Source:* its REST API reference, `author_association`."""


class _Named(Answer):
    name: str = ""
    login: str = ""


class _Author(Answer):
    type: str = ""


class Issue(Answer):
    """An issue, or a pull request that is listed among them."""

    number: int
    title: str
    state: Literal["open", "closed"]
    url: str = Field(alias="html_url")
    body: str | None = None
    labels: tuple[_Named, ...] = ()
    assignees: tuple[_Named, ...] = ()
    pull: dict[str, Any] | None = Field(default=None, alias="pull_request")
    user: _Author | None = None
    association: str = Field(default="", alias="author_association")

    @property
    def by_stranger(self) -> bool:
        """Return whether a person opened it who may not write to the repository; in a public one, anyone may."""
        program = self.user is not None and self.user.type == "Bot"
        return self.association in _STRANGERS and not program


class Issues:
    """The issues of one repository."""

    def __init__(self, github: Github, repository: str) -> None:
        self._github, self._repository = github, repository
        self._path = f"/repos/{repository}/issues"

    async def newest(self) -> list[Issue]:
        """Return the newest issues, open and closed, the newest first, without pull requests. Raises VendorError."""
        request = VendorRequest("GitHub", f"list the issues of {self._repository}", write=False)
        params = {"state": "all", "sort": "created", "direction": "desc", "per_page": str(PAGE)}
        return [one for one in await self._github.read_list(request, self._path, Issue, params) if one.pull is None]

    async def issue(self, number: int) -> Issue:
        """Return one issue. Raises NotFound, Denied, VendorError."""
        request = VendorRequest("GitHub", f"read the issue #{number} of {self._repository}", write=False)
        return await self._github.read(request, f"{self._path}/{number}", Issue)

    async def create(self, *, title: str, body: str, labels: list[str], assignees: list[str]) -> Issue:
        """Open an issue, and return it as GitHub has taken it."""
        request = VendorRequest("GitHub", f"open an issue in {self._repository}", write=True)
        wanted: JsonDict = {
            "title": shortened(title, LONGEST_TITLE),
            "body": body,
            "labels": labels,
            "assignees": assignees,
        }
        return await self._github.write(request, "POST", self._path, wanted, Issue)

    async def set_state(self, number: int, *, is_open: bool) -> None:
        """Close an issue as completed, or open it again."""
        verb = "open" if is_open else "close"
        request = VendorRequest("GitHub", f"{verb} the issue #{number} of {self._repository}", write=True)
        wanted = {"state": "open"} if is_open else {"state": "closed", "state_reason": "completed"}
        await self._github.write(request, "PATCH", f"{self._path}/{number}", wanted, Issue, READ)
