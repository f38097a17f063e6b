"""Shared by the tests of GitHub's actions: VintStreet's production with a repository."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from allclear.domain.action import AnyAction, Outcome
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.write_retries import Write
from allclear.simulator.github_repository import GithubRepository
from allclear.simulator.github_spec import CommitSpec, GithubSpec, WorkflowSpec
from tasks.github.handles import GithubHandle, WorkflowHandle
from tests.contract.actions_support import SimulatedContext, production, worked_out
from tests.contract.simulator_support import Simulated, quick

SERVICE = "storefront"
REPOSITORY = "vintstreet/storefront"
FIRST = CommitSpec.model_validate({"title": "The storefront", "age": "90d"})
OLDER = CommitSpec.model_validate({"title": "Sort listings by price", "age": "9d", "by": "chi"})
BY_PULL = CommitSpec.model_validate({"title": "New checkout", "age": "1h", "by": "ben", "pull": "new-checkout"})
DIRECT = CommitSpec.model_validate({"title": "Hotfix the cart", "age": "5m", "by": "ben"})
DEPLOY = WorkflowSpec(file="deploy.yml", inputs=["act", "environment"], shows="act")
UNDEPLOY = WorkflowSpec(file="undeploy.yml", inputs=["act"], shows="act")
REVERT = WorkflowSpec(file="revert.yml", inputs=["commit", "base", "branch", "title"], reverts=True)
HANDLE = GithubHandle(
    repository=REPOSITORY,
    workflows={
        "redeploy": WorkflowHandle(
            file="deploy.yml", name_input="act", inputs={"environment": "production"}, takes=timedelta(seconds=20)
        ),
        "undeploy": WorkflowHandle(file="undeploy.yml", name_input="act", takes=timedelta(seconds=20)),
        "staging": WorkflowHandle(file="deploy.yml", name_input="act", undo="undeploy", takes=timedelta(seconds=20)),
        "revert": WorkflowHandle(file="revert.yml", takes=timedelta(seconds=20)),
    },
    revert_workflow="revert",
)
KEY = "VS-1/contain/one"


def spec(*commits: CommitSpec, **changes: Any) -> GithubSpec:
    """Return a repository with these commits after its first one."""
    fields: dict[str, Any] = {
        "repository": REPOSITORY,
        "commits": [FIRST, *commits],
        "workflows": [DEPLOY, UNDEPLOY, REVERT],
    }
    return GithubSpec(**(fields | changes))


@asynccontextmanager
async def hosted(
    repository: GithubSpec, handle: GithubHandle | None = HANDLE
) -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run VintStreet's production with a repository, and yield it with a context whose clients talk to it."""
    async with production(quick(github=repository), github=handle) as (sim, context):
        yield sim, context


def at_github(sim: Simulated) -> GithubRepository:
    """Return the simulated repository."""
    assert sim.world.github is not None
    return sim.world.github


async def issued(action: AnyAction, deadline: timedelta = timedelta(milliseconds=300), **raw: Any) -> Outcome:
    """Carry an act out with the executor's own write, and return its outcome."""
    params, change = await worked_out(action, service=SERVICE, **raw)
    change = change.model_copy(update={"deadline": deadline})
    return await Write(LoadedAct(action, params, change), change, KEY).issue()
