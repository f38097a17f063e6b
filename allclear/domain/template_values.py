"""The values that fill templates and steps: one for every placeholder of `allclear.domain.placeholders`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from allclear.domain.act import Act
from allclear.domain.after_end import is_still_asked
from allclear.domain.ask_state import AskState
from allclear.domain.durations import counted, short_duration
from allclear.domain.errors import ConfigError
from allclear.domain.incident import Incident
from allclear.domain.local_times import clock, stamp
from allclear.domain.notify.notified import open_lines
from allclear.domain.notify.update_rhythm import STATUS_PAGE, last_update
from allclear.domain.placeholders import INTERNAL, PLACEHOLDERS, Unknown, render_template, unknown_placeholders
from allclear.domain.plan import Plan, not_known
from allclear.domain.records import Entry
from allclear.domain.reminders.deadlines import deadlines, notifications_due
from allclear.domain.reminders.reminder import lead_of
from allclear.domain.review.learnings import learned
from allclear.domain.review.meeting_plan import meeting_people, meeting_start
from allclear.domain.review.post_mortem import said
from allclear.domain.runbook import Phase
from allclear.domain.text import LONG, answer_commands, plain, role_words, signature
from allclear.domain.timeline import timeline

DATA_STATEMENT = "data-statement"
"""The step whose note is the statement to customers about their data."""

UPDATES = 20
"""The most lines of `{updates}`: enough for a message in a channel."""
_UPDATE = 160
"""The longest of these lines, so that a message that quotes others is not split; the record has the whole text."""

PRIVATE_TITLE = "a private incident"
"""What stands in a message in place of what a private incident is about."""

_PRIVATE_WORDS = ("title", "problem", "impact", "feature", "kind", "service_title", "runbook")
_PRIVATE = INTERNAL | {"brief_cause", "data_statement", "if_brief_cause"}

_NO_TEMPLATES: Mapping[str, str] = MappingProxyType({})


def status(incident: Incident) -> str:
    """Return the status: INVESTIGATING, IDENTIFIED (the cause is known), CONTAINED, RESOLVED, FALSE ALARM or ABANDONED.

    *Source:* both plans say "investigating" and "resolved". RetailGen's "Identified" names the cause, so here it means
    that the cause is known. CONTAINED means that the harm has stopped, also if
    maintenance mode closes the service.
    """
    if incident.ended and incident.ended.ending == "false-alarm":
        return "FALSE ALARM"
    if incident.ended and incident.ended.ending == "abandoned":
        return "ABANDONED"
    if incident.ended or incident.recovered:
        return "RESOLVED"
    if incident.contained:
        return "CONTAINED"
    return "IDENTIFIED" if _causes(incident) else "INVESTIGATING"


def status_words(incident: Incident, plan: Plan) -> str:
    """Return the status in the plan's words."""
    return plan.word(status(incident).lower().replace(" ", "_"))


def held_words(incident: Incident, plan: Plan) -> str:
    """Return who holds the incident, since when and why; empty if no one holds it."""
    if incident.held is None:
        return ""
    since = stamp(incident.held.since, plan.zone)
    return (
        f"HELD by {plain(incident.held.by, 60)} since {since}: {plain(incident.held.cause).rstrip('.')}. "
        "Nothing automatic happens; what people approve is done."
    )


def held_with_command(incident: Incident, plan: Plan) -> str:
    """Return `held_words` with the command that releases the incident; empty if no one holds it."""
    held = held_words(incident, plan)
    return f"{held} Release it: allclear release {incident.id} {signature(plan)}" if held else ""


def in_storm(incident: Incident) -> str:
    """Return why no action of an incident in an alert storm is automatic, and until when."""
    if incident.opened.umbrella:
        return "this incident gathers an alert storm, so every action needs an approval"
    umbrella = plain(incident.storm_umbrella or "", 40)
    return (
        f"alerts came in a storm ({umbrella}), so every action needs an approval until an alert joins after the storm"
    )


def lead(incident: Incident, plan: Plan) -> str | None:
    """Return who leads the incident, or None while no one does."""
    person = lead_of(plan, incident)
    return plain(person, 60) if person else None


