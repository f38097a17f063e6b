"""What the rest of allclear asks of the journal. `allclear.journal.sql` keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from allclear.domain.base import JsonDict
from allclear.domain.baseline import Baseline
from allclear.domain.plan import Takeover
from allclear.domain.records import ActFinished, ActIntended, By, Entry, IncidentOpened


class ErrandKind(StrEnum):
    """What is carried to Prefect."""

    START = "start"
    """Start the flow run of a phase."""
    RESUME = "resume"
    """Wake the runs that wait for a person's answer, which the journal has by now."""


@dataclass(frozen=True)
class Errand:
    """Something to tell Prefect, kept until it is done. `key` makes it one, however often it is asked for."""

    kind: ErrandKind
    incident: str
    key: str
    detail: JsonDict
    attempts: int = 0


@dataclass(frozen=True)
class IncidentRow:
    """One incident in a list."""

    id: str
    company: str
    service: str
    opened_at: datetime
    ended_at: datetime | None
    length: int
    """How many entries its record has."""


@dataclass(frozen=True)
class Mine:
    """The claim is ours. `resumed` says that an earlier holder had begun it."""

    token: str
    resumed: bool
    holder_dead: bool


@dataclass(frozen=True)
class Busy:
    """Somebody else holds the resource: `incident` and `act` say for what, `gone` whether the holder is."""

    incident: str
    act: str
    holder: str
    until: datetime
    gone: bool


@dataclass(frozen=True)
class Done:
    """The act has an outcome already."""


Claim = Mine | Busy | Done


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
    why: str


class Journal(Protocol):
    """The record of incidents: append-only entries, the claims on resources, the in- and the outbox.

    Every method is one transaction: all of it is durable when the method returns, or nothing of it is.
    All raise JournalError. Records are of `allclear.domain.records.Record`.
    """

    def open_incident(
        self, short: str, opened: IncidentOpened, by: By, *, key: str | None = None,
        records: Sequence[Any] = (), errands: Sequence[Errand] = (),
    ) -> tuple[str, bool]:  # fmt: skip
        """Returns the new incident's id and True; or, where one with `key` is open, that one's id and False.

        `records` follow the opening at once, or join the open incident; `errands` go only with a new one, their
        incident filled in.
        """
        ...

    def append(
        self, incident: str, records: Sequence[Any], by: By, *, expect: int | None = None,
        errands: Sequence[Errand] = (),
    ) -> list[Entry]:  # fmt: skip
        """Appends in order and returns the entries.

        `expect` is the number of the entry that the writer saw last. Raises Moved when a newer one is there, and
        NotFound for an unknown incident.
        """
        ...

    def entries(self, incident: str, *, after: int = 0) -> list[Entry]:
        """Returns the entries with a number over `after`, in order. Raises NotFound for an unknown incident."""
        ...

    def incidents(
        self, *, open_only: bool = False, service: str | None = None, company: str | None = None
    ) -> list[IncidentRow]:
        """Returns the incidents, newest first."""
        ...

    def incidents_touching(self, resource: str) -> list[str]:
        """Returns the ids of the incidents with an act on `resource`, oldest first."""
        ...

    def broken_link(self, incident: str) -> int | None:
        """Returns the number of the first entry whose hash does not fit, or None for a whole chain."""
        ...

    def take_over(self, takeover: Takeover) -> None:
        """Writes down that somebody took over a turn of a rota."""
        ...

    def takeovers(self, role: str, *, limit: int = 50) -> list[Takeover]:
        """Returns up to `limit` takeovers of `role`, the newest first."""
        ...

    def add_baselines(self, baselines: Sequence[Baseline]) -> None:
        """Writes down which revisions had all users and were healthy; never changed afterwards."""
        ...

    def baselines(self, resource: str, before: datetime, *, limit: int = 10) -> list[Baseline]:
        """Returns up to `limit` baselines of `resource` that are no later than `before`, the newest first."""
        ...

    def claim(
        self, resource: str, incident: str, act: str, lease: timedelta, intent: ActIntended, by: By,
    ) -> Claim:  # fmt: skip
        """Takes the one claim on `resource`; the intent goes with it in the same transaction, unless it is there."""
        ...

    def renew(self, resource: str, token: str, lease: timedelta) -> bool:
        """Prolongs our claim; False when it is no longer ours."""
        ...

    def finish(
        self, resource: str, token: str, incident: str, finished: ActFinished, by: By, records: Sequence[Any] = (),
    ) -> bool:  # fmt: skip
        """Appends the outcome and lets go of the claim; False, and nothing is written, when it is no longer ours."""
        ...

    @property
    def holder(self) -> str:
        """Returns this process's id among the holders of claims."""
        ...

    def gone(self, holder: str) -> bool:
        """Says whether the process with that id has ended; one that is only stopped has not."""
        ...

    def receive(self, source: str, headers: dict[str, str], body: bytes, delivery_key: str) -> tuple[str, bool]:
        """Keeps a delivery and returns its id, and whether there is new work.

        A repeat is counted under its first id, and looked at once more: what its words mean may have changed (its
        incident has ended, a route was added). Until that is done, further repeats are only counted.
        """
        ...

    def settle(self, delivery: str, state: str, why: str, incident: str | None = None) -> None:
        """Notes what became of a delivery."""
        ...

    def deliveries(self, *, state: str | None = None, limit: int = 100) -> list[Delivery]:
        """Returns deliveries, newest first; those to be worked on (`state="new"`) oldest first."""
        ...

    def delivery(self, delivery: str) -> Delivery:
        """Returns one delivery. Raises NotFound."""
        ...

    def errands(self, *, limit: int = 50, company: str | None = None, incident: str | None = None) -> list[Errand]:
        """Returns the errands that are due, oldest first: all of them, or those of one company or incident."""
        ...

    def errand_done(self, key: str) -> None:
        """Strikes an errand off."""
        ...

    def errand_failed(self, key: str, why: str, again_in: timedelta) -> None:
        """Puts an errand off."""
        ...

    def wait(self, run: str, incident: str, ask: str) -> None:
        """Notes that a Prefect flow run waits for the answer to `ask`, and for nothing else any more."""
        ...

    def waits(self, ask: str) -> list[str]:
        """Returns the flow runs that wait for `ask`."""
        ...

    def close(self) -> None:
        """Lets go of the database and of our presence among the holders."""
        ...
