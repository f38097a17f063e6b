"""Switching a feature flag of Vercel off for everyone in production, and letting its rules decide again.

The write names the version that was read (ETag and If-Match), so it cannot overwrite another person's change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import ClassVar

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
from allclear.domain.base import JsonDict
from allclear.domain.errors import Refused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle, Service
from allclear.vendors.vercel import Vercel, VercelHandle
from allclear.vendors.vercel_flags import PRODUCTION, Flag, Flags, outcome_of, reused_by
from tasks.permissions import VERCEL_SWITCHES
from tasks.service_params import ServiceParams, handle_of
from tasks.switches import meant_switch, offered_switches, unknown_switch
from tasks.vercel.handles import VercelFlagsHandle, hosting_of
from tasks.vercel.preflight import VercelPreflight

DEADLINE = timedelta(seconds=15)
_BY_HAND = "Switch it in the project's Flags at vercel.com, or name another flag."


class VercelFlagParams(ServiceParams):
    """Which service, and which flag: by its name, or by the feature that it switches."""

    flag: str = Field(default="", max_length=200, description="The flag's slug, one of the service's `vercel_flags`.")
    feature: str = Field(default="", max_length=200, description="The feature, as `vercel_flags` names it.")


class VercelFlagState(State):
    """A flag's production environment."""

    incidental: ClassVar[frozenset[str]] = frozenset({"environment", "etag", "variants"})

    flag: str
    active: bool
    """Whether its rules decide; if not, everyone gets `paused`."""
    paused: str
    """The id of the variant that everyone gets while it is not active."""
    off: str
    """The id of the variant `false`."""
    environment: JsonDict = {}
    etag: str = ""

    @property
    def is_off(self) -> bool:
        """Return whether everyone gets `false`."""
        return not self.active and self.paused == self.off

    @override
    def in_words(self) -> str:
        if self.active:
            return "on (its rules decide)"
        return "off for everyone" if self.is_off else "paused, and not off"

    @override
    def fence_token(self) -> str:
        return self.etag


class _SwitchFlag(Action[VercelFlagParams, VercelFlagState]):
    """The base of switching off and on."""

    params: ClassVar[type[Params]] = VercelFlagParams
    state: ClassVar[type[State]] = VercelFlagState
    needs: ClassVar[tuple[type[Client], ...]] = (Vercel,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (VercelPreflight,)
    handles: ClassVar[tuple[type[Handle], ...]] = (VercelHandle, VercelFlagsHandle)
    fence: ClassVar[Fence] = Fence.VERSION
    chooses: ClassVar[str] = "flag"

    @classmethod
    @override
    def offers(cls, param: str, services: Mapping[str, Service]) -> list[str] | None:
        handles = [handle for service in services.values() if (handle := service.handle(VercelFlagsHandle))]
        offered = offered_switches([handle.root for handle in handles], param, "flag")
        return super().offers(param, services) if offered is None else offered

    @classmethod
    @override
    def check_params(cls, params: VercelFlagParams, services: Mapping[str, Service]) -> Iterator[ParamProblem]:
        service = services.get(params.service)
        handle = service.handle(VercelFlagsHandle) if service else None
        known = handle.root if handle else {}
        return unknown_switch(known, params.service, param="flag", named=params.flag, noun="flag", key="vercel_flags")

    def slug(self, params: VercelFlagParams) -> str:
        """Return the flag that is meant. Raises Refused with the flags that there are, and ConfigError."""
        next_step = "Add its flags there, each with the feature that it switches."
        flags = handle_of(self.context, params.service, VercelFlagsHandle, next_step).root
        return meant_switch(
            flags, params.service, named=params.flag, feature=params.feature, noun="flag", add=next_step
        )

    def project(self, params: VercelFlagParams) -> str:
        """Return the project's name or id. Raises ConfigError if systems.yaml has none."""
        return hosting_of(self.context, params.service).project

    @override
    def resource(self, params: VercelFlagParams) -> str:
        return f"flag:{self.project(params)}/{self.slug(params)}"

    @override
    async def observe(self, params: VercelFlagParams) -> VercelFlagState:
        slug = self.slug(params)
        return _state(await Flags(self.context.client(Vercel)).flag(self.project(params), slug))

    @override
    async def apply(self, params: VercelFlagParams, change: Change[VercelFlagState], key: str) -> Receipt:
        before, after = change.before, change.after
        environment: JsonDict = {**before.environment, "active": after.active}
        if after.paused:
            environment["pausedOutcome"] = {"type": "variant", "variantId": after.paused}
        flags = Flags(self.context.client(Vercel))
        await flags.write(self.project(params), after.flag, environment, before.etag, f"allclear {key}")
        return Receipt(facts={"write": "accepted"})

    @override
    def verify(self, change: Change[VercelFlagState], after: VercelFlagState, receipt: Receipt | None) -> Finding:
        good = after.matters() == change.after.matters()
        verdict = Verdict.SUCCESS if good else Verdict.FAILURE
        return Finding(verdict=verdict, sentence=f"The flag {after.flag} is {after.in_words()}.")

    @override
    def news_of(self, done: Change[VercelFlagState], now: VercelFlagState) -> News | None:
        if now.matters() == done.after.matters():
            return None
        sentence = f"The flag {now.flag} was changed since: it is {now.in_words()}."
        return News(key=f"switched:{now.in_words()}", sentence=sentence, moved=True)

    @override
    def undo(
        self, params: VercelFlagParams, done: Change[VercelFlagState], now: VercelFlagState
    ) -> Change[VercelFlagState]:
        if now.matters() != done.after.matters():
            raise Refused(
                f"The flag {now.flag} was changed since then: it is {now.in_words()}.",
                "Find out who did it and why. Then switch it by hand, or leave it.",
            )
        was = done.before
        return self.change(params, now, active=was.active, paused=was.paused or now.paused)

    def change(
        self, params: VercelFlagParams, before: VercelFlagState, *, active: bool, paused: str
    ) -> Change[VercelFlagState]:
        """Return the change of what the flag gives in production, with the sentences for the approver."""
        after = before.model_copy(update={"active": active, "paused": paused})
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Switch the flag {before.flag} in production from {before.in_words()} to {after.in_words()}.",
            before=before,
            after=after,
            risk="Everyone in production loses what is behind it, also those whom a rule lets in."
            if after.is_off
            else "Its rules decide again who gets what is behind it.",
            undo=f"Makes it {before.in_words()} again, unless it was changed in the meantime; rules that were edited"
            " meanwhile are kept.",
            deadline=DEADLINE,
        )


