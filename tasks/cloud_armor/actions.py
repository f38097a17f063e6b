"""Blocking addresses in a security policy of Cloud Armor, and unblocking them.

One change is one rule, at the first free priority of those that systems.yaml gives us. Google's interface for rules
compares no version, so the rules are read once more just before the write, and after a lost answer they are only read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import (
    COMPANY,
    Change,
    Client,
    Finding,
    News,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.address_ranges import NeverBlocked, Range, read_range, require_blockable, shown
from allclear.domain.base import digest
from allclear.domain.errors import AllclearError, AnswerLost, Conflict, Refused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle
from allclear.vendors.cloud_armor import LIMITS, MOST_RANGES, ArmorRule, CloudArmor
from allclear.vendors.cloud_run.client import CloudRun
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
from tasks.cloud_armor.handle import CloudArmorHandle
from tasks.cloud_armor.preflight import CloudArmorPreflight
from tasks.cloud_armor.state import ArmorState, policy_state, ranges_of, with_traffic
from tasks.cloud_run.preflights import CloudRunPreflight
from tasks.permissions import ARMOR_WRITE, CLOUD_RUN_READ
from tasks.service_params import handle_of

DEADLINE = timedelta(minutes=2)
"""How long the rules are read until they show the change."""
_SPREADS = "Google's edges follow a change of rules within minutes."


class _Addresses(AddressAction[ArmorState]):
    """The base of blocking and unblocking."""

    state: ClassVar[type[State]] = ArmorState
    needs: ClassVar[tuple[type[Client], ...]] = (CloudArmor,)
    uses: ClassVar[tuple[type[Client], ...]] = (CloudRun,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (CloudArmorPreflight, CloudRunPreflight)
    handles: ClassVar[tuple[type[Handle], ...]] = (CloudArmorHandle,)
    permissions = (ARMOR_WRITE, CLOUD_RUN_READ)
    deadline = DEADLINE
    console = "in Cloud Armor's policies at console.cloud.google.com"

    @property
    def armor(self) -> CloudArmor:
        """Return the client."""
        return self.context.client(CloudArmor)

    def handle(self, params: AddressParams) -> CloudArmorHandle:
        """Return the service's policy. Raises NotFound, and ConfigError if systems.yaml has none."""
        next_step = "Add its `policy`, `backend_service` and `priority` there."
        return handle_of(self.context, params.service, CloudArmorHandle, next_step)

    @override
    def resource(self, params: AddressParams) -> str:
        return f"armor:{self.handle(params).policy}/{params.in_resource}"

    @override
    def place(self, state: ArmorState) -> str:
        return state.policy

    @override
    async def observe(self, params: AddressParams) -> ArmorState:
        state = await self.observe_result(params)
        return await with_traffic(self.context, params.service, self.handle(params), state)

    @override
    async def observe_result(self, params: AddressParams) -> ArmorState:
        handle, wanted = self.handle(params), params.ranges() if params.addresses.strip() else []
        return policy_state(await self.armor.policy(handle.policy), handle, wanted)

    @override
    async def apply(self, params: AddressParams, change: Change[ArmorState], key: str) -> Receipt:
        now = await self.observe_result(params)
        known = {*change.before.blocked, *change.after.blocked}
        if now.matters() != change.before.matters() and not set(now.blocked) <= known:
            raise Conflict(f"The rules of {now.policy} have changed.", "Check them, and decide again.")
        new = [read_range(one) for one in change.after.blocked if one not in now.blocked]
        gone = [one for one in change.before.blocked if one in now.blocked and one not in change.after.blocked]
        done = list[str]()
        try:
            if new:
                await self._add(params, now, new, f"{OURS}{key}")
                done += [shown(one) for one in new]
            for rule in now.rules if gone else ():
                done += await self._take_out(now.policy, rule, gone)
        except AnswerLost:
            raise
        except AllclearError as error:
            if not done:
                raise
            return Receipt(facts={"done": done, "refused": str(error)})
        return Receipt(facts={"done": done})

    async def _add(self, params: AddressParams, now: ArmorState, new: list[Range], notes: str) -> None:
        if now.free is None:
            raise _full(self.handle(params))
        await self.armor.deny(now.policy, now.free, [str(one) for one in new], notes)

    async def _take_out(self, policy: str, rule: ArmorRule, gone: list[str]) -> list[str]:
        """Take ranges out of a rule, and remove a rule that would be left with none; return what was taken out."""
        taken = [one for one in ranges_of(rule) if shown(one) in gone]
        left = [text for text in rule.ranges or () if not _is_one_of(text, taken)]
        if taken and left:
            await self.armor.narrow(policy, rule.priority, left)
        elif taken:
            await self.armor.remove(policy, rule.priority)
        return [shown(one) for one in taken]

    @override
    def verify(self, change: Change[ArmorState], after: ArmorState, receipt: Receipt | None) -> Finding:
        finding = super().verify(change, after, receipt)
        if finding.verdict is not Verdict.SUCCESS:
            return finding
        if hidden := [one for one in change.after.blocked if one in after.hidden]:
            sentence = (
                f"The rule is there, and one of {after.policy} that decides before lets {listed(hidden)} through."
            )
            return finding.model_copy(update={"verdict": Verdict.FAILURE, "sentence": sentence, "final": True})
        return finding.model_copy(update={"sentence": f"{finding.sentence} {_SPREADS}"})

    @override
    def news_of(self, done: Change[ArmorState], now: ArmorState) -> News | None:
        through = [one for one in added(done) if one in now.hidden]
        if not through:
            return super().news_of(done, now)
        sentence = f"A rule of {now.policy} that decides before ours lets {listed(through)} through now."
        return News(key=f"let-through:{digest(through)[:12]}", sentence=sentence)

    @override
    def blocking(self, params: AddressParams, before: ArmorState, ranges: Iterable[str]) -> Change[ArmorState]:
        """Return the change that blocks `ranges` too. Raises Refused for more than one rule can hold."""
        new = [one for one in ranges if one not in before.blocked]
        if len(new) > MOST_RANGES:
            raise retyped(
                Refused(
                    f"{len(new)} addresses and ranges are more than one rule of Cloud Armor holds: {MOST_RANGES}.",
                    f"Name at most {MOST_RANGES}, or a range that contains them. Start this again for the others.",
                )
            )
        every = [*before.blocked, *new]
        blocked = [name for one in params.ranges() if (name := shown(one)) in every]
        names = listed(new or blocked)
        return self.change(
            params,
            before,
            blocked,
            summary=f"Block {names} in the Cloud Armor policy {before.policy}.",
            risk=f"Every request from {names} is denied{sizes(new)} with 403. Everyone else behind the same addresses"
            f" is locked out too, as in a company's or a mobile network. {_SPREADS}",
            undo="Removes exactly the rule that this adds.",
        )

    @override
    def unblocking(self, params: AddressParams, before: ArmorState, ranges: Iterable[str]) -> Change[ArmorState]:
        """Return the change that takes `ranges` out of the rules."""
        removed = [one for one in ranges if one in before.blocked]
        names = listed(removed) if removed else "these addresses"
        return self.change(
            params,
            before,
            [one for one in before.blocked if one not in removed],
            summary=f"Unblock {names} in the Cloud Armor policy {before.policy}.",
            risk=f"Requests from {names} reach {params.service} again.",
            undo="Blocks them again.",
        )


