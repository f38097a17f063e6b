"""The ports of the journal: what the rest of allclear reads from it and writes to it.

`allclear.journal.sql_journal` implements them on SQL, one module for each port.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from allclear.domain.alert import AlertDecision, AlertState
from allclear.domain.baseline import Baseline
from allclear.domain.links import Revocation
from allclear.domain.notify.channel_test import ChannelTest
from allclear.domain.plan import RotaOverride
from allclear.domain.records import ActFinished, ActIntended, By, Entry, IncidentOpened
from allclear.domain.scope import Scope
from allclear.journal.counts import Counts
from allclear.journal.rows import Claim, Delivery, DeliverySummary, IncidentRow, NewDelivery, OutboxMessage

INCIDENTS = "numbers and keys of incidents"
"""The lock to name in `Journal.transaction` if an incident may be opened inside it."""


class Entries(Protocol):
    """Incidents and their entries, which are only ever appended."""

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
        """Open an incident and return its id and True. If one with `key` is open, return that one's id and False.

        `records` follow the opening record, or are appended to the incident that is open. `outbox` is stored only with
        a new incident, whose id replaces `{incident}` in each key. If `opened.ticket`, the id is of the form VS-T3, and
        no incident's number is used.
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
        """Append records in order and return their entries.

        `expect` is the number of the last entry that the caller has read. Raises ConcurrentWrite if there is a newer
        one, NotFound for an unknown incident.
        """
        ...

    def entries(self, incident: str, *, after: int = 0) -> list[Entry]:
        """Return the entries with a number over `after`, in order. Raises NotFound for an unknown incident."""
        ...

    def head(self, incident: str) -> tuple[int, str]:
        """Return how many entries an incident has, and the hash of the last. Raises NotFound."""
        ...

    def incidents(
        self,
        *,
        open_only: bool = False,
        service: str | None = None,
        since: datetime | None = None,
        ended_since: datetime | None = None,
        with_follow_ups: datetime | None = None,
        with_tickets: bool = False,
    ) -> list[IncidentRow]:
        """Return the incidents, newest first. Without `with_tickets` what is only a ticket is left out.

        `since` selects those opened at that time or later; `ended_since` those that are open or ended then or later.
        `with_follow_ups` selects those with a follow-up that is not done, or was done at that time or later.
        """
        ...

    def incidents_touching(self, resource: str) -> list[str]:
        """Return the ids of the incidents with an act on `resource`, oldest first."""
        ...

    def open_with_key(self, key: str) -> str | None:
        """Return the id of the open incident that was opened with `key`, or None."""
        ...

    def broken_link(self, incident: str) -> int | None:
        """Return the number of the first entry whose hash is wrong, or None if the chain is whole. Raises NotFound."""
        ...


class Claims(Protocol):
    """The claims on resources: at most one act changes a resource at a time."""

    @property
    def holder(self) -> str:
        """Return the id of this process among the holders of claims."""
        ...

    def gone(self, holder: str) -> bool:
        """Return whether the process with that id has ended; one that is only stopped has not."""
        ...

    def claim(  # noqa: PLR0913 - what the claim and its intent say
        self,
        resource: str,
        incident: str,
        act: str,
        lease: timedelta,
        intent: ActIntended,
        by: By,
        *,
        expect: int | None = None,
    ) -> Claim:
        """Acquire the claim on `resource` for `lease`, and append `intent` in the same transaction if it is missing.

        Raises NotFound for an unknown incident, ConcurrentWrite if the intent is missing and the incident's length is
        not `expect`.
        """
        ...

    def renew(self, resource: str, token: str, lease: timedelta) -> bool:
        """Extend the lease; return False if the claim is no longer this process's."""
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
        """Append the outcome and release the claim; return False, writing nothing, if the claim is another's now."""
        ...


class Inbox(Protocol):
    """The requests of monitoring systems, stored before they are read."""

    def receive_all(self, received: Sequence[NewDelivery]) -> list[tuple[str, bool]]:
        """Store deliveries; return for each, in order, its id, and whether there is something new to read.

        A repeat is counted under the id of the first. Unless it is `once`, it is read again in its own place of the
        order of arrival, because the same request may now mean something else (its alert was resolved meanwhile, its
        incident has ended, a route was added). A repeat directly after an unread delivery is only counted.
        """
        ...

    def unread(self, per_source: int = 100) -> list[tuple[str, str]]:
        """Return id and source of the deliveries to read, oldest first: at most `per_source` of each source.

        The limit keeps a source that sends in masses from hiding the others.
        """
        ...

    def set_delivery_state(self, delivery: str, state: str, reason: str, incident: str | None = None) -> None:
        """Record what became of a delivery."""
        ...

    def set_taken_in(self, delivery: str, count: int) -> None:
        """Record that the first `count` alerts of a delivery are taken in; `set_delivery_state` resets it to 0."""
        ...

    def delivery(self, delivery: str) -> Delivery:
        """Return one delivery. Raises NotFound, also for a delivery of another scope."""
        ...

    def deliveries(self, *, state: str | None = None, limit: int = 100) -> list[Delivery]:
        """Return deliveries, newest first; those to be read (`state="new"`) oldest first."""
        ...

    def delivery_summaries(
        self, *, state: str | None = None, source: str | None = None, limit: int = 100
    ) -> list[DeliverySummary]:
        """Return deliveries without headers and bodies, newest first."""
        ...


