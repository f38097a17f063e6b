"""Ranges of internet addresses that people want to block, and those that must never be blocked.

Every action that blocks addresses (Vercel's firewall, Cloud Armor) reads them with `read_ranges` and compares them with
`require_blockable`, so that the same mistake gets the same sentence everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, RootModel

from allclear.domain.errors import Refused

Range = IPv4Network | IPv6Network

MOST_RANGES = 50
"""The most ranges of one act: a person must be able to read the list that is approved."""
_BETWEEN = re.compile(r"[\s,;]+")
_WRITE_ONE = "Write one address as 203.0.113.7 or 2001:db8::7, or a range as 203.0.113.0/24."
_NAME_ATTACKER = "Name the attacker's address as the request logs show it."
_NOT_PUBLIC: Mapping[Range, str] = {
    ip_network(network): words
    for network, words in {
        "0.0.0.0/8": "means this network",
        "10.0.0.0/8": "is private (RFC 1918)",
        "100.64.0.0/10": "is shared inside a provider's network (RFC 6598)",
        "127.0.0.0/8": "is this machine itself",
        "169.254.0.0/16": "is link-local",
        "172.16.0.0/12": "is private (RFC 1918)",
        "192.0.0.0/24": "is reserved",
        "192.168.0.0/16": "is private (RFC 1918)",
        "198.18.0.0/15": "is for tests of networks",
        "224.0.0.0/4": "is multicast",
        "240.0.0.0/4": "is reserved",
        "::/128": "means no address",
        "::1/128": "is this machine itself",
        "64:ff9b::/96": "is IPv4 translated by NAT64",
        "64:ff9b:1::/48": "is IPv4 translated by NAT64",
        "::/8": "is reserved",
        "fc00::/7": "is private (RFC 4193)",
        "fe80::/10": "is link-local",
        "fec0::/10": "is private (RFC 3879)",
        "ff00::/8": "is multicast",
    }.items()
}
"""Ranges from which no request comes over the internet. The first one that fits is named, so `::/8` stands behind what
it contains; it also holds IPv4 addresses that are written as IPv6. *Source:* IANA's special-purpose address registries,
2026."""


@dataclass(frozen=True)
class RangeLimits:
    """The widest ranges that a firewall takes: the shortest prefix lengths, in bits."""

    vendor: str
    ipv4: int
    ipv6: int


def _valid_ranges(ranges: dict[str, str]) -> dict[str, str]:
    for text in ranges:
        try:
            read_range(text)
        except Refused as error:
            raise ValueError(str(error)) from None
    return ranges


class NeverBlocked(RootModel[Annotated[dict[str, str], AfterValidator(_valid_ranges)]]):
    """Addresses and ranges that are never blocked, and whose they are: `198.51.100.0/24: our office`."""

    model_config = ConfigDict(frozen=True)
    key: ClassVar[str] = "never_blocked"

    def ranges(self) -> dict[Range, str]:
        """Return each range, and whose it is."""
        return {read_range(text): whose for text, whose in self.root.items()}


def read_range(text: str) -> Range:
    """Return the address or range that `text` spells. Raises Refused with what is wrong, and what to write instead."""
    written = text.strip()
    try:
        network = ip_network(written, strict=False)
    except ValueError:
        raise Refused(f"`{written[:60]}` is no address and no range of addresses.", _WRITE_ONE) from None
    if "/" in written:
        host = ip_address(written.partition("/")[0])
        if host != network.network_address:
            raise Refused(
                f"`{written}` is unclear: it may mean the address {host} or the range {network}.",
                f"Write {host} for the one address, or {network} for the whole range.",
            )
    if isinstance(network, IPv6Network) and (mapped := _mapped(network)):
        raise Refused(f"`{written}` is an IPv4 address written as IPv6.", f"Write {mapped}.")
    if isinstance(network, IPv6Network) and network.network_address.scope_id:
        raise Refused(f"`{written}` belongs to one machine's network card.", _NAME_ATTACKER)
    return network


def _mapped(network: IPv6Network) -> str:
    """Return the IPv4 address or range that an IPv6 one maps; empty if it maps none."""
    mapped: IPv4Address | None = network.network_address.ipv4_mapped
    if mapped is None:
        return ""
    bits = network.prefixlen - 96
    return shown(ip_network(f"{mapped}/{bits}", strict=False)) if bits >= 0 else ""


def read_ranges(text: str) -> list[Range]:
    """Return the ranges in `text`, which spaces, commas or semicolons separate; each once, in order.

    A range that another one contains is left out. Raises Refused.
    """
    written = [part for part in _BETWEEN.split(text) if part]
    ranges = list(dict.fromkeys(read_range(part) for part in written))
    if not ranges:
        raise Refused("No address was named.", _WRITE_ONE)
    if len(ranges) > MOST_RANGES:
        raise Refused(
            f"{len(ranges)} addresses and ranges are more than the {MOST_RANGES} that one change may block.",
            "Name a range that contains them, or make several changes.",
        )
    return [one for one in ranges if not any(other is not one and contains(other, one) for other in ranges)]


def shown(network: Range) -> str:
    """Return the range as people write it: `203.0.113.7`, `203.0.113.0/24`."""
    return str(network.network_address if network.num_addresses == 1 else network)


def contains(outer: Range, inner: Range) -> bool:
    """Return whether every address of `inner` is in `outer`."""
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def require_blockable(ranges: Iterable[Range], never: Mapping[Range, str], limits: RangeLimits) -> None:
    """Raise Refused if a range must not be blocked: not public, wider than the firewall takes, or never blocked here.

    `never` holds the company's own ranges and those on its list, each with whose it is.
    """
    for network in ranges:
        _require_public(network)
        widest = limits.ipv4 if isinstance(network, IPv4Network) else limits.ipv6
        if network.prefixlen < widest:
            raise Refused(
                f"{network} is wider than {limits.vendor} takes: a /{network.prefixlen}, and at most a /{widest}.",
                "Name smaller ranges, or block by another criterion in the vendor's firewall.",
            )
        for kept, whose in never.items():
            if network.overlaps(kept):
                raise Refused(
                    f"{shown(network)} would block {shown(kept)}, which is never blocked here: {whose}.",
                    f"Name a range without it, or take it out of `{NeverBlocked.key}` in systems.yaml.",
                )


def _require_public(network: Range) -> None:
    for special, words in _NOT_PUBLIC.items():
        if network.version == special.version and network.overlaps(special):
            inside = shown(network) if contains(special, network) else f"{special}, a part of {network},"
            raise Refused(f"{inside} {words}, so no request from the internet comes from it.", _NAME_ATTACKER)
