"""What an act on a project's firewall reads: which of its addresses are blocked by which rule, and the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from allclear.domain.address_ranges import Range, read_range, shown
from allclear.domain.base import Candidate
from allclear.domain.errors import Refused
from allclear.vendors.vercel_firewall import AddressRule, Denied
from tasks.addresses import BlockedState


class BlockState(BlockedState):
    """Which of the addresses are blocked by a rule of their own, and what else the firewall holds."""

    incidental: ClassVar[frozenset[str]] = frozenset(
        {"rules", "covered", "allowed", "enabled", "others", "unpublished", "denied"}
    )

    project: str
    rules: tuple[AddressRule, ...] = ()
    """The rules that block them."""
    allowed: tuple[str, ...] = ()
    """What a rule of the firewall lets through."""
    enabled: bool = True
    unpublished: int = 0
    """How many changes a person has prepared and not published."""
    denied: tuple[Denied, ...] = ()
    """Addresses on whose requests the firewall has acted lately; read only if no address is named."""


def range_of(rule: AddressRule) -> Range | None:
    """Return the range of a rule; None if a person has written one in a form that we refuse."""
    try:
        return read_range(rule.ip)
    except Refused:
        return None


def shown_rule(rule: AddressRule) -> str:
    """Return the range of a rule as we write it."""
    network = range_of(rule)
    return shown(network) if network is not None else rule.ip


def allowed_ranges(state: BlockState) -> dict[Range, str]:
    """Return what a rule of the firewall lets through, with that reason."""
    rules = {text: range_of(AddressRule(id="", ip=text, hostname="", action="bypass")) for text in state.allowed}
    return {network: "a rule of Vercel's firewall lets it through" for network in rules.values() if network is not None}


def candidates(denied: Iterable[Denied]) -> tuple[Candidate, ...]:
    """Return the addresses that a person can choose, with what the firewall has seen of each."""
    return tuple(
        Candidate(name=one.address, reason=f"Vercel's firewall acted on {one.count} requests of it ({one.action})")
        for one in denied
    )
