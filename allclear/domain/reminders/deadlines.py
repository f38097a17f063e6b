"""The deadlines of an incident: time targets, duties, notifications, escalation, updates, the post-mortem. Pure.

A clock starts once, with its own event; a change of severity does not restart it. What was due under an earlier
severity stays due. A target that was not yet due is replaced by the new severity's target for the same event, or stays
if there is none. A duty that once applied keeps applying. The end of the incident stops every clock; a false alarm has
no duties.

A state that stopped a clock can end, as when a contained incident fails again. If that happens before the clock was
due, the clock goes on. If it happens later, the clock starts again at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from allclear.domain.action import Verdict
from allclear.domain.incident import Incident
from allclear.domain.notify.reached import reached_at
from allclear.domain.plan import (
    ClockStart,
    ClockStop,
    Duty,
    Notification,
    Plan,
    Span,
    StatusWord,
    Target,
    not_known,
)
from allclear.domain.pseudo_phases import DUTY
from allclear.domain.runbook import Phase

What = Literal["target", "duty", "notification", "escalation", "post-mortem"]


@dataclass(frozen=True)
class Deadline:
    """One thing that is due."""

    what: What
    name: str
    title: str
    severity: str
    starts: ClockStart
    due: datetime | None
    """None while its clock has not started."""
    met: datetime | None
    """When it was done, or when the end of the incident stopped its clock."""
    stopped: bool = False
    """Whether only a false alarm or an abandoned incident stopped its clock: it was not done."""
    declined: datetime | None = None
    """When a person answered that it cannot or need not be done."""
    not_before: datetime | None = None
    target: Target | None = None
    """The plan's target, for a time target."""
    restarted: datetime | None = None
    """When the clock started again, because the state that had stopped it ended; None if it never did."""

    def missed(self, now: datetime) -> bool:
        """Return whether it was met too late, or is overdue at `now`."""
        return self.due is not None and (self.met or self.declined or now) > self.due


def clock_start(incident: Incident, start: ClockStart) -> datetime | None:
    """Return when a clock started, or None while it has not."""
    match start:
        case ClockStart.ALERT | ClockStart.DECLARATION:
            return incident.opened_at
        case ClockStart.AWARENESS:
            return incident.aware_at
        case ClockStart.RECOVERY:
            current = incident.recovery.current
            return _first(current.since if current else None, incident.ended_at)


def clock_stops(incident: Incident, stop: ClockStop) -> list[tuple[datetime, datetime | None]]:
    """Return the times, in order, in which the state that a target waits for held: from when, and until when.

    None stands for a time that has not ended. The end of the incident stops every clock for good.
    """
    spans = _spans(incident, stop)
    if incident.ended_at:
        spans.append((incident.ended_at, None))
    merged: list[tuple[datetime, datetime | None]] = []
    for since, until in sorted(spans, key=lambda span: span[0]):
        last = merged[-1] if merged else None
        if last is None or (last[1] is not None and since > last[1]):
            merged.append((since, until))
        elif last[1] is not None:
            merged[-1] = (last[0], None if until is None else max(last[1], until))
    return merged


def _spans(incident: Incident, stop: ClockStop) -> list[tuple[datetime, datetime | None]]:
    """Return the times in which the state itself held, without the end of the incident."""
    histories = {
        ClockStop.ACKNOWLEDGED: [incident.acknowledgement],
        ClockStop.CONTAINED: [incident.containment, incident.recovery],
        ClockStop.RECOVERED: [incident.recovery],
        ClockStop.ENDED: [],
    }[stop]
    return [(period.since, period.until) for history in histories for period in history.periods]


def clock_stopped(incident: Incident, stop: ClockStop) -> bool:
    """Return whether the state that a target waits for holds now."""
    stops = clock_stops(incident, stop)
    return bool(stops) and stops[-1][1] is None


def _first(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment), default=None)


def deadlines(plan: Plan, incident: Incident) -> list[Deadline]:
    """Return the deadlines of the incident, the earliest first; those whose clock has not started come last."""
    all_deadlines = [
        *_targets(plan, incident),
        *_duties(plan, incident),
        *_notifications(plan, incident),
        *_escalation(plan, incident),
        *_reviews(plan, incident),
    ]
    return sorted(all_deadlines, key=_due_order)


def _due_order(deadline: Deadline) -> tuple[bool, float]:
    return deadline.due is None, deadline.due.timestamp() if deadline.due else 0.0


def duties(plan: Plan, incident: Incident) -> list[Duty]:
    """Return the duties that apply, or that could apply while a facet is unknown."""
    if incident.ended_unresolved:
        return [duty for duty in plan.duties if incident.step(DUTY, duty.name)]
    names = {
        duty.name
        for severity in dict.fromkeys(incident.severities_had)
        for duty in plan.applying(plan.duties, severity, incident.kind, incident.facets)
    }
    return [duty for duty in plan.duties if duty.name in names]


def notifications_due(plan: Plan, incident: Incident) -> list[Notification]:
    """Return the lines of the notification matrix that apply to the incident now."""
    return plan.applying(plan.notifications, incident.severity, incident.kind, incident.facets)


def status_word(incident: Incident) -> StatusWord:
    """Return the status that a plan's `updates` lines select by."""
    if incident.over or incident.recovery.current:
        return "resolved"
    return "contained" if incident.containment.current else "investigating"


