"""Switching a feature flag off, and on again.

The write is a compare-and-set on the value that was read, so it cannot overwrite another person's change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar

from pydantic import ConfigDict, Field, RootModel
from typing_extensions import override

from allclear.domain.action import Action, Change, Client, Fence, News, ParamProblem, Params, Receipt, State
from allclear.domain.errors import Conflict, Refused
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck, Unproven
from allclear.domain.systems import Handle, Service
from allclear.vendors.supabase import FlagWrite, SupabaseFlags
from tasks.maintenance_handle import MaintenanceHandle
from tasks.permissions import FLAGS_WRITE
from tasks.switches import switched_news, switched_since


class FlagsHandle(RootModel[list[str]]):
    """The feature flags that it has."""

    model_config = ConfigDict(frozen=True)
    key: ClassVar[str] = "flags"

    @property
    def names(self) -> list[str]:
        """Return the names of the flags."""
        return self.root


class SupabasePreflight(Preflight):
    """Reads each flag of each service, and checks whether the key is one that may change it."""

    client: ClassVar[type[Client]] = SupabaseFlags

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        flags = self.context.client(SupabaseFlags)
        names = [flag for service in services.values() for flag in [*flags_of(service), *_maintenance_flag(service)]]
        for flag in dict.fromkeys(names):
            yield PreflightCheck(f"flag {flag}", partial(self._flag, flags, flag))

    async def _flag(self, flags: SupabaseFlags, flag: str) -> Passed | Unproven:
        state = (await read_flag(flags, flag)).in_words()
        if flags.key_is_public:
            return Unproven(
                f"It is {state}, read with a key for browsers: row security may keep it from being changed.",
                "Use the secret key, or the service_role key, in the variable that systems.yaml names.",
            )
        return Passed(f"It can be read: it is {state}.")


DEADLINE = timedelta(seconds=15)
"""The row changes at once; the application notices when it reads the flag the next time."""


class FlagParams(Params):
    """Which flag, and of which service."""

    flag: str = Field(min_length=1, max_length=200, description="The flag's name.")
    service: str | None = Field(
        default=None, description="The service that has it; the flag must be one of its `flags`."
    )


class FlagState(State):
    """A flag in the table."""

    incidental: ClassVar[frozenset[str]] = frozenset({"null"})

    flag: str
    enabled: bool
    null: bool = Field(default=False, description="Whether it is off because the column is NULL.")

    @override
    def in_words(self) -> str:
        return word(enabled=self.enabled)


def flags_of(service: Service) -> list[str]:
    """Return the names of the service's flags."""
    handle = service.handle(FlagsHandle)
    return handle.names if handle else []


def _maintenance_flag(service: Service) -> list[str]:
    handle = service.handle(MaintenanceHandle)
    return [handle.flag] if handle and handle.flag else []


def word(*, enabled: bool) -> str:
    """Return `on` or `off`."""
    return "on" if enabled else "off"


async def read_flag(flags: SupabaseFlags, flag: str) -> FlagState:
    """Read the flag. Raises NotFound, VendorError, and Refused if its name is not unique or it is not a boolean."""
    value = await flags.enabled(flag)
    return FlagState(flag=flag, enabled=bool(value), null=value is None)


async def write_flag(flags: SupabaseFlags, before: FlagState, after: FlagState) -> Receipt:
    """Set the flag to `after` if it still is `before`.

    Raises Conflict if another writer has set it to `after` first: that change is not ours to undo. Raises VendorError.
    """
    if before.enabled == after.enabled:
        return Receipt(facts={"write": FlagWrite.ALREADY.value})
    written = await flags.set(after.flag, to=after.enabled, seen=None if before.null else before.enabled)
    if written is FlagWrite.ALREADY:
        raise Conflict(
            f"Another writer has switched the flag {after.flag} {word(enabled=after.enabled)} meanwhile.",
            "Nothing is left to do.",
        )
    return Receipt(facts={"write": written.value})


