"""An alert: what one message of a monitoring system says, its state so far, and what allclear decided about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

FiringState = Literal["firing", "resolved"]

AlertOrder = datetime | tuple[int, ...]
"""The time or the number of a message, which is higher for each later message about the same alert."""

Decision = Literal[
    "quarantined",
    "opened",
    "ticket",
    "joined",
    "heard",
    "held",
    "collapsed",
    "repeat",
    "late",
    "old",
    "below",
    "ignored",
]
"""What allclear decided about an alert, the most important first: docs/reference/alert-sources.md explains each."""


@dataclass(frozen=True)
class Alert:
    """One alert, from any source. Its texts are untrusted."""

    source: str
    key: str
    """The source's identity of the problem: the same for every firing and for the resolve of one problem."""
    state: FiringState
    title: str
    labels: dict[str, str] = field(default_factory=dict[str, str])
    authenticated: bool = False
    """Whether the source proved its identity: no action is automatic without it."""
    at: datetime | None = None
    """When the problem began (firing) or ended (resolved), by the source's clock, in UTC."""
    order: AlertOrder | None = None
    """What the sender says about the order of its messages; None if it says nothing that can be trusted.

    Then the order of arrival counts. The time at which a problem began is no order, because every repeat has it."""
    no_recovery: str = ""
    """Why this end is no recovery, as a clause (`its rule was paused`); empty if it is one, or if the alert fires."""


@dataclass(frozen=True)
class AlertState:
    """An alert that belongs to an incident, or that was resolved before it fired. Its times are allclear's own.

    `source_time` and `source_end` are the source's.
    """

    key: str
    incident: str
    """The incident that it belonged to last, which may have ended; empty if only resolutions were received."""
    source: str
    title: str
    state: FiringState
    """How it counts in its incident."""
    source_state: FiringState
    """The last state that its source sent; differs from `state` while the alert is flapping."""
    source_time: datetime | None
    """The newest of the source's own times."""
    changed_at: datetime
    """When the source's state changed last."""
    last_seen_at: datetime
    transitions: tuple[datetime, ...] = ()
    """When the source's state changed, as far back as flapping is counted."""
    count: int = 1
    """How many times it was received."""
    source_order: tuple[int, ...] | None = None
    """The highest order that its source sent."""
    source_end: datetime | None = None
    """The newest time at which it ended, by the source's clock."""


@dataclass(frozen=True)
class AlertDecision:
    """What allclear decided about one alert of one delivery, and why."""

    delivery: str
    position: int
    """Its place among the delivery's alerts, from 0."""
    decision: Decision
    reason: str
    at: datetime
    """When it was received last."""
    source: str
    key: str
    state: FiringState
    title: str
    severity: str = ""
    """The severity that the source sent."""
    service: str = ""
    source_time: datetime | None = None
    """The source's own time."""
    incident: str | None = None
    count: int = 1
    """How many times the same was decided."""
    number: int = 0
    """Its place in the order in which alerts were first received."""
