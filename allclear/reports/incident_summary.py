"""An incident on one page, as `allclear show` prints it: how it stands, what is asked, what is due, its timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from allclear.domain.answer_window import window_words
from allclear.domain.approval import AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.base import person_key
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.local_times import clock, day, named_clock, stamp, zone_name
from allclear.domain.notify.notified import notified
from allclear.domain.notify.published import published_before
from allclear.domain.plan import Plan
from allclear.domain.plan.people import LEAD
from allclear.domain.plan_text import help_lines
from allclear.domain.question import last_check_words
from allclear.domain.records import Entry
from allclear.domain.reminders.escalation import roles_to_notify
from allclear.domain.review.follow_up_tickets import follow_up_line, ticket_of, ticket_words
from allclear.domain.review.incident_ticket import ticket_link
from allclear.domain.review.incident_ticket import ticket_words as own_ticket
from allclear.domain.sentences.sentence import Tone
from allclear.domain.states import StateHistory
from allclear.domain.template_values import (
    deadline_lines,
    held_with_command,
    in_storm,
    lead,
    left_lines,
    phase_words,
    status_words,
    waiting,
)
from allclear.domain.text import LONG, WHOLE, answer_commands, asked_words, change_rows, plain, role_words
from allclear.domain.timeline import Line, timeline

_STYLES: dict[Tone, str] = {"plain": "", "good": "green", "bad": "red", "ask": "yellow", "person": "cyan"}


def show(
    incident: Incident,
    entries: Sequence[Entry],
    plan: Plan,
    now: datetime,
    *,
    routine: bool = False,
    checking: str = "",
) -> Group:
    """Return the incident's page: status, open questions, what is in place, what is due, and the timeline.

    `checking` says which check is made now. `routine` adds the details and the lines for auditors. No text in it is
    read as rich's markup. Print it with `crop=False`, so that each command stays on one line and can be copied.
    """
    due = [] if incident.over else deadline_lines(incident, plan, now)
    told = [row.words(plan) for row in notified(plan, incident, now)]
    left, published = left_lines(incident, plan), published_before(plan, incident)
    rows = [row for ask in waiting(incident) for row in _waiting(incident, ask, plan, now)]
    zone = zone_name(plan.zone, incident.opened_at, now)
    nothing = [] if incident.over else [Text("Nothing.", style="dim")]
    return Group(
        _head(incident, plan, checking),
        *_part("Waiting for people", "yellow", rows or nothing),
        *_part("Still in place", "red", _points(left)),
        *_part("Published before", "red", _points([published] if published else [])),
        *_part("Due", "cyan", _points(due)),
        *_part("Follow-ups", "cyan", _points(_follow_ups(incident, plan))),
        *_part("Who was notified, by the plan", "cyan", _points(told)),
        *_part("Help and pages", "dim", _points([] if incident.over else help_lines(plan))),
        *_part(
            f"Timeline ({zone})",
            "",
            [_table(entries, incident, plan, routine=routine)],
        ),
    )


def _part(title: str, style: str, rows: Sequence[RenderableType]) -> list[RenderableType]:
    return [Text(), Text(title, style=f"bold {style}"), *rows] if rows else []


def _points(lines: Sequence[str]) -> list[RenderableType]:
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("-", Text(line))
    return [grid] if lines else []


def _follow_ups(incident: Incident, plan: Plan) -> list[str]:
    """Return each follow-up with its ticket, and the ticket's address."""
    lines: list[str] = []
    for number in range(1, len(incident.follow_ups) + 1):
        words, ticket = ticket_words(plan, incident, number), ticket_of(incident, number)
        parts = [follow_up_line(plan, incident, number), words, ticket.url if ticket else ""]
        lines.append("; ".join(part for part in parts if part))
    return lines


def _head(incident: Incident, plan: Plan, checking: str) -> Group:
    title = Text()
    if incident.opened.simulated:
        title.append("[SIMULATED] ", style="bold magenta")
    title.append(f"{plain(incident.id)}  {plain(incident.title)}", style="bold")
    severity = plan.severity(incident.severity)
    named = f"{plain(incident.severity, 20)} {plain(severity.title) if severity else ''}".strip()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    grid.add_row("Severity", Text(named))
    grid.add_row("Status", Text(status_words(incident, plan), style="bold"))
    grid.add_row("Phase", Text(phase_words(incident, plan)))
    grid.add_row("Lead", Text(lead(incident, plan) or plan.word("no_lead")))
    if held := held_with_command(incident, plan):
        grid.add_row("Hold", Text(held, style="bold red"))
    for role in dict.fromkeys([*incident.roles, *incident.offers]):
        if role != LEAD or role in incident.offers:
            grid.add_row(plan.role_title(role), Text(_holder(incident, role)))
    if ticket := own_ticket(plan, incident):
        link = ticket_link(incident)
        grid.add_row("Ticket", Text(f"{ticket}{f'; {link.url}' if link and link.url else ''}"))
    if incident.storm_umbrella and not incident.over:
        storm = f"No action is automatic: {in_storm(incident)}. Answer the open questions, or start an action."
        grid.add_row(
            "Storm",
            Text(storm),
        )
    for name, at, span, start in _times(incident):
        after = f"  ({short_duration(span)} after {start})" if span is not None else ""
        after += _changes_back(incident, name, plan.zone)
        grid.add_row(
            name, Text(f"{stamp(at, plan.zone)}{after}" if at else "not known" if name == "Began" else "not yet")
        )
    if check := last_check_words(incident, plan.zone):
        grid.add_row("Last check", Text(plain(check, LONG)))
    if checking:
        grid.add_row("Now", Text(checking))
    return Group(title, grid)


