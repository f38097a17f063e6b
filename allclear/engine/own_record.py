"""What we have seen ourselves: which revision had all users while a look from outside was healthy.

Written where recovery or containment is proven, where people agree that an alarm was false, and by whoever calls
`note_healthy` (a readiness check). Read by actions through `Surroundings.record`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from pydantic import ValidationError

from allclear.domain.action import Finding, Surroundings
from allclear.domain.baseline import SERVING_ALL, Baseline, ServingAll
from allclear.domain.errors import AllclearError
from allclear.domain.records import IncidentOpened
from allclear.engine.registry import Registry, read_params
from allclear.journal.port import Journal

_LOOK_SECONDS = 5.0
"""How long the question what serves may take; it must hold up no response."""


class JournalRecord:
    """Our own record, as actions may read it. One company's incidents; baselines are of whole resources."""

    def __init__(self, journal: Journal, company: str) -> None:
        self._journal = journal
        self._company = company

    def baselines(self, resource: str, before: datetime) -> Sequence[Baseline]:
        """Returns the baselines of `resource` up to `before`, the newest first."""
        return self._journal.baselines(resource, before)

    def onset(self, service: str) -> datetime | None:
        """Returns when the trouble of the newest open incident on `service` began, or was noticed."""
        for row in self._journal.incidents(open_only=True, service=service, company=self._company):
            first = self._journal.entries(row.id)[0].record
            began = first.began if isinstance(first, IncidentOpened) else None
            return began or row.opened_at
        return None


async def serving_all(registry: Registry, around: Surroundings, service: str) -> list[ServingAll]:
    """Returns what has all users of `service` right now; empty where no probe can tell, or traffic is shared."""
    found: list[ServingAll] = []
    for kind in registry.probes.values():
        if kind.tells_serving:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    finding = await kind(around).look(read_params(kind, {"service": service}))
            except (AllclearError, TimeoutError):
                continue
            found.extend(named_in(finding))
    return found


def named_in(finding: Finding) -> list[ServingAll]:
    """Returns what the finding's facts name as having all users."""
    said = finding.facts.get(SERVING_ALL)
    try:
        return [ServingAll.model_validate(one) for one in cast("list[Any]", said)] if isinstance(said, list) else []
    except ValidationError:
        return []


def with_serving(finding: Finding, served: Sequence[ServingAll]) -> Finding:
    """Returns the finding of a healthy look with what had all users then among its facts."""
    facts = {**finding.facts, SERVING_ALL: [one.model_dump(mode="json") for one in served]}
    return finding.model_copy(update={"facts": facts}) if served else finding


def note_finding(journal: Journal, finding: Finding, at: datetime, said_by: str) -> list[Baseline]:
    """Writes down what a healthy look's facts name, and returns it. Raises JournalError."""
    noted = [
        Baseline(resource=one.resource, revision=one.revision, at=at, said_by=said_by) for one in named_in(finding)
    ]
    journal.add_baselines(noted)
    return noted


async def note_healthy(
    journal: Journal, registry: Registry, around: Surroundings, service: str, at: datetime, said_by: str
) -> list[Baseline]:
    """Writes down what has all users of `service`, which a look from outside has just seen healthy.

    Returns what was written: nothing where traffic is shared or cannot be read. `at` is the moment of the healthy
    look. Raises JournalError.
    """
    served = await serving_all(registry, around, service)
    noted = [Baseline(resource=one.resource, revision=one.revision, at=at, said_by=said_by) for one in served]
    journal.add_baselines(noted)
    return noted
