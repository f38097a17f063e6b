"""The actions and the probe of Vercel: rolling back to an earlier deployment, promoting one, listing them.

A rollback pins the production domains: later deployments do not get them until one is promoted. The ledger holds that.
Vercel offers no version to write against, so what serves is read once more just before the write.
"""

from __future__ import annotations

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
    News,
    Params,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.errors import AllclearError, Conflict, Refused
from allclear.domain.preflight import Preflight
from allclear.domain.probe import Probe
from allclear.domain.systems import Handle
from allclear.vendors.vercel import Deployment, Vercel, VercelHandle
from tasks.permissions import VERCEL_DEPLOY
from tasks.service_params import ServiceParams
from tasks.vercel.handles import hosting_of
from tasks.vercel.preflight import VercelPreflight
from tasks.vercel.state import (
    HostingState,
    choose_named,
    choose_newest,
    choose_previous,
    goes_back,
    is_newer,
    name_of,
    outcome_of,
    passed_over,
    read_hosting,
    read_serving,
    unfit,
)

PREVIOUS = "previous"
LATEST = "latest"
DEADLINE = timedelta(minutes=3)
"""As long as Vercel's own command line waits for a rollback."""
_REASON = "allclear"
_TRAVELS = (
    "What was built in goes back with the build: environment variables, cron jobs, routes, redirects, and flags whose"
    " values were built in. The database, Vercel's flags, its Global Config and its firewall stay."
)
"""Source: vercel.com/docs/instant-rollback, 2026-07; and that flags and Global Config are read at run time."""


class RollBackParams(ServiceParams):
    """Which service, and to which deployment."""

    to: str = Field(default=PREVIOUS, description="A deployment's id (dpl_...), or `previous`.")


class PromoteParams(ServiceParams):
    """Which service, and which deployment."""

    to: str = Field(default=LATEST, description="A deployment's id (dpl_...), or `latest`.")


