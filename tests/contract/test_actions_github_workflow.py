"""`github.run_workflow` against the simulated repository: found again, watched to its end, undone, and every fault."""

# ruff: noqa: ANN401 - parts of a scenario

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from allclear.domain.action import ActStatus, Verdict
from allclear.domain.errors import AllclearError, NotFound, Refused, VendorRefused
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.reconcile import after_interruption
from allclear.simulator.github_spec import WorkflowSpec
from tasks.github.handles import GithubHandle, WorkflowHandle
from tasks.github.workflow import RunParams, RunWorkflow
from tests.contract.actions_support import carried_out, each_write_fault, undone, worked_out
from tests.contract.github_support import (
    BY_PULL,
    DEPLOY,
    DIRECT,
    HANDLE,
    KEY,
    REPOSITORY,
    SERVICE,
    UNDEPLOY,
    at_github,
    hosted,
    issued,
    spec,
)
from tests.contract.simulator_support import Simulated, fault, recorded

RUN: dict[str, Any] = {"workflow": "redeploy", "run": "VS-1-redeploy"}
UNNAMED = GithubHandle(
    repository=REPOSITORY, workflows={"redeploy": WorkflowHandle(file="deploy.yml", takes=timedelta(seconds=20))}
)


def deploys(**changes: Any) -> Any:
    """Return a repository whose workflow for deploying is another one than usual."""
    return spec(BY_PULL, workflows=[DEPLOY.model_copy(update=changes), UNDEPLOY])


def dispatched(sim: Simulated) -> int:
    """Return how often a workflow was started."""
    return len(recorded(sim, "write", method="dispatch"))


async def test_a_workflow_is_run_with_its_inputs_and_watched_to_its_end() -> None:
    """Its name goes into the input that it shows; the approver reads file, branch, commit and inputs."""
    takes = WorkflowSpec.model_validate({"file": "x.yml", "takes": "120ms"}).takes
    async with hosted(deploys(takes=takes)) as (sim, context):
        done = await carried_out(RunWorkflow(context), service=SERVICE, **RUN)
        [run] = at_github(sim).runs
        assert run.inputs == {"environment": "production", "act": "VS-1-redeploy"}
        assert done.change.summary == (
            f"Run deploy.yml of {REPOSITORY} on main at {at_github(sim).head[:12]} with environment: production, as"
            " VS-1-redeploy."
        )
        assert done.finding.verdict is Verdict.SUCCESS
        assert done.finding.sentence.startswith("The run ended well: https://github.com/")
        assert done.after.result == "success"


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out"])
async def test_a_run_that_ends_badly_is_not_taken_for_done(conclusion: str) -> None:
    """It may have done a part of its work, so the outcome is not simply that nothing happened."""
    async with hosted(deploys(conclusion=conclusion)) as (_, context):
        outcome = await issued(RunWorkflow(context), timedelta(seconds=20), **RUN)
        assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
        assert f"The run ended with {conclusion}: https://" in outcome.sentence


async def test_a_run_that_waits_for_a_person_says_so() -> None:
    """An environment of the repository may ask for a review."""
    async with hosted(deploys(waits=True)) as (_, context):
        outcome = await issued(RunWorkflow(context), **RUN)
        assert outcome.status is ActStatus.UNVERIFIED
        assert "waits until a person approves it on GitHub" in outcome.sentence


async def test_a_run_of_that_name_is_never_started_twice() -> None:
    """One that is running or ended well is this act's own; after one that failed, a new one is started."""
    async with hosted(deploys()) as (sim, context):
        action = RunWorkflow(context)
        await carried_out(action, service=SERVICE, **RUN)
        params, again = await worked_out(action, service=SERVICE, **RUN)
        assert action.target_reached(again, again.before)
        at_github(sim).runs[0].conclusion = "failure"
        params, again = await worked_out(action, service=SERVICE, **RUN)
        assert not action.target_reached(again, again.before)
        await action.apply(params, again, KEY)
        assert dispatched(sim) == 2


@pytest.mark.parametrize(
    ("kind", "status", "runs"),
    [
        ("answer_lost", ActStatus.VERIFIED, 1),
        ("cut_off", ActStatus.VERIFIED, 1),
        ("unavailable", ActStatus.INDETERMINATE, 0),
        ("ignored", ActStatus.UNVERIFIED, 0),
        ("permission_denied", ActStatus.FAILED, 0),
    ],
)
async def test_the_outcome_says_what_a_read_has_proven(kind: str, status: ActStatus, runs: int) -> None:
    """After a lost answer the runs are listed; a second one is never started."""
    async with hosted(deploys()) as (sim, context):
        await fault(sim, "github", "dispatch", kind)
        outcome = await issued(RunWorkflow(context), **RUN)
        assert (outcome.status, len(at_github(sim).runs), dispatched(sim)) == (status, runs, 1)


async def test_a_workflow_that_shows_no_name_is_found_by_the_id_in_the_answer_only() -> None:
    """The risk says so to the approver. After a lost answer a new run may be another person's, and proves nothing."""
    async with hosted(deploys(), UNNAMED) as (sim, context):
        action = RunWorkflow(context)
        done = await carried_out(action, service=SERVICE, **RUN)
        assert "if the answer to the start is lost, the run cannot be found" in done.change.risk
        assert done.finding.verdict is Verdict.SUCCESS
        await fault(sim, "github", "dispatch", "answer_lost")
        outcome = await issued(action, **RUN)
        assert (outcome.status, outcome.changed, dispatched(sim)) == (ActStatus.UNVERIFIED, True, 2)
        assert "No run of deploy.yml is known to be VS-1-redeploy" in outcome.sentence


