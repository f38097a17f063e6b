"""Blocking addresses in a project's firewall on Vercel, and unblocking them.

Each range is one rule, written at once into the published configuration. A draft that a person has prepared there is
neither published nor changed. Vercel offers no version to write against, so the rules are read once more before the
write, and a rule that exists already is not written again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import (
    COMPANY,
    Change,
    Client,
    Finding,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.address_ranges import (
    NeverBlocked,
    contains,
    require_blockable,
    shown,
)
from allclear.domain.durations import counted
from allclear.domain.errors import AllclearError, AnswerLost, Conflict, Refused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle
from allclear.vendors.vercel import Vercel, VercelHandle
from allclear.vendors.vercel_firewall import EVERY_HOST, LIMITS, Firewall
from tasks.addresses import (
    OURS,
    AddressAction,
    AddressParams,
    BlockAction,
    UnblockAction,
    added,
    listed,
    retyped,
    sizes,
)
from tasks.permissions import VERCEL_FIREWALL
from tasks.vercel.firewall_state import (
    BlockState,
    allowed_ranges,
    candidates,
    range_of,
    shown_rule,
)
from tasks.vercel.handles import hosting_of
from tasks.vercel.preflight import VercelPreflight

DEADLINE = timedelta(seconds=30)
"""Vercel says that a change takes effect everywhere within 300 ms."""
_OFFERED = 10


class _Addresses(AddressAction[BlockState]):
    """The base of blocking and unblocking."""

    state: ClassVar[type[State]] = BlockState
    needs: ClassVar[tuple[type[Client], ...]] = (Vercel,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (VercelPreflight,)
    handles: ClassVar[tuple[type[Handle], ...]] = (VercelHandle,)
    deadline = DEADLINE
    console = "in the project's Firewall at vercel.com"

    @property
    def firewall(self) -> Firewall:
        """Return the client."""
        return Firewall(self.context.client(Vercel))

    def project(self, params: AddressParams) -> str:
        """Return the project's name or id. Raises ConfigError if systems.yaml has none."""
        return hosting_of(self.context, params.service).project

    @override
    def resource(self, params: AddressParams) -> str:
        return f"firewall:{self.project(params)}/{params.in_resource}"

    @override
    def place(self, state: BlockState) -> str:
        return f"{state.project}'s firewall"

    @override
    async def observe(self, params: AddressParams) -> BlockState:
        if params.addresses.strip():
            params.ranges()  # what is no address is refused before anything is asked of Vercel
        project = await self.context.client(Vercel).project(self.project(params))
        return await self._read(project.id, project.name or self.project(params), params)

    async def _read(self, project_id: str, name: str, params: AddressParams) -> BlockState:
        view = await self.firewall.view(project_id)
        wanted = params.ranges() if params.addresses.strip() else []
        denying = [rule for rule in view.rules if (rule.action, rule.hostname) == ("deny", EVERY_HOST)]
        rules = [rule for rule in denying if range_of(rule) in wanted]
        own = {range_of(rule) for rule in rules}
        wider = [network for rule in denying if (network := range_of(rule)) is not None and network not in wanted]
        return BlockState(
            project=name,
            blocked=tuple(shown(one) for one in wanted if one in own),
            rules=tuple(rules),
            covered=tuple(shown(one) for one in wanted if any(contains(outer, one) for outer in wider)),
            allowed=tuple(rule.ip for rule in view.rules if rule.action == "bypass"),
            enabled=view.enabled,
            others=view.others,
            unpublished=view.unpublished,
        )

    @override
    async def apply(self, params: AddressParams, change: Change[BlockState], key: str) -> Receipt:
        project = await self.context.client(Vercel).project(self.project(params))
        now = await self._read(project.id, change.after.project, params)
        if now.matters() != change.before.matters() and not set(now.blocked) <= {
            *change.before.blocked,
            *change.after.blocked,
        }:
            raise Conflict(f"The rules of {change.after.project} have changed.", "Check them, and decide again.")
        done = list[str]()
        try:
            for network in change.after.blocked:
                if network not in now.blocked:
                    await self.firewall.deny(project.id, network, f"{OURS}{key}")
                    done.append(network)
            for rule in now.rules:
                if (gone := shown_rule(rule)) in change.before.blocked and gone not in change.after.blocked:
                    await self.firewall.remove(project.id, rule)
                    done.append(gone)
        except AnswerLost:
            raise
        except AllclearError as error:
            if not done:
                raise
            return Receipt(facts={"done": done, "refused": str(error)})
        return Receipt(facts={"done": done})

    @override
    def verify(self, change: Change[BlockState], after: BlockState, receipt: Receipt | None) -> Finding:
        finding = super().verify(change, after, receipt)
        if finding.verdict is not Verdict.SUCCESS or after.enabled or not added(change):
            return finding
        sentence = f"The rules are there, and the firewall of {after.project} is switched off."
        return finding.model_copy(update={"verdict": Verdict.FAILURE, "sentence": sentence})

    @override
    def blocking(self, params: AddressParams, before: BlockState, ranges: Iterable[str]) -> Change[BlockState]:
        """Return the change that blocks `ranges` too."""
        new = [one for one in ranges if one not in before.blocked]
        every = [*before.blocked, *new]
        blocked = [name for one in params.ranges() if (name := shown(one)) in every]
        return self.change(
            params,
            before,
            blocked,
            summary=f"Block {listed(new or blocked)} on every domain of {before.project}.",
            risk=f"Every request from {listed(new or blocked)} is denied{sizes(new)}. Everyone else behind the"
            " same addresses is locked out too, as in a company's or a mobile network.",
            undo="Removes exactly the rules that this adds.",
        )

    @override
    def unblocking(self, params: AddressParams, before: BlockState, ranges: Iterable[str]) -> Change[BlockState]:
        """Return the change that removes the rules of `ranges`."""
        removed = [one for one in ranges if one in before.blocked]
        return self.change(
            params,
            before,
            [one for one in before.blocked if one not in removed],
            summary=f"Unblock {listed(removed) if removed else 'these addresses'} on every domain of {before.project}.",
            risk=f"Requests from {listed(removed) if removed else 'these addresses'} reach {before.project} again.",
            undo="Blocks them again.",
        )