def impact_words(incident: Incident, service_title: str) -> str:
    """Return what users notice, in the words of the plan or of the person who declared the incident.

    An alert's title is a stranger's: in its place stands what is affected.
    """
    declared = incident.title if incident.opened_by.person else ""
    return incident.opened.impact or declared or incident.opened.feature or service_title


def phase_words(incident: Incident, plan: Plan) -> str:
    """Return the plan's label of the current phase; `none yet` before the first."""
    phase = incident.phase
    return plain(plan.phases[Phase(phase)].label if phase in set(Phase) else phase or "none yet")


def waiting(incident: Incident) -> list[AskState]:
    """Return the open questions, oldest first; after the incident's end only those that are still asked."""
    return [state for state in incident.open_asks if is_still_asked(incident, state)]


def duration(incident: Incident, now: datetime) -> timedelta:
    """Return the time from the beginning (or the detection) to recovery, to the end, or until now."""
    recovered = incident.recovery.current
    end = recovered.since if recovered else incident.ended_at or now
    return end - (incident.began_at or incident.opened_at)


def left_in_place(act: Act, plan: Plan) -> str:
    """Return what an act left in place, its owner, and the date: `traffic pinned (run:web), owner tech lead`."""
    proposed = act.proposed
    words = [f"{plain(proposed.leaves or proposed.title)} ({plain(proposed.resource or proposed.act)})"]
    if act.handed_over:
        words.append(
            f"taken over by {plain(act.handed_over.to, 60)}, to be reviewed by {stamp(act.handed_over.due, plan.zone)}"
        )
    elif proposed.owner:
        words.append(f"owner {role_words(proposed.owner, plan)}")
    if proposed.expires and not act.handed_over:
        words.append(f"to be reviewed by {stamp(proposed.expires, plan.zone)}")
    if act.news:
        words.append(plain(act.news[-1].text).rstrip("."))
    return ", ".join(words)


def left_lines(incident: Incident, plan: Plan) -> list[str]:
    """Return one line for each change that is still in place, and one that counts the open pages, if there are any."""
    pages = counted(incident.open_pages, "page")
    verb, them = ("is", "it") if incident.open_pages == 1 else ("are", "them")
    closes = [f"{pages} {verb} open; the end of the incident closes {them}"] if incident.open_pages else []
    return [*(left_in_place(act, plan) for act in incident.changes_in_place), *closes]


