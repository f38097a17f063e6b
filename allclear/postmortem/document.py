"""The post-mortem: a company's own template, filled from the journal and from what people wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from allclear.domain.durations import counted, in_words, short_duration
from allclear.domain.errors import ConfigError
from allclear.domain.incident import Incident
from allclear.domain.local_times import clock, day, local, named_clock, stamp
from allclear.domain.notify.notified import notified
from allclear.domain.placeholders import render, unknown_placeholders
from allclear.domain.plan import Plan
from allclear.domain.records import Entry, PostMortemWritten
from allclear.domain.review.follow_up_tickets import ticket_of, ticket_words
from allclear.domain.review.post_mortem import TITLES, PostMortemField
from allclear.domain.template_values import duration, lead, status_words
from allclear.domain.text import LONG, emphasised, enumerated, markdown_safe, plain
from allclear.domain.timeline import Line, timeline
from allclear.postmortem.acts_table import acts_table, markdown_in_place, messages_list
from allclear.postmortem.affected import BRIEF, affected_words
from allclear.postmortem.failures_chart import marks, text_chart
from allclear.postmortem.key_events import key_event_lines
from allclear.postmortem.key_times import key_times, targets_table
from allclear.postmortem.lessons import could_improve, gap_words, gaps, went_well
from allclear.postmortem.measurements import measure, measured_lines, requests_affected
from allclear.postmortem.placeholders import FIELDS, PLACEHOLDERS, Field
from allclear.postmortem.suggestions import suggestions

__all__ = ["PostMortem", "gaps", "write_post_mortem"]

_BANNER = "**SIMULATED: this was a drill. Nothing here happened in production.**"
_SCRIPTED = "_From the drill's script._"
DRILL = "drill"
"""The channel of a drill's simulated people, as the record names it."""
_POINT = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+")


class PostMortem(NamedTuple):
    """Everything that a post-mortem is written from."""

    incident: Incident
    entries: Sequence[Entry]
    plan: Plan
    service_title: str
    template: str
    """The text of the plan's template."""
    now: datetime


def write_post_mortem(source: PostMortem) -> str:
    """Return the post-mortem as Markdown.

    A field without a text holds what is suggested for it, with its source, or else says that it is not written yet.
    Managers read the document, so it names no commands to type, except in the annex with the full record.
    Everything filled in is escaped, so that the texts of alerts and people cannot change the document's structure.
    Raises ConfigError for an unknown placeholder in the template.
    """
    unknown = unknown_placeholders(source.template, PLACEHOLDERS)
    if unknown:
        raise ConfigError(
            f"The post-mortem's template holds {{{unknown[0]}}}, which has no source.",
            f"Use one of: {', '.join(sorted(PLACEHOLDERS))}.",
        )
    values = _from_journal(source) | {field.placeholder: _field(source, name) for name, field in FIELDS.items()}
    document = f"{render(source.template, values)}\n\n{_to_complete(source)}"
    return re.sub(r"\n{3,}", "\n\n", document).strip() + "\n"


def _from_journal(source: PostMortem) -> dict[str, str]:
    return _head(source) | _course(source) | _record(source)


def _head(source: PostMortem) -> dict[str, str]:
    incident, plan, now = source.incident, source.plan, source.now
    going_on = not (incident.recovery.current or incident.ended_at)
    kind = plan.kinds[incident.kind].title if incident.kind in plan.kinds else incident.kind
    return {
        "incident": markdown_safe(incident.id),
        "title": markdown_safe(incident.title),
        "company": markdown_safe(plan.company),
        "simulated": _BANNER if incident.opened.simulated else "",
        "date": day(incident.opened_at, plan.zone),
        "written": stamp(now, plan.zone),
        "status": status_words(incident, plan),
        "incident_lead": markdown_safe(lead(incident, plan) or "") or _no_lead(plan),
        "severity": markdown_safe(incident.severity),
        "kind": markdown_safe(kind),
        "duration": in_words(duration(incident, now)) + (" so far" if going_on else ""),
        "services_affected": markdown_safe(source.service_title),
        "times": key_times(incident, plan, now),
    }


def _no_lead(plan: Plan) -> str:
    return emphasised(markdown_safe(plan.words["no_lead"])) if "no_lead" in plan.words else "_no one took the lead_"


