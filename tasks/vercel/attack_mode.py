"""Vercel's attack mode: every visitor of a project is challenged, for a number of hours, and then no longer.

Vercel ends it by itself at the time that the write names, so an attack mode that everyone forgets does not stay on.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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
    Params,
    Receipt,
    State,
    Verdict,
)
from allclear.domain.approval import ONE_PERSON, ONE_PERSON_WITH_REASON
from allclear.domain.base import utc_now
from allclear.domain.durations import counted
from allclear.domain.errors import Refused
from allclear.domain.local_times import stamp
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle
from allclear.vendors.vercel import Vercel, VercelHandle
from allclear.vendors.vercel_firewall import Firewall
from tasks.permissions import VERCEL_FIREWALL
from tasks.service_params import ServiceParams
from tasks.vercel.handles import hosting_of
from tasks.vercel.preflight import VercelPreflight

DEADLINE = timedelta(seconds=30)


class AttackModeParams(ServiceParams):
    """Which service, and for how long."""

    hours: Literal[1, 6, 24] = Field(default=1, description="After how many hours Vercel ends it: 1, 6 or 24.")


class AttackModeState(State):
    """Whether a project's visitors are challenged."""

    incidental: ClassVar[frozenset[str]] = frozenset({"until"})

    project: str
    on: bool
    hours: int = 0
    """For how long a change switches it on; 0 in a state that was read."""
    until: datetime | None = None
    """When Vercel ends it."""

    @override
    def in_words(self) -> str:
        if not self.on:
            return "attack mode off"
        if self.hours:
            return f"attack mode on for {counted(self.hours, 'hour')}"
        return f"attack mode on until {stamp(self.until, UTC)}" if self.until else "attack mode on without an end"


class _AttackMode(Action[ServiceParams, AttackModeState]):
    """The base of switching it on and off."""

    params: ClassVar[type[Params]] = ServiceParams
    state: ClassVar[type[State]] = AttackModeState
    needs: ClassVar[tuple[type[Client], ...]] = (Vercel,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (VercelPreflight,)
    handles: ClassVar[tuple[type[Handle], ...]] = (VercelHandle,)
    fence: ClassVar[Fence] = Fence.NONE

    def handle(self, params: ServiceParams) -> VercelHandle:
        """Return the service's project and domain. Raises ConfigError if systems.yaml has none."""
        return hosting_of(self.context, params.service)

    @override
    def resource(self, params: ServiceParams) -> str:
        return f"attack-mode:{self.handle(params).project}"

    @override
    async def observe(self, params: ServiceParams) -> AttackModeState:
        project = await self.context.client(Vercel).project(self.handle(params).project)
        return AttackModeState(project=project.name, on=project.attack_mode.on, until=project.attack_mode.until)

    @override
    async def apply(self, params: ServiceParams, change: Change[AttackModeState], key: str) -> Receipt:
        vercel, after = self.context.client(Vercel), change.after
        project = await vercel.project(self.handle(params).project)
        until = utc_now() + timedelta(hours=after.hours) if after.on else None
        await Firewall(vercel).attack_mode(project.id, until)
        return Receipt(facts={"until": until.isoformat() if until else None})

    @override
    def verify(self, change: Change[AttackModeState], after: AttackModeState, receipt: Receipt | None) -> Finding:
        facts = {"on": after.on, "until": after.until.isoformat() if after.until else None}
        sentence = f"{after.project} has {after.in_words()}."
        if after.on != change.after.on:
            return Finding(verdict=Verdict.FAILURE, sentence=sentence, facts=facts)
        if after.on and after.until is None:
            sentence += " Vercel shows no end: end it by hand."
        return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=facts)

    @override
    def target_reached(self, change: Change[AttackModeState], now: AttackModeState) -> bool:
        return now.on == change.after.on

    def switched(self, params: ServiceParams, before: AttackModeState, *, hours: int) -> Change[AttackModeState]:
        """Return the change that switches it on for that many hours; off with 0."""
        after = AttackModeState(project=before.project, on=hours > 0, hours=hours)
        domain = self.handle(params).domain
        wanted = f"on for {counted(hours, 'hour')}" if hours else "off"
        on = (
            f"Every visitor of every domain of {before.project} must pass a challenge, which only a browser can:"
            " API clients, webhooks that other services send here, and monitoring are turned away, our own probes of"
            f" {domain} included. Search engines may be too."
        )
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Switch attack mode of {before.project} {wanted}.",
            before=before,
            after=after,
            risk=on if hours else f"Visitors of {before.project} are no longer challenged, and neither is an attacker.",
            undo="Switches it off. Without that, Vercel ends it by itself."
            if hours
            else "Cannot be undone: start attack mode again, behind its own approval.",
            deadline=DEADLINE,
        )


class StartAttackMode(_AttackMode):
    """Challenges every visitor of a project, for a number of hours."""

    name = "vercel.attack_mode"
    title = "Challenge every visitor (Vercel's attack mode)"
    permissions = (VERCEL_FIREWALL,)
    usual_risk = "Every visitor is challenged; programs, such as API clients and webhooks, cannot pass."
    usual_undo = "Switches it off. Without that, Vercel ends it at the time that was named."
    params = AttackModeParams
    approval = ONE_PERSON_WITH_REASON
    leaves = "attack mode on"

    @override
    def review_after(self, params: ServiceParams) -> timedelta:
        return timedelta(hours=_hours(params))

    @override
    def plan(self, params: ServiceParams, before: AttackModeState) -> Change[AttackModeState]:
        return self.switched(params, before, hours=_hours(params))

    @override
    def news_of(self, done: Change[AttackModeState], now: AttackModeState) -> News | None:
        if now.on:
            return None
        sentence = f"Attack mode of {now.project} is off: Vercel has ended it, or a person has."
        return News(key="attack-mode:off", sentence=sentence, moved=True)

    @override
    def undo(
        self, params: ServiceParams, done: Change[AttackModeState], now: AttackModeState
    ) -> Change[AttackModeState]:
        if not now.on:
            raise Refused(f"Attack mode of {now.project} is off already.", "Nothing is left of this change to undo.")
        return self.switched(params, now, hours=0)


class EndAttackMode(_AttackMode):
    """Lets every visitor of a project in without a challenge."""

    name = "vercel.end_attack_mode"
    title = "End Vercel's attack mode"
    permissions = (VERCEL_FIREWALL,)
    usual_risk = "Visitors are no longer challenged, and neither is an attacker."
    usual_undo = "It cannot be undone: start attack mode again, behind its own approval."
    approval = ONE_PERSON
    reverses = "vercel.attack_mode"

    @override
    def plan(self, params: ServiceParams, before: AttackModeState) -> Change[AttackModeState]:
        return self.switched(params, before, hours=0)

    @override
    def undo(
        self, params: ServiceParams, done: Change[AttackModeState], now: AttackModeState
    ) -> Change[AttackModeState]:
        raise Refused(
            f"Attack mode of {now.project} is not switched on again by an undo, because it turns away API clients.",
            "If the attack goes on, start `vercel.attack_mode`, which says so to the person who approves.",
        )


def _hours(params: ServiceParams) -> int:
    return params.hours if isinstance(params, AttackModeParams) else 1