def _due(plan: Plan, incident: Incident, start: ClockStart, span: Span) -> datetime | None:
    begun = clock_start(incident, start)
    return plan.working_time.after(begun, span) if begun else None


def _targets(plan: Plan, incident: Incident) -> list[Deadline]:
    kept: list[Deadline] = []
    changes = [at for at, _ in incident.severities]
    scale = [plan.severity(name) for name in incident.severities_had]
    seen: set[tuple[str, str]] = set()
    for index, severity in enumerate(scale):
        for target in severity.targets if severity else ():
            name = severity.name if severity else ""
            # A later severity replaces it only with a target for the same event.
            replacements = (
                at
                for at, later in zip(changes[index:], scale[index + 1 :], strict=True)
                if later and any(other.until == target.until for other in later.targets)
            )
            replaced = next(replacements, None)
            counted = [
                one
                for one in _target(plan, incident, target, name)
                if replaced is None or (one.due is not None and one.due <= replaced)
            ]
            if counted and (name, target.name) not in seen:
                seen.add((name, target.name))
                kept += counted
    return kept


def _target(plan: Plan, incident: Incident, target: Target, severity: str) -> list[Deadline]:
    """Return the target's deadline, and one more for each time its clock started again."""
    first = Deadline(
        what="target",
        name=target.name,
        title=target.name.replace("-", " ").replace("_", " "),
        severity=severity,
        starts=target.from_,
        due=_due(plan, incident, target.from_, target.within),
        met=None,
        target=target,
    )
    result = [first]
    held = {since for since, _ in _spans(incident, target.until)}
    for since, until in clock_stops(incident, target.until):
        stopped = incident.ended_unresolved and target.until is not ClockStop.ENDED and since not in held
        result[-1] = replace(result[-1], met=since, stopped=stopped)
        due = result[-1].due
        if until is None:
            break
        if due is not None and until < due:
            result[-1] = replace(result[-1], met=None)
        else:
            again = plan.working_time.after(until, target.within)
            result.append(replace(first, due=again, met=None, restarted=until))
    return result


def _duties(plan: Plan, incident: Incident) -> list[Deadline]:
    result: list[Deadline] = []
    for duty in duties(plan, incident):
        answer = incident.step(DUTY, duty.name)
        done = answer is not None and answer.finding.verdict is Verdict.SUCCESS
        result.append(
            Deadline(
                what="duty",
                name=duty.name,
                title=duty.title,
                severity=incident.severity,
                starts=duty.from_,
                due=_due(plan, incident, duty.from_, duty.within),
                met=answer.at if answer and done else None,
                declined=answer.at if answer and not done else None,
            )
        )
    return result


def _notifications(plan: Plan, incident: Incident) -> list[Deadline]:
    """Return by when each audience is to be notified; after the end only what was due or done before it."""
    if incident.ended_unresolved:
        return []
    result: dict[str, Deadline] = {}
    for line in notifications_due(plan, incident):
        if line.within is None:
            continue
        unknown = [plan.facets[name].title for name in not_known(line.when, incident.facets) if name in plan.facets]
        met = reached_at(plan, incident, line.audience)
        one = Deadline(
            what="notification",
            name=line.audience,
            title=f"notify {plan.role_title(line.audience)}" + (f" (depends: {', '.join(unknown)})" if unknown else ""),
            severity=incident.severity,
            starts=line.from_,
            due=_due(plan, incident, line.from_, line.within),
            met=met,
        )
        closed = incident.ended_at is not None and met is None and (one.due is None or one.due > incident.ended_at)
        known = result.get(line.audience)
        if not closed and (known is None or _due_order(one) < _due_order(known)):
            result[line.audience] = one
    return list(result.values())


def _escalation(plan: Plan, incident: Incident) -> list[Deadline]:
    severity = plan.severity(incident.severity)
    rule = severity.escalates if severity else None
    if rule is None or incident.over or clock_stopped(incident, rule.unless):
        return []
    begun = clock_start(incident, rule.from_)
    if begun and incident.severities:  # an incident that has just become a P1 gets the full time of a P1
        begun = max(begun, incident.severities[-1][0])
    due = plan.working_time.after(begun, rule.after) if begun else None
    for _, until in clock_stops(incident, rule.unless):
        if due and until and until >= due:
            due = plan.working_time.after(until, rule.after)
    return [
        Deadline(
            what="escalation",
            name=rule.to,
            title=f"becomes {rule.to}, unless {rule.unless.value}",
            severity=incident.severity,
            starts=rule.from_,
            due=due,
            met=None,
        )
    ]


def _reviews(plan: Plan, incident: Incident) -> list[Deadline]:
    if incident.ended_unresolved:
        return []
    worst = min(incident.severities_had, key=plan.rank)
    result: list[Deadline] = []
    for due in plan.applying(plan.post_mortem.due, worst, incident.kind, incident.facets):
        answer = incident.step(Phase.REVIEW, due.met_by or due.what)
        done = answer is not None and answer.finding.verdict is Verdict.SUCCESS
        result.append(
            Deadline(
                what="post-mortem",
                name=due.what,
                title=f"{plan.post_mortem.title}: {due.what.replace('-', ' ')}",
                severity=worst,
                starts=due.from_,
                due=_due(plan, incident, due.from_, due.within),
                met=None if answer and not done else _first(answer.at if answer else None, incident.reviewed_at),
                declined=answer.at if answer and not done else None,
                not_before=_due(plan, incident, due.from_, due.not_before) if due.not_before else None,
            )
        )
    return result