class TemplateValues(Mapping[str, str]):
    """The value of every placeholder. What takes time, as a rendered template, is computed when it is first read."""

    def __init__(
        self,
        known: Mapping[str, str],
        computed: Mapping[str, Callable[[], str]],
        templates: Mapping[str, str] = _NO_TEMPLATES,
    ) -> None:
        """`templates` are those of the plan, by name; their values come from the others."""
        self._known = dict(known)
        self._computed = computed
        self._templates = {template_key(name): (name, text) for name, text in templates.items()}

    def __getitem__(self, name: str) -> str:
        """Return the value of a placeholder. Raises ConfigError or Refused for a template that cannot be rendered."""
        if name not in self._known:
            compute = self._computed.get(name)
            self._known[name] = compute() if compute else self._template(*self._templates[name])
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the placeholders."""
        return iter(dict.fromkeys([*self._known, *self._computed, *self._templates]))

    def __len__(self) -> int:
        """Return how many placeholders have a value."""
        return len(self._known.keys() | self._computed.keys() | self._templates.keys())

    def extended(self, more: Mapping[str, str]) -> TemplateValues:
        """Return these values and `more`, which win."""
        return self._copy(self._known | dict(more), self._computed)

    def public(self) -> TemplateValues:
        """Return the values for a text to the public: without the words of strangers and of the team.

        In place of a title stands the impact; the other internal placeholders are not known.
        """
        hidden = dict.fromkeys(INTERNAL, Unknown()) | dict.fromkeys(("title", "problem"), self["impact"])
        own = {name: value for name, value in self._known.items() if name not in self._templates}
        return self._copy(own | hidden, self._computed)

    def private(self) -> TemplateValues:
        """Return the values for a message about a private incident: its id, severity, state, lead and page.

        Nothing of what it is about is known to them; a template's line that needs such a fact is left out.
        """
        about = dict.fromkeys(_PRIVATE, Unknown()) | dict.fromkeys(_PRIVATE_WORDS, PRIVATE_TITLE)
        own = {name: value for name, value in self._known.items() if name not in self._templates}
        return self._copy(own | about, self._computed)

    def _copy(self, known: Mapping[str, str], computed: Mapping[str, Callable[[], str]]) -> TemplateValues:
        copied = TemplateValues(known, computed)
        copied._templates = self._templates
        return copied

    def _template(self, name: str, text: str) -> str:
        nested = [word for word in unknown_placeholders(text) if word.startswith("t_")]
        if nested:
            raise ConfigError(
                f"The template `{name}` refers to another template, {{{nested[0]}}}.",
                f"Write the words out; a template may hold only: {', '.join(sorted(PLACEHOLDERS))}.",
            )
        return render_template(name, text, self)


def values(  # noqa: PLR0913 - everything that placeholders refer to
    incident: Incident,
    entries: Callable[[], Sequence[Entry]],
    plan: Plan,
    *,
    service_title: str,
    impact: str,
    now: datetime,
    templates: Mapping[str, str] = _NO_TEMPLATES,
    runbook_title: str = "",
    page: str = "",
) -> TemplateValues:
    """Return a value for every placeholder, and `t_<name>` for each template, rendered with them.

    A hyphen in a template's name is an underscore in its placeholder: `status-page` is `{t_status_page}`. The values
    are plain text; each vendor's client escapes them for its format. Reading a template raises ConfigError if it has an
    unknown placeholder, or another template in it. `entries` is called if a text holds `{updates}`, which few do.
    """
    severity = plan.severity(incident.severity)
    causes = _causes(incident)
    known = {
        "incident": incident.id,
        "title": plain(incident.title),
        "severity": plain(incident.severity, 20),
        "severity_title": plain(severity.title) if severity else "",
        "status": status_words(incident, plan),
        "company": plain(plan.company),
        "service": plain(incident.opened.service),
        "service_title": plain(service_title),
        "kind": _kind(incident, plan),
        "impact": plain(impact),
        "problem": plain(incident.opened.impact or incident.title),
        "feature": plain(incident.opened.feature or service_title),
        "brief_cause": plain(causes[-1]) if causes else Unknown(plan.word("unknown_cause")),
        "data_statement": _data_statement(incident),
        "lead": lead(incident, plan) or plan.word("no_lead"),
        "began": stamp(incident.began_at, plan.zone) if incident.began_at else Unknown(plan.word("unknown_time")),
        "detected": stamp(incident.opened_at, plan.zone),
        "resolved": stamp(incident.recovered_at, plan.zone)
        if incident.recovered_at
        else Unknown(plan.word("not_resolved")),
        "duration": short_duration(duration(incident, now)),
        "status_page": plan.status_page_url or Unknown(),
        "page": page or Unknown(),
        "runbook": plain(runbook_title or incident.opened.runbook),
        "simulated": "[SIMULATED] " if incident.opened.simulated else "",
        "if_resolved": "" if incident.recovered_at else Unknown(),
        "if_brief_cause": "" if causes else Unknown(),
    }
    computed: dict[str, Callable[[], str]] = {
        "next_update": lambda: _next_update(incident, plan, now),
        "review_meeting": lambda: _review_meeting(incident, plan, now),
        "review_people": lambda: ",".join(meeting_people(plan, incident)),
        "customers": lambda: ",".join(plan.customers),
        "to_notify": lambda: _to_notify(incident, plan),
        "deadlines": lambda: "\n".join(deadline_lines(incident, plan, now)) or plan.word("nothing_due"),
        "updates": lambda: _updates(incident, entries(), plan),
        "waiting": lambda: _waiting(incident, plan),
        "in_place": lambda: (
            "\n".join(left_in_place(act, plan) for act in incident.changes_in_place) or plan.word("nothing_in_place")
        ),
    }
    return TemplateValues(known, computed | learned(incident, plan), templates)


def template_key(name: str) -> str:
    """Return the placeholder of the template called `name`: `t_status_page` for `status-page`."""
    return f"t_{name.replace('-', '_')}"


def _updates(incident: Incident, entries: Sequence[Entry], plan: Plan) -> str:
    found = timeline(entries, plan, incident=incident)
    lines = [f"{clock(line.at, plan.zone)} - {plain(line.text, _UPDATE)}" for line in found]
    if len(lines) > UPDATES:
        left_out = len(lines) - UPDATES + 1
        lines = [lines[0], f"({left_out} more lines: allclear show {incident.id})", *lines[-(UPDATES - 2) :]]
    return "\n".join(lines)


def _kind(incident: Incident, plan: Plan) -> str:
    return plain(plan.kinds[incident.kind].title if incident.kind in plan.kinds else incident.kind)


def _notes(incident: Incident, *steps: tuple[str, str]) -> list[str]:
    """Return what people noted when they did these steps, each a phase and a step."""
    asks = [ask for step in steps if (ask := incident.ask_of(*step))]
    return [answer.reason for ask in asks for answer in ask.answers if answer.yes and answer.reason.strip()]


def _causes(incident: Incident) -> list[str]:
    """Return what people answered as the cause. Notes are left out, because the status page would quote them."""
    return [one.text for one in said(incident, "root_cause") if one.step]


def _data_statement(incident: Incident) -> str:
    """Return what a person stated about customers' data, in whichever phase the runbook asks for it."""
    statements = _notes(incident, *((phase.value, DATA_STATEMENT) for phase in Phase))
    return plain(statements[-1], LONG) if statements else Unknown()