class _DomainAction(Action[ServiceParams, HostingState]):
    """The base of rolling back and promoting."""

    params: ClassVar[type[Params]] = ServiceParams
    state: ClassVar[type[State]] = HostingState
    needs: ClassVar[tuple[type[Client], ...]] = (Vercel,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (VercelPreflight,)
    handles: ClassVar[tuple[type[Handle], ...]] = (VercelHandle,)
    fence: ClassVar[Fence] = Fence.NONE

    @property
    def vercel(self) -> Vercel:
        """Return the client."""
        return self.context.client(Vercel)

    def handle(self, params: ServiceParams) -> VercelHandle:
        """Return the service's project and domain. Raises ConfigError if systems.yaml has none."""
        return hosting_of(self.context, params.service)

    @override
    def resource(self, params: ServiceParams) -> str:
        handle = self.handle(params)
        return f"domain:{handle.project}/{handle.domain}"

    @override
    async def observe(self, params: ServiceParams) -> HostingState:
        to = params.to if isinstance(params, RollBackParams | PromoteParams) else ""
        return await read_hosting(self.vercel, self.handle(params), to if to not in {PREVIOUS, LATEST} else "")

    @override
    async def observe_result(self, params: ServiceParams) -> HostingState:
        return await read_serving(self.vercel, self.handle(params))

    @override
    async def observe_left(self, params: ServiceParams) -> HostingState:
        return await self.observe(params)

    @override
    async def precheck(self, params: ServiceParams, change: Change[HostingState]) -> list[Refusal]:
        now, refusals = change.before, list[Refusal]()
        if now.job and now.job.running:
            refusals.append(
                Refusal(
                    sentence=f"Vercel is carrying out another {now.job.kind} of {now.domain} now.",
                    next_step="It is waited for. If it does not end, find out who requested it, and propose again.",
                    passes=True,
                )
            )
        fault = unfit(now.find(change.after.serving), back=goes_back(now, change.after.serving))
        if fault:
            refusals.append(
                Refusal(sentence=f"{change.after.serving} cannot serve: {fault}.", next_step="Name another deployment.")
            )
        return refusals

    @override
    async def apply(self, params: ServiceParams, change: Change[HostingState], key: str) -> Receipt:
        before, target = change.before, change.after
        if before.serving == target.serving:
            return Receipt(facts={"write": "already"})
        serves = await self.vercel.serving(before.domain, before.project)
        if serves != before.serving:
            raise Conflict(
                f"{before.domain} now points to {serves}, not to {before.serving}.",
                "Check what serves now, and decide again.",
            )
        # After a conflict or an interruption only what serves was read again, not the deployments' ages.
        known = before if before.find(before.serving) and before.find(target.serving) else await self.observe(params)
        if goes_back(known, target.serving):
            await self.vercel.roll_back(before.project, target.serving, f"{_REASON} {key}")
        else:
            await self.vercel.promote(before.project, target.serving)
        return Receipt(facts={"write": "accepted"})

    @override
    def verify(self, change: Change[HostingState], after: HostingState, receipt: Receipt | None) -> Finding:
        wanted, job = change.after.serving, after.job
        facts = {"wanted": wanted, "serving": after.serving, "job": job.status if job else None}

        def finding(verdict: Verdict, sentence: str, *, final: bool = False) -> Finding:
            return Finding(verdict=verdict, sentence=sentence, facts=facts, final=final)

        if job and job.running and job.to == wanted:
            return finding(Verdict.INCONCLUSIVE, f"Vercel is still pointing {after.domain} to {wanted}.")
        if after.serving == wanted:
            return finding(Verdict.SUCCESS, f"{after.domain} is served by {_address(change, wanted)}.")
        ours = job if job and job.to == wanted and is_newer(job, change.before.job) else None
        if ours and ours.status in ("failed", "skipped"):
            serves = f"{after.domain} still points to {_address(change, after.serving)}"
            return finding(
                Verdict.FAILURE, f"Vercel's {ours.kind} to {wanted} {outcome_of(ours)}. {serves}.", final=True
            )
        return finding(Verdict.INCONCLUSIVE, f"{after.domain} still points to {_address(change, after.serving)}.")

    @override
    def target_reached(self, change: Change[HostingState], now: HostingState) -> bool:
        # A job under way counts: after a crash there is nothing to request again, only to verify.
        wanted = change.after.serving
        if now.job and now.job.running:
            return now.job.to == wanted
        return now.serving == wanted

    @override
    def news_of(self, done: Change[HostingState], now: HostingState) -> News | None:
        if now.serving != done.after.serving:
            last = f" It was last changed {now.last_changed()}." if now.last_changed() else ""
            sentence = f"{now.domain} was pointed to {now.shown} since.{last}"
            return News(key=f"moved:{now.serving}", sentence=sentence, moved=True)
        newest = now.deployments[0] if now.deployments else None
        pinned_at = done.before.deployments[0].created if done.before.deployments else None
        if newest is None or pinned_at is None or newest.created <= pinned_at or newest.id == now.serving:
            return None
        sentence = f"{name_of(newest)} was deployed and gets no users, because {now.domain} is pinned to {now.shown}."
        return News(key=f"deployed:{newest.id}", sentence=sentence)

    def change(
        self, params: ServiceParams, before: HostingState, target: Deployment, *, summary: str, risk: str, undo: str
    ) -> Change[HostingState]:
        """Return the change to `target`, with the sentences for the approver."""
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=summary,
            before=before,
            after=before.pointing(target),
            risk=risk,
            undo=undo,
            deadline=DEADLINE,
        )