class _SetFlag(Action[FlagParams, FlagState]):
    """The base of switching on and off."""

    params: ClassVar[type[Params]] = FlagParams
    state: ClassVar[type[State]] = FlagState
    needs: ClassVar[tuple[type[Client], ...]] = (SupabaseFlags,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (SupabasePreflight,)
    handles: ClassVar[tuple[type[Handle], ...]] = (FlagsHandle,)
    fence: ClassVar[Fence] = Fence.VERSION
    to: ClassVar[bool]

    @classmethod
    @override
    def service_of(cls, params: FlagParams, services: Mapping[str, Service]) -> str | None:
        return params.service or next((name for name in services if params.flag in flags_of(services[name])), None)

    @classmethod
    @override
    def offers(cls, param: str, services: Mapping[str, Service]) -> list[str] | None:
        if param == "flag":
            return sorted({flag for service in services.values() for flag in flags_of(service)})
        return super().offers(param, services)

    @classmethod
    @override
    def check_params(cls, params: FlagParams, services: Mapping[str, Service]) -> Iterator[ParamProblem]:
        known = list(dict.fromkeys(flag for service in services.values() for flag in flags_of(service)))
        if params.flag not in known:
            sentence = f"No service in systems.yaml has the flag `{params.flag}`."
            yield ParamProblem(param="flag", sentence=sentence, known=tuple(known), certain=False)

    @override
    def resource(self, params: FlagParams) -> str:
        return f"flag:{params.flag}"

    @override
    async def observe(self, params: FlagParams) -> FlagState:
        return await read_flag(self.context.client(SupabaseFlags), params.flag)

    @override
    def plan(self, params: FlagParams, before: FlagState) -> Change[FlagState]:
        self._check_owner(params)
        return self._change(params, before, to=self.to)

    @override
    async def apply(self, params: FlagParams, change: Change[FlagState], key: str) -> Receipt:
        # The old value makes a second write impossible.
        return await write_flag(self.context.client(SupabaseFlags), change.before, change.after)

    @override
    def news_of(self, done: Change[FlagState], now: FlagState) -> News | None:
        if now.enabled == done.after.enabled:
            return None
        return switched_news(f"The flag {now.flag}", word(enabled=now.enabled))

    @override
    def undo(self, params: FlagParams, done: Change[FlagState], now: FlagState) -> Change[FlagState]:
        if now.enabled != done.after.enabled:
            raise switched_since(f"The flag {params.flag}", word(enabled=now.enabled))
        return self._change(params, now, to=done.before.enabled)

    def _change(self, params: FlagParams, before: FlagState, *, to: bool) -> Change[FlagState]:
        flag = f"{params.flag} of {params.service}" if params.service else params.flag
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Switch the flag {flag} {word(enabled=to)}.",
            before=before,
            after=FlagState(flag=params.flag, enabled=to),
            risk="Users get the feature behind the flag again." if to else "Users lose the feature behind the flag.",
            undo=f"Switches it {word(enabled=before.enabled)} again, unless it was switched in the meantime.",
            deadline=DEADLINE,
            known_good=not to,  # off is the state from before the feature was released
        )

    def _check_owner(self, params: FlagParams) -> None:
        if params.service is None:
            return
        known = flags_of(self.context.service(params.service))
        if params.flag not in known:
            raise Refused(
                f"{params.flag} is not a flag of {params.service}.",
                f"Its flags in systems.yaml are: {', '.join(known) or 'none'}.",
            )


class DisableFlag(_SetFlag):
    """Takes a feature away from users without a deployment."""

    name = "feature_flag.disable"
    title = "Switch a feature flag off"
    permissions = (FLAGS_WRITE,)
    usual_risk = "Users lose the feature behind the flag."
    usual_undo = "Switches it on again, unless it was switched in the meantime."
    to = False
    leaves = "flag off"


class EnableFlag(_SetFlag):
    """Gives a feature back to users."""

    name = "feature_flag.enable"
    title = "Switch a feature flag on"
    permissions = (FLAGS_WRITE,)
    usual_risk = "Users get the feature behind the flag again."
    usual_undo = "Switches it off again, unless it was switched in the meantime."
    to = True
    reverses = "feature_flag.disable"
