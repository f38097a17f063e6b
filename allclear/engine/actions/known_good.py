"""What we have seen ourselves: which revision had all users while a look from outside was healthy.

Written where recovery or containment is proven, where people agree that an alarm was false, and by whoever calls
`note_healthy` (a readiness check). A look of few requests, or one repeated until it passed, is not written down.
Read by actions through `Surroundings.record`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from pydantic import ValidationError

from allclear.domain.action import ActionContext, Finding, Verdict
from allclear.domain.baseline import SERVING_ALL, Baseline, ServingAll
from allclear.domain.errors import AllclearError
from allclear.engine.actions.registry import Registry, read_params
from allclear.engine.incidents import readable
from allclear.journal.ports import Journal

ENOUGH_REQUESTS = 20
"""A look that rests on fewer than these may be luck: it makes no revision a good one."""
CHECKS = "checks"
"""Where a finding's facts say how often was looked until all was well; missing for once."""
_CHECK_SECONDS = 5.0
"""How long the question what serves may take; it must hold up no response."""


class JournalRecord:
    """Our own record, as actions may read it. Both its incidents and its baselines are those of the journal's scope."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def baselines(self, resource: str, before: datetime) -> Sequence[Baseline]:
        """Return the baselines of `resource` up to `before`, the newest first."""
        return self._journal.baselines(resource, before)

    def onset(self, service: str) -> datetime | None:
        """Return when the trouble of the newest open incident on `service` began, or was noticed."""
        rows = self._journal.incidents(open_only=True, service=service)
        newest = next(readable(self._journal, rows), None)
        return (newest.began_at or newest.opened_at) if newest else None


async def serving_all(registry: Registry, context: ActionContext, service: str) -> list[ServingAll]:
    """Return what has all users of `service` right now; empty where no probe can tell, or traffic is shared."""
    found: list[ServingAll] = []
    for kind in registry.probes.values():
        if kind.tells_serving:
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    finding = await kind(context).check(read_params(kind, {"service": service}))
            except (AllclearError, TimeoutError):
                continue
            found.extend(named_in(finding))
    return found


def named_in(finding: Finding) -> list[ServingAll]:
    """Return what the finding's facts name as having all users."""
    said = finding.facts.get(SERVING_ALL)
    try:
        return [ServingAll.model_validate(one) for one in cast("list[Any]", said)] if isinstance(said, list) else []
    except ValidationError:
        return []


def with_serving(finding: Finding, served: Sequence[ServingAll]) -> Finding:
    """Return the finding of a healthy look with what had all users then among its facts."""
    facts = {**finding.facts, SERVING_ALL: [one.model_dump(mode="json") for one in served]}
    return finding.model_copy(update={"facts": facts}) if served else finding


def after_checks(finding: Finding, checks: int) -> Finding:
    """Return the finding of the last of so many looks, with their number among its facts if there were several."""
    return finding.model_copy(update={"facts": {**finding.facts, CHECKS: checks}}) if checks > 1 else finding


def speaks_for_it(finding: Finding) -> bool:
    """Return whether a healthy look proves more than luck: enough requests, and well at the first look.

    A revision that fails a third of its requests passes a small look now and then, and any look that is repeated
    until it passes.
    """
    requests: object = finding.facts.get("requests")
    enough = type(requests) is int and requests >= ENOUGH_REQUESTS
    return enough and finding.verdict is Verdict.SUCCESS and CHECKS not in finding.facts


def note_finding(journal: Journal, finding: Finding, at: datetime, said_by: str) -> list[Baseline]:
    """Record what the facts of a healthy look name, if it `speaks_for_it`, and returns it. Raises JournalError."""
    named = named_in(finding) if speaks_for_it(finding) else []
    noted = [Baseline(resource=one.resource, revision=one.revision, at=at, said_by=said_by) for one in named]
    journal.add_baselines(noted)
    return noted


async def note_healthy(
    journal: Journal, registry: Registry, context: ActionContext, service: str, at: datetime, said_by: str
) -> list[Baseline]:
    """Record what has all users of `service`, which a look from outside has just seen healthy.

    Returns what was written: nothing where traffic is shared or cannot be read. `at` is the moment of the healthy
    look, which the caller answers for. Raises JournalError.
    """
    served = await serving_all(registry, context, service)
    noted = [Baseline(resource=one.resource, revision=one.revision, at=at, said_by=said_by) for one in served]
    journal.add_baselines(noted)
    return noted
