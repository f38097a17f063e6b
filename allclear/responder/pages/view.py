"""What the incident's page and the list show, from the record and the plan. Pure: it reads and signs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from allclear.domain.act import Act
from allclear.domain.action import ActStatus
from allclear.domain.alert import AlertDecision
from allclear.domain.base import TicketLink, person_key
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.local_times import clock, day, local, named_clock, stamp, zone_name
from allclear.domain.notify.notified import Notified, notified
from allclear.domain.notify.published import published_before
from allclear.domain.plan import Plan
from allclear.domain.plan.people import LEAD
from allclear.domain.plan_text import help_lines
from allclear.domain.pseudo_phases import MESSAGES
from allclear.domain.question import closing_words, last_check_words
from allclear.domain.records import AlertJoined, DecisionMade, Entry
from allclear.domain.reminders.deadlines import Deadline, deadlines
from allclear.domain.review.follow_up_tickets import follow_up_line, ticket_of, ticket_words
from allclear.domain.review.incident_ticket import ticket_link
from allclear.domain.review.incident_ticket import ticket_words as own_ticket
from allclear.domain.review.post_mortem import TITLES
from allclear.domain.roles import may_have, roles_of
from allclear.domain.sentences.acts import outcome_words
from allclear.domain.template_values import (
    held_words,
    impact_words,
    lead,
    left_in_place,
    phase_words,
    status_words,
    waiting,
)
from allclear.domain.text import LONG, change_rows, plain, role_words
from allclear.domain.timeline import timeline
from allclear.postmortem.acts_table import changes_production
from allclear.postmortem.affected import affected_words
from allclear.postmortem.failures_chart import legend, marks
from allclear.postmortem.key_events import key_events
from allclear.postmortem.measurements import measure, requests_affected
from allclear.postmortem.placeholders import FIELDS
from allclear.postmortem.suggestions import suggestions
from allclear.responder.pages.cards import Card, ClosedCard, card_of, closed_cards
from allclear.responder.pages.meeting import MeetingRow, meeting_row
from allclear.responder.pages.rows import (
    ActRow,
    AlertRow,
    DeadlineRow,
    EventRow,
    FieldRow,
    FollowUpRow,
    InPlaceRow,
    ListRow,
    NotifiedRow,
    RoleRow,
    SaidRow,
    TimelineRow,
)
from allclear.responder.pages.sign_in import Viewer


@dataclass(frozen=True)
class IncidentPage:
    """Everything that the page of one incident shows."""

    id: str
    title: str
    company: str
    simulated: bool
    severity: str
    status: str
    phase: str
    service: str
    opened: str
    length: int
    over: bool
    lead: str
    acknowledged: str
    held: str
    """Who stopped everything automatic, since when and why; empty if no one did."""
    published: str
    """What was published before the incident became private; empty if nothing, or if it is not private."""
    ticket: str
    """How the incident's own ticket stands; empty if it gets none."""
    ticket_url: str
    """Where people read it; empty if that is not known."""
    viewer: Viewer
    role: str
    """The role in which this person acts, unless a question asks for another one; empty if the person has none."""
    asked: list[Card]
    closed: list[ClosedCard]
    impact: str
    impact_facts: list[str]
    has_chart: bool
    legend: list[tuple[int, str]]
    deadlines: list[DeadlineRow]
    notified: list[NotifiedRow]
    roles: list[RoleRow]
    acts: list[ActRow]
    messages: list[ActRow]
    in_place: list[InPlaceRow]
    events: list[EventRow]
    events_left_out: int
    record: list[TimelineRow]
    said: list[SaidRow]
    alerts: list[AlertRow]
    fields: list[FieldRow]
    follow_ups: list[FollowUpRow]
    meeting: MeetingRow | None
    help: list[str]
    """Whom outside the company to ask, and the pages that responders need; empty after the end."""
    zone: str


@dataclass(frozen=True)
class Source:
    """What a page is built from."""

    incident: Incident
    entries: Sequence[Entry]
    plan: Plan
    service_title: str
    viewer: Viewer
    now: datetime
    decisions: Sequence[AlertDecision] = ()
    """What was decided about the incident's alerts."""
    checking: str = ""
    """Which check of containment or recovery is made now, in a sentence; empty if none is."""