async def test_a_server_that_does_not_tell_the_run_is_asked_without_and_the_run_found_by_name() -> None:
    """It refuses `return_run_details` and has started nothing then."""
    async with hosted(spec(BY_PULL, run_details=False)) as (sim, context):
        done = await carried_out(RunWorkflow(context), service=SERVICE, **RUN)
        assert (done.receipt.facts["run"], done.finding.verdict) == (None, Verdict.SUCCESS)
        assert len(at_github(sim).runs) == 1


async def test_after_a_crash_a_run_that_has_failed_meanwhile_is_not_started_again() -> None:
    """The state is neither as before nor as intended, so a person is asked."""
    async with hosted(deploys(conclusion="failure")) as (sim, context):
        action = RunWorkflow(context)
        params, change = await worked_out(action, service=SERVICE, **RUN)
        await action.apply(params, change, KEY)
        found = await after_interruption(LoadedAct(action, params, change), change, holder_dead=True)
        assert found.status is ActStatus.INDETERMINATE  # type: ignore[union-attr]
        assert dispatched(sim) == 1


async def test_the_approval_covers_the_commit_and_other_peoples_runs() -> None:
    """A newer commit would deploy something else, and another run may have deployed already."""
    async with hosted(deploys()) as (sim, context):
        action = RunWorkflow(context)
        params, change = await worked_out(action, service=SERVICE, **RUN)
        at_github(sim).dispatch(at_github(sim).workflow("deploy.yml"), "main", {"act": "by hand"})
        assert (await action.observe(params)).matters() != change.before.matters()
        _, change = await worked_out(action, service=SERVICE, **RUN)
        at_github(sim).push(DIRECT)
        assert (await action.observe(params)).matters() != change.before.matters()


async def test_undo_runs_the_workflow_that_systems_yaml_names_or_is_refused() -> None:
    """Without one nothing is entered in the ledger."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action = RunWorkflow(context)
        done = await carried_out(action, service=SERVICE, workflow="staging", run="VS-1-staging")
        assert action.leaves_behind(done.params) == "what the workflow has done"
        back = await undone(action, done)
        assert (back.finding.verdict, back.after.undone) == (Verdict.SUCCESS, True)
        assert [(run.spec.file, run.title) for run in at_github(sim).runs] == [
            ("deploy.yml", "VS-1-staging"),
            ("undeploy.yml", "VS-1-staging-undo"),
        ]
        once = await carried_out(action, service=SERVICE, **RUN)
        assert action.leaves_behind(once.params) is None
        with pytest.raises(Refused, match=r"No workflow undoes deploy\.yml"):
            action.undo(once.params, once.change, once.after)


@pytest.mark.parametrize(
    ("repository", "workflow", "error", "words"),
    [
        (spec(BY_PULL), "nowhere", Refused, r"There is no workflow `nowhere` for .* in systems\.yaml"),
        (spec(BY_PULL, workflows=[UNDEPLOY]), "redeploy", NotFound, r"list the runs of deploy\.yml"),
    ],
)
async def test_a_workflow_that_does_not_exist_is_named(
    repository: Any,
    workflow: str,
    error: type[AllclearError],
    words: str,
) -> None:
    """In systems.yaml, or in the repository."""
    async with hosted(repository) as (sim, context):
        with pytest.raises(error, match=words):
            await worked_out(RunWorkflow(context), service=SERVICE, workflow=workflow, run="VS-1-x")
        assert dispatched(sim) == 0


async def test_a_disabled_workflow_is_refused_beforehand() -> None:
    """The next step is GitHub's own page."""
    async with hosted(deploys(state="disabled_manually")) as (sim, context):
        action = RunWorkflow(context)
        params, change = await worked_out(action, service=SERVICE, **RUN)
        [refusal] = await action.precheck(params, change)
        assert "deploy.yml of vintstreet/storefront is not active (disabled_manually)" in refusal.sentence
        assert dispatched(sim) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"by_hand": False}, "does not have 'workflow_dispatch' trigger"),
        ({"inputs": ["act"]}, "Unexpected inputs provided"),
    ],
)
async def test_what_github_refuses_of_a_dispatch_is_told(changes: dict[str, Any], words: str) -> None:
    """A workflow that cannot be run by hand, and an input that it does not declare."""
    async with hosted(deploys(**changes)) as (_, context):
        action = RunWorkflow(context)
        params, change = await worked_out(action, service=SERVICE, **RUN)
        with pytest.raises(VendorRefused, match=words):
            await action.apply(params, change, KEY)


@each_write_fault("run the workflow deploy.yml")
async def test_each_fault_of_the_start_has_its_sentence(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal started nothing; everything else may have."""
    async with hosted(deploys()) as (sim, context):
        action = RunWorkflow(context)
        params, change = await worked_out(action, service=SERVICE, **RUN)
        await fault(sim, "github", "dispatch", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, KEY)


def test_a_plan_that_names_a_workflow_which_systems_yaml_lacks_is_told() -> None:
    """`allclear check` names those there are; a form offers them."""
    from tests.unit.fakes_context import service_of  # noqa: PLC0415 - only this test

    services = {"storefront": service_of(title="s", url="https://s.example", smoke={"timeout": "1s"}, github=HANDLE)}
    params = RunParams.model_validate({"service": "storefront", "workflow": "x", "run": "VS-1-x"})
    [problem] = RunWorkflow.check_params(params, services)
    assert (problem.param, problem.known) == ("workflow", ("redeploy", "undeploy", "staging", "revert"))
    assert RunWorkflow.offers("workflow", services) == ["redeploy", "undeploy", "staging", "revert"]