def _course(source: PostMortem) -> dict[str, str]:
    """Return what happened, and what it did to users."""
    incident, entries, zone = source.incident, source.entries, source.plan.zone
    measured = measure(incident, entries)
    return {
        "detected_how": _detected_how(incident, zone),
        "timeline": key_event_lines(incident, entries, source.plan),
        "chart": text_chart(measured, marks(incident), zone),
        "affected_for": affected_words(incident, source.now, zone),
        "requests_affected": requests_affected(measured, zone),
        "measured_impact": measured_lines(entries, measured, zone),
        "mitigation": _mitigation(incident, zone),
    }


def _record(source: PostMortem) -> dict[str, str]:
    """Return what was done, and the record itself."""
    incident, entries, plan = source.incident, source.entries, source.plan
    silent = gaps(incident, entries)
    return {
        "roles": _roles(incident, plan),
        "severity_history": _severities(incident, plan.zone),
        "targets": targets_table(incident, plan, source.now),
        "acts": acts_table(incident, plan),
        "messages": messages_list(incident, plan) or "None.",
        "notified": _notified(source),
        "in_place": markdown_in_place(incident, plan),
        "action_items": _action_items(incident, plan),
        "full_timeline": "\n".join(_lines(incident, timeline(entries, plan, incident=incident), silent, plan.zone)),
        "gaps": "\n".join(f"- {gap_words(start, end, plan.zone)}" for start, end in silent) or "None.",
        "entries": str(incident.length),
        "head_hash": incident.head,
    }


# --- from people -----------------------------------------------------------------------------


def _field(source: PostMortem, name: PostMortemField) -> str:
    """Return a field as people wrote it; else what is suggested for it; else that it is not written yet."""
    field = FIELDS[name]
    lines = [line for line in source.incident.written.get(name, "").splitlines() if plain(line)]
    facts = [f"{line} (from the record)" for line in _facts(source, name)]
    if lines:
        shaped = _shaped([*lines, *facts] if field.shape == "list" else lines, field)
        return (
            f"{shaped}{' ' if field.shape == 'line' else chr(10) * 2}{_SCRIPTED}" if _scripted(source, name) else shaped
        )
    suggested = suggestions(source.incident, source.plan, name, service_title=source.service_title)
    if suggested and field.shape == "list":
        points = [f"{one.text} ({one.source})" for one in suggested]
        return f"{_shaped([*points, *facts], field)}\n\n_Suggested, and not confirmed yet._"
    if suggested:
        last = suggested[-1]
        note = emphasised(f"Suggested from {markdown_safe(last.source)}, and not confirmed yet.")
        return f"{_shaped([last.text], field)}{' ' if field.shape == 'line' else chr(10) * 2}{note}"
    if facts:
        return _shaped(facts, field)
    return "- _Not written yet._" if field.shape == "list" else "_Not written yet._"


def _to_complete(source: PostMortem) -> str:
    """Return the last lines of a document that is not complete: which fields are missing, and who writes them where.

    A false alarm and an abandoned incident are not reviewed, so no one is asked to write about them.
    """
    incident = source.incident
    if incident.ended_unresolved:
        return ""
    missing = [name for name, field in FIELDS.items() if f"{{{field.placeholder}}}" in source.template]
    missing = [name for name in missing if name not in incident.written and not _facts(source, name)]
    if not missing:
        return ""
    who = plain(lead(incident, source.plan) or "", 60) or "A person of the response"
    fields = enumerated([TITLES[name] for name in missing])
    note = f"Still missing: {fields}. {who} is asked to write them on the page of {incident.id}, under Post-mortem."
    return f"---\n\n{emphasised(markdown_safe(note, LONG))}"


def _scripted(source: PostMortem, name: str) -> bool:
    """Return whether the field has the text of a drill's script, which was written before the drill."""
    authors = [
        entry.by.via
        for entry in source.entries
        if isinstance(entry.record, PostMortemWritten) and entry.record.field == name
    ]
    return authors[-1:] == [DRILL]


def _facts(source: PostMortem, name: str) -> list[str]:
    """Return the points that the record adds to a field, besides those that people write."""
    match name:
        case "went_well":
            return went_well(source.incident, source.plan, source.now)
        case "could_improve":
            return could_improve(source.incident, source.entries, source.plan, source.now)
        case _:
            return []


