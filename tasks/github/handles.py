"""What systems.yaml gives a service on GitHub: its repository, its branch, and the workflows that may be run."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import Field, model_validator

from allclear.domain.action import ActionContext
from allclear.domain.base import Model, Slug
from allclear.domain.durations import Duration
from allclear.domain.errors import ConfigError, Refused
from allclear.vendors.github_pulls import MergeMethod
from allclear.vendors.github_workflows import MOST_INPUTS
from tasks.service_params import handle_of

SHOWN_SHA = 12
"""How many characters of a commit's id people see."""
_BRANCH = r"^[A-Za-z0-9._/-]{1,200}$"


class WorkflowHandle(Model):
    """A workflow that may be run by hand."""

    file: str = Field(pattern=r"^[A-Za-z0-9._-]+\.ya?ml$", description="Its file in .github/workflows, as deploy.yml.")
    branch: str | None = Field(
        default=None, pattern=_BRANCH, description="The branch on which it runs; the service's own if left out."
    )
    inputs: dict[str, str] = Field(default={}, max_length=MOST_INPUTS - 1, description="What its inputs are given.")
    name_input: str | None = Field(
        default=None,
        description="The input that is given the run's name, which the workflow must show in its `run-name`. Without "
        "it, a run whose start was not answered cannot be found again.",
    )
    takes: Duration = Field(default=timedelta(minutes=30), description="How long it may take to end.")
    undo: Slug | None = Field(default=None, description="The workflow that undoes what this one does.")


class GithubHandle(Model):
    """Its repository on GitHub."""

    key: ClassVar[str] = "github"

    repository: str = Field(
        pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$", description="Its owner and name, as acme/shop."
    )
    branch: str = Field(default="main", pattern=_BRANCH, description="The branch that is deployed.")
    merge_method: MergeMethod = Field(default="merge", description="How pull requests are merged there.")
    workflows: dict[Slug, WorkflowHandle] = Field(
        default={}, description="The workflows that may be run, by a short name."
    )
    revert_workflow: Slug | None = Field(
        default=None,
        description="The workflow that reverts a commit which is not the newest. It gets the inputs `commit`, `base`, "
        "`branch` and `title`, and must open a pull request from that branch.",
    )

    @model_validator(mode="after")
    def _named_workflows_exist(self) -> GithubHandle:
        named = [("revert_workflow", self.revert_workflow)]
        named += [(f"workflows {name} undo", workflow.undo) for name, workflow in self.workflows.items()]
        for where, name in named:
            if name is not None and name not in self.workflows:
                known = ", ".join(self.workflows) or "none"
                msg = f"`{where}` names {name!r}, which is not under `workflows` ({known})"
                raise ValueError(msg)
        return self

    def workflow(self, name: str) -> WorkflowHandle:
        """Return the workflow of that short name. Raises Refused with the names there are."""
        if name not in self.workflows:
            known = ", ".join(self.workflows) or "none"
            raise Refused(
                f"There is no workflow `{name}` for {self.repository} in systems.yaml.", f"Name one of these: {known}."
            )
        return self.workflows[name]


def repository_of(context: ActionContext, service: str) -> GithubHandle:
    """Return the service's repository. Raises NotFound, and ConfigError if systems.yaml has none."""
    return handle_of(context, service, GithubHandle, "Add its `repository` there.")


def reverting_workflow(handle: GithubHandle) -> WorkflowHandle:
    """Return the workflow that reverts older commits. Raises ConfigError if the service names none."""
    if handle.revert_workflow is None:
        raise ConfigError(
            f"No workflow of {handle.repository} reverts a commit that is not the newest.",
            "Name one as `revert_workflow` under the service's `github` in systems.yaml, or revert it by hand.",
        )
    return handle.workflow(handle.revert_workflow)