def _review_meeting(incident: Incident, plan: Plan, now: datetime) -> str:
    start = meeting_start(plan, incident, now)
    return start.isoformat() if start else Unknown()


def _next_update(incident: Incident, plan: Plan, now: datetime) -> str:
    """Return when the status page promises its next update, unless that time has passed."""
    last = last_update(plan, incident, STATUS_PAGE)
    return update_words(plan, last.promised if last and last.promised and last.promised > now else None)


def update_words(plan: Plan, at: datetime | None) -> str:
    """Return when the next update follows, as a text has it: the promised time with its zone, or that none is known."""
    return stamp(at, plan.zone) if at else Unknown(plan.word("next_update_open"))


def _to_notify(incident: Incident, plan: Plan) -> str:
    lines: list[str] = []
    for line in open_lines(plan, incident):
        who = plain(plan.role_title(line.audience))
        unknown = [
            plain(plan.facets[name].title) for name in not_known(line.when, incident.facets) if name in plan.facets
        ]
        how = f" by {', '.join(line.by)}" if line.by else ""
        depends = f" (depends: {', '.join(unknown)})" if unknown else ""
        lines.append(f"{who}{how}{depends}")
    none = "all_notified" if notifications_due(plan, incident) else "no_one_to_notify"
    return "; ".join(dict.fromkeys(lines)) or plan.word(none)


def deadline_lines(incident: Incident, plan: Plan, now: datetime, *, met: bool = False) -> list[str]:
    """Return one line for each open deadline; with `met`, also for those met or declined."""
    lines: list[str] = []
    for one in deadlines(plan, incident):
        if one.due is None or ((one.met or one.declined) and not met):
            continue
        by = "" if one.stopped else f" by {short_duration((one.met or one.declined or now) - one.due)}"
        late = f"MISSED{by}, " if one.missed(now) else ""
        done = (
            ", not met before the incident ended"
            if one.stopped
            else f", met {stamp(one.met, plan.zone)}"
            if one.met
            else f", declined {stamp(one.declined, plan.zone)}"
            if one.declined
            else ""
        )
        early = f", not before {stamp(one.not_before, plan.zone)}" if one.not_before else ""
        clock_of = f"{one.severity}, counted from the {one.starts.value}"
        lines.append(f"{late}{stamp(one.due, plan.zone)}{early}: {plain(one.title)} ({clock_of}){done}")
    return lines


def _waiting(incident: Incident, plan: Plan) -> str:
    lines = [
        f"{plain(state.ask.title).rstrip('. ')}: {answer_commands(state.ask, plan)[0]}" for state in waiting(incident)
    ]
    return "\n".join(lines) or plan.word("nothing_asked")
