"""The traffic of a Cloud Run service: read, compared, changed, and verified.

Source: vendor facts at the top of allclear/vendors/cloud_run/views.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from allclear.domain.action import Finding, Receipt, Refusal, State, Verdict
from allclear.domain.base import Model, Moment, utc_now
from allclear.domain.errors import AllclearError, Refused
from allclear.vendors.cloud_run.client import UPDATE_PERMISSION, CloudRun
from allclear.vendors.cloud_run.views import RunRevision, RunService, Traffic
from tasks.cloud_run.evidence import Past

DEADLINE = timedelta(seconds=60)
"""A traffic change normally shows within seconds; Cloud Run promises no limit."""
FOLLOW_UP = timedelta(seconds=10)
"""How long the write itself follows the operation, to report its error."""
_ROLLING_OUT = timedelta(seconds=60)
"""A rollout that takes longer than this hangs, and no longer blocks a change."""
_NEWEST = 30
"""How many of the newest revisions a state holds, besides those that its traffic names."""
ALL = 100


class Share(Model):
    """One entry of the allocation. With `latest` it follows the latest ready revision, which is now `revision`."""

    revision: str
    percent: int = 0
    tag: str | None = None
    latest: bool = False


class TrafficState(State):
    """Which revisions users are sent to, and which others exist."""

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
    revisions: tuple[RunRevision, ...] = ()
    past: Past = Field(default=Past(), description="The evidence for choosing a rollback's target; empty otherwise.")

    def shares(self) -> dict[str, int]:
        """Return the percent of each revision that serves, the largest first."""
        percents: dict[str, int] = {}
        for share in self.allocation:
            if share.percent:
                percents[share.revision] = percents.get(share.revision, 0) + share.percent
        return dict(sorted(percents.items(), key=lambda item: -item[1]))

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

    def in_words(self) -> str:
        """Return the allocation as a person reads it: `100 % latest (web-00042)`."""
        parts = [
            f"{share.percent} % " + (f"latest ({share.revision})" if share.latest else share.revision)
            for share in self.allocation
            if share.percent
        ]
        return ", ".join(parts) or "nothing"


def state_of(service: RunService, revisions: tuple[RunRevision, ...], keep: str = "") -> TrafficState:
    """Return the state, with the newest revisions and those that the traffic or `keep` names."""
    allocation = _canonical(
        Share(
            revision=entry.revision or service.latest_ready or "",
            percent=entry.percent,
            tag=entry.tag,
            latest=entry.revision is None,
        )
        for entry in service.traffic
    )
    named = {share.revision for share in allocation} | {keep, service.latest_ready, service.latest_created}
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
        revisions=tuple(r for place, r in enumerate(revisions) if place < _NEWEST or r.name in named),
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


async def read_traffic(run: CloudRun, service: str, keep: str = "") -> TrafficState:
    """Read the service and its revisions at once. Raises VendorError, NotFound."""
    found, revisions = await asyncio.gather(run.service(service), run.revisions(service))
    return state_of(found, revisions, keep)


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
    return now.intent() == wanted.intent() and (not _rolled_out(now) or now.serving == now.shares())


def _rolled_out(now: TrafficState) -> bool:
    return not now.reconciling and now.observed_generation == now.generation


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
        return finding(
            Verdict.FAILURE, f"Traffic is set to {now.in_words()}, not to {wanted.in_words()}.", final=changed_by_others
        )
    if not _rolled_out(now):
        return finding(Verdict.INCONCLUSIVE, "Cloud Run is still rolling out the change.")
    if now.routed and now.serving == now.shares():
        # Our own operation may have failed: a later one may have superseded it and kept our traffic.
        return finding(Verdict.SUCCESS, f"Traffic is served by {now.in_words()}.")
    if error or not now.routed:
        # Cloud Run has stopped trying.
        reason = error or now.trouble.rstrip(".") or "no reason given"
        return finding(
            Verdict.FAILURE, f"Cloud Run could not carry out the change: {reason}.{_served(now)}", final=True
        )
    return finding(Verdict.INCONCLUSIVE, f"Traffic is set to {now.in_words()}, and not all users are sent there yet.")


def _served(now: TrafficState) -> str:
    shares = ", ".join(f"{percent} % {name}" for name, percent in now.serving.items())
    return f" Users are still sent to {shares}." if shares else ""


async def traffic_refusals(run: CloudRun, service: str, before: TrafficState, after: TrafficState) -> list[Refusal]:
    """Return why `before` must not become `after` now."""
    refusals: list[Refusal] = []
    for name in after.shares():
        fault = unfit(before, name)
        if fault:
            refusals.append(Refusal(sentence=f"{name} cannot serve: {fault}.", next_step="Name another revision."))
    since = utc_now() - before.updated if before.updated else None
    if before.reconciling and since is not None and since < _ROLLING_OUT:
        refusals.append(
            Refusal(
                sentence=f"Cloud Run is rolling out another change of {service} now.",
                next_step="Find out who is deploying, and propose this again when it is done.",
            )
        )
    if not await run.may(service, UPDATE_PERMISSION):
        refusals.append(
            Refusal(
                sentence=f"Our credentials lack {UPDATE_PERMISSION} on {service}.",
                next_step="Give their service account the role roles/run.developer, or change the traffic by hand.",
            )
        )
    return refusals
