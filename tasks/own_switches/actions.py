"""Setting a switch of the company's own, which systems.yaml declares, and setting it back to normal.

No version is compared, so the switch is read once more just before the write, and after a lost answer it is only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    ParamProblem,
    Params,
    Receipt,
    State,
    Verdict,
)
from allclear.domain.approval import ONE_PERSON, ONE_PERSON_WITH_REASON
from allclear.domain.base import Candidate, digest
from allclear.domain.errors import Conflict, Refused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle, Service
from allclear.vendors.own_systems import OwnSystems
from tasks.own_switches.handle import Look, OwnSwitch, SwitchesHandle
from tasks.own_switches.preflight import OwnSystemsPreflight
from tasks.permissions import OWN_SYSTEMS
from tasks.service_params import ServiceParams, handle_of


class SwitchParams(ServiceParams):
    """Which switch of which service."""

    switch: str = Field(min_length=1, max_length=63, description="Its short name, one of the service's `switches`.")


class SetSwitchParams(SwitchParams):
    """Which switch of which service, and where to."""

    to: str = Field(min_length=1, max_length=63, description="The position to set it to; not the normal one.")


class SwitchState(State):
    """Where a switch stands."""

    incidental: ClassVar[frozenset[str]] = frozenset({"proven"})

    service: str
    switch: str
    declared: str = ""
    """A hash of the switch in systems.yaml: an approval covers the requests, too."""
    position: str = ""
    """Empty if it shows a value that is none of its positions, as in the middle of a change."""
    proven: str = ""
    """The position that shows where the effect is proven; the same as `position` if nothing else proves it."""

    @override
    def in_words(self) -> str:
        return self.position or "in none of its positions"


class _Switching(Action[SwitchParams, SwitchState]):
    """The base of setting a switch and of setting it back."""

    params: ClassVar[type[Params]] = SwitchParams
    state: ClassVar[type[State]] = SwitchState
    needs: ClassVar[tuple[type[Client], ...]] = (OwnSystems,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (OwnSystemsPreflight,)
    handles: ClassVar[tuple[type[Handle], ...]] = (SwitchesHandle,)
    fence: ClassVar[Fence] = Fence.NONE
    permissions = (OWN_SYSTEMS,)

    @property
    def systems(self) -> OwnSystems:
        """Return the client."""
        return self.context.client(OwnSystems)

    def switch(self, params: SwitchParams) -> OwnSwitch:
        """Return the switch that is meant. Raises NotFound, ConfigError, Refused."""
        known = handle_of(self.context, params.service, SwitchesHandle, "Declare the switch there.").root
        if params.switch not in known:
            raise Refused(
                f"No switch of {params.service} is called {params.switch}.",
                f"Name one of: {', '.join(known)}.",
                tuple(Candidate(name=name, reason=switch.title) for name, switch in known.items()),
            )
        return known[params.switch]

    @classmethod
    @override
    def offers(cls, param: str, services: Mapping[str, Service]) -> list[str] | None:
        switches = [(name, one) for service in services.values() for name, one in _switches(service).items()]
        if param == "switch":
            return sorted({name for name, _ in switches})
        if param == "to":
            return sorted({position for _, one in switches for position in one.positions if position != one.normal})
        return super().offers(param, services)

    @classmethod
    @override
    def check_params(cls, params: SwitchParams, services: Mapping[str, Service]) -> Iterator[ParamProblem]:
        service = services.get(params.service)
        known = _switches(service) if service else {}
        switch = known.get(params.switch)
        if service is not None and switch is None:
            sentence = f"The service {params.service} has no switch `{params.switch}` in systems.yaml."
            yield ParamProblem(param="switch", sentence=sentence, known=tuple(known))
        if switch is not None and isinstance(params, SetSwitchParams) and params.to not in _settable(switch):
            sentence = f"`{params.to}` is not a position to which {params.switch} is set in an incident."
            yield ParamProblem(param="to", sentence=sentence, known=tuple(_settable(switch)))

    @override
    def review_after(self, params: SwitchParams) -> timedelta | None:
        return self.switch(params).review_after

    @override
    def resource(self, params: SwitchParams) -> str:
        return f"switch:{params.service}/{params.switch}"

    @override
    async def observe(self, params: SwitchParams) -> SwitchState:
        switch = self.switch(params)
        position = switch.position_of(await self._value(switch.look, f"read the switch {params.switch}"))
        proven = position
        if switch.proof:
            value = await self._value(switch.proof, f"read what proves the switch {params.switch}")
            proven = switch.position_of(value, switch.proof.positions)
        declared = digest(switch.model_dump(mode="json", by_alias=True))[:16]
        return SwitchState(
            service=params.service, switch=params.switch, declared=declared, position=position, proven=proven
        )

    async def _value(self, look: Look, purpose: str) -> object:
        return await self.systems.value(look.host or "", look.path, look.at, purpose)

    @override
    async def apply(self, params: SwitchParams, change: Change[SwitchState], key: str) -> Receipt:
        switch, to = self.switch(params), change.after.position
        now = switch.position_of(await self._value(switch.look, f"read the switch {params.switch}"))
        if now == to:
            return Receipt(facts={"write": "already"})
        if now != change.before.position:
            shown = now or "in none of its positions"
            raise Conflict(
                f"The switch {params.switch} is {shown} now: another writer has set it.",
                "Check how it is now, and decide again.",
            )
        write, path, body = switch.write_to(to)
        purpose = f"set the switch {params.switch} to {to}"
        await self.systems.write(write.host or "", write.method, path, json=body, purpose=purpose, key=key)
        return Receipt(facts={"write": "accepted"})

    @override
    def verify(self, change: Change[SwitchState], after: SwitchState, receipt: Receipt | None) -> Finding:
        wanted, facts = change.after.position, {"position": after.position, "proven": after.proven}
        if after.position == wanted and after.proven == wanted:
            sentence = f"The switch {after.switch} of {after.service} is {wanted}."
            return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=facts)
        sentence = f"The switch {after.switch} of {after.service} is {after.in_words()}, not {wanted}."
        if after.position == wanted:
            shown = after.proven or "none of its positions"
            sentence = f"The switch {after.switch} is {wanted}, and what proves its effect still shows {shown}."
        # A system may take a while to show what it has accepted: the deadline decides.
        unchanged = after.position == change.before.position
        verdict = Verdict.FAILURE if unchanged else Verdict.INCONCLUSIVE
        return Finding(verdict=verdict, sentence=sentence, facts=facts)

    @override
    def target_reached(self, change: Change[SwitchState], now: SwitchState) -> bool:
        return now.position == now.proven == change.after.position

    @override
    def news_of(self, done: Change[SwitchState], now: SwitchState) -> News | None:
        if now.position in ("", done.after.position):
            return None
        sentence = f"The switch {now.switch} of {now.service} was set to {now.position} since."
        return News(key=f"switched:{now.position}", sentence=sentence, moved=True)

    @override
    def undo(self, params: SwitchParams, done: Change[SwitchState], now: SwitchState) -> Change[SwitchState]:
        if now.position != done.after.position:
            raise Refused(
                f"The switch {now.switch} is {now.in_words()} since then.",
                "Find out who did it and why. Then set it by hand, or leave it.",
            )
        if done.before.position not in self.switch(params).positions:
            raise Refused(
                f"The switch {params.switch} was {done.before.position} before, and systems.yaml has no such position"
                " any more.",
                "Set it by hand in its own system, or add the position to systems.yaml again.",
            )
        return self.change(params, now, done.before.position)

    def change(self, params: SwitchParams, before: SwitchState, to: str) -> Change[SwitchState]:
        """Return the change to a position. Raises Refused if the switch stands where systems.yaml does not know it."""
        switch = self.switch(params)
        if not before.position:
            raise Refused(
                f"The switch {params.switch} shows a value that is none of its positions:"
                f" {', '.join(switch.positions)}.",
                "Correct `positions` of the switch in systems.yaml, or set it by hand in its own system.",
            )
        after = before.model_copy(update={"position": to, "proven": to})
        normal = to == switch.normal
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Set {switch.title} of {params.service} ({params.switch}) from {before.position} to {to}.",
            before=before,
            after=after,
            risk=f"It is normal again: this ends “{switch.risk}”" if normal else switch.risk,
            undo=f"Sets it to {before.position} again, unless it was set in the meantime.",
            deadline=switch.takes,
        )


class SetSwitch(_Switching):
    """Sets a switch of the company's own to a position for an incident, as systems.yaml declares it."""

    name = "http.request"
    title = "Set a switch of your own"
    params = SetSwitchParams
    usual_risk = "The switch's own `risk` in systems.yaml says it."
    usual_undo = "Sets it to where it stood, unless it was set in the meantime."
    approval = ONE_PERSON_WITH_REASON
    leaves = "a switch of our own set"

    @override
    def plan(self, params: SwitchParams, before: SwitchState) -> Change[SwitchState]:
        switch, to = self.switch(params), params.to if isinstance(params, SetSwitchParams) else ""
        if to == switch.normal:
            raise Refused(
                f"{to} is where {params.switch} stands outside an incident.",
                f"Set it back, which settles what is in place: allclear act {COMPANY} {RestoreSwitch.name}"
                f" service={params.service} switch={params.switch} --reason WHY --as NAME",
            )
        if to not in switch.positions:
            raise Refused(
                f"The switch {params.switch} has no position {to}.",
                f"Name one of: to={', to='.join(_settable(switch))}.",
            )
        return self.change(params, before, to)


class RestoreSwitch(_Switching):
    """Sets a switch of the company's own back to where it stands outside an incident."""

    name = "http.restore"
    title = "Set a switch of your own back to normal"
    usual_risk = "What the switch was set for is no longer in effect."
    usual_undo = "Sets it to where it stood, unless it was set in the meantime."
    approval = ONE_PERSON
    reverses = "http.request"

    @override
    def plan(self, params: SwitchParams, before: SwitchState) -> Change[SwitchState]:
        return self.change(params, before, self.switch(params).normal)


def _switches(service: Service) -> dict[str, OwnSwitch]:
    handle = service.handle(SwitchesHandle)
    return handle.root if handle else {}


def _settable(switch: OwnSwitch) -> list[str]:
    """Return the positions that an incident may need: all but the normal one."""
    return [position for position in switch.positions if position != switch.normal]