class RollBack(_DomainAction):
    """Sends all users of a service to an earlier deployment, without building anything."""

    name = "vercel.rollback"
    title = "Roll back to an earlier deployment"
    permissions = (VERCEL_DEPLOY,)
    usual_risk = (
        "Users get an older build, with the environment variables, cron jobs and routes that were built in. "
        "Later deployments get no users until one is promoted."
    )
    usual_undo = "Promotes the newest deployment, once a fix is deployed."
    params = RollBackParams
    leaves = "production pinned to a deployment"

    @override
    def plan(self, params: ServiceParams, before: HostingState) -> Change[HostingState]:
        to = params.to if isinstance(params, RollBackParams) else PREVIOUS
        target, reason = (
            choose_previous(before) if to == PREVIOUS else (choose_named(before, to), f"{to} was requested by name.")
        )
        return self.change(
            params,
            before,
            target,
            summary=f"Point {before.domain} from {before.shown} to {name_of(target)}, which served before.",
            risk=f"{reason} Later deployments get no users until one is promoted. {_TRAVELS}",
            undo="Promotes the newest deployment, once a fix is deployed.",
        )

    @override
    async def precheck(self, params: ServiceParams, change: Change[HostingState]) -> list[Refusal]:
        refusals, now = await super().precheck(params, change), change.before
        named = isinstance(params, RollBackParams) and params.to != PREVIOUS
        moves = change.after.serving != now.serving
        if moves and not named and goes_back(change.before, change.after.serving) and (ahead := passed_over(now)):
            refusals.append(
                Refusal(
                    sentence=f"{params.service} seems to be rolled back already{_by(now)}: {now.in_words()}, and the"
                    f" newer {name_of(ahead)} has served.",
                    next_step=f"To go back further, name the deployment: allclear act {COMPANY} {self.name}"
                    f" service={params.service} to=DEPLOYMENT --reason WHY --as NAME",
                )
            )
        return refusals

    @override
    def undo(self, params: ServiceParams, done: Change[HostingState], now: HostingState) -> Change[HostingState]:
        if now.serving != done.after.serving:
            raise Refused(
                f"{now.domain} was pointed to {now.shown} since then.",
                f"Find out who did it{_by(now)} and why. Nothing is left of this rollback.",
            )
        newest = choose_newest(now)
        if newest.id == done.before.serving:
            raise Refused(
                f"{name_of(newest)} is still the newest deployment: undo would send users back to the deployment that"
                " was rolled back.",
                "Deploy the fix first, then undo. To send users to it all the same: allclear act"
                f" {COMPANY} {Promote.name} service={params.service} to={newest.id} --reason WHY --as NAME",
            )
        return _promotion(self, params, now, newest)


class Promote(_DomainAction):
    """Sends all users of a service to a deployment, and to each later one."""

    name = "vercel.promote"
    title = "Promote a deployment"
    permissions = (VERCEL_DEPLOY,)
    usual_risk = "Users get this deployment, and then each later one."
    usual_undo = "Points the domain back to the deployment that served before."
    params = PromoteParams
    reverses = "vercel.rollback"

    @override
    def plan(self, params: ServiceParams, before: HostingState) -> Change[HostingState]:
        to = params.to if isinstance(params, PromoteParams) else LATEST
        return _promotion(self, params, before, choose_newest(before) if to == LATEST else choose_named(before, to))

    @override
    def undo(self, params: ServiceParams, done: Change[HostingState], now: HostingState) -> Change[HostingState]:
        if now.serving != done.after.serving:
            raise Refused(f"{now.domain} was pointed to {now.shown} since then.", "Find out who did it and why.")
        return self.change(
            params,
            now,
            choose_named(now, done.before.serving),
            summary=f"Point {now.domain} from {now.shown} back to {done.before.shown}.",
            risk="Production is pinned again: later deployments get no users.",
            undo="Promotes the newest deployment again.",
        )


class Deployments(Probe[ServiceParams]):
    """Reports which deployment serves, and which one a rollback would choose."""

    name = "vercel.deployments"
    title = "List the deployments"
    permissions = (VERCEL_DEPLOY,)
    params = ServiceParams
    needs = (Vercel,)
    preflights = (VercelPreflight,)
    handles = (VercelHandle,)

    @override
    async def check(self, params: ServiceParams) -> Finding:
        try:
            handle = hosting_of(self.context, params.service)
            state = await read_hosting(self.context.client(Vercel), handle)
        except AllclearError as error:
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=error.message)
        facts = state.model_dump(mode="json", include={"domain", "serving", "url", "job"})
        facts["deployments"] = [deployment.model_dump(mode="json") for deployment in state.deployments[:10]]
        try:
            target, _ = choose_previous(state)
            facts["previous"], previous = target.id, f"Before it {name_of(target)} served."
        except Refused as error:
            facts["previous"], previous = None, error.message
        return Finding(verdict=Verdict.SUCCESS, sentence=f"{state.in_words()}. {previous}", facts=facts)


def _address(change: Change[HostingState], deployment: str) -> str:
    """Return the address of a deployment that the change knows, or else its id."""
    states = (change.after, change.before)
    return next((state.url for state in states if state.serving == deployment and state.url), deployment)


def _by(now: HostingState) -> str:
    return f" ({now.last_changed()})" if now.last_changed() else ""


def _promotion(
    action: _DomainAction, params: ServiceParams, now: HostingState, target: Deployment
) -> Change[HostingState]:
    return action.change(
        params,
        now,
        target,
        summary=f"Point {now.domain} from {now.shown} to {name_of(target)}.",
        risk=f"Users get {name_of(target)}, and then each later deployment.",
        undo=f"Points {now.domain} back to {now.shown}.",
    )
