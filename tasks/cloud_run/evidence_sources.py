"""Asks who could know which revision served before the trouble: our own record, Cloud Monitoring, the audit log.

All at once, and for two seconds at most: a witness that cannot be reached, is not configured or may not be asked is
silent, and the reason is told. No rollback waits for one, or fails because of one.
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
from allclear.vendors.google_http import UNREADABLE
from tasks.cloud_run.evidence import WINDOW, Evidence, Past, by_audit_log, by_own_record, by_requests

WITNESSES: tuple[type[Client], ...] = (CloudMetrics, CloudLogs)
CHECK_SECONDS = 2.0
"""How long one witness is waited for."""
_NONSENSE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What code meets that is handed another shape than it was written for."""
MOST = 5
"""How many pieces of evidence one witness may give: what is older decides nothing."""


@dataclass(frozen=True)
class Place:
    """The service that is asked about, as each witness names it."""

    service: str
    """Its short name in systems.yaml."""
    resource: str
    project: str
    region: str
    name: str
    """Its name in Cloud Run."""


@dataclass(frozen=True)
class _Witness:
    knows: str
    silence: str
    """What it means when it answers and names nobody."""
    ask: Callable[[], Awaitable[list[Evidence]]]


async def ask_witnesses(context: ActionContext, place: Place, now: datetime | None = None) -> Past:
    """Return what is known of the time before the trouble of `place`; raises nothing of its own."""
    now = now or utc_now()
    unknown: list[str] = []
    try:
        onset = min(context.record.onset(place.service) or now, now)
    except AllclearError:
        onset = now  # the journal is out of reach; its own witness says so below

    async def recorded() -> list[Evidence]:
        return by_own_record(context.record.baselines(place.resource, onset), onset, now)

    async def counted() -> list[Evidence]:
        metrics = context.client(CloudMetrics)
        counts = await metrics.requests(place.project, place.region, place.name, until=onset, window=WINDOW)
        return by_requests(counts, onset, now)

    async def logged() -> list[Evidence]:
        logs = context.client(CloudLogs)
        moves = await logs.traffic_moves(place.project, place.region, place.name, now=now)
        return by_audit_log(moves, onset, now)

    witnesses = (
        _Witness("what we saw healthy before", "nothing is recorded", recorded),
        _Witness("who answered requests before", "none were counted", counted),
        _Witness("who had the traffic before", "the audit log names nobody", logged),
    )
    heard = await asyncio.gather(*(_hear(witness) for witness in witnesses))
    for witness, (evidence, reason) in zip(witnesses, heard, strict=True):
        if not evidence:
            unknown.append(f"Not known: {witness.knows} ({reason}).")
    return Past(
        onset=onset,
        asked_at=now,
        evidence=tuple(one for evidence, _ in heard for one in evidence),
        unknown=tuple(unknown),
    )


async def _hear(witness: _Witness) -> tuple[list[Evidence], str]:
    """Return what it said, and why it is silent."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return (await witness.ask())[:MOST], witness.silence
    except TimeoutError:
        return [], f"no answer within {CHECK_SECONDS:.0f} s"
    except AllclearError as error:
        return [], error.message.rstrip(".")
    except _NONSENSE as error:
        # The clients refuse what they cannot read; this is for what they let through. No rollback fails by it.
        return [], f"{UNREADABLE}: {type(error).__name__}"
