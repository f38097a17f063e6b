"""The traffic of a Cloud Run service: read, compared, changed, and verified.

Source: vendor facts at the top of allclear/vendors/cloud_run/views.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import ClassVar

from pydantic import Field, field_serializer
from typing_extensions import override

from allclear.domain.action import Finding, News, Receipt, State, Verdict
from allclear.domain.base import Model, Moment, utc_now
from allclear.domain.errors import AllclearError, Refused, VendorError
from allclear.vendors.cloud_run.client import CloudRun
from allclear.vendors.cloud_run.views import RunRevision, RunService, Traffic
from tasks.cloud_run.evidence import ALL, Past, clock_time

DEADLINE = timedelta(seconds=60)
"""A traffic change normally shows within seconds; Cloud Run promises no limit."""
FOLLOW_UP = timedelta(seconds=10)
"""How long the write itself follows the operation, to report its error."""
_NEWEST = 30
"""How many of the newest revisions the record keeps, besides those that its traffic and its evidence name."""


class Share(Model):
    """One entry of the allocation. With `latest` it follows the latest ready revision, which is now `revision`."""

    revision: str
    percent: int = 0
    tag: str | None = None
    latest: bool = False


class TrafficState(State):
    """Which revisions users are sent to, and which others exist.

    `allocation` is what was asked for, `serving` is where users are really sent. They differ during a rollout, and for
    good if Cloud Run could not carry the change out.
    """

    incidental: ClassVar[frozenset[str]] = frozenset(
        {
            "serving",
            "etag",
            "generation",
            "observed_generation",
            "reconciling",
            "routed",
            "trouble",
            "latest_ready",
            "latest_created",
            "updated",
            "modified_by",
            "unlisted",
            "revisions",
            "past",
        }
    )

    service: str
    allocation: tuple[Share, ...]
    serving: dict[str, int] = Field(default={})
    etag: str = ""
    generation: int = 0
    observed_generation: int = 0
    reconciling: bool = False
    routed: bool = True
    trouble: str = ""
    latest_ready: str | None = None
    latest_created: str | None = None
    updated: Moment | None = None
    modified_by: str = ""
    unlisted: str = Field(default="", description="Why the revisions could not be listed; empty if they were.")
    revisions: tuple[RunRevision, ...] = Field(
        default=(), description="All of them. The record keeps the newest, and those that matter here."
    )
    past: Past = Field(default=Past(), description="The evidence for choosing a rollback's target; empty otherwise.")

    def shares(self) -> dict[str, int]:
        """Return the percent of each revision that serves, the largest first."""
        percents: dict[str, int] = {}
        for share in self.allocation:
            if share.percent:
                percents[share.revision] = percents.get(share.revision, 0) + share.percent
        return dict(sorted(percents.items(), key=lambda item: -item[1]))

    def served(self) -> dict[str, int]:
        """Return where users are really sent, the largest share first; what was asked for if Cloud Run says nothing."""
        return dict(sorted(self.serving.items(), key=lambda item: -item[1])) or self.shares()

    @property
    def settled(self) -> bool:
        """Return whether no rollout is under way."""
        return not self.reconciling and self.observed_generation == self.generation

    @override
    def fence_token(self) -> str:
        return self.etag

    @override
    def last_changed(self) -> str:
        if not self.modified_by:
            return ""
        return f"by {self.modified_by}" + (f" at {clock_time(self.updated, utc_now())}" if self.updated else "")

    @field_serializer("revisions")
    def _recorded(self, revisions: tuple[RunRevision, ...]) -> tuple[RunRevision, ...]:
        """Return the revisions that the record keeps: a service may have a thousand."""
        named = {share.revision for share in self.allocation} | set(self.serving)
        named |= {self.latest_ready, self.latest_created, *(piece.revision for piece in self.past.evidence)}
        return tuple(r for place, r in enumerate(revisions) if place < _NEWEST or r.name in named)

    def revision(self, name: str) -> RunRevision | None:
        """Return the revision called `name`, or None."""
        return next((revision for revision in self.revisions if revision.name == name), None)

    def tagged(self, tag: str | None) -> str | None:
        """Return the revision that carries `tag`, or None."""
        return next((share.revision for share in self.allocation if tag and share.tag == tag), None)

    def intent(self, *, tags: bool = True) -> list[tuple[str, int, str]]:
        """Return the allocation in a comparable form, independent of what `latest` resolves to."""
        return sorted(
            ("LATEST" if share.latest else share.revision, share.percent, share.tag or "")
            for share in self.allocation
            if tags or share.percent
        )

    @override
    def in_words(self) -> str:
        """Return the traffic as a person reads it: `100 % latest (web-00042)`, and what serves if that differs."""
        asked = self.asked_in_words()
        if not self.settled or not self.serving or self.serving == self.shares():
            return asked
        return f"{asked}, of which Cloud Run serves {shares_in_words(self.served())}"

    def asked_in_words(self) -> str:
        """Return the allocation that was asked for, in words."""
        parts = [
            f"{share.percent} % " + (f"latest ({share.revision})" if share.latest else share.revision)
            for share in self.allocation
            if share.percent
        ]
        return ", ".join(parts) or "nothing"


def shares_in_words(shares: Mapping[str, int]) -> str:
    """Return percents in words: `90 % web-00041, 10 % web-00042`."""
    return ", ".join(f"{percent} % {name}" for name, percent in shares.items()) or "nothing"


def state_of(service: RunService, revisions: tuple[RunRevision, ...], unlisted: str = "") -> TrafficState:
    """Return the state. `unlisted` is why `revisions` are not all that there are."""
    allocation = _canonical(
        Share(
            revision=entry.revision or service.latest_ready or "",
            percent=entry.percent,
            tag=entry.tag,
            latest=entry.revision is None,
        )
        for entry in service.traffic
    )
    return TrafficState(
        service=service.path,
        allocation=allocation,
        serving=service.serving,
        etag=service.etag,
        generation=service.generation,
        observed_generation=service.observed_generation,
        reconciling=service.reconciling,
        routed=service.routed,
        trouble=service.trouble,
        latest_ready=service.latest_ready,
        latest_created=service.latest_created,
        updated=service.updated,
        modified_by=service.modified_by,
        unlisted=unlisted,
        revisions=revisions,
    )


def _canonical(shares: Iterable[Share]) -> tuple[Share, ...]:
    """Return percents and tags as separate, sorted entries, so that equal allocations compare equal."""
    percents: dict[tuple[str, bool], int] = {}
    tags: list[Share] = []
    for share in shares:
        if share.percent:
            key = (share.revision, share.latest)
            percents[key] = percents.get(key, 0) + share.percent
        if share.tag:
            tags.append(share.model_copy(update={"percent": 0}))
    served = [Share(revision=name, percent=percent, latest=latest) for (name, latest), percent in percents.items()]
    return tuple(
        sorted(served, key=lambda share: (-share.percent, share.revision)) + sorted(tags, key=lambda s: s.tag or "")
    )


async def read_traffic(run: CloudRun, service: str) -> TrafficState:
    """Read the service and its revisions at once. Raises VendorError, NotFound.

    If the revisions cannot be listed, only those are read that the traffic names.
    """
    found, revisions = await asyncio.gather(run.service(service), run.revisions(service), return_exceptions=True)
    if isinstance(found, BaseException):
        raise found
    if isinstance(revisions, VendorError):
        state = state_of(found, (), unlisted=revisions.message.rstrip("."))
        return await with_revisions(run, service, state, {*state.shares(), *state.serving, state.latest_ready or ""})
    if isinstance(revisions, BaseException):
        raise revisions
    return state_of(found, revisions)


async def read_service(run: CloudRun, service: str) -> TrafficState:
    """Read the service alone, which shows where users are sent. Raises VendorError, NotFound."""
    return state_of(await run.service(service), ())


async def with_revisions(run: CloudRun, service: str, state: TrafficState, names: Iterable[str]) -> TrafficState:
    """Return the state with the revisions called `names`, each read by its name, except those that cannot be read."""
    missing = sorted({name for name in names if name and state.revision(name) is None})
    found = await asyncio.gather(*(run.revision(service, name) for name in missing), return_exceptions=True)
    revisions = [*state.revisions, *(revision for revision in found if isinstance(revision, RunRevision))]
    revisions.sort(key=lambda revision: revision.created, reverse=True)
    return state.model_copy(update={"revisions": tuple(revisions)})


def sending_all(before: TrafficState, revision: str, *, latest: bool = False) -> TrafficState:
    """Return `before` with all traffic on `revision` and every tag kept."""
    tags = [share for share in before.allocation if share.tag]
    return _moved(before, [Share(revision=revision, percent=ALL, latest=latest), *tags])


def _moved(now: TrafficState, shares: Iterable[Share]) -> TrafficState:
    allocation = _canonical(shares)
    state = now.model_copy(update={"allocation": allocation})
    return state.model_copy(update={"serving": state.shares()})


def restored(earlier: TrafficState, done: TrafficState, now: TrafficState) -> TrafficState:
    """Return `now` with the percents of `earlier`, the present tags, and `latest` as it resolves now.

    Raises Refused if the traffic was changed since `done`, or if a revision of `earlier` can no longer serve.
    """
    if now.intent(tags=False) != done.intent(tags=False):
        raise Refused(
            f"The traffic was changed since: it is {now.in_words()}, and we left it at {done.in_words()}.",
            "Find out who changed it and why. Then set it by hand, or leave it.",
        )
    served = [
        share.model_copy(update={"revision": now.latest_ready or ""}) if share.latest else share
        for share in earlier.allocation
        if share.percent
    ]
    for share in served:
        fault = unfit(now, share.revision)
        if fault:
            raise Refused(f"{share.revision or 'The latest revision'} cannot serve: {fault}.", "Deploy the fix first.")
    return _moved(now, [*served, *(share for share in now.allocation if share.tag)])


def unfit(state: TrafficState, name: str) -> str | None:
    """Return why the revision called `name` cannot serve, or None."""
    revision = state.revision(name)
    if revision is None:
        return "there is no such revision"
    if revision.deleted:
        return "it was deleted"
    if not revision.ready:
        return f"it is not ready ({revision.trouble.rstrip('.')})" if revision.trouble else "it is not ready"
    return None


# --- writing and verifying -----------------------------------------------------------------------------


async def write_traffic(
    run: CloudRun, service: str, before: TrafficState, after: TrafficState, deadline: timedelta = DEADLINE
) -> Receipt:
    """Set the traffic against the etag of `before`, and follow the operation for some seconds."""
    wanted = tuple(
        Traffic(revision=None if share.latest else share.revision, percent=share.percent, tag=share.tag)
        for share in after.allocation
    )
    operation = await run.set_traffic(service, wanted, before.etag)
    try:
        finished = await run.finished(operation, min(FOLLOW_UP, deadline))
    except AllclearError:
        # The write itself was accepted; the next observation shows its effect.
        return Receipt(facts={"operation": operation, "done": False})
    return Receipt(facts={"operation": operation, "done": finished.done, "error": finished.error})


def traffic_reached(wanted: TrafficState, now: TrafficState) -> bool:
    """Return whether the wanted traffic is configured, and is served or being rolled out.

    A rollout under way counts: after a crash there is nothing to write again, only to verify.
    """
    return now.intent() == wanted.intent() and (not now.settled or now.serving == now.shares())


def traffic_finding(
    wanted: TrafficState, now: TrafficState, receipt: Receipt | None, before: TrafficState | None = None
) -> Finding:
    """Return whether the traffic is as intended: inconclusive while Cloud Run is still rolling it out.

    `before` is the state that the write started from: if the etag has changed since, another client set the traffic.
    """
    facts = {
        "wanted": wanted.shares(),
        "configured": now.shares(),
        "serving": now.serving,
        "reconciling": now.reconciling,
    }
    error = str(receipt.facts.get("error") or "") if receipt else ""

    def finding(verdict: Verdict, sentence: str, *, final: bool = False) -> Finding:
        return Finding(verdict=verdict, sentence=sentence, facts=facts, final=final)

    if now.intent() != wanted.intent():
        changed_by_others = before is not None and now.etag != before.etag
        ended = f" Its operation ended with: {error}." if error else ""
        set_to = f"Traffic is set to {now.asked_in_words()}, not to {wanted.asked_in_words()}."
        return finding(Verdict.FAILURE, set_to + ended, final=changed_by_others)
    if not now.settled:
        return finding(Verdict.INCONCLUSIVE, "Cloud Run is still rolling out the change.")
    if now.routed and now.serving == now.shares():
        # Our own operation may have failed: a later one may have superseded it and kept our traffic.
        return finding(Verdict.SUCCESS, f"Traffic is served by {now.asked_in_words()}.")
    if error or not now.routed:
        # Cloud Run has stopped trying.
        reason = error or now.trouble.rstrip(".") or "no reason given"
        return finding(
            Verdict.FAILURE, f"Cloud Run could not carry out the change: {reason}.{_served(now)}", final=True
        )
    asked = now.asked_in_words()
    return finding(Verdict.INCONCLUSIVE, f"Traffic is set to {asked}, and not all users are sent there yet.")


def _served(now: TrafficState) -> str:
    return f" Users are still sent to {shares_in_words(now.served())}." if now.serving else ""


def pinned_news(done: TrafficState, wanted: TrafficState, now: TrafficState) -> News | None:
    """Return what people must know while traffic is pinned: it was moved, or a later deployment gets no users.

    `done` is the state right before the pin, `wanted` the pin.
    """
    if now.intent(tags=False) != wanted.intent(tags=False):
        sentence = f"The traffic was changed since: it is {now.in_words()} now"
        return News(key=f"moved:{now.asked_in_words()}", sentence=_with_author(sentence, now), moved=True)
    newest = now.latest_created
    if newest and newest != done.latest_created and newest not in now.shares():
        sentence = f"{newest} was deployed and gets no users, because the traffic is pinned to {now.asked_in_words()}"
        return News(key=f"deployed:{newest}", sentence=_with_author(sentence, now))
    return None


def _with_author(sentence: str, now: TrafficState) -> str:
    last = now.last_changed()
    return f"{sentence} (the service was last changed {last})." if last else f"{sentence}."
