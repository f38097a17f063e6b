"""What every action that blocks addresses shares: its parameters, and how sentences name ranges."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from allclear.domain.address_ranges import Range, read_range, read_ranges
from allclear.domain.errors import Refused
from tasks.service_params import ServiceParams

_TYPED = "Addresses and ranges, separated by spaces, as 203.0.113.7 198.51.100.0/24"
_NAMED = 4
"""How many ranges a sentence names."""


class AddressParams(ServiceParams):
    """Which service, and which addresses."""

    addresses: str = Field(
        default="",
        max_length=2_000,
        description="Addresses and ranges, separated by spaces: 203.0.113.7 198.51.100.0/24.",
    )

    def ranges(self) -> list[Range]:
        """Return the ranges. Raises Refused, which lets people type others."""
        try:
            return read_ranges(self.addresses)
        except Refused as error:
            raise retyped(error) from None


def retyped(error: Refused) -> Refused:
    """Return the refusal of addresses, which lets people type others in an incident."""
    return Refused(error.message, error.next_step, error.candidates, typed=_TYPED)


def listed(ranges: Iterable[str]) -> str:
    """Return the ranges as a sentence names them: the first few, and how many more."""
    names = list(ranges)
    if len(names) > _NAMED + 1:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def is_are(names: list[str]) -> str:
    """Return `is` for one name and `are` for several."""
    return "is" if len(names) == 1 else "are"


def sizes(ranges: list[str]) -> str:
    """Return how many addresses each range has, in brackets; empty if all are single addresses."""
    counted = [f"{one} has {read_range(one).num_addresses:,} addresses" for one in ranges if "/" in one]
    return f" ({'; '.join(counted[:_NAMED])})" if counted else ""
