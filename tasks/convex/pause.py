"""Pausing a deployment on Convex, and letting it run again: no function runs meanwhile, and no data is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import (
    Action,
    Change,
    Client,
    Fence,
    Finding,
    News,
    Params,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.approval import ONE_PERSON, ONE_PERSON_WITH_REASON
from allclear.domain.errors import Refused, VendorRefused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle
from allclear.vendors.convex import PAUSED, RUNNING, UNKNOWN, Convex
from tasks.convex.handles import ConvexHandle, backend_of
from tasks.convex.preflight import ConvexPreflight
from tasks.permissions import CONVEX_DEPLOY
from tasks.service_params import ServiceParams

DEADLINE = timedelta(seconds=30)


class DeploymentState(State):
    """Whether a deployment runs, as Convex calls it: running, paused, disabled, suspended; or unknown."""

    deployment: str
    state: str

    @override
    def in_words(self) -> str:
        return self.state


class _Switch(Action[ServiceParams, DeploymentState]):
    """The base of pausing and letting it run again."""

    params: ClassVar[type[Params]] = ServiceParams
    state: ClassVar[type[State]] = DeploymentState
    needs: ClassVar[tuple[type[Client], ...]] = (Convex,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (ConvexPreflight,)
    handles: ClassVar[tuple[type[Handle], ...]] = (ConvexHandle,)
    permissions = (CONVEX_DEPLOY,)
    fence: ClassVar[Fence] = Fence.NONE
    to: ClassVar[str]

    @override
    def resource(self, params: ServiceParams) -> str:
        return f"deployment:{backend_of(self.context, params.service).deployment}"

    @override
    async def observe(self, params: ServiceParams) -> DeploymentState:
        deployment = backend_of(self.context, params.service).deployment
        return DeploymentState(deployment=deployment, state=await self.context.client(Convex).state())

    @override
    def plan(self, params: ServiceParams, before: DeploymentState) -> Change[DeploymentState]:
        return self.change(params, before, to=self.to)

    @override
    async def precheck(self, params: ServiceParams, change: Change[DeploymentState]) -> list[Refusal]:
        now = change.before
        if now.state in (RUNNING, PAUSED, UNKNOWN):
            return []
        sentence = f"Convex itself has {now.state} the deployment {now.deployment}, so it cannot be paused or unpaused."
        return [Refusal(sentence=sentence, next_step="Read why at dashboard.convex.dev, and ask Convex's support.")]

    @override
    async def apply(self, params: ServiceParams, change: Change[DeploymentState], key: str) -> Receipt:
        convex = self.context.client(Convex)
        if change.after.state == PAUSED:
            await convex.pause()
            return Receipt(facts={"write": "accepted"})
        try:
            await convex.unpause()
        except VendorRefused:
            if await convex.state() != RUNNING:
                raise
            return Receipt(facts={"write": "already"})  # Convex refuses to unpause what runs
        return Receipt(facts={"write": "accepted"})

    @override
    def verify(self, change: Change[DeploymentState], after: DeploymentState, receipt: Receipt | None) -> Finding:
        sentence = f"The deployment {after.deployment} is {after.state}."
        if after.state == UNKNOWN:
            sentence = f"Convex does not tell whether the deployment {after.deployment} is paused."
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence)
        verdict = Verdict.SUCCESS if after.state == change.after.state else Verdict.FAILURE
        return Finding(verdict=verdict, sentence=sentence, facts={"state": after.state})

    @override
    def undo(
        self, params: ServiceParams, done: Change[DeploymentState], now: DeploymentState
    ) -> Change[DeploymentState]:
        if now.state != done.after.state:
            raise Refused(f"The deployment {now.deployment} is {now.state} now.", "Find out who changed it, and why.")
        return self.change(params, now, to=RUNNING if done.after.state == PAUSED else PAUSED)

    def change(self, params: ServiceParams, before: DeploymentState, *, to: str) -> Change[DeploymentState]:
        """Return the change to that state, with the sentences for the approver."""
        pausing = to == PAUSED
        pause_risk = (
            f"Every call of {params.service} to its backend fails, for every user: nothing is read or written any more."
            " Scheduled jobs wait, and crons are skipped."
        )
        run_risk = "Users reach the backend again, and so does an attacker. All jobs that waited run at once."
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"{'Pause' if pausing else 'Unpause'} the deployment {before.deployment} of {params.service}.",
            before=before,
            after=before.model_copy(update={"state": to}),
            risk=pause_risk if pausing else run_risk,
            undo="Lets it run again; all jobs that waited run at once." if pausing else "Pauses it again.",
            deadline=DEADLINE,
        )


class PauseDeployment(_Switch):
    """Stops every function of a backend, and keeps all data."""

    name = "convex.pause"
    title = "Pause the backend (Convex)"
    usual_risk = "Every call to the backend fails for every user. Scheduled jobs wait, and crons are skipped."
    usual_undo = "Lets it run again; all jobs that waited run at once."
    approval = ONE_PERSON_WITH_REASON
    leaves = "backend paused"
    closes_service = True
    to = PAUSED

    @override
    def news_of(self, done: Change[DeploymentState], now: DeploymentState) -> News | None:
        if now.state in (done.after.state, UNKNOWN):
            return None
        return News(
            key=f"state:{now.state}", sentence=f"The deployment {now.deployment} is {now.state} now.", moved=True
        )


class UnpauseDeployment(_Switch):
    """Lets a backend run again."""

    name = "convex.unpause"
    title = "Unpause the backend (Convex)"
    usual_risk = "Users reach the backend again, and so does an attacker. All jobs that waited run at once."
    usual_undo = "Pauses it again."
    approval = ONE_PERSON
    reverses = "convex.pause"
    to = RUNNING
