"""What the rest of allclear asks of the journal. `allclear.journal.entries` keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from allclear.domain.alert import AlertDecision, AlertState
from allclear.domain.base import JsonDict
from allclear.domain.baseline import Baseline
from allclear.domain.plan import RotaOverride
from allclear.domain.records import ActFinished, ActIntended, By, Entry, IncidentOpened
from allclear.domain.scope import Scope

INCIDENTS = "numbers and keys of incidents"
"""The turn of whoever may open an incident."""


class OutboxKind(StrEnum):
    """What is carried to Prefect."""

    START = "start"
    """Start the flow run of a phase."""
    RESUME = "resume"
    """Wake the runs that wait for a person's answer, which the journal has by now."""


@dataclass(frozen=True)
class OutboxMessage:
    """Something to tell Prefect, kept until it is done. `key` makes it one, however often it is asked for."""

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
    """The hash of the last."""


@dataclass(frozen=True)
class Acquired:
    """The claim is ours. `resumed` says that an earlier holder had begun it."""

    token: str
    resumed: bool
    holder_dead: bool


@dataclass(frozen=True)
class Held:
    """Somebody else holds the resource: `incident` and `act` say for what, `gone` whether the holder is."""

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
class Delivery:
    """One request of a monitoring system, as it came in."""

    id: str
    source: str
    received_at: datetime
    headers: dict[str, str]
    body: bytes
    count: int
    state: str
    incident: str | None
    reason: str
    read_to: int = 0
    """How many of its alerts are taken in, where not all of them are."""


@dataclass(frozen=True)
class NewDelivery:
    """A request of a monitoring system, as it is to be kept."""

    source: str
    headers: dict[str, str]
    body: bytes
    delivery_key: str


@dataclass(frozen=True)
class DeliverySummary:
    """One request of a monitoring system in a list: without what it said."""

    id: str
    source: str
    received_at: datetime
    count: int
    state: str
    incident: str | None
    reason: str


@dataclass(frozen=True)
class Counts:
    """What the journal holds of its scope, in numbers."""

    deliveries: dict[str, int]
    """State -> how many requests of monitoring systems."""
    unread_since: datetime | None
    """When the oldest came in that was never read yet: one that is read once more does not count."""
    acts: dict[str, int]
    """Status of the outcome -> how many acts, in all incidents."""
    outbox: list[str]
    """The keys of the errands that are not done."""