class DisableVercelFlag(_SwitchFlag):
    """Switches a feature flag off for everyone in production."""

    name = "vercel.disable_flag"
    title = "Switch a feature flag off (Vercel)"
    permissions = (VERCEL_SWITCHES,)
    usual_risk = "Everyone in production loses what is behind the flag, also those whom a rule lets in."
    usual_undo = "Lets the flag's rules decide again, unless it was changed in the meantime."
    leaves = "a feature flag off"

    @override
    def plan(self, params: VercelFlagParams, before: VercelFlagState) -> Change[VercelFlagState]:
        return self.change(params, before, active=False, paused=before.off)


class EnableVercelFlag(_SwitchFlag):
    """Lets the rules of a feature flag decide again in production."""

    name = "vercel.enable_flag"
    title = "Switch a feature flag on (Vercel)"
    permissions = (VERCEL_SWITCHES,)
    usual_risk = "The flag's rules decide again who gets what is behind it."
    usual_undo = "Switches it off for everyone again, unless it was changed in the meantime."
    reverses = "vercel.disable_flag"

    @override
    def plan(self, params: VercelFlagParams, before: VercelFlagState) -> Change[VercelFlagState]:
        return self.change(params, before, active=True, paused=before.paused)


def _state(flag: Flag) -> VercelFlagState:
    """Return the state of a flag. Raises Refused for one that cannot be switched off and on."""
    environment = flag.environments.get(PRODUCTION)
    off = next((variant.id for variant in flag.variants if variant.value is False), "")
    if flag.state == "archived":
        raise Refused(f"The flag {flag.slug} is archived, so Vercel changes it no more.", _BY_HAND)
    if flag.kind != "boolean" or not off:
        raise Refused(f"The flag {flag.slug} is a {flag.kind} and has no value `false`.", _BY_HAND)
    if environment is None:
        raise Refused(f"The flag {flag.slug} has no environment `{PRODUCTION}`.", _BY_HAND)
    if other := reused_by(environment):
        raise Refused(f"The flag {flag.slug} takes in production what {other} has.", _BY_HAND)
    return VercelFlagState(
        flag=flag.slug,
        active=environment.get("active") is True,
        paused=outcome_of(environment),
        off=off,
        environment=environment,
        etag=flag.etag,
    )