class BlockAddresses(_Addresses, BlockAction[BlockState]):
    """Denies every request from addresses or ranges, on every domain of a project."""

    name = "vercel.block_addresses"
    title = "Block addresses in Vercel's firewall"
    permissions = (VERCEL_FIREWALL,)
    usual_risk = "Everyone behind the same addresses is locked out too, as in a company's or a mobile network."
    usual_undo = "Removes exactly the rules that it added."
    handles: ClassVar[tuple[type[Handle], ...]] = (VercelHandle, NeverBlocked)

    @override
    async def observe_for_plan(self, params: AddressParams) -> BlockState:
        state = await self.observe(params)
        if params.addresses.strip():
            return state
        project = await self.context.client(Vercel).project(self.project(params))
        return state.model_copy(update={"denied": tuple((await self.firewall.denied(project.id))[:_OFFERED])})

    @override
    def plan(self, params: AddressParams, before: BlockState) -> Change[BlockState]:
        if not params.addresses.strip():
            refused = Refused(
                "No address was named.",
                "Name the attacker's addresses as the request logs show them:"
                f" allclear act {COMPANY} {self.name} service={params.service} addresses=203.0.113.7 --reason WHY"
                " --as NAME",
                candidates(before.denied),
            )
            raise retyped(refused)
        ranges = params.ranges()
        try:
            require_blockable(ranges, {**self.never_blocked(params), **allowed_ranges(before)}, LIMITS)
        except Refused as error:
            raise retyped(error) from None
        return self.blocking(params, before, [shown(one) for one in ranges if shown(one) not in before.covered])

    @override
    async def precheck(self, params: AddressParams, change: Change[BlockState]) -> list[Refusal]:
        now, refusals = change.before, list[Refusal]()
        if not now.enabled and change.after.blocked:
            refusals.append(
                Refusal(
                    sentence=f"The firewall of {now.project} is switched off, so a block would have no effect.",
                    next_step="Switch it on in the project's Firewall at vercel.com, then start this again.",
                )
            )
        if now.unpublished:
            refusals.append(
                Refusal(
                    sentence=f"A person has prepared {counted(now.unpublished, 'change')} of the firewall and not"
                    " published: that draft stays as it is.",
                    next_step="",
                    warning=True,
                )
            )
        return [*refusals, *self.not_compared(params)]

    @override
    def not_ours(self, now: BlockState, ours: list[str]) -> Refused | None:
        foreign = [rule for rule in now.rules if shown_rule(rule) in ours and not (rule.notes or "").startswith(OURS)]
        if not foreign:
            return None
        notes = foreign[0].notes or "without notes"
        return Refused(
            f"The rule that blocks {foreign[0].ip} is another person's now ({notes}).",
            f"Ask why it was made. Then remove it {self.console}, or leave it.",
        )


class UnblockAddresses(_Addresses, UnblockAction[BlockState]):
    """Lets requests from addresses reach a project again."""

    name = "vercel.unblock_addresses"
    title = "Unblock addresses in Vercel's firewall"
    permissions = (VERCEL_FIREWALL,)
    usual_risk = "Requests from these addresses reach the project again."
    usual_undo = "Blocks them again."
    reverses = "vercel.block_addresses"