class BlockArmorAddresses(_Addresses, BlockAction[ArmorState]):
    """Denies every request from addresses or ranges, by a rule of the service's Cloud Armor policy."""

    name = "cloud_armor.block_addresses"
    title = "Block addresses with Cloud Armor"
    usual_risk = "Everyone behind the same addresses is locked out too, as in a company's or a mobile network."
    usual_undo = "Removes exactly the rule that it added."
    handles: ClassVar[tuple[type[Handle], ...]] = (CloudArmorHandle, NeverBlocked)

    @override
    def plan(self, params: AddressParams, before: ArmorState) -> Change[ArmorState]:
        if not params.addresses.strip():
            raise retyped(
                Refused(
                    "No address was named.",
                    "Name the attacker's addresses as the load balancer's logs show them:"
                    f" allclear act {COMPANY} {self.name} service={params.service} addresses=203.0.113.7 --reason WHY"
                    " --as NAME",
                )
            )
        ranges = params.ranges()
        try:
            require_blockable(ranges, self.never_blocked(params), LIMITS)
        except Refused as error:
            raise retyped(error) from None
        _require_effect(ranges, before)
        return self.blocking(params, before, [shown(one) for one in ranges if shown(one) not in before.covered])

    @override
    async def precheck(self, params: AddressParams, change: Change[ArmorState]) -> list[Refusal]:
        handle, now = self.handle(params), change.before
        refusals = [*_not_passing(handle, now)]
        if now.free is None and added(change):
            full = _full(handle)
            refusals.append(Refusal(sentence=full.message, next_step=full.next_step))
        if now.unclear:
            numbers = ", ".join(str(one) for one in now.unclear)
            sentence = f"Rules that decide first match by an expression ({numbers}) and may let it through."
            refusals.append(Refusal(sentence=sentence, next_step="", warning=True))
        return [*refusals, *self.not_compared(params)]

    @override
    def not_ours(self, now: ArmorState, ours: list[str]) -> Refused | None:
        foreign = [rule for rule in now.rules if not rule.description.startswith(OURS) and _holds(rule, ours)]
        if not foreign:
            return None
        about = foreign[0].description or "without a description"
        return Refused(
            f"The rule {foreign[0].priority} of {now.policy} that blocks them is another person's ({about}).",
            "Ask why it was made. Then change it under Cloud Armor at console.cloud.google.com, or leave it.",
        )


