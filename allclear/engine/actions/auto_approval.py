"""When a step may act without being approved: the conditions, each with a sentence for when it does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from allclear.domain.action import Finding, Verdict
from allclear.domain.incident import Act, Incident
from allclear.domain.plan import Storm
from allclear.domain.records import AlertJoined, Entry, StepDone
from allclear.domain.template_values import in_storm
from allclear.engine.incidents import read_or_none
from allclear.journal.ports import Journal

APART = timedelta(seconds=10)
"""How far apart the two looks lie that must both have failed."""

ONCE_WITHIN = timedelta(hours=1)
"""Nothing acts by itself twice on the same service or resource in this time."""


def objections(
    incident: Incident,
    entries: list[Entry],
    storm: Storm,
    now: datetime,
    seen: Finding | None = None,
    *,
    words: bool = False,
) -> list[str]:
    """Return why nothing may act by itself in this incident, as far as its record tells; empty when it may.

    `seen` is a look that was made just now and does not stand in the record yet. For `words` alone it is enough that a
    person declared the incident.
    """
    checks = [
        (entry.at, entry.record.finding.verdict)
        for entry in entries
        if isinstance(entry.record, StepDone) and entry.record.health_check
    ]
    checks += [(now, seen.verdict)] if seen else []
    declared = words and bool(incident.opened_by.person)
    return [
        *(() if declared else _source(incident)),
        *_checks(checks),
        *_flapping(incident, entries, storm, now),
        *_covered(incident),
    ]


def _source(incident: Incident) -> Iterator[str]:
    firing = [alert for alert in incident.alerts.values() if alert.state == "firing"]
    if not any(alert.authenticated for alert in firing):
        yield "no alert came from a source that proved who it is"


def _checks(checks: list[tuple[datetime, Verdict]]) -> Iterator[str]:
    failed: list[datetime] = []
    for at, verdict in checks:
        if verdict is Verdict.SUCCESS:  # what failed before is another trouble
            failed.clear()
        elif verdict is Verdict.FAILURE:
            failed.append(at)
    if checks and checks[-1][1] is not Verdict.FAILURE:
        yield "the last look did not fail"
    elif not failed or failed[-1] - failed[0] < APART:
        yield f"it was not seen to fail twice, {APART.seconds} s apart"


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
    for seen in states.values():
        turns = sum(one != following for one, following in pairwise(seen))
        if turns >= limit.times:
            yield "its alert is flapping"
            return


def _covered(incident: Incident) -> Iterator[str]:
    if incident.storm_umbrella:
        yield f"{in_storm(incident)}: approve what waits, or act by hand"


def acted_recently(journal: Journal, incident: Incident, resource: str, now: datetime) -> str | None:
    """Return that something acted by itself within the hour, on `resource` or on the incident's service; else None.

    A record that cannot be read may tell of such an act: it speaks against another one as well.
    """
    rows = journal.incidents(service=incident.opened.service)
    recent = [row.id for row in rows if row.ended_at is None or now - row.ended_at < ONCE_WITHIN]
    for one in dict.fromkeys([*recent, *journal.incidents_touching(resource)]):
        other = read_or_none(journal, one)
        if other is None:
            return f"the record of {one} cannot be read, and may tell of an act by itself on it within the hour"
        if any(_by_itself_since(act, now - ONCE_WITHIN) for act in other.acts.values()):
            return "something acted by itself on it within the hour"
    return None


def _by_itself_since(act: Act, since: datetime) -> bool:
    return act.proposed.auto_approve and act.intended_at is not None and act.intended_at > since
