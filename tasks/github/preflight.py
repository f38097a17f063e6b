"""The read-only test of GitHub: each service's repository, its branch, what the token's account may do, its workflows.

Reading cannot show what a fine-grained token may write; the rights of its account are the most that it can have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Client
from allclear.domain.errors import ConfigError, Denied, Refused
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.vendors.github import Github
from allclear.vendors.github_pulls import Pulls
from allclear.vendors.github_workflows import Workflows
from tasks.github.handles import GithubHandle, WorkflowHandle

_ISSUES = frozenset({"github.issue", "github.close_issue"})
_BY_HAND = "workflow_dispatch"


class GithubPreflight(Preflight):
    """Tests the token, each repository, its branch and pull requests, and each workflow that may be run."""

    client: ClassVar[type[Client]] = Github

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        github = self.context.client(Github)
        writes = any(use.writes and use.name not in _ISSUES for use in uses)
        issues = any(use.name in _ISSUES for use in uses)
        for service in services.values():
            if handle := service.handle(GithubHandle):
                check = partial(self._repository, github, handle, writes=writes, issues=issues)
                yield PreflightCheck(f"repository {handle.repository}", check)
                for workflow in handle.workflows.values():
                    yield PreflightCheck(
                        f"workflow {workflow.file} of {handle.repository}",
                        partial(self._workflow, github, handle, workflow),
                    )

    async def _repository(self, github: Github, handle: GithubHandle, *, writes: bool, issues: bool) -> Passed:
        repository = await github.repository(handle.repository)
        if repository.archived:
            raise Refused(f"{handle.repository} is archived, so nothing can be written.", "Name another repository.")
        if issues and not repository.has_issues:
            raise Refused(f"{handle.repository} has no issues.", "Switch them on in the repository's settings.")
        if writes and not repository.permissions.push:
            raise Denied(
                f"The token's account may not write to {handle.repository}.",
                "Give it the role Write there, and a fine-grained token Contents, Pull requests and Actions (write).",
            )
        await github.head(handle.repository, handle.branch)
        await Pulls(github, handle.repository).newest(handle.branch)
        may = ", and the token's account may write" if writes else ""
        return Passed(f"It, its branch {handle.branch} and its pull requests can be read{may}.")

    async def _workflow(self, github: Github, handle: GithubHandle, workflow: WorkflowHandle) -> Passed:
        workflows, branch = Workflows(github, handle.repository), workflow.branch or handle.branch
        found = await workflows.workflow(workflow.file)
        if found.state != "active":
            raise Refused(
                f"The workflow {workflow.file} of {handle.repository} is not active ({found.state}).",
                "Enable it on GitHub, under Actions.",
            )
        text = await workflows.text(workflow.file, branch)
        if _BY_HAND not in text:
            raise ConfigError(
                f"The workflow {workflow.file} of {handle.repository} has no `{_BY_HAND}` on {branch}, so it cannot be"
                " run by hand.",
                f"Add `{_BY_HAND}` to its `on:`.",
            )
        missing = [name for name in _inputs(handle, workflow) if name not in text]
        if missing:
            raise ConfigError(
                f"The workflow {workflow.file} of {handle.repository} does not declare the input `{missing[0]}`.",
                f"Declare it under `{_BY_HAND}` in the workflow, or take it out of systems.yaml.",
            )
        return Passed(f"It is active on {branch} and can be run by hand.")


def _inputs(handle: GithubHandle, workflow: WorkflowHandle) -> list[str]:
    """Return the inputs that a workflow is given."""
    named = [*workflow.inputs, *([workflow.name_input] if workflow.name_input else [])]
    reverts = handle.revert_workflow is not None and handle.workflows[handle.revert_workflow] is workflow
    return [*named, *(["commit", "base", "branch", "title"] if reverts else [])]
