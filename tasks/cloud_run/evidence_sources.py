"""Reads the sources that know which revision served before: our own record, Cloud Monitoring, the audit log.

All three are asked at once, for two seconds at most. A source that cannot be reached, is not configured or refuses
gives no evidence, and the reason is reported. No rollback waits longer for a source, or fails because of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from allclear.domain.action import ActionContext, Client
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError
from allclear.vendors.cloud_logging import CloudLogs
from allclear.vendors.cloud_monitoring import CloudMetrics, RequestCount
from allclear.vendors.errors import UNREADABLE
from tasks.cloud_run.evidence import (
    WINDOW,
    Evidence,
    Past,
    Pin,
    by_audit_log,
    by_own_record,
    by_requests,
    pins_in,
    since_onset,
)

EVIDENCE_CLIENTS: tuple[type[Client], ...] = (CloudMetrics, CloudLogs)
SOURCE_SECONDS = 2.0
"""How long to wait for each source."""
MOST_EVIDENCE = 5
"""How many pieces of evidence count from one source, besides the newest about each of as many other revisions."""
_SHORTEST_WINDOW = timedelta(minutes=1)
"""Requests since the onset are counted only if it is longer ago than this."""
_UNEXPECTED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What code raises when it gets data of another shape than it was written for."""


@dataclass(frozen=True)
class ServiceIdentity:
    """One service, with the names by which the sources know it."""

    service: str
    """Its short name in systems.yaml."""
    resource: str
    """The resource that a traffic change claims, as `traffic:projects/…`."""
    project: str
    region: str
    name: str
    """Its name in Cloud Run."""


@dataclass(frozen=True)
class _Source:
    knows: str
    none_found: str
    """Why there is no evidence if the source answers without any."""
    read: Callable[[], Awaitable[list[Evidence]]]


async def gather_evidence(
    context: ActionContext, identity: ServiceIdentity, now: datetime | None = None, seconds: float = SOURCE_SECONDS
) -> Past:
    """Return what is known about the time before the incident, waiting `seconds` for each source. Raises nothing."""
    now = now or utc_now()
    try:
        onset = min(context.record.onset(identity.service) or now, now)
    except AllclearError:
        onset = now  # the journal cannot be reached; its own source reports that below
    past = _PastReads(context, identity, onset, now)
    sources = past.sources()
    reads = asyncio.gather(*(_read(source, seconds) for source in sources))
    failing, answers = await asyncio.gather(past.failing(seconds), reads)
    return Past(
        onset=onset,
        asked_at=now,
        evidence=tuple(piece for evidence, _ in answers for piece in evidence),
        since=tuple(_most(past.since)),
        failing=failing,
        pins=past.pins[:MOST_EVIDENCE],
        unknown=tuple(
            f"No evidence of {source.knows} ({reason})."
            for source, (evidence, reason) in zip(sources, answers, strict=True)
            if not evidence
        ),
    )


class _PastReads:
    """The reads of one gathering, and what they find besides evidence for a target."""

    def __init__(self, context: ActionContext, identity: ServiceIdentity, onset: datetime, now: datetime) -> None:
        self._context, self._identity, self._onset, self._now = context, identity, onset, now
        self.since: list[Evidence] = []
        self.pins: tuple[Pin, ...] = ()

    def sources(self) -> tuple[_Source, _Source, _Source]:
        """Return the sources of evidence, the most trusted first."""
        return (
            _Source("which revision we saw healthy before", "nothing is recorded", self._own_record),
            _Source("which revision answered requests before", "none were counted", self._requests),
            _Source("which revision had the traffic before", "the audit log names none", self._audit_log),
        )

    async def failing(self, seconds: float) -> dict[str, RequestCount]:
        """Return what each revision answered since the onset; empty if that is not known. Raises nothing."""
        window = self._now - self._onset
        if window < _SHORTEST_WINDOW:
            return {}
        try:
            async with asyncio.timeout(seconds):
                return await self._counted(self._now, window)
        except (TimeoutError, AllclearError, *_UNEXPECTED):
            return {}

    async def _own_record(self) -> list[Evidence]:
        baselines = self._context.record.baselines(self._identity.resource, self._now)
        self.since = since_onset(baselines, self._onset, self._now)
        return by_own_record(baselines, self._onset, self._now)

    async def _requests(self) -> list[Evidence]:
        return by_requests(await self._counted(self._onset, WINDOW), self._onset, self._now)

    async def _audit_log(self) -> list[Evidence]:
        logs, its = self._context.client(CloudLogs), self._identity
        moves = await logs.traffic_moves(its.project, its.region, its.name, now=self._now)
        self.pins = pins_in(moves)
        return by_audit_log(moves, self._onset, self._now)

    async def _counted(self, until: datetime, window: timedelta) -> dict[str, RequestCount]:
        metrics, its = self._context.client(CloudMetrics), self._identity
        return await metrics.requests(its.project, its.region, its.name, until=until, window=window)


def _most(evidence: list[Evidence]) -> list[Evidence]:
    """Return the newest pieces of evidence, and the newest about each other revision.

    A nightly check records one revision again and again: it must not hide what served before.
    """
    newest, rest = evidence[:MOST_EVIDENCE], evidence[MOST_EVIDENCE:]
    named = {piece.revision for piece in newest}
    others = {piece.revision: piece for piece in reversed(rest) if piece.revision not in named}
    return [*newest, *sorted(others.values(), key=lambda piece: piece.at, reverse=True)[:MOST_EVIDENCE]]


async def _read(source: _Source, seconds: float) -> tuple[list[Evidence], str]:
    """Return the evidence, and the reason if there is none."""
    try:
        async with asyncio.timeout(seconds):
            return _most(await source.read()), source.none_found
    except TimeoutError:
        return [], f"no answer within {seconds:.0f} s"
    except AllclearError as error:
        return [], error.message.rstrip(".")
    except _UNEXPECTED as error:
        # The clients refuse what they cannot read; this catches what they accept by mistake, so that no rollback fails.
        return [], f"{UNREADABLE}: {type(error).__name__}"