def incident_page(source: Source) -> IncidentPage:
    """Return the page of one incident for one person."""
    incident, plan, viewer = source.incident, source.plan, source.viewer
    roles = roles_of(viewer.person, incident, plan, viewer.role)
    events, left_out = key_events(incident, source.entries, plan)
    measured, marked = measure(incident, source.entries), marks(incident)
    acts = sorted(filter(_is_shown, incident.acts.values()), key=lambda act: act.stage_at)
    return IncidentPage(
        id=incident.id,
        title=plain(incident.title),
        company=plan.company,
        simulated=incident.opened.simulated,
        severity=plain(incident.severity, 20),
        status=status_words(incident, plan),
        phase=phase_words(incident, plan),
        service=plain(source.service_title),
        opened=stamp(incident.opened_at, plan.zone),
        length=incident.length,
        over=incident.over,
        lead=_lead_words(incident, plan),
        acknowledged=_acknowledged(source),
        held=_held(source),
        published=published_before(source.plan, source.incident),
        ticket=own_ticket(plan, incident),
        ticket_url=_url(ticket_link(incident)),
        viewer=viewer,
        role=roles[0] if roles else "",
        asked=_asked(incident, plan, viewer, source.now),
        closed=closed_cards(incident, plan),
        impact=plain(impact_words(incident, source.service_title)),
        impact_facts=_impact_facts(source),
        has_chart=bool(measured.samples),
        legend=legend(measured, marked, plan.zone),
        deadlines=[_deadline(one, plan, source.now) for one in deadlines(plan, incident) if one.due],
        notified=[_notified(one, plan) for one in notified(plan, incident, source.now)],
        roles=_roles(source),
        acts=[_act(incident, act, plan) for act in acts if not _only_tells(act)],
        messages=[_act(incident, act, plan) for act in acts if _only_tells(act)],
        in_place=[_in_place(act, plan) for act in incident.in_place],
        events=[
            EventRow(named_clock(event.at, plan.zone, "%H:%M:%S"), event.text, proof_of(source, event.number))
            for event in events
        ],
        events_left_out=left_out,
        record=_record(source),
        said=_said(incident, plan),
        alerts=_alerts(source),
        fields=_fields(source),
        follow_ups=_follow_ups(incident, plan),
        meeting=meeting_row(incident, plan),
        help=[] if incident.over else help_lines(plan),
        zone=zone_name(plan.zone, source.now),
    )


def _asked(incident: Incident, plan: Plan, viewer: Viewer, now: datetime) -> list[Card]:
    """Return the cards of the open questions; those that this person can answer come first."""
    cards = [card_of(state, incident, plan, viewer, now) for state in waiting(incident)]
    return sorted(cards, key=lambda card: bool(card.why_not))


def proof_of(source: Source, number: int, person: str = "") -> str:
    """Return how the author of an entry was identified; empty for allclear, and for number 0.

    If `person` is someone else, as one whom another person gave a role, the author is named too.
    """
    author = source.entries[number - 1].by if 0 < number <= len(source.entries) else None
    if author is None or not author.person:
        return ""
    if person and person_key(person) != person_key(author.actor):
        return f"said by {plain(author.actor, 60)}, {author.proof.words}"
    return author.proof.words


def _acknowledged(source: Source) -> str:
    period, zone = source.incident.acknowledged, source.plan.zone
    if period is None:
        return ""
    proof = proof_of(source, period.number, period.by)
    by = ", ".join(part for part in (plain(period.by, 60), proof) if part)
    return f"acknowledged at {named_clock(period.since, zone)} by {by}"


def _held(source: Source) -> str:
    """Return who stopped everything automatic, since when and why, and how that person was identified."""
    words = held_words(source.incident, source.plan)
    proof = proof_of(source, source.incident.held.number) if source.incident.held else ""
    return f"{words} ({proof})" if words and proof else words


def _impact_facts(source: Source) -> list[str]:
    """Return what is checked, what the last check and the users' requests say, and for how long users are affected."""
    incident, zone = source.incident, source.plan.zone
    facts = [source.checking] if source.checking else []
    if check := last_check_words(incident, zone):
        facts.append(f"Last check of {plain(check, LONG)}")
    counted = measure(incident, source.entries)
    if counted.traffic:
        facts.append(f"Users: {requests_affected(counted, zone).replace(chr(92), '')}.")
    facts.append(f"Affected for {affected_words(incident, source.now, zone)} ({zone_name(zone, source.now)}).")
    return facts


