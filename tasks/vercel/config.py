"""Switches in Vercel's Global Config: features off and on, maintenance on and off.

Vercel offers no version to write against, so the switch is read once more just before the write.
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
from allclear.domain.approval import ONE_PERSON, ONE_PERSON_WITH_REASON
from allclear.domain.errors import ConfigError, Conflict
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle, Service
from allclear.vendors.vercel import Vercel
from allclear.vendors.vercel_config import GlobalConfig
from tasks.feature_flags import word
from tasks.permissions import VERCEL_SWITCHES
from tasks.service_params import ServiceParams, handle_of
from tasks.switches import meant_switch, offered_switches, switched_news, switched_since, unknown_switch
from tasks.vercel.handles import VercelConfigHandle
from tasks.vercel.preflight import VercelPreflight

DEADLINE = timedelta(seconds=30)
"""Readers see a change within seconds."""


class ItemParams(ServiceParams):
    """Which service, and which item: by its key, or by the feature that it switches."""

    item: str = Field(default="", max_length=256, description="The item's key, one of the service's `vercel_config`.")
    feature: str = Field(default="", max_length=200, description="The feature, as `vercel_config` names it.")


class ItemState(State):
    """A switch in a Global Config."""

    config: str
    item: str
    on: bool

    @override
    def in_words(self) -> str:
        return word(enabled=self.on)


class _SwitchItem(Action[ServiceParams, ItemState]):
    """The base of all switches in a Global Config."""

    params: ClassVar[type[Params]] = ServiceParams
    state: ClassVar[type[State]] = ItemState
    needs: ClassVar[tuple[type[Client], ...]] = (Vercel,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (VercelPreflight,)
    handles: ClassVar[tuple[type[Handle], ...]] = (VercelConfigHandle,)
    fence: ClassVar[Fence] = Fence.NONE
    to: ClassVar[bool]
    risks: ClassVar[tuple[str, str]]
    """The risk of switching off, and of switching on."""

    def handle(self, params: ServiceParams) -> VercelConfigHandle:
        """Return the service's Global Config. Raises ConfigError if systems.yaml has none."""
        return handle_of(self.context, params.service, VercelConfigHandle, "Add its `id` and its switches there.")

    def key(self, params: ServiceParams) -> str:
        """Return the item that is meant. Raises Refused, ConfigError."""
        raise NotImplementedError

    @override
    def resource(self, params: ServiceParams) -> str:
        return f"config:{self.handle(params).id}/{self.key(params)}"

    @override
    async def observe(self, params: ServiceParams) -> ItemState:
        config, item = self.handle(params).id, self.key(params)
        on = await GlobalConfig(self.context.client(Vercel)).value(config, item)
        return ItemState(config=config, item=item, on=on)

    @override
    def plan(self, params: ServiceParams, before: ItemState) -> Change[ItemState]:
        return self.change(params, before, on=self.to)

    @override
    async def apply(self, params: ServiceParams, change: Change[ItemState], key: str) -> Receipt:
        config, after = GlobalConfig(self.context.client(Vercel)), change.after
        if change.before.on != after.on and await config.value(after.config, after.item) != change.before.on:
            raise Conflict(f"The item {after.item} was switched meanwhile.", "Check how it is now, and decide again.")
        await config.set(after.config, after.item, on=after.on)
        return Receipt(facts={"write": "accepted"})

    @override
    def verify(self, change: Change[ItemState], after: ItemState, receipt: Receipt | None) -> Finding:
        verdict = Verdict.SUCCESS if after.on == change.after.on else Verdict.FAILURE
        return Finding(verdict=verdict, sentence=f"The item {after.item} of {after.config} is {after.in_words()}.")

    @override
    def news_of(self, done: Change[ItemState], now: ItemState) -> News | None:
        if now.on == done.after.on:
            return None
        return switched_news(f"The item {now.item} of {now.config}", now.in_words())

    @override
    def undo(self, params: ServiceParams, done: Change[ItemState], now: ItemState) -> Change[ItemState]:
        if now.on != done.after.on:
            raise switched_since(f"The item {now.item}", now.in_words())
        return self.change(params, now, on=done.before.on)

    def change(self, params: ServiceParams, before: ItemState, *, on: bool) -> Change[ItemState]:
        """Return the change of the switch, with the sentences for the approver."""
        after = before.model_copy(update={"on": on})
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Switch the item {before.item} of {before.config} {word(enabled=on)}.",
            before=before,
            after=after,
            risk=f"{self.risks[on]} The application must read the switch for that: an older deployment may not.",
            undo=f"Switches it {before.in_words()} again, unless it was switched in the meantime.",
            deadline=DEADLINE,
        )


