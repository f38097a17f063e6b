"""Reads the sources that know which revision served before: our own record, Cloud Monitoring, the audit log.

All three are asked at once, for two seconds at most. A source that cannot be reached, is not configured or refuses
gives no evidence, and the reason is reported. No rollback waits longer for a source, or fails because of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from allclear.domain.action import ActionContext, Client
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError
from allclear.vendors.cloud_logging import CloudLogs
from allclear.vendors.cloud_monitoring import CloudMetrics
from allclear.vendors.errors import UNREADABLE
from tasks.cloud_run.evidence import WINDOW, Evidence, Past, by_audit_log, by_own_record, by_requests

EVIDENCE_CLIENTS: tuple[type[Client], ...] = (CloudMetrics, CloudLogs)
SOURCE_SECONDS = 2.0
"""How long to wait for each source."""
MOST_EVIDENCE = 5
"""How many pieces of evidence count from one source: older ones decide nothing."""
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
    sources = _sources(context, identity, onset, now)
    answers = await asyncio.gather(*(_read(source, seconds) for source in sources))
    return Past(
        onset=onset,
        asked_at=now,
        evidence=tuple(piece for evidence, _ in answers for piece in evidence),
        unknown=tuple(
            f"Not known: {source.knows} ({reason})."
            for source, (evidence, reason) in zip(sources, answers, strict=True)
            if not evidence
        ),
    )


def _sources(
    context: ActionContext, identity: ServiceIdentity, onset: datetime, now: datetime
) -> tuple[_Source, _Source, _Source]:
    async def own_record() -> list[Evidence]:
        return by_own_record(context.record.baselines(identity.resource, onset), onset, now)

    async def requests() -> list[Evidence]:
        metrics = context.client(CloudMetrics)
        counts = await metrics.requests(identity.project, identity.region, identity.name, until=onset, window=WINDOW)
        return by_requests(counts, onset, now)

    async def audit_log() -> list[Evidence]:
        logs = context.client(CloudLogs)
        moves = await logs.traffic_moves(identity.project, identity.region, identity.name, now=now)
        return by_audit_log(moves, onset, now)

    return (
        _Source("which revision we saw healthy before", "nothing is recorded", own_record),
        _Source("which revision answered requests before", "none were counted", requests),
        _Source("which revision had the traffic before", "the audit log names none", audit_log),
    )


async def _read(source: _Source, seconds: float) -> tuple[list[Evidence], str]:
    """Return the evidence, and the reason if there is none."""
    try:
        async with asyncio.timeout(seconds):
            return (await source.read())[:MOST_EVIDENCE], source.none_found
    except TimeoutError:
        return [], f"no answer within {seconds:.0f} s"
    except AllclearError as error:
        return [], error.message.rstrip(".")
    except _UNEXPECTED as error:
        # The clients refuse what they cannot read; this catches what they accept by mistake, so that no rollback fails.
        return [], f"{UNREADABLE}: {type(error).__name__}"
