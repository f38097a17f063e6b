"""How far a message to a person got.

A vendor that took a message has not delivered it, and a message that was delivered may never be read.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from allclear.domain.action import State


class Delivery(StrEnum):
    """How far a message got to one recipient."""

    ACCEPTED = "accepted"
    """The vendor took it. Nothing shows yet whether it arrived; for e-mail nothing ever does."""
    DELIVERED = "delivered"
    """The vendor says that it reached the recipient's device."""
    ACKNOWLEDGED = "acknowledged"
    """The recipient confirmed it, for example with a key on the phone."""
    FAILED = "failed"
    """It did not reach the recipient, and will not."""
    UNKNOWN = "unknown"
    """It may have reached the recipient: the vendor's answer was lost, or a mailbox may have taken the call."""


ON_THE_WAY = frozenset({Delivery.ACCEPTED, Delivery.DELIVERED, Delivery.ACKNOWLEDGED})
"""How far a message got that is not sent to this recipient once more."""

MAY_BE_REPEAT = "This may be a repeat: an earlier try got no answer."
"""Begins a message that is sent again although the earlier one may have arrived."""

MAY_HAVE_IT = "You may have received this already, by another way."
"""Ends a message if an earlier one, by another way, may have arrived."""


def from_command_line(value: object) -> object:
    """Return the recipients in `ana@acme.com,ben@acme.com`, as the command line has them; any other value as it is."""
    return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value


class Sent(State):
    """A message to people, as the vendor knows it. The base of the states of the actions that send one."""

    deliveries: dict[str, Delivery] = Field(
        default={}, description="Each recipient's address, and how far the message got."
    )