class _SwitchFeature(_SwitchItem):
    """The base of switching a feature."""

    params = ItemParams
    chooses = "item"
    risks = ("Everyone loses what is behind it.", "Everyone gets what is behind it again.")

    @classmethod
    @override
    def offers(cls, param: str, services: Mapping[str, Service]) -> list[str] | None:
        handles = [handle for service in services.values() if (handle := service.handle(VercelConfigHandle))]
        offered = offered_switches([handle.features for handle in handles], param, "item")
        return super().offers(param, services) if offered is None else offered

    @classmethod
    @override
    def check_params(cls, params: ServiceParams, services: Mapping[str, Service]) -> Iterator[ParamProblem]:
        service = services.get(params.service)
        handle = service.handle(VercelConfigHandle) if service else None
        item = params.item if isinstance(params, ItemParams) else ""
        known = handle.features if handle else {}
        return unknown_switch(known, params.service, param="item", named=item, noun="feature", key="vercel_config")

    @override
    def key(self, params: ServiceParams) -> str:
        features = self.handle(params).features
        item, feature = (params.item, params.feature) if isinstance(params, ItemParams) else ("", "")
        add = "Add it under `vercel_config.features`."
        return meant_switch(features, params.service, named=item, feature=feature, noun="switch", add=add)


class DisableItem(_SwitchFeature):
    """Switches a feature off by an item of a Global Config."""

    name = "vercel.disable_item"
    title = "Switch a feature off (Vercel's Global Config)"
    permissions = (VERCEL_SWITCHES,)
    usual_risk = "Everyone loses what is behind the switch, if the deployment that serves reads it."
    usual_undo = "Switches it on again, unless it was switched in the meantime."
    leaves = "a feature off"
    to = False


class EnableItem(_SwitchFeature):
    """Switches a feature on by an item of a Global Config."""

    name = "vercel.enable_item"
    title = "Switch a feature on (Vercel's Global Config)"
    permissions = (VERCEL_SWITCHES,)
    usual_risk = "Everyone gets what is behind the switch again."
    usual_undo = "Switches it off again, unless it was switched in the meantime."
    reverses = "vercel.disable_item"
    to = True


class _Maintenance(_SwitchItem):
    """The base of going into maintenance and out of it."""

    risks = ("Users reach the service again.", "Every user gets the maintenance page.")

    @classmethod
    @override
    def works_for(cls, service: Service) -> bool:
        handle = service.handle(VercelConfigHandle)
        return handle is not None and handle.maintenance is not None

    @override
    def key(self, params: ServiceParams) -> str:
        key = self.handle(params).maintenance
        if not key:
            raise ConfigError(
                f"The `vercel_config` of {params.service} names no switch for maintenance.",
                "Add the item's key as `maintenance` there.",
            )
        return key


class EnableVercelMaintenance(_Maintenance):
    """Shows the maintenance page to every user of a service."""

    name = "vercel.enable_maintenance"
    title = "Go into maintenance (Vercel's Global Config)"
    permissions = (VERCEL_SWITCHES,)
    usual_risk = "Every user gets the maintenance page, if the deployment that serves reads the switch."
    usual_undo = "Switches it off again, unless it was switched in the meantime."
    approval = ONE_PERSON_WITH_REASON
    leaves = "maintenance on"
    closes_service = True
    to = True


class DisableVercelMaintenance(_Maintenance):
    """Lets users reach a service again."""

    name = "vercel.disable_maintenance"
    title = "End maintenance (Vercel's Global Config)"
    permissions = (VERCEL_SWITCHES,)
    usual_risk = "Users reach the service again, in whatever state it is."
    usual_undo = "Switches it on again, unless it was switched in the meantime."
    approval = ONE_PERSON
    reverses = "vercel.enable_maintenance"
    to = False
