"""The Cloud Run service as a thing that changes: writes, operations and what serves meanwhile.

It knows no wire format; `apis/` speaks gRPC and REST for it. What it keeps to:

- Every write needs the newest etag or none, and gives the service a new etag and generation.
- A write is an operation. While it runs, `reconciling` is true and the old traffic still serves.
- Traffic to a revision that is unknown or not ready is accepted, then the operation fails: the
  wanted traffic stays in the service, the old one goes on serving.
  *Source:* github.com/terraform-google-modules/terraform-docs-samples/pull/269 (operation error 13,
  "does not exist or is deleted"), read November 2026.
- A write during an operation supersedes it: the older operation ends as ABORTED. (Our choice; the
  vendor does not document it.)
- With `lags` users are sent to the new traffic only a while after the operation has ended. (Our choice: the vendor
  promises nothing about it.)
- A revision that does not become ready fails the write that deployed it, not later ones: traffic
  can still be sent elsewhere. (Our choice, as above.)
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import uuid4

from allclear.simulator.event_log import Clock, Record
from allclear.simulator.revisions import Revision, Target

Code = Literal[
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "UNAUTHENTICATED",
]
Later = Callable[[timedelta, Callable[[], object]], None]


class Wrote(Protocol):
    """Called for each accepted write: the service before it, and as the write asks for it."""

    def __call__(self, before: ServiceState, after: ServiceState, edit: Edit, *, somebody_else: bool) -> None:
        """Take note of it."""
        ...


class RunError(Exception):
    """A refusal of Cloud Run: a canonical code and a sentence."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.code: Code = code
        self.message = message


@dataclass(frozen=True)
class ServiceState:
    """The service at one moment; each change makes a new one."""

    generation: int
    observed_generation: int
    etag: str
    traffic: tuple[Target, ...]
    serving: tuple[Target, ...]
    """What really serves now, each entry with the latest revision resolved in `serves`."""
    latest_created: str
    latest_ready: str
    reconciling: bool
    failure: RunError | None
    updated_at: datetime
    operation: str = ""
    """The id of the operation that wrote it last; empty before the first."""
    modified_by: str = ""
    """The mail address of who wrote it last."""
    description: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()

    def serves(self) -> list[tuple[str, int]]:
        """Return the revisions that get requests now, with their shares."""
        return [(t.revision or self.latest_ready, t.percent) for t in self.serving if t.percent]


@dataclass(frozen=True)
class Edit:
    """What a write changes; `None` leaves a part as it is."""

    traffic: tuple[Target, ...] | None = None
    deploy: Revision | None = None
    description: str | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    annotations: tuple[tuple[str, str], ...] | None = None