def _notified(one: Notified, plan: Plan) -> NotifiedRow:
    at = stamp(one.at, plan.zone) if one.at else ""
    tone = "good" if one.reached else "bad" if one.at or one.not_notified else ""
    return NotifiedRow(one.audience, one.person, one.way, at, one.result, tone, one.tell)


def _deadline(one: Deadline, plan: Plan, now: datetime) -> DeadlineRow:
    due = one.due or now
    settled = one.met or one.declined
    if one.stopped:
        left, tone = "not met before the incident ended", "bad" if one.missed(now) else "plain"
    elif settled:
        at, word = named_clock(settled, plan.zone), "met" if one.met else "declined"
        late = f", {short_duration(settled - due)} too late" if one.missed(now) else ""
        left, tone = f"{word} {at}{late}", "bad" if one.missed(now) else "good"
    elif one.missed(now):
        left, tone = f"MISSED {short_duration(now - due)} ago", "bad"
    else:
        left, tone = f"in {short_duration(due - now)}", "plain"
    running = None if settled else due
    return DeadlineRow(plain(one.title), one.severity, stamp(due, plan.zone), left, tone, running)


def _roles(source: Source) -> list[RoleRow]:
    incident, plan, viewer = source.incident, source.plan, source.viewer
    taken = [
        RoleRow(role, plan.role_title(role), plain(person, 60), _role_proof(source, role, person))
        for role, person in incident.roles.items()
    ]
    free = [RoleRow(role, plan.role_title(role), "") for role in _RESPONSE_ROLES if role in plan.roles]
    offered = [RoleRow(role, plan.role_title(role), "") for role in incident.offers if role not in incident.roles]
    rows = {row.role: row for row in (*taken, *offered, *free) if row.person or row.role not in incident.roles}
    asked = {role: plain(offer.to, 60) for role, offer in incident.offers.items()}
    shown = [row._replace(offered=asked.get(row.role, "")) for row in rows.values()]
    key = person_key(viewer.person)
    mine = {role for role, offer in incident.offers.items() if person_key(offer.to) == key}
    return [row._replace(take=_take_words(row, incident, plan, viewer), accept=row.role in mine) for row in shown]


def _lead_words(incident: Incident, plan: Plan) -> str:
    """Return who leads, or whom the plan names for it while no one has acted yet."""
    person = lead(incident, plan)
    if not person:
        return "no one leads yet"
    return f"{person} leads" if LEAD in incident.roles else f"no one leads yet; the plan names {person}"


def _role_proof(source: Source, role: str, person: str) -> str:
    held = source.incident.holders.get(role)
    return proof_of(source, held.current.number, person) if held and held.current else ""


def _take_words(row: RoleRow, incident: Incident, plan: Plan, viewer: Viewer) -> str:
    key = person_key(viewer.person)
    offer = incident.offers.get(row.role)
    if offer and person_key(offer.to) == key:
        return f"Accept: you are {row.title}"
    if (
        person_key(incident.roles.get(row.role, "")) == key
        or incident.over
        or not may_have(row.role, viewer.person, plan)
    ):
        return ""
    return f"Take {row.title}"


_RESPONSE_ROLES = ("incident_commander", "tech_lead", "communications_lead", "scribe")
"""The roles that are shown although no one has taken them."""


def _is_shown(act: Act) -> bool:
    return act.proposed.phase not in MESSAGES


def _only_tells(act: Act) -> bool:
    """Return whether it is a message or a page that no one had to approve."""
    return act.proposed.tells and not act.asks


