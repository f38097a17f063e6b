"""The post-mortem: a company's own template, filled from the journal and from what people wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from allclear.domain.action import Verdict
from allclear.domain.deadlines import Deadline, deadlines
from allclear.domain.durations import counted, in_words, short_duration
from allclear.domain.errors import ConfigError
from allclear.domain.incident import Incident
from allclear.domain.placeholders import render, unknown_placeholders
from allclear.domain.plan import Plan
from allclear.domain.records import Contained, Entry, Recovered, StepDone
from allclear.domain.template_values import duration, lead, status
from allclear.domain.text import clock, markdown_safe, plain, stamp
from allclear.domain.timeline import Line, timeline
from allclear.postmortem.acts_table import markdown_acts, markdown_in_place
from allclear.postmortem.placeholders import FIELDS, PLACEHOLDERS, Field

GAP = timedelta(minutes=10)
"""A longer time without an entry is marked as a gap."""

_BANNER = "**SIMULATED: this was a drill. Nothing here happened in production.**"
_POINT = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+")


def write_post_mortem(
    incident: Incident, entries: Sequence[Entry], plan: Plan, *, service_title: str, template: str, now: datetime
) -> str:
    """Return the post-mortem as Markdown; a field without a text shows the command that writes it.

    `template` is the text of the plan's template. Everything filled in is escaped, so that the texts of alerts and
    people cannot change the document's structure. Raises ConfigError for an unknown placeholder.
    """
    unknown = unknown_placeholders(template, PLACEHOLDERS)
    if unknown:
        raise ConfigError(
            f"The post-mortem's template holds {{{unknown[0]}}}, which has no source.",
            f"Use one of: {', '.join(sorted(PLACEHOLDERS))}.",
        )
    values = _from_journal(incident, entries, plan, service_title, now) | _from_people(incident)
    document = render(template, values)
    return re.sub(r"\n{3,}", "\n\n", document).strip() + "\n"


def _from_journal(
    incident: Incident, entries: Sequence[Entry], plan: Plan, service_title: str, now: datetime
) -> dict[str, str]:
    going_on = not (incident.recovered_at or incident.ended_at)
    return {
        "incident": markdown_safe(incident.id),
        "title": markdown_safe(incident.title),
        "company": markdown_safe(plan.company),
        "simulated": _BANNER if incident.opened.simulated else "",
        "date": f"{incident.opened_at:%Y-%m-%d}",
        "written": stamp(now),
        "status": status(incident),
        "incident_lead": markdown_safe(lead(incident) or ""),
        "roles": _roles(incident, plan),
        "severity": markdown_safe(incident.severity),
        "severity_history": _severities(incident),
        "duration": in_words(duration(incident, now)) + (" so far" if going_on else ""),
        "detected_how": _detected_how(incident),
        "timeline": _timeline(incident, entries, plan),
        "gaps": "\n".join(
            f"- {clock(start)} to {clock(end)} ({short_duration(end - start)})"
            for start, end in gaps(incident, entries)
        )
        or "None.",
        "measured_impact": _measured(incident, entries),
        "services_affected": markdown_safe(service_title),
        "mitigation": _mitigation(incident),
        "times": _times(incident),
        "kind": markdown_safe(plan.kinds[incident.kind].title if incident.kind in plan.kinds else incident.kind),
        "targets": _targets(incident, plan, now),
        "acts": markdown_acts(incident, plan),
        "in_place": markdown_in_place(incident, plan),
        "action_items": _action_items(incident),
        "entries": str(incident.length),
        "head_hash": incident.head,
    }


# --- from people -----------------------------------------------------------------------------


def _from_people(incident: Incident) -> dict[str, str]:
    return {field.placeholder: _words(incident, name, field) for name, field in FIELDS.items()}


def _words(incident: Incident, name: str, field: Field) -> str:
    lines = [line for line in incident.written.get(name, "").splitlines() if plain(line)]
    if not lines:
        blank = f'_Not written yet: allclear postmortem {incident.id} --write {name} "..."_'
        return f"- {blank}" if field.shape == "list" else blank
    if field.shape == "list":
        return "\n".join(f"- {_written(_POINT.sub('', line))}" for line in lines)
    return (" " if field.shape == "line" else "\n\n").join(_written(line) for line in lines)


def _written(line: str) -> str:
    return markdown_safe(line, limit=10_000)


# --- from the journal ------------------------------------------------------------------------


_BRIEF = timedelta(minutes=15)
"""The times of a shorter timeline are shown to the second."""


def gaps(incident: Incident, entries: Sequence[Entry]) -> list[tuple[datetime, datetime]]:
    """Return the spans of over ten minutes without an entry, until the incident's end."""
    times = [entry.at for entry in entries if incident.ended_at is None or entry.at <= incident.ended_at]
    return [(start, end) for start, end in pairwise(times) if end - start > GAP]


def _timeline(incident: Incident, entries: Sequence[Entry], plan: Plan) -> str:
    return "\n".join(_lines(incident, timeline(entries, plan, incident=incident), gaps(incident, entries)))


