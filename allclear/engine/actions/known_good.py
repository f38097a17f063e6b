"""Known good: which revision served all users while a health check from outside succeeded.

Recorded when recovery or containment is proven, when people agree that an alarm was false, and by a readiness check
(`record_serving`). A check with few requests, or one that was repeated until it succeeded, is not recorded. Actions
read the records through `ActionContext.record`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from pydantic import ValidationError

from allclear.domain.action import ActionContext, ActStatus, Finding, Verdict
from allclear.domain.base import JsonDict
from allclear.domain.baseline import SERVING_ALL, Baseline, Containing, ServingAll
from allclear.domain.errors import AllclearError
from allclear.domain.incident import Incident
from allclear.domain.replay_states import REPEATED
from allclear.engine.actions.registry import Registry, read_params
from allclear.engine.incidents import read_or_none, readable
from allclear.journal.ports import Journal

ENOUGH_REQUESTS = 20
"""A check with fewer requests than this may succeed by chance, so it makes no revision known good."""
_CHECK_SECONDS = 5.0
"""The longest time that the probe of what serves may take, so that it does not delay the response."""


_MOST_BASELINES = 200
"""How many baselines are read: a nightly check records the same revision again and again."""


class JournalRecord:
    """The journal as actions may read it: the incidents and the baselines of its scope."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def baselines(self, resource: str, before: datetime) -> Sequence[Baseline]:
        """Return the baselines of `resource` up to `before`, the newest first."""
        return self._journal.baselines(resource, before, limit=_MOST_BASELINES)

    def last_state(self, resource: str, field: str) -> JsonDict | None:
        """Return the state that was seen last after an act on `resource` and that has a `field`, or None."""
        for incident_id in reversed(self._journal.incidents_touching(resource)):
            incident = read_or_none(self._journal, incident_id)
            for act in reversed(list(incident.acts.values() if incident else ())):
                state = act.outcome.after if act.proposed.resource == resource and act.outcome else None
                if state and state.get(field):
                    return state
        return None

    def may_be_sent(self, resource: str) -> bool:
        """Return whether the newest act on `resource` that was sent ended without an answer, so that it may be there.

        An act that is still under way does not count: it is the one that asks.
        """
        for incident_id in reversed(self._journal.incidents_touching(resource)):
            incident = read_or_none(self._journal, incident_id)
            for act in reversed(list(incident.acts.values() if incident else ())):
                sent = act.proposed.resource == resource and act.intended
                if sent and act.outcome and act.outcome.changed:
                    return act.status is ActStatus.INDETERMINATE
        return False

    def was_requested(self, request: str) -> bool:
        """Return whether what a request asks for was done."""
        return self._journal.has_request(request)

    def containing(self, resource: str) -> Sequence[Containing]:
        """Return the changes of ours to `resource` that contained an incident, the newest first."""
        found: list[Containing] = []
        for incident_id in self._journal.incidents_touching(resource):
            incident = read_or_none(self._journal, incident_id)
            found += _containing(incident, resource) if incident else []
        return sorted(found, key=lambda one: one.at, reverse=True)

    def onset(self, service: str) -> datetime | None:
        """Return when the newest open incident on `service` began, or else was opened; None if there is none."""
        rows = self._journal.incidents(open_only=True, service=service)
        newest = next(readable(self._journal, rows), None)
        return (newest.began_at or newest.opened_at) if newest else None

    def last_trouble(self, service: str) -> tuple[datetime, datetime | None] | None:
        """Return from when until when users were affected last, in the newest incident of `service`, open or not."""
        newest = next(readable(self._journal, self._journal.incidents(service=service)), None)
        if newest is None:
            return None
        return newest.began_at or newest.opened_at, newest.recovered_at or newest.ended_at


def _containing(incident: Incident, resource: str) -> list[Containing]:
    """Return the acts on `resource` after which the incident was contained, unless it did not end as resolved."""
    if incident.ended_unresolved:
        return []
    proofs = [period.number for period in incident.containment.periods]
    acts = [act for act in incident.acts.values() if act.proposed.resource == resource and act.proposed.leaves]
    good = [act for act in acts if act.outcome and act.outcome.changed and any(act.issued < one for one in proofs)]
    return [
        Containing(
            incident=incident.id,
            title=incident.title,
            action=act.proposed.action,
            at=act.finished_at or act.at,
            before=act.change["before"],
            after=act.change["after"],
        )
        for act in good
        if act.change
    ]


async def serving_all(registry: Registry, context: ActionContext, service: str) -> list[ServingAll]:
    """Return what serves all users of `service` now; empty if no probe can tell, or if the traffic is split."""
    found: list[ServingAll] = []
    for kind in registry.probes.values():
        if kind.reports_serving:
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    finding = await kind(context).check(read_params(kind, {"service": service}))
            except (AllclearError, TimeoutError):
                continue
            found.extend(serving_in(finding))
    return found


def serving_in(finding: Finding) -> list[ServingAll]:
    """Return what serves all users according to the finding's facts."""
    fact = finding.facts.get(SERVING_ALL)
    try:
        return [ServingAll.model_validate(item) for item in cast("list[Any]", fact)] if isinstance(fact, list) else []
    except ValidationError:
        return []


def with_serving(finding: Finding, serving: Sequence[ServingAll]) -> Finding:
    """Return the finding with what served all users at that moment among its facts."""
    facts = {**finding.facts, SERVING_ALL: [item.model_dump(mode="json") for item in serving]}
    return finding.model_copy(update={"facts": facts}) if serving else finding


def with_check_count(finding: Finding, checks: int) -> Finding:
    """Return the finding with the number of checks among its facts, if there was more than one."""
    return finding.model_copy(update={"facts": {**finding.facts, REPEATED: checks}}) if checks > 1 else finding


def is_conclusive(finding: Finding) -> bool:
    """Return whether a successful check is more than chance: enough requests, and successful the first time.

    A revision that fails a third of its requests passes a small check now and then, and any check that is repeated
    until it succeeds.
    """
    requests: object = finding.facts.get("requests")
    enough = type(requests) is int and requests >= ENOUGH_REQUESTS
    return enough and finding.verdict is Verdict.SUCCESS and REPEATED not in finding.facts


def record_known_good(journal: Journal, finding: Finding, at: datetime, noted_by: str) -> list[Baseline]:
    """Record what served according to the finding, if the finding is conclusive, and return it. Raises JournalError."""
    serving = serving_in(finding) if is_conclusive(finding) else []
    return _record(journal, serving, at, noted_by)


async def record_serving(
    journal: Journal, registry: Registry, context: ActionContext, service: str, at: datetime, noted_by: str
) -> list[Baseline]:
    """Record what serves all users of `service` now as known good, and return it.

    Only for a service whose health check has just succeeded, at the time `at`. Empty if the traffic is split or cannot
    be read. Raises JournalError.
    """
    return _record(journal, await serving_all(registry, context, service), at, noted_by)


def _record(journal: Journal, serving: Sequence[ServingAll], at: datetime, noted_by: str) -> list[Baseline]:
    baselines = [Baseline(resource=item.resource, revision=item.revision, at=at, noted_by=noted_by) for item in serving]
    journal.add_baselines(baselines)
    return baselines