def _shaped(lines: Sequence[str], field: Field) -> str:
    if field.shape == "list":
        return "\n".join(f"- {_written(_POINT.sub('', line))}" for line in lines)
    return (" " if field.shape == "line" else "\n\n").join(_written(line) for line in lines)


def _written(line: str) -> str:
    return markdown_safe(line, limit=10_000)


# --- from the journal ------------------------------------------------------------------------


def _lines(
    incident: Incident, lines: Sequence[Line], gaps: Sequence[tuple[datetime, datetime]], zone: tzinfo
) -> Iterator[str]:
    last, left = day(incident.opened_at, zone), list(reversed(gaps))
    brief = bool(lines) and lines[-1].at - lines[0].at < BRIEF
    shape = "%H:%M:%S" if brief else "%H:%M"
    for line in lines:
        while left and left[-1][1] <= line.at:
            start, end = left.pop()
            yield f"- {local(start, zone):{shape}} - _nothing was recorded for {short_duration(end - start)}_"
        if day(line.at, zone) != last:
            last = day(line.at, zone)
            yield f"- {last}:"
        source = emphasised(f"({markdown_safe(line.via)}, entry {line.number})")
        yield f"- {local(line.at, zone):{shape}} - {markdown_safe(line.text, 2000)} {source}"


def _roles(incident: Incident, plan: Plan) -> str:
    lines = [f"- {markdown_safe(f'{plan.role_title(role)}: {person}')}" for role, person in incident.roles.items()]
    if incident.acknowledged_by and incident.acknowledged_at:
        at = named_clock(incident.acknowledged_at, plan.zone)
        lines.append(f"- Acknowledged by: {markdown_safe(incident.acknowledged_by)}, {at}")
    return "\n".join(lines) or "No one took a role."


def _severities(incident: Incident, zone: tzinfo) -> str:
    lines = [f"- {clock(incident.opened_at, zone)} {markdown_safe(incident.opened.severity)} (as opened)"]
    lines += [
        f"- {clock(at, zone)} {markdown_safe(f'{changed.now}: {changed.reason}')}"
        for at, changed in incident.severities
    ]
    return "\n".join(lines)


def _detected_how(incident: Incident, zone: tzinfo) -> str:
    firing = sum(alert.state == "firing" for alert in incident.alerts.values())
    how = f"{markdown_safe(incident.opened.reported)}, {stamp(incident.opened_at, zone)}"
    return f"{how} ({counted(firing, 'alert')} in all)" if firing else how


def _mitigation(incident: Incident, zone: tzinfo) -> str:
    lines = [
        f"{markdown_safe(period.by)}, proven {stamp(period.since, zone)}."
        + (f" Containment was lost {stamp(period.until, zone)}: {markdown_safe(period.reason)}" if period.until else "")
        for period in incident.containment.periods
    ]
    if incident.containment.current is None:
        lines.append("Not contained before it ended." if incident.over else "Not contained yet.")
    return " ".join(lines)


def _action_items(incident: Incident, plan: Plan) -> str:
    lines = [
        f"{number}. [{'x' if number in incident.follow_ups_done else ' '}]"
        f" {markdown_safe(item.text)} - {markdown_safe(item.owner)} - {day(item.due, plan.zone)}"
        + _ticket(incident, plan, number)
        for number, item in enumerate(incident.follow_ups, 1)
    ]
    return "\n".join(lines) or "1. [ ] _None written yet._"


def _ticket(incident: Incident, plan: Plan, number: int) -> str:
    """Return how the ticket of a follow-up stands, with its link; empty if none is wanted."""
    words, link = ticket_words(plan, incident, number), ticket_of(incident, number)
    if not words:
        return ""
    return f" - {markdown_safe(words)}" + (f" (<{link.url}>)" if link and link.url else "")


def _notified(source: PostMortem) -> str:
    """Return who was notified by the plan, a table."""
    zone = source.plan.zone
    rows = [
        (one.audience, one.person, one.way, stamp(one.at, zone) if one.at else "", one.result)
        for one in notified(source.plan, source.incident, source.now)
    ]
    head = ["| Audience | Person | By | When | How far it got |", "|---|---|---|---|---|"]
    cells = [f"| {' | '.join(markdown_safe(cell) for cell in row)} |" for row in rows]
    return "\n".join([*head, *cells]) if rows else "None."