def _lines(incident: Incident, lines: Sequence[Line], gaps: Sequence[tuple[datetime, datetime]]) -> Iterator[str]:
    day, left = incident.opened_at.date(), list(reversed(gaps))
    brief = bool(lines) and lines[-1].at - lines[0].at < _BRIEF
    shape = "%H:%M:%S" if brief else "%H:%M"
    for line in lines:
        while left and left[-1][1] <= line.at:
            start, end = left.pop()
            yield f"- {start:{shape}} - _nothing was recorded for {short_duration(end - start)}_"
        if line.at.date() != day:
            day = line.at.date()
            yield f"- {day:%Y-%m-%d}:"
        source = f"_({markdown_safe(line.via)}, entry {line.number})_"
        yield f"- {line.at:{shape}} - {markdown_safe(line.text, 2000)} {source}"


def _roles(incident: Incident, plan: Plan) -> str:
    lines = [
        f"- {markdown_safe(plan.role_title(role))}: {markdown_safe(person)}" for role, person in incident.roles.items()
    ]
    if incident.acknowledged_by and incident.acknowledged_at:
        lines.append(
            f"- Acknowledged by: {markdown_safe(incident.acknowledged_by)}, {clock(incident.acknowledged_at)} UTC"
        )
    return "\n".join(lines) or "Nobody took a role."


def _severities(incident: Incident) -> str:
    lines = [f"- {clock(incident.opened_at)} {markdown_safe(incident.opened.severity)} (as opened)"]
    lines += [
        f"- {clock(at)} {markdown_safe(changed.now)}: {markdown_safe(changed.reason)}"
        for at, changed in incident.severities
    ]
    return "\n".join(lines)


def _detected_how(incident: Incident) -> str:
    firing = sum(alert.state == "firing" for alert in incident.alerts.values())
    how = f"{markdown_safe(incident.opened.reported)}, {stamp(incident.opened_at)}"
    return f"{how} ({counted(firing, 'alert')} in all)" if firing else how


def _measured(incident: Incident, entries: Sequence[Entry]) -> str:
    """Return what the health checks measured at detection, containment and recovery."""
    lines: list[str] = []
    for entry in entries:
        record = entry.record
        if isinstance(record, StepDone) and record.finding.verdict is Verdict.FAILURE and not lines:
            lines.append(f"- {clock(entry.at)} when it was detected: {markdown_safe(record.finding.sentence)}")
        elif isinstance(record, Contained | Recovered):
            event = "was contained" if isinstance(record, Contained) else "had recovered"
            lines.append(f"- {clock(entry.at)} when it {event}: {markdown_safe(record.finding.sentence)}")
    return "\n".join(lines) or f"- Nothing was measured in {markdown_safe(incident.id)}."


def _mitigation(incident: Incident) -> str:
    if incident.contained is None or incident.contained_at is None:
        return "Not contained before it was resolved." if incident.over else "Not contained yet."
    return f"{markdown_safe(incident.contained.by)}, proven {stamp(incident.contained_at)}."


def _times(incident: Incident) -> str:
    marks: Mapping[str, tuple[timedelta | None, datetime | None, str]] = {
        "Time to detect": (incident.time_to_detect, incident.opened_at, "from the beginning of the trouble"),
        "Time to acknowledge": (incident.time_to_acknowledge, incident.acknowledged_at, "from the first page"),
        "Time to contain": (incident.time_to_contain, incident.contained_at, "from the beginning of the trouble"),
        "Time to recover": (incident.time_to_recover, incident.recovered_at, "from the beginning of the trouble"),
    }
    rows = [
        f"| {name} | {'' if span is None else short_duration(span)} | {stamp(at) if at else ''} | {since} |"
        for name, (span, at, since) in marks.items()
    ]
    began = stamp(incident.began_at) if incident.began_at else ""
    return "\n".join(["| | Time | At | Measured |", "|---|---|---|---|", f"| Trouble began | | {began} | |", *rows])


def _targets(incident: Incident, plan: Plan, now: datetime) -> str:
    """Return a table of the plan's targets and duties; the post-mortem's own deadlines and escalations are left out."""
    rows = [
        f"| {markdown_safe(one.title)} | {markdown_safe(one.severity)} | {stamp(one.due)} |"
        f" {stamp(one.met) if one.met else '-'} | {_met_words(one, now)} |"
        for one in deadlines(plan, incident)
        if one.due and one.what in {"target", "duty"}
    ]
    head = ["| By the plan | Severity | Due | Met | |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows]) if rows else "The plan sets no time targets for this incident."


def _met_words(one: Deadline, now: datetime) -> str:
    words = "**missed**" if one.missed(now) else "in time" if one.met else ""
    return f"{words} (declined by a person)".strip() if one.declined else words


def _action_items(incident: Incident) -> str:
    items = [
        f"{markdown_safe(item.text)} - {markdown_safe(item.owner)} - {item.due:%Y-%m-%d}"
        for item in incident.follow_ups
    ]
    return "\n".join(f"{number}. [ ] {item}" for number, item in enumerate(items, 1)) or "1. [ ] _None written yet._"