class Outbox(Protocol):
    """The requests to Prefect that are not delivered yet, and the flow runs that wait for answers."""

    def outbox(self, *, limit: int = 50, incident: str | None = None) -> list[OutboxMessage]:
        """Return the messages that are due, oldest first: all of them, or those of one incident."""
        ...

    def message_done(self, key: str) -> None:
        """Record that a message is delivered."""
        ...

    def message_failed(self, key: str, reason: str, again_in: timedelta) -> None:
        """Record a failed attempt; the message is due again after `again_in`."""
        ...

    def add_waiting_run(self, run: str, incident: str, *asks: str) -> None:
        """Record that a Prefect flow run waits for an answer to one of `asks`, and for nothing else."""
        ...

    def waiting_runs(self, ask: str) -> list[str]:
        """Return the flow runs that wait for the answer to `ask`."""
        ...

    def awaited_by(self, run: str) -> tuple[str, str] | None:
        """Return the incident and the ask for which a flow run waited last; None if it never waited."""
        ...


class Alerts(Protocol):
    """The state of each alert that has an incident, and what was decided about every alert."""

    def alert(self, key: str) -> AlertState | None:
        """Return the alert with that key, or None if it never had an incident."""
        ...

    def alerts_of(self, incident: str) -> list[AlertState]:
        """Return the alerts that belong to an incident now, ordered by key."""
        ...

    def save_alert(self, alert: AlertState) -> None:
        """Insert or replace the state of an alert."""
        ...

    def add_decision(self, decision: AlertDecision) -> None:
        """Record a decision about an alert. The same decision again is counted, with its newest time and reason."""
        ...

    def decisions(
        self, *, delivery: str | None = None, incident: str | None = None, limit: int | None = 1000
    ) -> list[AlertDecision]:
        """Return the newest `limit` decisions of a delivery or an incident, in order; all of them if it is None."""
        ...

    def count_decisions(self, delivery: str) -> int:
        """Return how many decisions there are about the alerts of a delivery."""
        ...

    def count_collapsed(self, incident: str, after: int) -> tuple[int, int]:
        """Return how many alerts were collapsed into an incident since decision `after`, and the last one's number."""
        ...


class Overrides(Protocol):
    """Who took over a turn of a rota; rows are only ever added."""

    def add_override(self, override: RotaOverride) -> None:
        """Record that a person took over a turn of a rota."""
        ...

    def overrides(self, role: str, *, limit: int = 50) -> list[RotaOverride]:
        """Return up to `limit` overrides of `role`, newest first."""
        ...


class Revocations(Protocol):
    """Which personal links, sign-ins and tokens are no longer accepted; rows are only ever added."""

    def revoke(self, revocation: Revocation) -> None:
        """Record that what was signed for a person before is no longer accepted."""
        ...

    def revocation(self, person: str, incident: str) -> Revocation | None:
        """Return the revocation with the latest time that holds for a person in an incident, or None."""
        ...


class Requests(Protocol):
    """What each idempotency key was used for; rows are only ever added. Every entry's request is claimed with it."""

    def claim_request(self, request: str) -> bool:
        """Store what the key of a request is used for, and return whether the request is new.

        Call it in the transaction of what the request writes. Raises Refused if the key was used for something else.
        """
        ...

    def has_request(self, request: str) -> bool:
        """Return whether the request was claimed."""
        ...

    def check_request(self, request: str) -> None:
        """Raise Refused if the key of the request was used for something else."""
        ...


class Baselines(Protocol):
    """Which revision served all users while it was healthy; rows are only ever added."""

    def add_baselines(self, baselines: Sequence[Baseline]) -> None:
        """Record baselines, all or none."""
        ...

    def baselines(self, resource: str, before: datetime, *, limit: int = 10) -> list[Baseline]:
        """Return up to `limit` baselines of `resource` that are no later than `before`, newest first."""
        ...


class ChannelTests(Protocol):
    """What became of the test messages to people; rows are only ever added."""

    def add_channel_tests(self, tests: Sequence[ChannelTest]) -> None:
        """Record tests, all or none."""
        ...

    def channel_tests(self, *, limit: int = 200) -> list[ChannelTest]:
        """Return up to `limit` tests, the newest first."""
        ...


class Stats(Protocol):
    """Figures for monitoring allclear itself."""

    def counts(self) -> Counts:
        """Return what the journal holds, in numbers, all of one moment."""
        ...

    def version(self) -> int | None:
        """Return, within microseconds, a number that changes with every commit; None if the database has none."""
        ...

    def check_writable(self) -> None:
        """Write durably without leaving a trace. Raises JournalError if nothing can be written."""
        ...


class Journal(
    Entries, Claims, Inbox, Outbox, Alerts, Overrides, Revocations, Requests, Baselines, ChannelTests, Stats, Protocol
):
    """The record of incidents, and everything else that allclear stores.

    A journal is opened in one scope: its lists, counts, alerts, claims and keys are those of that scope alone. An
    incident of another scope is not found, except by `entries` and `broken_link`, which only read.

    Every method is one transaction: all of it is durable when the method returns, or none of it. All raise
    JournalError. Records are of `allclear.domain.records.Record`.
    """

    @property
    def scope(self) -> Scope:
        """Return whose incidents this journal holds."""
        ...

    def transaction(self, *locks: str) -> AbstractContextManager[None]:
        """Make one transaction of everything that this thread reads and writes inside; an exception rolls it back.

        A transaction inside another is part of the outer one. Only one transaction at a time holds each of `locks`;
        INCIDENTS is the one to name if an incident may be opened inside.
        """
        ...

    def close(self) -> None:
        """Close the database; other processes then see this process's claims as free."""
        ...