def _act(incident: Incident, act: Act, plan: Plan) -> ActRow:
    outcome = act.outcome
    words = "proposed"
    if outcome is not None:
        words = outcome_words(outcome) + ("" if outcome.good else f": {plain(outcome.sentence, LONG)}")
    elif act.begun:
        words = "under way"
    elif act.refusals:
        words = f"refused: {plain(act.refusals[0].sentence, LONG)}"
    if act.status is ActStatus.UNDONE:
        words += "; closed" if act.proposed.tells else "; undone"
    tone = "good" if outcome and outcome.good else "bad" if outcome and outcome.status in _BAD else "plain"
    return ActRow(
        id=act.id,
        title=plain(act.proposed.title),
        rows=change_rows(act.change or {}, lambda text: plain(text, LONG)) if changes_production(act) else [],
        approved=[words for ask in act.asks for words in closing_words(incident, incident.asks[ask], plan)],
        at=named_clock(act.stage_at, plan.zone, "%H:%M:%S"),
        outcome=words,
        tone=tone,
    )


_BAD = frozenset({ActStatus.FAILED, ActStatus.UNVERIFIED, ActStatus.INDETERMINATE})


def _in_place(act: Act, plan: Plan) -> InPlaceRow:
    return InPlaceRow(act.id, left_in_place(act, plan), undo=not act.proposed.pages and not act.begun)


def _record(source: Source) -> list[TimelineRow]:
    zone, last = source.plan.zone, day(source.incident.opened_at, source.plan.zone)
    rows: list[TimelineRow] = []
    for line in timeline(source.entries, source.plan, routine=True, incident=source.incident):
        date = day(line.at, zone)
        at = f"{local(line.at, zone):%H:%M:%S}"
        shown = at if date == last else f"{date} {at}"
        rows.append(TimelineRow(line.number, shown, line.text, line.detail, line.tone, line.identified))
        last = date
    return rows


def _said(incident: Incident, plan: Plan) -> list[SaidRow]:
    return [
        SaidRow(
            at=named_clock(at, plan.zone),
            who=f"{plain(by.actor, 60)}{f' ({role_words(by.role, plan)})' if by.role and by.person else ''}",
            proof=by.proof.words if by.person else "",
            text=note.text,
            reason=note.reason if isinstance(note, DecisionMade) else "",
            decided=isinstance(note, DecisionMade),
        )
        for at, by, note in reversed(incident.notes)
    ]


def _alerts(source: Source) -> list[AlertRow]:
    reasons = {(one.source, one.key): one.reason for one in source.decisions if one.decision in {"opened", "joined"}}
    return [_alert(alert, reasons, source.plan) for alert in source.incident.alerts.values()]


def _alert(alert: AlertJoined, reasons: Mapping[tuple[str, str], str], plan: Plan) -> AlertRow:
    proven = "its sender proved who it is" if alert.authenticated else "its sender is not authenticated"
    why = [reasons.get((alert.source, alert.key), ""), alert.news, "It is flapping." if alert.flapping else ""]
    words = " ".join(plain(one, LONG) for one in why if one)
    at = stamp(alert.at, plan.zone) if alert.at else ""
    return AlertRow(plain(alert.title), plain(alert.source, 40), alert.state, proven, words, at)


def _fields(source: Source) -> list[FieldRow]:
    return [
        FieldRow(
            name=name,
            title=TITLES[name],
            about=field.about,
            text=source.incident.written.get(name, ""),
            suggested=[
                (one.text, one.source)
                for one in suggestions(source.incident, source.plan, name, service_title=source.service_title)
            ],
        )
        for name, field in FIELDS.items()
    ]


def _follow_ups(incident: Incident, plan: Plan) -> list[FollowUpRow]:
    return [
        FollowUpRow(
            follow_up_line(plan, incident, number),
            ticket_words(plan, incident, number),
            _url(ticket_of(incident, number)),
        )
        for number in range(1, len(incident.follow_ups) + 1)
    ]


def _url(ticket: TicketLink | None) -> str:
    return ticket.url if ticket else ""


# --- the list ------------------------------------------------------------------------------------


def list_row(incident: Incident, plan: Plan) -> ListRow:
    """Return an incident's row in the list."""
    return ListRow(
        id=incident.id,
        title=plain(incident.title),
        severity=plain(incident.severity, 20),
        status=status_words(incident, plan),
        service=plain(incident.opened.service, 60),
        lead=lead(incident, plan) or "",
        opened=f"{day(incident.opened_at, plan.zone)} {clock(incident.opened_at, plan.zone)}",
        asked=len(waiting(incident)),
        over=incident.over,
    )