class UnblockArmorAddresses(_Addresses, UnblockAction[ArmorState]):
    """Lets requests from addresses pass the service's Cloud Armor policy again."""

    name = "cloud_armor.unblock_addresses"
    title = "Unblock addresses with Cloud Armor"
    usual_risk = "Requests from these addresses reach the service again."
    usual_undo = "Blocks them again."
    reverses = "cloud_armor.block_addresses"


def _require_effect(ranges: Iterable[Range], before: ArmorState) -> None:
    """Raise Refused if a rule that decides before ours lets one of the ranges, or a part of it, through."""
    through = [read_range(one) for one in (*before.allowed, *before.hidden)]
    for network in ranges:
        for outer in through:
            if network.overlaps(outer):
                what = "every address" if outer.prefixlen == 0 else shown(outer)
                raise retyped(
                    Refused(
                        f"A rule of {before.policy} that decides before ours lets {what} through, so a block of"
                        f" {shown(network)} would have no effect.",
                        "Change that rule under Cloud Armor at console.cloud.google.com, or lower"
                        " `cloud_armor.priority` in systems.yaml below it.",
                    )
                )


def _not_passing(handle: CloudArmorHandle, now: ArmorState) -> Iterator[Refusal]:
    """Yield why requests would not pass the policy, so that a block has no effect or only a part of it."""
    if now.attached != handle.policy:
        has = f"has the policy {now.attached}" if now.attached else "has no policy"
        yield Refusal(
            sentence=f"The backend service {handle.backend_service} {has}: a block in {handle.policy} has no effect.",
            next_step=f"Attach it: gcloud compute backend-services update {handle.backend_service} --global"
            f" --security-policy {handle.policy}. Or correct `cloud_armor` in systems.yaml.",
        )
    if now.direct:
        places = " and ".join(now.direct)
        yield Refusal(
            sentence=f"Cloud Run also answers requests that pass no load balancer ({places}), so an attacker can go"
            " around the block.",
            next_step="Admit only the load balancer: gcloud run services update SERVICE"
            " --ingress internal-and-cloud-load-balancing. Or set `direct_requests: true` under `cloud_armor` in"
            " systems.yaml, if that is known and accepted.",
            warning=handle.direct_requests,
        )
    if now.unread:
        sentence = f"Whether Cloud Run also answers requests that pass no load balancer was not read: {now.unread}."
        yield Refusal(sentence=sentence, next_step="", warning=True)


def _full(handle: CloudArmorHandle) -> Refused:
    last = handle.priorities[-1]
    return Refused(
        f"Each of our priorities in {handle.policy} has a rule: {handle.priority} to {last}.",
        "Undo a block that is no longer needed (allclear in-place), or raise `cloud_armor.rules` in systems.yaml.",
    )


def _holds(rule: ArmorRule, names: list[str]) -> bool:
    return any(shown(one) in names for one in ranges_of(rule))


def _is_one_of(text: str, ranges: list[Range]) -> bool:
    try:
        return read_range(text) in ranges
    except Refused:
        return False
