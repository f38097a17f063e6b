"""Running a workflow of the repository, as a redeployment or a hotfix, and watching its run to the end.

GitHub has no idempotency key for this. The run's name is ours: it goes into an input that the workflow shows in its
`run-name`, and the runs are listed before each write. A workflow that shows no name is found by the id of its run, if
the answer to the write came; otherwise the act is indeterminate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import (
    COMPANY,
    Action,
    Change,
    Client,
    Fence,
    Finding,
    ParamProblem,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.approval import ONE_PERSON_WITH_REASON
from allclear.domain.durations import in_words
from allclear.domain.errors import Refused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle, Service
from allclear.vendors.github import Github
from allclear.vendors.github_workflows import WorkflowRun, Workflows
from tasks.github.handles import SHOWN_SHA, GithubHandle, WorkflowHandle, repository_of
from tasks.github.preflight import GithubPreflight
from tasks.permissions import GITHUB_RUN
from tasks.service_params import ServiceParams

NONE, SUCCESS, RUNNING = "none", "success", "running"
_UNDO_SUFFIX = "-undo"


class RunParams(ServiceParams):
    """Which service, which of its workflows, and the name of this run."""

    workflow: str = Field(min_length=1, description="The workflow's short name in systems.yaml.")
    run: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="A name for this run, as VS-12-redeploy. A run of that name is never started twice.",
    )


class RunState(State):
    """A workflow on a branch, and what became of the run of that name."""

    incidental: ClassVar[frozenset[str]] = frozenset({"runs", "undo_runs"})

    repository: str
    workflow: str
    """Its file."""
    branch: str
    sha: str
    """The newest commit of the branch, which is what runs."""
    inputs: dict[str, str]
    run: str
    result: str = NONE
    """What became of it: `none`, `running`, `success`, or how and as what it ended, as `failure 123`."""
    newest_run: int | None = None
    """The newest run that anyone has started by hand: another one makes the approval void."""
    undone: bool = False
    """Whether the workflow that undoes it ran well under this name."""
    runs: tuple[WorkflowRun, ...] = ()
    """The newest runs that were started by hand."""
    undo_runs: tuple[WorkflowRun, ...] = ()

    @override
    def in_words(self) -> str:
        where = f"{self.workflow} on {self.branch} ({self.sha[:SHOWN_SHA]})"
        undone = ", and undone" if self.undone else ""
        return f"{where}: {'not run' if self.result == NONE else self.result}{undone}"


class RunWorkflow(Action[RunParams, RunState]):
    """Runs a workflow of a service's repository, and waits for its end."""

    name = "github.run_workflow"
    title = "Run a workflow on GitHub"
    params = RunParams
    state: ClassVar[type[State]] = RunState
    needs: ClassVar[tuple[type[Client], ...]] = (Github,)
    handles: ClassVar[tuple[type[Handle], ...]] = (GithubHandle,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (GithubPreflight,)
    fence: ClassVar[Fence] = Fence.NONE
    approval = ONE_PERSON_WITH_REASON
    leaves = "what the workflow has done"
    reads_every = timedelta(seconds=10)
    shows_late = True
    permissions = (GITHUB_RUN,)
    usual_risk = "It does in production whatever the workflow does; allclear knows only how it ends."
    usual_undo = "Runs the workflow that systems.yaml names as its `undo`; without one it cannot be undone."

    @property
    def github(self) -> Github:
        """Return the client."""
        return self.context.client(Github)

    @classmethod
    @override
    def check_params(cls, params: RunParams, services: Mapping[str, Service]) -> Iterable[ParamProblem]:
        service = services.get(params.service)
        handle = service.handle(GithubHandle) if service else None
        if handle is not None and params.workflow not in handle.workflows:
            sentence = (
                f"The service {params.service} has no workflow `{params.workflow}` under `github` in systems.yaml."
            )
            yield ParamProblem(param="workflow", sentence=sentence, known=tuple(handle.workflows))

    @classmethod
    @override
    def offers(cls, param: str, services: Mapping[str, Service]) -> list[str] | None:
        if param == "workflow":
            handles = [handle for service in services.values() if (handle := service.handle(GithubHandle))]
            return list(dict.fromkeys(name for handle in handles for name in handle.workflows))
        return super().offers(param, services)

    @override
    def leaves_behind(self, params: RunParams) -> str | None:
        return self.leaves if self._workflow(params)[1].undo else None

    @override
    def review_after(self, params: RunParams) -> timedelta:
        return timedelta(days=1)

    def _workflow(self, params: RunParams) -> tuple[GithubHandle, WorkflowHandle]:
        handle = repository_of(self.context, params.service)
        return handle, handle.workflow(params.workflow)

    @override
    def resource(self, params: RunParams) -> str:
        handle, workflow = self._workflow(params)
        return f"workflow:{handle.repository}/{workflow.file}"

    @override
    async def observe(self, params: RunParams) -> RunState:
        handle, workflow = self._workflow(params)
        branch = workflow.branch or handle.branch
        workflows = Workflows(self.github, handle.repository)
        runs = await workflows.runs(workflow.file)
        undo_runs: list[WorkflowRun] = []
        if workflow.undo:
            undo_runs = await workflows.runs(handle.workflow(workflow.undo).file)
        named = _newest(runs, params.run) if workflow.name_input else None
        undoing = _newest(undo_runs, params.run + _UNDO_SUFFIX)
        return RunState(
            repository=handle.repository,
            workflow=workflow.file,
            branch=branch,
            sha=await self.github.head(handle.repository, branch),
            inputs=workflow.inputs,
            run=params.run,
            result=_result(named),
            undone=undoing is not None and undoing.succeeded,
            newest_run=runs[0].id if runs else None,
            runs=tuple(runs),
            undo_runs=tuple(undo_runs),
        )

    @override
    def plan(self, params: RunParams, before: RunState) -> Change[RunState]:
        _, workflow = self._workflow(params)
        inputs = ", ".join(f"{name}: {value}" for name, value in before.inputs.items())
        undo = (
            f"Runs the workflow `{workflow.undo}`." if workflow.undo else "It cannot be undone: no workflow undoes it."
        )
        unnamed = (
            ""
            if workflow.name_input
            else " Its runs show no name of ours: if the answer to the start is lost, the run cannot be found."
        )
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Run {before.workflow} of {before.repository} on {before.branch} at {before.sha[:SHOWN_SHA]}"
            f"{f' with {inputs}' if inputs else ''}, as {before.run}.",
            before=before,
            after=before.model_copy(update={"result": SUCCESS}),
            risk=f"{self.usual_risk} It is watched for up to {in_words(workflow.takes)}.{unnamed}",
            undo=undo,
            deadline=workflow.takes,
        )

    @override
    async def precheck(self, params: RunParams, change: Change[RunState]) -> list[Refusal]:
        handle, workflow = self._workflow(params)
        if change.after.undone and workflow.undo:
            workflow = handle.workflow(workflow.undo)
        found = await Workflows(self.github, handle.repository).workflow(workflow.file)
        if found.state == "active":
            return []
        sentence = f"The workflow {workflow.file} of {handle.repository} is not active ({found.state})."
        return [Refusal(sentence=sentence, next_step="Enable it on GitHub, under Actions.")]

    @override
    async def apply(self, params: RunParams, change: Change[RunState], key: str) -> Receipt:
        handle, workflow = self._workflow(params)
        undoes = change.after.undone
        name = params.run + (_UNDO_SUFFIX if undoes else "")
        if undoes and workflow.undo:
            workflow = handle.workflow(workflow.undo)
        workflows = Workflows(self.github, handle.repository)
        if workflow.name_input:
            known = {run.id for run in (change.before.undo_runs if undoes else change.before.runs)}
            begun = _newest([run for run in await workflows.runs(workflow.file) if run.id not in known], name)
            if begun is not None:
                return Receipt(facts={"write": "already", "run": begun.id})
        inputs = workflow.inputs | ({workflow.name_input: name} if workflow.name_input else {})
        run = await workflows.dispatch(workflow.file, workflow.branch or handle.branch, inputs)
        return Receipt(facts={"write": "started", "run": run})

    @override
    def verify(self, change: Change[RunState], after: RunState, receipt: Receipt | None) -> Finding:
        run = _run_of(change, after, receipt)
        if run is None:
            sentence = f"No run of {after.workflow} is known to be {change.after.run}."
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence)
        facts = {"run": run.id, "status": run.status, "conclusion": run.conclusion, "url": run.url}
        if not run.over:
            waits = "waits until a person approves it on GitHub" if run.status == "waiting" else "is running"
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=f"The run {waits}: {run.url}", facts=facts)
        if not run.succeeded:
            sentence = f"The run ended with {run.conclusion}: {run.url}"
            return Finding(verdict=Verdict.FAILURE, sentence=sentence, facts=facts, final=True)
        sentence = f"The run ended well: {run.url}"
        if run.sha and run.sha != change.after.sha:
            sentence += f" It ran at {run.sha[:SHOWN_SHA]}, because {after.branch} had a newer commit by then."
        return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=facts)

    @override
    def target_reached(self, change: Change[RunState], now: RunState) -> bool:
        # A run under way counts: after a crash there is nothing to start again, only to watch.
        if change.after.undone:
            undoing = _newest(now.undo_runs, now.run + _UNDO_SUFFIX)
            return undoing is not None and (undoing.succeeded or not undoing.over)
        return now.result in (SUCCESS, RUNNING) and not now.undone

    @override
    def undo(self, params: RunParams, done: Change[RunState], now: RunState) -> Change[RunState]:
        handle, workflow = self._workflow(params)
        if workflow.undo is None:
            raise Refused(
                f"No workflow undoes {workflow.file} of {handle.repository}.",
                f"Do it by hand, or run another one: allclear act {COMPANY} {self.name} service={params.service}"
                " workflow=NAME run=NAME --reason WHY --as NAME",
            )
        other = handle.workflow(workflow.undo)
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Run {other.file} of {handle.repository}, which undoes {now.run}.",
            before=now,
            after=now.model_copy(update={"undone": True}),
            risk=self.usual_risk,
            undo="It cannot be undone.",
            deadline=other.takes,
        )


def _newest(runs: Iterable[WorkflowRun], name: str) -> WorkflowRun | None:
    """Return the newest run that shows `name` as a word of its title."""
    return next((run for run in runs if name in run.title.split()), None)


def _result(run: WorkflowRun | None) -> str:
    if run is None:
        return NONE
    if not run.over:
        return RUNNING
    return SUCCESS if run.succeeded else f"{run.conclusion} {run.id}"


def _run_of(change: Change[RunState], after: RunState, receipt: Receipt | None) -> WorkflowRun | None:
    """Return the run that the change has started: by its id, or else by its name among those that are new."""
    undoes = change.after.undone
    runs = after.undo_runs if undoes else after.runs
    known = receipt.facts.get("run") if receipt else None
    if known is not None:
        return next((run for run in runs if run.id == known), None)
    before = {run.id for run in (change.before.undo_runs if undoes else change.before.runs) if run.over}
    name = change.after.run + (_UNDO_SUFFIX if undoes else "")
    return _newest([run for run in runs if run.id not in before or run.succeeded], name)
