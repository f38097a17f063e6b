"""What an act on a Cloud Armor policy reads: which addresses are blocked, and whether requests pass the policy."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar

from allclear.domain.action import ActionContext
from allclear.domain.address_ranges import Range, contains, read_range, shown
from allclear.domain.base import digest
from allclear.domain.errors import AllclearError, Refused
from allclear.vendors.cloud_armor import ArmorPolicy, ArmorRule, CloudArmor
from allclear.vendors.cloud_run.client import CloudRun
from allclear.vendors.cloud_run.handle import CloudRunHandle
from tasks.addresses import BlockedState
from tasks.cloud_armor.handle import CloudArmorHandle

_EVERYONE: list[Range] = [IPv4Network("0.0.0.0/0"), IPv6Network("::/0")]


class ArmorState(BlockedState):
    """Which of the addresses a rule of the policy denies by name, and what else matters for them."""

    incidental: ClassVar[frozenset[str]] = frozenset(
        {
            "hidden",
            "rules",
            "covered",
            "allowed",
            "unclear",
            "free",
            "fingerprint",
            "others",
            "attached",
            "direct",
            "unread",
        }
    )

    policy: str
    hidden: tuple[str, ...] = ()
    """Those that are blocked by name, and that a rule lets through which decides before."""
    rules: tuple[ArmorRule, ...] = ()
    """The rules that deny them."""
    allowed: tuple[str, ...] = ()
    """What a rule lets through that decides before ours."""
    unclear: tuple[int, ...] = ()
    """Rules before ours that match by an expression and let through, which is not evaluated here."""
    free: int | None = None
    """The first of our priorities that no rule has; None if all are taken."""
    fingerprint: str = ""
    attached: str = ""
    """The policy that the backend service has; empty if it has none."""
    direct: tuple[str, ...] = ()
    """The Cloud Run services that also answer requests which pass no load balancer."""
    unread: str = ""
    """Why that could not be read; empty if it was."""


def ranges_of(rule: ArmorRule) -> list[Range]:
    """Return the ranges of a rule; without those that a person has written in a form that we refuse, as `*`."""
    found = list[Range]()
    for text in rule.ranges or ():
        try:
            found.append(read_range(text))
        except Refused:
            continue
    return found


def _matched(rule: ArmorRule) -> list[Range]:
    """Return the ranges that a rule matches; `*` is every address."""
    return [*ranges_of(rule), *(_EVERYONE if "*" in (rule.ranges or ()) else [])]


def _let_through(rules: Iterable[ArmorRule], before: int, one: Range) -> bool:
    """Return whether a rule that decides before the priority `before` lets the whole range through."""
    return any(contains(outer, one) for rule in rules if rule.priority < before for outer in _matched(rule))


def policy_state(policy: ArmorPolicy, handle: CloudArmorHandle, wanted: list[Range]) -> ArmorState:
    """Return how the policy treats the ranges: of the rules that match one, the first decides."""
    denying = [rule for rule in policy.rules if rule.denies and rule.ranges is not None]
    ours = [rule for rule in denying if any(one in wanted for one in ranges_of(rule))]
    passing = [rule for rule in policy.rules if not rule.preview and not rule.action.startswith("deny")]
    blocked = {one for rule in ours for one in ranges_of(rule)}
    works = {one for rule in ours for one in ranges_of(rule) if not _let_through(passing, rule.priority, one)}
    wider = [(rule.priority, one) for rule in denying for one in _matched(rule) if one not in wanted]
    letting = [rule for rule in passing if rule.priority < handle.priority]
    taken = {rule.priority for rule in policy.rules}
    return ArmorState(
        policy=policy.name,
        blocked=tuple(shown(one) for one in wanted if one in blocked),
        hidden=tuple(shown(one) for one in wanted if one in blocked - works),
        rules=tuple(ours),
        covered=tuple(
            shown(one)
            for one in wanted
            if any(contains(outer, one) and not _let_through(passing, at, one) for at, outer in wider)
        ),
        allowed=tuple(shown(one) for rule in letting for one in _matched(rule)),
        unclear=tuple(rule.priority for rule in letting if rule.ranges is None),
        free=next((one for one in handle.priorities if one not in taken), None),
        fingerprint=policy.fingerprint,
        others=digest([rule.model_dump(mode="json") for rule in policy.rules if rule not in ours]),
    )


async def with_traffic(context: ActionContext, service: str, handle: CloudArmorHandle, state: ArmorState) -> ArmorState:
    """Return the state with whether requests pass the policy: what the load balancer has, and what Cloud Run admits.

    If Cloud Run cannot be read, that is said, because a block must not wait for it. Raises NotFound, VendorError.
    """
    attached = await context.client(CloudArmor).policy_of(handle.backend_service)
    direct, unread = list[str](), ""
    run_handle = context.service(service).handle(CloudRunHandle)
    try:
        run = context.client(CloudRun) if run_handle else None
        places = run_handle.by_region(run.region) if run and run_handle else {}
        for region, name in places.items():
            if run and (await run.at(region).service(name)).direct:
                direct.append(f"{name} in {region}")
        if not places:
            unread = f"systems.yaml names no `cloud_run` of {service}"
    except AllclearError as error:
        unread = error.message.rstrip(".")
    return state.model_copy(update={"attached": attached, "direct": tuple(direct), "unread": unread})
