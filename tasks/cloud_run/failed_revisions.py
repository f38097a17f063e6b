"""Which revisions our own record knows as failed: a rollback from them contained an incident. Pure.

A revision that served all users while the service was healthy after that is no longer counted among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from allclear.domain.action import ActionContext
from allclear.domain.base import utc_now
from allclear.domain.baseline import Baseline, Containing
from allclear.domain.errors import AllclearError
from allclear.domain.text import plain
from tasks.cloud_run.evidence import Evidence, EvidenceKind, Past, clock_time
from tasks.cloud_run.traffic_state import TrafficState

ROLLBACK = "cloud_run.rollback_traffic"
"""The action after which what served before is known to have failed. Maintenance mode tells nothing of a revision."""


def failed_before(context: ActionContext, resource: str, now: datetime | None = None) -> tuple[Evidence, ...]:
    """Return one piece of evidence against each revision that failed, the newest first; empty without a journal."""
    now = now or utc_now()
    try:
        return rolled_back_from(context.record.containing(resource), context.record.baselines(resource, now), now)
    except AllclearError:  # the journal's own source of evidence reports that
        return ()


def rolled_back_from(
    changes: Sequence[Containing], baselines: Sequence[Baseline], now: datetime
) -> tuple[Evidence, ...]:
    """Return one piece of evidence against each revision that a rollback took the users from, the newest first."""
    healthy: dict[str, datetime] = {}
    for baseline in baselines:
        healthy[baseline.revision] = max(baseline.at, healthy.get(baseline.revision, baseline.at))
    found: dict[str, Evidence] = {}
    for change in changes:
        for revision in _left(change):
            if revision not in found and not healthy.get(revision, change.at) > change.at:
                statement = (
                    f'failed before: {change.incident} rolled back from it at {clock_time(change.at, now)} ("'
                    f'{plain(change.title).rstrip(". ")}")'
                )
                found[revision] = Evidence(
                    kind=EvidenceKind.OWN_RECORD, revision=revision, statement=statement, at=change.at
                )
    return tuple(found.values())


def with_failed(state: TrafficState, context: ActionContext, resource: str) -> TrafficState:
    """Return the state with what our own record knows against its revisions."""
    failed = tuple(piece for piece in failed_before(context, resource) if state.revision(piece.revision))
    past = state.past.model_copy(update={"failed": failed, "asked_at": state.past.asked_at or utc_now()})
    return state.model_copy(update={"past": past}) if failed else state


def against(past: Past, revision: str) -> str:
    """Return why `revision` is known to have failed, as a predicate; empty if it is not."""
    return next((piece.statement for piece in past.failed if piece.revision == revision), "")


def _left(change: Containing) -> list[str]:
    if change.action != ROLLBACK:
        return []
    try:
        before, after = TrafficState.model_validate(change.before), TrafficState.model_validate(change.after)
    except ValidationError:
        return []
    return [revision for revision in before.served() if revision not in after.shares()]