def _holder(incident: Incident, role: str) -> str:
    """Return who has a role, and who is asked to take it."""
    holder = plain(incident.roles.get(role) or "no one", 60)
    offer = incident.offers.get(role)
    return f"{holder}; {plain(offer.to, 60)} is asked to take it" if offer else holder


def _times(incident: Incident) -> list[tuple[str, datetime | None, timedelta | None, str]]:
    """Return the incident's milestones: name, moment, how long it took, and since which event."""
    return [
        ("Began", incident.began_at, None, ""),
        ("Detected", incident.opened_at, incident.time_to_detect, "it began"),
        ("Acknowledged", incident.acknowledged_at, incident.time_to_acknowledge, "the first page"),
        ("Contained", _first(incident.containment), incident.time_to_contain, "it began"),
        ("Recovered", _first(incident.recovery), incident.time_to_recover, "it began"),
    ]


def _first(history: StateHistory) -> datetime | None:
    """Return since when the state holds, or when it began last if it was lost; None if it never held."""
    return history.periods[-1].since if history.periods else None


def _changes_back(incident: Incident, name: str, zone: tzinfo) -> str:
    """Return that containment or recovery was lost, or has to be proven again; empty for other milestones."""
    history = {"Contained": incident.containment, "Recovered": incident.recovery}.get(name)
    if history is None or not history.periods:
        return ""
    last = history.periods[-1]
    if last.until:
        return f", lost {stamp(last.until, zone)}"
    return ", being checked again" if history.outdated_by else ""


def _waiting(incident: Incident, state: AskState, plan: Plan, now: datetime) -> Iterator[RenderableType]:
    ask = state.ask
    yes, no = answer_commands(ask, plan)
    given = len({person_key(answer.by.actor) for answer in state.answers if answer.yes})
    so_far = f", {given} of {ask.policy.people} so far" if ask.policy.people > 1 else ""
    asked = f"(asked: {asked_words(ask.policy, plan)}{so_far}; since {named_clock(state.opened, plan.zone)})"
    yield Text.assemble((plain(ask.title), "bold"), f"  {asked}")
    overdue = roles_to_notify(plan, incident, now - state.opened) if ask.kind is AskKind.APPROVAL else []
    if overdue:
        names = ", ".join(role_words(role, plan) for role in overdue)
        yield _below(f"Unanswered for {short_duration(now - state.opened)}: tell {names}.", "bold red")
    act = incident.acts.get(ask.act or "")
    change = act.proposed.change if act and ask.kind is AskKind.APPROVAL else None
    for name, was, then in change_rows(change or {}, lambda text: plain(text, WHOLE)):
        yield _below(f"{name}: {was} -> {then}" if name else f"{was} -> {then}")
    if ask.window:
        yield _below(window_words(incident, state, now, plan.zone), "bold")
    for one in ask.choices:
        yield _below(f"{plain(one.name)}: {plain(one.reason)}")
    # `approve` and `deny` alone do not say what happens if the question is neither an act nor a step.
    explain = ask.kind not in {AskKind.APPROVAL, AskKind.STEP} or ask.ends or ask.contains
    for command, effect, style in ((yes, ask.yes, "green"), (no, ask.no, "red")):
        if explain:
            yield _below(plain(effect))
        yield Text(f"  {command}", style=style, no_wrap=True, overflow="ignore")


def _below(text: str, style: str = "dim") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2), expand=False)


def _table(entries: Sequence[Entry], incident: Incident, plan: Plan, *, routine: bool) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    last = day(incident.opened_at, plan.zone)
    for line in timeline(entries, plan, routine=routine, incident=incident):
        if day(line.at, plan.zone) != last:
            last = day(line.at, plan.zone)
            grid.add_row("", Text(last, style="dim"))
        grid.add_row(clock(line.at, plan.zone), _text(line, detail=routine))
    return grid


def _text(line: Line, *, detail: bool) -> Text:
    text = Text(line.text, style="dim" if line.routine else _STYLES[line.tone])
    for more in [*line.detail, *([f"{line.identified}."] if line.identified else [])] if detail else []:
        text.append(f"\n  {more}", style="dim")
    return text
