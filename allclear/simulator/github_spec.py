"""The service's repository on GitHub as a scenario file spells it: its commits, pull requests, checks and workflows."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from allclear.simulator.scenario_schema import Duration, Name, Part, RevisionSpec

RepositoryName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$")]
WorkflowFile = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+\.ya?ml$")]
Conclusion = Literal["success", "failure", "cancelled", "timed_out"]


class CommitSpec(Part):
    """A commit on the branch that is deployed."""

    title: Name = Field(description="The first line of its message, or the title of its pull request.")
    age: Duration = Field(default=timedelta(0), description="How long ago it was made.")
    by: Name = Field(default="octocat", description="The login of its author.")
    pull: str | None = Field(
        default=None, description="The branch of the pull request that brought it; none: it was pushed directly."
    )
    merge: bool = Field(default=False, description="Whether it merged a branch and so has two parents.")
    reverts_cleanly: bool = Field(
        default=True, description="Whether its pull request can be reverted without conflict."
    )


class CheckSpec(Part):
    """A check that runs on the head of each new pull request."""

    name: Name = Field(description="Its name.")
    takes: Duration = Field(default=timedelta(0), description="How long it runs.")
    conclusion: Literal["success", "failure", "neutral", "skipped"] = Field(
        default="success", description="What it comes to."
    )


class WorkflowSpec(Part):
    """A workflow that can be run by hand."""

    file: WorkflowFile = Field(description="Its file, as deploy.yml.")
    inputs: list[Name] = Field(default=[], description="The inputs that it declares.")
    shows: Name | None = Field(default=None, description="The input that its `run-name` shows.")
    takes: Duration = Field(default=timedelta(0), description="How long a run takes.")
    conclusion: Conclusion = Field(default="success", description="What a run comes to.")
    state: Literal["active", "disabled_manually"] = Field(default="active", description="Whether it is enabled.")
    by_hand: bool = Field(default=True, description="Whether it has `workflow_dispatch`.")
    waits: bool = Field(default=False, description="Whether a run waits until a person approves it.")
    deploys: RevisionSpec | None = Field(default=None, description="The revision that a good run deploys.")
    reverts: bool = Field(
        default=False, description="Whether a good run opens a pull request from the branch in its input `branch`."
    )


class GithubSpec(Part):
    """The service's repository on GitHub."""

    repository: RepositoryName = Field(description="Its owner and name.")
    branch: Name = Field(default="main", description="The branch that is deployed.")
    commits: list[CommitSpec] = Field(default=[], description="What was committed there, the oldest first.")
    checks: list[CheckSpec] = Field(default=[], description="What runs on the head of each new pull request.")
    workflows: list[WorkflowSpec] = Field(default=[], description="Its workflows.")
    may_push: bool = Field(default=True, description="Whether the token's account may write.")
    issues: bool = Field(default=True, description="Whether it has issues.")
    run_details: bool = Field(default=True, description="Whether a dispatch is answered with the run's id.")