class Journal(Protocol):
    """The record of incidents: append-only entries, the claims on resources, the in- and the outbox.

    A journal is seen in one scope: its lists, counts, alerts, claims and keys are those of that scope alone. An
    incident of another scope is not found, except by `entries` and `broken_link`, which only read its record.

    Every method is one transaction: all of it is durable when the method returns, or nothing of it is.
    All raise JournalError. Records are of `allclear.domain.records.Record`.
    """

    @property
    def scope(self) -> Scope:
        """Return whose incidents this journal lists."""
        ...

    def together(self, *turns: str) -> AbstractContextManager[None]:
        """Make one transaction of all that this thread reads and writes inside; whatever raises undoes all of it.

        One inside another is part of the outer one. `turns` name what nobody else may be at meanwhile; INCIDENTS
        is the one to name where an incident may be opened.
        """
        ...

    def open_incident(
        self,
        short: str,
        opened: IncidentOpened,
        by: By,
        *,
        key: str | None = None,
        records: Sequence[Any] = (),
        outbox: Sequence[OutboxMessage] = (),
    ) -> tuple[str, bool]:
        """Return the new incident's id and True; or, where one with `key` is open, that one's id and False.

        `records` follow the opening at once, or join the open incident; `outbox` go only with a new one, their
        incident filled in.
        """
        ...

    def append(
        self,
        incident: str,
        records: Sequence[Any],
        by: By,
        *,
        expect: int | None = None,
        outbox: Sequence[OutboxMessage] = (),
    ) -> list[Entry]:
        """Append in order and returns the entries.

        `expect` is the number of the entry that the writer saw last. Raises Moved when a newer one is there, and
        NotFound for an unknown incident.
        """
        ...

    def entries(self, incident: str, *, after: int = 0) -> list[Entry]:
        """Return the entries with a number over `after`, in order. Raises NotFound for an unknown incident."""
        ...

    def incidents(
        self,
        *,
        open_only: bool = False,
        service: str | None = None,
        since: datetime | None = None,
        ended_since: datetime | None = None,
    ) -> list[IncidentRow]:
        """Return the incidents, newest first.

        With `since`, those that were opened no earlier; with `ended_since`, those that are open or ended no earlier.
        """
        ...

    def open_with_key(self, key: str) -> str | None:
        """Return the open incident that was opened with `key`, or None."""
        ...

    def head(self, incident: str) -> tuple[int, str]:
        """Return how many entries an incident has, and the hash of the last. Raises NotFound."""
        ...

    def version(self) -> int | None:
        """Return a number that is another one once anybody has written, in microseconds; None where none tells."""
        ...

    def incidents_touching(self, resource: str) -> list[str]:
        """Return the ids of the incidents with an act on `resource`, oldest first."""
        ...

    def broken_link(self, incident: str) -> int | None:
        """Return the number of the first entry whose hash does not fit, or None for a whole chain."""
        ...

    def take_over(self, takeover: RotaOverride) -> None:
        """Record that somebody took over a turn of a rota."""
        ...

    def overrides(self, role: str, *, limit: int = 50) -> list[RotaOverride]:
        """Return up to `limit` takeovers of `role`, the newest first."""
        ...

    def add_baselines(self, baselines: Sequence[Baseline]) -> None:
        """Record which revisions had all users and were healthy; never changed afterwards."""
        ...

    def baselines(self, resource: str, before: datetime, *, limit: int = 10) -> list[Baseline]:
        """Return up to `limit` baselines of `resource` that are no later than `before`, the newest first."""
        ...

    def claim(
        self,
        resource: str,
        incident: str,
        act: str,
        lease: timedelta,
        intent: ActIntended,
        by: By,
    ) -> Claim:
        """Take the one claim on `resource`; the intent goes with it in the same transaction, unless it is there."""
        ...

    def renew(self, resource: str, token: str, lease: timedelta) -> bool:
        """Renew our claim; False when it is no longer ours."""
        ...

    def finish(
        self,
        resource: str,
        token: str,
        incident: str,
        finished: ActFinished,
        by: By,
        records: Sequence[Any] = (),
    ) -> bool:
        """Append the outcome and lets go of the claim; False, and nothing is written, when it is no longer ours."""
        ...

    @property
    def holder(self) -> str:
        """Return this process's id among the holders of claims."""
        ...

    def gone(self, holder: str) -> bool:
        """Return whether the process with that id has ended; one that is only stopped has not."""
        ...

    def receive_all(self, received: Sequence[NewDelivery]) -> list[tuple[str, bool]]:
        """Keep deliveries and returns of each, in order, its id, and whether there is new work.

        A repeat is counted under its first id, and looked at once more: what its words mean may have changed (its
        incident has ended, a route was added). Until that is done, further repeats are only counted.
        """
        ...

    def alert(self, key: str) -> AlertState | None:
        """Return the alert with that key, or None for one that never had an incident."""
        ...

    def alerts_of(self, incident: str) -> list[AlertState]:
        """Return the alerts that belong to an incident now, by their keys."""
        ...

    def keep_alert(self, alert: AlertState) -> None:
        """Record how an alert stands."""
        ...

    def hear(self, heard: AlertDecision) -> None:
        """Record what became of an alert; the same again is counted, with its newest time and reason."""
        ...

    def heard(
        self, *, delivery: str | None = None, incident: str | None = None, limit: int | None = 1000
    ) -> list[AlertDecision]:
        """Return what was heard of a delivery or an incident, in order; of more than `limit` the newest.

        None is no limit.
        """
        ...

    def count_heard(self, delivery: str) -> int:
        """Return how many lines `heard` has for a delivery."""
        ...

    def collapsed(self, incident: str, after: int) -> tuple[int, int]:
        """Return how many alerts were collapsed into an incident after the number `after`, and the last one's."""
        ...

    def settle(self, delivery: str, state: str, reason: str, incident: str | None = None) -> None:
        """Record what became of a delivery."""
        ...

    def read_to(self, delivery: str, count: int) -> None:
        """Record that the first `count` alerts of a delivery are taken in; to settle it forgets that."""
        ...

    def unread(self, per_source: int = 100) -> list[tuple[str, str]]:
        """Return id and source of what is to be taken in, oldest first: of each source its oldest few.

        A source that sends in masses hides no other.
        """
        ...

    def deliveries(self, *, state: str | None = None, limit: int = 100) -> list[Delivery]:
        """Return deliveries, newest first; those to be worked on (`state="new"`) oldest first."""
        ...

    def delivery(self, delivery: str) -> Delivery:
        """Return one delivery. Raises NotFound, for one of another scope as well."""
        ...

    def outbox(self, *, limit: int = 50, incident: str | None = None) -> list[OutboxMessage]:
        """Return the errands that are due, oldest first: all of them, or those of one incident."""
        ...

    def message_done(self, key: str) -> None:
        """Strikes an errand off."""
        ...

    def message_failed(self, key: str, reason: str, again_in: timedelta) -> None:
        """Put an errand off."""
        ...

    def wait(self, run: str, incident: str, ask: str) -> None:
        """Record that a Prefect flow run waits for the answer to `ask`, and for nothing else any more."""
        ...

    def waits(self, ask: str) -> list[str]:
        """Return the flow runs that wait for `ask`."""
        ...

    def arrived(
        self,
        *,
        state: str | None = None,
        source: str | None = None,
        limit: int = 100,
    ) -> list[DeliverySummary]:
        """Return what came in, newest first, without bodies and headers."""
        ...

    def counts(self) -> Counts:
        """Return what the journal holds, in numbers."""
        ...

    def prove_writable(self) -> None:
        """Make something durable that leaves no trace. Raises JournalError where nothing can be written now."""
        ...

    def close(self) -> None:
        """Release the database and of our presence among the holders."""
        ...
