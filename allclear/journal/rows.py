"""What the ports of the journal take and return: messages to Prefect, incidents in a list, claims and deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from allclear.domain.base import JsonDict


class OutboxKind(StrEnum):
    """What Prefect is asked to do."""

    START = "start"
    """Start the flow run of a phase."""
    RESUME = "resume"
    """Resume the flow runs that wait for a person's answer, which is in the journal."""
    ALARM = "alarm"
    """Show that no way is left to tell people."""


@dataclass(frozen=True)
class OutboxMessage:
    """A request to Prefect, stored until it is delivered. A second message with the same `key` is not stored."""

    kind: OutboxKind
    incident: str
    key: str
    detail: JsonDict
    attempts: int = 0


@dataclass(frozen=True)
class IncidentRow:
    """One incident in a list."""

    id: str
    service: str
    opened_at: datetime
    ended_at: datetime | None
    length: int
    """How many entries its record has."""
    head: str
    """The hash of the last entry."""


@dataclass(frozen=True)
class Acquired:
    """The claim is this process's. `resumed` says that an earlier holder had intended the act already."""

    token: str
    resumed: bool
    holder_dead: bool


@dataclass(frozen=True)
class Held:
    """Another process or another act has the claim; `gone` says whether that holder has ended or its lease is over."""

    incident: str
    act: str
    holder: str
    until: datetime
    gone: bool


@dataclass(frozen=True)
class Finished:
    """The act has an outcome already."""


Claim = Acquired | Held | Finished


@dataclass(frozen=True)
class NewDelivery:
    """A request of a monitoring system, before it is stored."""

    source: str
    headers: dict[str, str]
    body: bytes
    delivery_key: str
    once: bool = False
    """Whether its sender never sends the same twice with a new meaning: a repeat is then only counted."""


@dataclass(frozen=True)
class Delivery:
    """One request of a monitoring system, as it was received."""

    id: str
    source: str
    received_at: datetime
    headers: dict[str, str]
    body: bytes
    count: int
    """How many times the same request was received."""
    state: str
    incident: str | None
    reason: str
    taken_in: int = 0
    """How many of its alerts are taken in while its state is still `new`."""


@dataclass(frozen=True)
class DeliverySummary:
    """One request of a monitoring system in a list, without its headers and body."""

    id: str
    source: str
    received_at: datetime
    count: int
    state: str
    incident: str | None
    reason: str
