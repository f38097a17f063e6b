"""The conditions under which a step may act without an approval, each with a sentence for when it does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from allclear.domain.act import Act
from allclear.domain.action import Finding, Verdict
from allclear.domain.incident import Incident
from allclear.domain.plan import Storm
from allclear.domain.records import AlertJoined, Entry, StepDone
from allclear.domain.template_values import in_storm
from allclear.domain.text import plain
from allclear.engine.incidents import read_or_none
from allclear.journal.ports import Journal

CHECKS_APART = timedelta(seconds=10)
"""The shortest time between the two health checks that must both have failed."""

COOLDOWN = timedelta(hours=1)
"""How long an automatic action rules out another one on the same service or resource."""


def reasons_against(
    incident: Incident,
    entries: list[Entry],
    storm: Storm,
    now: datetime,
    latest: Finding | None = None,
    *,
    only_text: bool = False,
) -> list[str]:
    """Return the reasons in the incident's record that rule out automatic action; empty if it is allowed.

    `latest` is the finding of a health check that is not in the record yet. `only_text` is for the plan's standard
    text, which may also be sent without an authenticated alert if a person declared the incident.
    """
    checks = [
        (entry.at, entry.record.finding.verdict)
        for entry in entries
        if isinstance(entry.record, StepDone) and entry.record.health_check
    ]
    checks += [(now, latest.verdict)] if latest else []
    declared = only_text and bool(incident.opened_by.person)
    return [
        *_held(incident),
        *(() if declared else _source(incident)),
        *_checks(checks),
        *_flapping(incident, entries, storm, now),
        *_storm(incident),
    ]


def _held(incident: Incident) -> Iterator[str]:
    if incident.held:
        yield f"{plain(incident.held.by, 60)} holds the incident: {plain(incident.held.cause)}"


def _source(incident: Incident) -> Iterator[str]:
    firing = [alert for alert in incident.alerts.values() if alert.state == "firing"]
    if not any(alert.authenticated for alert in firing):
        yield "no firing alert is authenticated"


def _checks(checks: list[tuple[datetime, Verdict]]) -> Iterator[str]:
    failed: list[datetime] = []
    for at, verdict in checks:
        if verdict is Verdict.SUCCESS:  # failures before a success belong to an earlier trouble
            failed.clear()
        elif verdict is Verdict.FAILURE:
            failed.append(at)
    if checks and checks[-1][1] is not Verdict.FAILURE:
        yield "the last health check did not fail"
    elif not failed or failed[-1] - failed[0] < CHECKS_APART:
        yield f"the health check has not failed twice, {CHECKS_APART.seconds} s apart"


def _flapping(incident: Incident, entries: list[Entry], storm: Storm, now: datetime) -> Iterator[str]:
    limit = storm.flapping
    if any(now - at <= limit.within + storm.flapping_noted_every for at in incident.flapping.values()):
        yield "its alert is flapping"
        return
    states: dict[str, list[str]] = {}
    for entry in entries:
        record = entry.record
        if isinstance(record, AlertJoined) and now - entry.at <= limit.within:
            states.setdefault(record.key, []).append(record.state)
    for changes in states.values():
        turns = sum(state != following for state, following in pairwise(changes))
        if turns >= limit.times:
            yield "its alert is flapping"
            return


def _storm(incident: Incident) -> Iterator[str]:
    if incident.storm_umbrella:
        yield f"{in_storm(incident)}: approve the open questions, or start the action by hand"


def acted_recently(journal: Journal, incident: Incident, resource: str, now: datetime) -> str | None:
    """Return the reason if `resource` or the incident's service is in the cool-down of an automatic action, else None.

    An incident whose record cannot be read counts as well, because it may hold such an action. Raises JournalError.
    """
    rows = journal.incidents(service=incident.opened.service)
    recent = [row.id for row in rows if row.ended_at is None or now - row.ended_at < COOLDOWN]
    for incident_id in dict.fromkeys([*recent, *journal.incidents_touching(resource)]):
        other = read_or_none(journal, incident_id)
        if other is None:
            return (
                f"the record of {incident_id} cannot be read, so an automatic action on it may have been carried out "
                "within the hour"
            )
        if any(_automatic_since(act, now - COOLDOWN) for act in other.acts.values()):
            return "an automatic action on it was carried out within the hour"
    return None


def _automatic_since(act: Act, since: datetime) -> bool:
    return act.proposed.auto_approve and act.intended_at is not None and act.intended_at > since
