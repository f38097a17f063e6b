"""Switching a feature by an environment variable of a deployment on Convex.

Values may be secrets, so that no record holds one: only whether it is the one for on or for off. Convex offers no
version to write against, so the variable is read once more just before the write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import (
    Action,
    Change,
    Client,
    Fence,
    Finding,
    News,
    ParamProblem,
    Params,
    Receipt,
    State,
    Verdict,
)
from allclear.domain.errors import Conflict, Refused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle, Service
from allclear.vendors.convex import Convex
from tasks.convex.handles import ConvexHandle, backend_of
from tasks.convex.preflight import ConvexPreflight
from tasks.feature_flags import word
from tasks.permissions import CONVEX_DEPLOY
from tasks.service_params import ServiceParams
from tasks.switches import meant_switch, offered_switches, switched_news, switched_since, unknown_switch

DEADLINE = timedelta(seconds=30)


class VariableParams(ServiceParams):
    """Which service, which switch (by its name or by its feature), and to what."""

    variable: str = Field(default="", max_length=256, description="The variable, one of the service's switches.")
    feature: str = Field(default="", max_length=200, description="The feature, as `convex` names it.")
    to: Literal["on", "off"] = Field(default="off", description="`on` or `off`.")


class VariableState(State):
    """A variable that switches a feature; its value is not stored."""

    deployment: str
    variable: str
    on: bool

    @override
    def in_words(self) -> str:
        return word(enabled=self.on)


class SetEnvironment(Action[VariableParams, VariableState]):
    """Switches a feature of the backend, without a deployment."""

    name = "convex.set_environment"
    title = "Switch a feature by an environment variable (Convex)"
    usual_risk = "Everyone loses what is behind the switch, or gets it again. Every subscription is computed again."
    usual_undo = "Switches it back, unless it was switched in the meantime."
    params: ClassVar[type[Params]] = VariableParams
    state: ClassVar[type[State]] = VariableState
    needs: ClassVar[tuple[type[Client], ...]] = (Convex,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (ConvexPreflight,)
    handles: ClassVar[tuple[type[Handle], ...]] = (ConvexHandle,)
    permissions = (CONVEX_DEPLOY,)
    fence: ClassVar[Fence] = Fence.NONE
    chooses = "variable"
    leaves = "an environment variable switched"

    @classmethod
    @override
    def offers(cls, param: str, services: Mapping[str, Service]) -> list[str] | None:
        handles = [handle for service in services.values() if (handle := service.handle(ConvexHandle))]
        offered = offered_switches([handle.switches for handle in handles], param, "variable")
        return super().offers(param, services) if offered is None else offered

    @classmethod
    @override
    def check_params(cls, params: VariableParams, services: Mapping[str, Service]) -> Iterator[ParamProblem]:
        service = services.get(params.service)
        handle = service.handle(ConvexHandle) if service else None
        known, named = handle.switches if handle else {}, params.variable
        return unknown_switch(known, params.service, param="variable", named=named, noun="switch", key="convex")

    def variable(self, params: VariableParams) -> str:
        """Return the variable that is meant. Raises Refused with the switches that there are, ConfigError."""
        return meant_switch(
            backend_of(self.context, params.service).switches,
            params.service,
            named=params.variable,
            feature=params.feature,
            noun="switch",
            add="Add it under `convex.switches`.",
        )

    @override
    def resource(self, params: VariableParams) -> str:
        return f"variable:{backend_of(self.context, params.service).deployment}/{self.variable(params)}"

    @override
    async def observe(self, params: VariableParams) -> VariableState:
        handle, name = backend_of(self.context, params.service), self.variable(params)
        value = (await self.context.client(Convex).variables()).get(name)
        if value not in (handle.on, handle.off):
            found = "There is no" if value is None else f"Neither `{handle.on}` nor `{handle.off}` is the value of the"
            raise Refused(
                f"{found} environment variable {name} of {handle.deployment}.",
                "Correct `switches`, `on` and `off` under `convex` in systems.yaml, or set the variable by hand.",
            )
        return VariableState(deployment=handle.deployment, variable=name, on=value == handle.on)

    @override
    def plan(self, params: VariableParams, before: VariableState) -> Change[VariableState]:
        return self._change(params, before, on=params.to == "on")

    @override
    async def apply(self, params: VariableParams, change: Change[VariableState], key: str) -> Receipt:
        handle, convex, after = backend_of(self.context, params.service), self.context.client(Convex), change.after
        now = await self.observe(params)
        if now.on == after.on:
            return Receipt(facts={"write": "already"})
        if now.on != change.before.on:
            raise Conflict(f"The variable {after.variable} was switched meanwhile.", "Check it, and decide again.")
        await convex.set_variable(after.variable, handle.on if after.on else handle.off)
        return Receipt(facts={"write": "accepted"})

    @override
    def verify(self, change: Change[VariableState], after: VariableState, receipt: Receipt | None) -> Finding:
        verdict = Verdict.SUCCESS if after.on == change.after.on else Verdict.FAILURE
        return Finding(verdict=verdict, sentence=f"The variable {after.variable} is {after.in_words()}.")

    @override
    def news_of(self, done: Change[VariableState], now: VariableState) -> News | None:
        if now.on == done.after.on:
            return None
        return switched_news(f"The variable {now.variable}", now.in_words())

    @override
    def undo(self, params: VariableParams, done: Change[VariableState], now: VariableState) -> Change[VariableState]:
        if now.on != done.after.on:
            raise switched_since(f"The variable {now.variable}", now.in_words())
        return self._change(params, now, on=done.before.on)

    def _change(self, params: VariableParams, before: VariableState, *, on: bool) -> Change[VariableState]:
        feature = backend_of(self.context, params.service).switches.get(before.variable, "")
        behind = f" ({feature})" if feature else ""
        effect = "Everyone gets what is behind it again." if on else "Everyone loses what is behind it."
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Switch the variable {before.variable}{behind} of {before.deployment} {word(enabled=on)}.",
            before=before,
            after=before.model_copy(update={"on": on}),
            risk=f"{effect} Convex computes every subscription again. The functions must read the variable for that.",
            undo=f"Switches it {before.in_words()} again, unless it was switched in the meantime.",
            deadline=DEADLINE,
        )
