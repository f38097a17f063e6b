"""Allclear's own record as actions read it: known-good revisions, and what was seen after earlier acts.

A revision is known good if it served all users while the service was healthy. Such revisions are kept across incidents.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pydantic import Field

from allclear.domain.base import JsonDict, Model, Moment

SERVING_ALL = "serving_all"
"""The name of the fact in which a probe lists the revisions that serve all users, as `ServingAll`."""


class ServingAll(Model):
    """A revision that served all users of a resource when it was checked."""

    resource: str = Field(description="The resource that it serves, as family:name.")
    revision: str


class Baseline(ServingAll):
    """A revision that served all users while a check from outside found the service healthy."""

    at: Moment
    noted_by: str = Field(description="What recorded it: an incident's check, or the nightly readiness check.")


class Containing(Model):
    """A change of ours that contained an incident: what served before it had failed."""

    incident: str
    title: str = Field(description="The incident's title; it may come from an alert, so it is not trusted.")
    action: str
    at: Moment = Field(description="When it was carried out.")
    before: JsonDict
    after: JsonDict


class OwnRecord(Protocol):
    """The part of allclear's own record that actions may read."""

    def baselines(self, resource: str, before: datetime) -> Sequence[Baseline]:
        """Return the baselines of `resource` up to the moment `before`, the newest first. Raises JournalError."""
        ...

    def onset(self, service: str) -> datetime | None:
        """Return when the newest open incident of `service` began; None without one."""
        ...

    def last_trouble(self, service: str) -> tuple[datetime, datetime | None] | None:
        """Return from when until when users were affected last, in the newest incident of `service`, open or not.

        The end is that of the recovery, or None before it. Return None without an incident.
        """
        ...

    def last_state(self, resource: str, field: str) -> JsonDict | None:
        """Return the state that was seen last after an act on `resource` and that has a `field`; None if there is none.

        Raises JournalError.
        """
        ...

    def may_be_sent(self, resource: str) -> bool:
        """Return whether the newest act on `resource` that was sent may have arrived, although no answer says so.

        A message is then sent again, and says that it may be a repeat. Raises JournalError.
        """
        ...

    def was_requested(self, request: str) -> bool:
        """Return whether what a request asks for was done, as by a key that a person pressed. Raises JournalError."""
        ...

    def containing(self, resource: str) -> Sequence[Containing]:
        """Return our changes to `resource` that contained an incident, the newest first. Raises JournalError."""
        ...


class NoRecord:
    """The record where there is no journal, as when systems are tested."""

    def baselines(self, resource: str, before: datetime) -> Sequence[Baseline]:  # noqa: ARG002 - the port
        """Return no baselines."""
        return ()

    def onset(self, service: str) -> datetime | None:  # noqa: ARG002 - the port
        """Return that no incident is open."""
        return None

    def last_trouble(self, service: str) -> tuple[datetime, datetime | None] | None:  # noqa: ARG002 - the port
        """Return that no incident is known."""
        return None

    def last_state(self, resource: str, field: str) -> JsonDict | None:  # noqa: ARG002 - the port
        """Return that nothing was seen."""
        return None

    def may_be_sent(self, resource: str) -> bool:  # noqa: ARG002 - the port
        """Return that nothing was sent."""
        return False

    def was_requested(self, request: str) -> bool:  # noqa: ARG002 - the port
        """Return that nothing was done."""
        return False

    def containing(self, resource: str) -> Sequence[Containing]:  # noqa: ARG002 - the port
        """Return no changes."""
        return ()
