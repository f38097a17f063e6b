"""Addresses that are to be blocked: what is read, and what is refused with which sentence."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from allclear.domain.address_ranges import (
    MOST_RANGES,
    NeverBlocked,
    RangeLimits,
    contains,
    read_range,
    read_ranges,
    require_blockable,
    shown,
)
from allclear.domain.errors import Refused

LIMITS = RangeLimits("Vercel", ipv4=16, ipv6=48)
OFFICE = {ip_network("198.51.100.0/28"): "our office"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.7", ["203.0.113.7"]),
        (" 203.0.113.7, 203.0.113.8;2001:db8::7\n", ["203.0.113.7", "203.0.113.8", "2001:db8::7"]),
        ("203.0.113.7/32", ["203.0.113.7"]),
        ("203.0.113.7 203.0.113.7", ["203.0.113.7"]),
        ("203.0.113.7 203.0.113.0/24", ["203.0.113.0/24"]),
        ("2001:DB8:0:0::7", ["2001:db8::7"]),
    ],
)
def test_addresses_are_read_as_people_write_them(text: str, expected: list[str]) -> None:
    """Spaces, commas and semicolons separate them; each is kept once, and not beside a range that contains it."""
    assert [shown(network) for network in read_ranges(text)] == expected


@pytest.mark.parametrize(
    ("text", "sentence", "next_step"),
    [
        ("", "No address was named", "203.0.113.7"),
        ("attacker.example", "`attacker.example` is no address", "203.0.113.7"),
        ("203.0.113.256", "no address", "203.0.113.7"),
        ("203.0.113.07", "no address", "203.0.113.7"),
        ("203.0.113.0/33", "no address", "203.0.113.0/24"),
        ("203.0.113.7/24", "may mean the address 203.0.113.7 or the range 203.0.113.0/24", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "IPv4 address written as IPv6", "Write 203.0.113.7."),
        ("fe80::1%eth0", "belongs to one machine's network card", "request logs"),
        ("http://203.0.113.7", "no address", "203.0.113.7"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_write(text: str, sentence: str, next_step: str) -> None:
    """One sentence names the text, and the next step shows the form."""
    with pytest.raises(Refused) as refused:
        read_ranges(text)
    assert sentence in refused.value.message
    assert next_step in refused.value.next_step


def test_one_change_blocks_no_more_than_a_person_can_read() -> None:
    """Fifty ranges at most."""
    with pytest.raises(Refused, match=f"more than the {MOST_RANGES}"):
        read_ranges(" ".join(f"203.0.113.{number}" for number in range(MOST_RANGES + 1)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("10.1.2.3", "10.1.2.3 is private (RFC 1918)"),
        ("192.168.0.0/24", "is private"),
        ("127.0.0.1", "is this machine itself"),
        ("::1", "is this machine itself"),
        ("169.254.169.254", "is link-local"),
        ("100.64.3.4", "inside a provider's network"),
        ("fd12:3456::1", "fd12:3456::1 is private (RFC 4193)"),
        ("224.0.0.1", "is multicast"),
        ("::fffe:0:0/95", "is reserved"),
        ("::203.0.113.7", "is reserved"),
        ("64:ff9b:1::7", "is IPv4 translated by NAT64"),
        ("fec0::1", "is private"),
        ("192.0.0.8", "is reserved"),
        ("198.18.3.4", "is for tests of networks"),
        ("0.0.0.0/0", "0.0.0.0/8, a part of 0.0.0.0/0, means this network"),
        ("::/0", "a part of ::/0"),
        ("203.0.0.0/12", "wider than Vercel takes: a /12, and at most a /16"),
        ("2001:db8::/32", "wider than Vercel takes: a /32, and at most a /48"),
        ("198.51.100.7", "198.51.100.7 would block 198.51.100.0/28, which is never blocked here: our office"),
        ("198.51.100.0/24", "198.51.100.0/24 would block 198.51.100.0/28"),
    ],
)
def test_ranges_that_must_not_be_blocked_are_refused(text: str, sentence: str) -> None:
    """Private and reserved ranges, ranges that are too wide, and those that contain or are a part of our own."""
    with pytest.raises(Refused) as refused:
        require_blockable(read_ranges(text), OFFICE, LIMITS)
    assert sentence in refused.value.message
    assert refused.value.next_step


@pytest.mark.parametrize("text", ["203.0.113.7", "198.51.100.16/28", "203.0.0.0/16", "2001:db8::/48"])
def test_an_attackers_address_may_be_blocked(text: str) -> None:
    """A neighbour of our own range, and the widest ranges that the firewall takes."""
    require_blockable(read_ranges(text), OFFICE, LIMITS)


def test_the_two_versions_never_contain_each_other() -> None:
    """An IPv4 and an IPv6 range have no address in common."""
    assert not contains(read_range("203.0.113.0/24"), read_range("2001:db8::7"))
    assert contains(read_range("2001:db8::/48"), read_range("2001:db8::7"))


def test_the_list_of_systems_yaml_names_whose_each_range_is() -> None:
    """A range that cannot be read is an error of systems.yaml, with the same words."""
    kept = NeverBlocked.model_validate({"198.51.100.0/28": "our office", "2001:db8::7": "the monitoring"})
    assert {shown(network): whose for network, whose in kept.ranges().items()} == {
        "198.51.100.0/28": "our office",
        "2001:db8::7": "the monitoring",
    }
    with pytest.raises(ValidationError, match="may mean the address"):
        NeverBlocked.model_validate({"198.51.100.3/28": "our office"})
