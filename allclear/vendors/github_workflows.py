"""GitHub's workflows: starting one by hand, and watching its run to the end.

Source: GitHub REST API reference, read 2026-11, and its changelog of 2026-02-19:
- `POST /repos/{repo}/actions/workflows/{file}/dispatches` {ref, inputs, return_run_details} answers 200 with
  `workflow_run_id`; a server that does not know `return_run_details` answers 204, or 400 or 422 naming that field. 422
  also refuses an input that the workflow does not declare, and a workflow without `workflow_dispatch`. It takes at most
  25 inputs. There is no idempotency key.
- `GET …/actions/workflows/{file}/runs?event=workflow_dispatch` lists the newest runs first; `display_title` is what the
  workflow's `run-name` makes of its inputs.
- A run's `status` is queued, in_progress, waiting (a person must approve it), requested, pending or completed; its
  `conclusion` is then success, failure, cancelled, timed_out, action_required, skipped, neutral, stale or
  startup_failure.
- `GET …/actions/workflows/{file}` has its `state`: active, disabled_manually, disabled_inactivity, …
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import quote

from pydantic import Field

from allclear.domain.base import JsonDict
from allclear.domain.errors import VendorRefused
from allclear.vendors.errors import VendorRequest
from allclear.vendors.github import Answer, Github, parsed
from allclear.vendors.http import Expected

LISTED = 30
"""How many runs of a workflow are read."""
MOST_INPUTS = 25
_DISPATCHED = Expected(frozenset({200, 204}))
_DETAILS = "return_run_details"


class Workflow(Answer):
    """A workflow file as GitHub knows it."""

    id: int
    name: str
    path: str
    state: str


class WorkflowRun(Answer):
    """One run of a workflow."""

    id: int
    status: str
    conclusion: str | None = None
    title: str = Field(default="", alias="display_title")
    url: str = Field(default="", alias="html_url")
    sha: str = Field(default="", alias="head_sha")

    @property
    def over(self) -> bool:
        """Return whether it has ended."""
        return self.status == "completed"

    @property
    def succeeded(self) -> bool:
        """Return whether it has ended well."""
        return self.over and self.conclusion == "success"


class _Runs(Answer):
    workflow_runs: tuple[WorkflowRun, ...]


class _Dispatched(Answer):
    run: int = Field(alias="workflow_run_id")


class _File(Answer):
    content: str = ""


class Workflows:
    """The workflows of one repository."""

    def __init__(self, github: Github, repository: str) -> None:
        self._github, self._repository = github, repository
        self._path = f"/repos/{repository}/actions"

    async def workflow(self, file: str) -> Workflow:
        """Return the workflow of that file. Raises NotFound, Denied, VendorError."""
        request = self._read(f"read the workflow {file}")
        return await self._github.read(request, f"{self._path}/workflows/{quote(file)}", Workflow)

    async def text(self, file: str, ref: str) -> str:
        """Return the text of a workflow file on a branch, empty if it has none. Raises NotFound, VendorError."""
        request = self._read(f"read the file .github/workflows/{file} on {ref}")
        path = f"/repos/{self._repository}/contents/.github/workflows/{quote(file)}"
        found = await self._github.read(request, path, _File, {"ref": ref})
        try:
            return base64.b64decode(found.content).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return ""

    async def runs(self, file: str) -> list[WorkflowRun]:
        """Return the newest runs that were started by hand, newest first. Raises NotFound, VendorError."""
        request = self._read(f"list the runs of {file}")
        params = {"event": "workflow_dispatch", "per_page": str(LISTED)}
        path = f"{self._path}/workflows/{quote(file)}/runs"
        return list((await self._github.read(request, path, _Runs, params)).workflow_runs)

    async def run(self, run: int) -> WorkflowRun:
        """Return one run. Raises NotFound, VendorError."""
        return await self._github.read(self._read(f"read the run {run}"), f"{self._path}/runs/{run}", WorkflowRun)

    async def dispatch(self, file: str, ref: str, inputs: dict[str, str]) -> int | None:
        """Start a workflow on a branch, and return the id of its run; None if the server does not tell it.

        A server that refuses `return_run_details` has started nothing, so it is asked once more without.
        """
        request = VendorRequest("GitHub", f"run the workflow {file} of {self._repository} on {ref}", write=True)
        path = f"{self._path}/workflows/{quote(file)}/dispatches"
        body: JsonDict = {"ref": ref, "inputs": inputs}
        try:
            answer = await self._github.send(request, "POST", path, body | {_DETAILS: True}, expected=_DISPATCHED)
        except VendorRefused as error:
            if _DETAILS not in error.message:
                raise
            answer = await self._github.send(request, "POST", path, body, expected=_DISPATCHED)
        return parsed(request, answer, _Dispatched).run if answer is not None else None

    def _read(self, purpose: str) -> VendorRequest:
        return VendorRequest("GitHub", f"{purpose} of {self._repository}", write=False)