@dataclass
class Operation:
    """A write on its way: done with the service as it then was, or with an error."""

    id: str
    edited: ServiceState
    deploys: bool = False
    result: ServiceState | None = None
    error: RunError | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when `done`, or when the world closes and no operation will end any more."""

    @property
    def done(self) -> bool:
        """Return whether it has ended, well or not."""
        return self.result is not None or self.error is not None


class RunService:
    """One service, with its revisions and operations."""

    def __init__(  # noqa: PLR0913 - what a service needs of its world
        self,
        revisions: list[Revision],
        traffic: tuple[Target, ...],
        *,
        takes: timedelta,
        later: Later,
        clock: Clock,
        record: Record,
        mail: Callable[[str], str] = str,
    ) -> None:
        """`mail` gives the mail address of a service account by its name."""
        self.revisions = {r.name: r for r in sorted(revisions, key=lambda r: r.created_at)}
        self.operations: dict[str, Operation] = {}
        self.uid = str(uuid4())
        self._takes, self._later, self._clock, self._record, self._mail = takes, later, clock, record, mail
        self.lags = timedelta(0)
        """How long users go on being sent to the old traffic after an operation has ended."""
        self._running: Operation | None = None
        self.wrote: Wrote | None = None
        generation = len(self.revisions)
        self.created_at = min(r.created_at for r in revisions)
        newest = list(self.revisions)[-1]
        self.state = ServiceState(
            generation=generation,
            observed_generation=generation,
            etag=self._etag(generation),
            traffic=traffic,
            serving=traffic,
            latest_created=newest,
            latest_ready=self._newest_ready(),
            reconciling=False,
            failure=None if self.revisions[newest].ready else self._not_ready(newest),
            updated_at=max(r.created_at for r in revisions),
            modified_by=mail("deployer"),
        )
        self.before = self.state
        """The state before its last write, as a stale read shows it."""

    def update(self, edit: Edit, *, etag: str, validate_only: bool = False) -> Operation:
        """Start a write; it takes effect when the operation ends.

        Raises RunError: ABORTED for an etag that is not the newest, ALREADY_EXISTS for the name of
            an existing revision.
        """
        if etag and etag != self.state.etag:
            raise RunError(
                "ABORTED",
                f"Conflict for resource: version '{etag}' was specified but current version is '{self.state.etag}'.",
            )
        if edit.deploy is not None and edit.deploy.name in self.revisions:
            raise RunError(
                "ALREADY_EXISTS",
                f"Revision named '{edit.deploy.name}' with different configuration already exists.",
            )
        identity = str(uuid4())
        edited = replace(self._edited(edit, "allclear"), operation=identity)
        operation = Operation(identity, edited, deploys=edit.deploy is not None)
        self.operations[operation.id] = operation
        if validate_only:
            operation.result = replace(edited, etag=self.state.etag, reconciling=False)
            operation.ended.set()
            return operation
        if edit.deploy is not None:
            self.revisions[edit.deploy.name] = edit.deploy
        if self._running is not None:
            self._end(self._running, superseded=True)
        before = self.before = self.state
        self.state = edited
        if self.wrote is not None:
            self.wrote(before, edited, edit, somebody_else=False)
        self._running = operation
        self._later(self._takes, lambda: self._end(operation))
        return operation

    def change_at_once(self, edit: Edit) -> None:
        """Apply another person's deployment or traffic change, without waiting.

        An operation that is running keeps its time; what was changed here takes effect with it.
        """
        if edit.deploy is not None:
            self.revisions[edit.deploy.name] = edit.deploy
        before = self.before = self.state
        self.state = self._edited(edit, "engineer")
        if self.wrote is not None:
            self.wrote(before, self.state, edit, somebody_else=True)
        if self._running is None:
            self._settle(deployed=edit.deploy is not None)

    def close(self) -> None:
        """Release every call that waits for an operation; no operation ends after this."""
        for operation in self.operations.values():
            operation.ended.set()

    def touch(self) -> None:
        """Write a label as another writer would: a new etag and generation, and the same traffic."""
        kept = tuple(pair for pair in self.state.labels if pair[0] != "touched")
        self.change_at_once(Edit(labels=(*kept, ("touched", str(self.state.generation)))))

    def newest_first(self, *, deleted: bool) -> list[Revision]:
        """Return the revisions as the vendor lists them; deleted ones only if asked for."""
        return [r for r in reversed(self.revisions.values()) if deleted or r.deleted_at is None]

    def _edited(self, edit: Edit, who: str) -> ServiceState:
        now, generation = self.state, self.state.generation + 1
        return replace(
            now,
            generation=generation,
            etag=self._etag(generation),
            traffic=now.traffic if edit.traffic is None else edit.traffic,
            latest_created=edit.deploy.name if edit.deploy else now.latest_created,
            reconciling=True,
            updated_at=self._clock(),
            modified_by=self._mail(who),
            description=now.description if edit.description is None else edit.description,
            labels=now.labels if edit.labels is None else edit.labels,
            annotations=now.annotations if edit.annotations is None else edit.annotations,
        )

    def _end(self, operation: Operation, *, superseded: bool = False) -> None:
        if operation.done:
            return
        self._running = None
        if superseded:
            operation.error = RunError("ABORTED", "A newer update has superseded this one.")
        else:
            self._settle(deployed=operation.deploys)
            operation.error = self.state.failure
            operation.result = None if self.state.failure else self.state
        operation.ended.set()
        said = f"{operation.error.code}: {operation.error.message}" if operation.error else "done"
        self._record(
            "operation_finished",
            api="cloud_run",
            operation=operation.id,
            generation=operation.edited.generation,
            result=said,
            serving=[target.as_facts() for target in self.state.serving],
        )

    def _settle(self, *, deployed: bool) -> None:
        wanted = self.state
        failure = unroutable = self._why_not(wanted.traffic)
        if failure is None and deployed and not self.revisions[wanted.latest_created].ready:
            failure = self._not_ready(wanted.latest_created)
        self.state = replace(
            wanted,
            observed_generation=wanted.generation,
            serving=wanted.serving if unroutable or self.lags else wanted.traffic,
            latest_ready=self._newest_ready(),
            reconciling=False,
            failure=failure,
        )

        if self.lags and unroutable is None:
            self._later(self.lags, lambda: self._arrive(wanted.generation))

    def _arrive(self, generation: int) -> None:
        if self.state.observed_generation == generation:
            self.state = replace(self.state, serving=self.state.traffic)

    def _why_not(self, traffic: tuple[Target, ...]) -> RunError | None:
        for name in (target.revision for target in traffic if target.revision is not None):
            known = self.revisions.get(name)
            if known is None or known.deleted_at is not None:
                return RunError(
                    "INTERNAL",
                    f"Revision '{name}' does not exist or is deleted. Update all traffic to route "
                    "to currently available revisions.",
                )
            if not known.ready:
                return self._not_ready(name)
        return None

    def _not_ready(self, name: str) -> RunError:
        reason = self.revisions[name].not_ready_because
        return RunError(
            "FAILED_PRECONDITION",
            f"Revision '{name}' is not ready and cannot serve traffic. {reason}".strip(),
        )

    def _newest_ready(self) -> str:
        return [r.name for r in self.revisions.values() if r.can_serve and not r.staged][-1]

    def _etag(self, generation: int) -> str:
        digest = hashlib.sha256(f"{self.uid}/{generation}".encode()).digest()[:12]
        return f'"{base64.urlsafe_b64encode(digest).decode()}"'
