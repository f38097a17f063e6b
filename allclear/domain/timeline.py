"""The incident told as a good scribe would write it down: one short line for each entry of the journal.

Titles of alerts, notes and names come from outside and are not trusted: every line is plain text on one line,
without control characters, and of a limited length. `markdown_safe` is for documents and artifacts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, cast

from pydantic import Field

from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.approval import ApprovalPolicy, Ask, AskKind
from allclear.domain.base import JsonDict, Model, Moment
from allclear.domain.incident import LIVE_MESSAGE, Act, Incident, replay
from allclear.domain.plan import Plan
from allclear.domain.records import (
    FIRES_AGAIN,
    Acknowledged,
    ActFinished,
    ActIntended,
    ActProposed,
    AlertJoined,
    AlertsCollapsed,
    AskAnswered,
    AskOpened,
    AskWithdrawn,
    Assessed,
    By,
    Contained,
    DecisionMade,
    Entry,
    FollowUpAdded,
    IncidentEnded,
    IncidentOpened,
    LedgerHandedOver,
    NoteAdded,
    PhaseEntered,
    PhaseLeft,
    PostMortemWritten,
    Recovered,
    ReminderDue,
    RoleTaken,
    RunStarted,
    SeverityChanged,
    StepDone,
    StormJoined,
    StormPassed,
    VetoWindowEnded,
)
from allclear.domain.runbook import Phase

# --- untrusted text --------------------------------------------------------------------------------

SHORT, LONG = 160, 1000
"""Characters of a title, and of what a person writes."""

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-~]"
)
# Control and format characters (bidi overrides, zero width), lone surrogates, private use.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co"})
_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]|~#$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LINE_START = re.compile(r"^(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[-+=]))")
_MEANINGLESS = frozenset({"etag"})
"""Fields of a state that differ after every write and tell a reader nothing."""
_LINK = re.compile(r"(?i)(?<=www)\.|:(?=//)")


def plain(text: str, limit: int = SHORT) -> str:
    """Return `text` on one line, without terminal escapes and unseen characters, `limit` characters at most."""
    if not (text.isascii() and text.isprintable()):
        seen = _ESCAPES.sub("", text[: limit * 20])
        kept = (" " if sign.isspace() else sign for sign in seen)
        text = "".join(sign for sign in kept if unicodedata.category(sign) not in _UNSEEN)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def markdown_safe(text: str, limit: int = LONG) -> str:
    """Return `plain(text)` so that Markdown shows it as it is: no markup, no HTML, no link, no table cell ends."""
    escaped = _LINK.sub(lambda found: f"\\{found.group()}", plain(text, limit).translate(_MARKDOWN))
    return _LINE_START.sub(r"\1\\", escaped)


def differences(
    before: JsonDict, after: JsonDict, safe: Callable[[str], str] = markdown_safe
) -> list[tuple[str, str, str]]:
    """Return the fields that differ, as (name, before, after) in words; safe in Markdown unless told otherwise."""
    return [
        (safe(key.replace("_", " ")), safe(_value(before.get(key))), safe(_value(after.get(key))))
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key) and key not in _MEANINGLESS
    ]


def change_rows(change: JsonDict, safe: Callable[[str], str] = markdown_safe) -> list[tuple[str, str, str]]:
    """Return a change of the journal as (name, before, after); in the action's own words where it has any."""
    if change.get("was") or change.get("becomes"):
        return [("", safe(str(change.get("was") or "")), safe(str(change.get("becomes") or "")))]
    return differences(change.get("before") or {}, change.get("after") or {}, safe)


def _value(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value)
        return ", ".join(f"{key.replace('_', ' ')} {_value(one)}" for key, one in pairs.items())
    if isinstance(value, list):
        return "; ".join(_value(one) for one in cast("list[object]", value))
    return plain(str(value))


# --- what a line is --------------------------------------------------------------------------------

Tone = Literal["plain", "good", "bad", "ask", "person"]


class Line(Model):
    """One line of the timeline, told so that it stands alone."""

    at: Moment
    who: str = Field(description="`Ana (tech lead)`, or `allclear`.")
    text: str
    detail: list[str] = Field(default=[], description="What explains it, for whoever wants to know more.")
    tone: Tone = "plain"
    routine: bool = Field(default=False, description="Whether only an auditor wants it.")
    number: int = Field(description="The entry's number in the journal.")
    via: str = Field(description="The way by which it came in.")


def beside_its_speaker(line: Line) -> str:
    """Return the line's text for where `who` stands beside it, so that nobody is named twice in it."""
    text = line.text.replace(f" ({line.who})", "").replace(f" by {line.who}:", ":")
    for name in (line.who, line.who.rpartition(" (")[0]):
        if name and text.casefold().startswith((f"{name} ".casefold(), f"{name}:".casefold())):
            return text[len(name) :].lstrip(" :")
    return text


class _Said(NamedTuple):
    text: str
    tone: Tone = "plain"
    routine: bool = False
    detail: Sequence[str] = ()


@dataclass(frozen=True)
class _Desk:
    """What a scribe has at hand besides the entry."""

    incident: Incident | None
    plan: Plan | None
    covered: frozenset[tuple[str, str]]
    """The steps whose end is told by an act or by a person's answer."""

    def act(self, act: str | None) -> Act | None:
        return self.incident.acts.get(act) if self.incident and act else None

    def act_title(self, act: str) -> str:
        known = self.act(act)
        return plain(known.proposed.title if known else act)

    def ask(self, ask: str) -> Ask | None:
        state = self.incident.asks.get(ask) if self.incident else None
        return state.ask if state else None

    def ask_title(self, ask: Ask) -> str:
        return self.act_title(ask.act) if self.act(ask.act) and ask.act else plain(ask.title)

    def who(self, by: By) -> str:
        return f"{plain(by.actor, 60)} ({role_words(by.role, self.plan)})" if by.role else plain(by.actor, 60)

    def phase(self, phase: str) -> str:
        label = self.plan.phases[Phase(phase)].label if self.plan and phase in set(Phase) else phase
        return plain(label)


def _desk(incident: Incident | None, plan: Plan | None) -> _Desk:
    covered: set[tuple[str, str]] = set()
    if incident:
        covered.update((act.proposed.phase, act.proposed.step) for act in incident.acts.values())
        covered.update((s.ask.phase, s.ask.step) for s in incident.asks.values() if s.ask.kind is AskKind.STEP)
    return _Desk(incident, plan, frozenset(covered))


def tell(entry: Entry, incident: Incident | None = None, plan: Plan | None = None) -> Line:
    """Return the line for `entry`; its incident gives acts and questions their titles, the plan gives roles theirs."""
    return _line(_desk(incident, plan), entry)


def timeline(
    entries: Sequence[Entry], plan: Plan | None = None, *, routine: bool = False, incident: Incident | None = None
) -> list[Line]:
    """Return the lines for `entries` in order; with `routine`, also those that only an auditor wants.

    `incident` saves replaying the entries; it is needed where they are not the whole incident.
    """
    whole = bool(entries) and isinstance(entries[0].record, IncidentOpened)
    desk = _desk(incident or (replay(entries) if whole else None), plan)
    repeats = _repeats(entries)
    lines = (_line(desk, entry, repeat=entry.number in repeats) for entry in entries)
    return [line for line in lines if routine or not line.routine]


def _repeats(entries: Sequence[Entry]) -> set[int]:
    """Return the numbers of entries that say again what another one says: the same alert, the look behind a proof."""
    found: set[int] = set()
    alerts: set[tuple[str, str, str]] = set()
    opening: str | None = None
    for place, entry in enumerate(entries):
        record = entry.record
        if isinstance(record, IncidentOpened):
            opening = record.title
        elif isinstance(record, AlertJoined):
            alert = (record.source, record.key, record.state)
            known = alert in alerts and not record.flapping and not record.news
            if known or (record.title == opening and record.state == "firing"):
                found.add(entry.number)
            alerts.add(alert)
        elif isinstance(record, StepDone) and place + 1 < len(entries):
            following = entries[place + 1].record
            if isinstance(following, Contained | Recovered) and following.finding == record.finding:
                found.add(entry.number)
    return found


def _line(desk: _Desk, entry: Entry, *, repeat: bool = False) -> Line:
    said = _say(desk, entry)
    return Line(
        at=entry.at,
        who=desk.who(entry.by),
        text=plain(said.text, LONG + 2 * SHORT),
        tone=said.tone,
        detail=[plain(line, LONG) for line in said.detail],
        routine=said.routine or repeat,
        number=entry.number,
        via=plain(entry.by.via, 30),
    )


# --- words that several sentences share --------------------------------------------------------------

_WAYS = {
    "cli": "from the command line",
    "prefect": "in Prefect",
    "slack": "in Slack",
    "responder": "on the approval page",
    "link": "by personal link",
    "drill": "in the drill",
}
_COUNTS = ("", "", "two of ", "three of ", "four of ", "five of ")
_AS_INTENDED = "It is as intended."


def clock(at: datetime) -> str:
    """Return the time of day, as `14:30`, in UTC."""
    return at.strftime("%H:%M")


def stamp(at: datetime) -> str:
    """Return day and time as the plans' messages show them: `2026-11-22 14:30 UTC`."""
    return at.strftime("%Y-%m-%d %H:%M UTC")


def role_words(role: str, plan: Plan | None = None) -> str:
    """Return a role within a sentence: as the plan writes it, whatever its language, or else `tech lead`, `CTO`."""
    if plan and role in plan.roles:
        words = [plan.role_title(role)]
    elif role == "on_call":
        words = ["on-call"]
    else:
        # Nobody says how it is written: a word of three letters is taken for an abbreviation (CTO, CEO).
        words = [word.upper() if len(word) <= 3 else word for word in role.split("_")]  # noqa: PLR2004
    return plain(" ".join(words), 60)


def asked_words(policy: ApprovalPolicy, plan: Plan | None = None) -> str:
    """Return who is asked: `tech lead or CTO`, `two of on-call, tech lead or CTO`."""
    roles = [role_words(role, plan) for role in policy.roles]
    either = " or ".join(part for part in (", ".join(roles[:-1]), roles[-1]) if part)
    return _COUNTS[policy.people] + either


def answer_commands(ask: Ask, plan: Plan | None = None) -> tuple[str, str]:
    """Return the commands that say yes and no to `ask`; with a role to say where the plan names nobody for it."""
    verb = "done" if ask.kind is AskKind.STEP else "approve"
    nobody = plan is not None and not any(plan.holders(role) for role in ask.policy.roles)
    role = f" --role {ask.policy.roles[0]}" if nobody else ""
    which = " --choose NAME" if ask.kind is AskKind.CHOICE else ""
    rest = f"{plain(ask.id)} --as NAME{role}" + (' --reason "..."' if ask.policy.reason_needed else "")
    return f"allclear {verb} {rest}{which}", f"allclear deny {rest}"


def _bare(text: str, limit: int = LONG) -> str:
    return plain(text, limit).rstrip(" .")


def _stop(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _quoted(reason: str) -> str:
    return f": '{_bare(reason)}'." if reason.strip() else "."


def _summary(change: JsonDict | None, otherwise: str) -> str:
    return _bare(str((change or {}).get("summary") or otherwise))


# --- one sentence for each record --------------------------------------------------------------------


def _say(desk: _Desk, entry: Entry) -> _Said:  # noqa: C901, PLR0911, PLR0912 - one case for each record, and no other
    record, who = entry.record, desk.who(entry.by)
    match record:
        case IncidentOpened():
            return _opened(record)
        case AlertJoined():
            return _alert(record)
        case AlertsCollapsed(count=count):
            more = "one more alert" if count == 1 else f"{count} more alerts"
            return _Said(f"Alerts come in masses: {more}, counted and not told one by one.", "bad")
        case StormJoined(umbrella=umbrella):
            own = umbrella == entry.incident
            gathers = "new troubles join here" if own else f"{plain(umbrella, 40)} gathers new troubles"
            until = "" if own else " until one comes here after the storm"
            return _Said(f"Alerts storm in: {gathers}, and people approve every act{until}.", "bad")
        case StormPassed(umbrella=umbrella):
            return _Said(
                f"The storm that {plain(umbrella, 40)} gathered is over: what the plan lets act alone may again."
            )
        case Acknowledged():
            return _Said(f"{who} is on it.", "person")
        case SeverityChanged():
            return _severity(desk, record)
        case Assessed():
            return _assessed(desk, record, who)
        case ReminderDue():
            return _Said(f"{'Woken' if record.urgent else 'Told'}: {_stop(_bare(record.sentence))}", "bad")
        case RoleTaken():
            was = f" (was {plain(record.was, 60)})" if record.was else ""
            return _Said(f"{plain(record.person, 60)} is {role_words(record.role, desk.plan)} now{was}.", "person")
        case PhaseEntered():
            return _Said(f"Phase begins: {desk.phase(record.phase)}.", routine=True)
        case PhaseLeft():
            rest = f": {_stop(_bare(record.sentence))}" if record.sentence else "."
            return _Said(f"Phase done: {desk.phase(record.phase)}{rest}", routine=not record.sentence)
        case StepDone():
            return _step(desk, record)
        case ActProposed():
            return _proposed(desk, record)
        case AskOpened(ask=ask):
            return _asked(desk, ask)
        case AskAnswered():
            return _answered(desk, record, entry.by)
        case VetoWindowEnded():
            ask = desk.ask(record.ask)
            title = desk.ask_title(ask) if ask else plain(record.ask)
            return _Said(f'Nobody stopped "{title}" in its time: it is done, as the plan authorised.', "bad")
        case AskWithdrawn():
            ask = desk.ask(record.ask)
            title = desk.ask_title(ask) if ask else plain(record.ask)
            return _Said(f'The question about "{title}" is void: {_stop(_bare(record.reason))}', "bad")
        case ActIntended():
            summary = _summary(record.change, desk.act_title(record.act))
            return _Said(f"About to do: {summary}.", routine=True, detail=[f"Issued by {plain(record.holder)}."])
        case ActFinished():
            return _finished(desk, record)
        case Contained():
            return _Said(f"Contained ({_bare(record.by)}): {_stop(_bare(record.finding.sentence))}", "good")
        case Recovered():
            return _Said(f"Recovered: {_stop(_bare(record.finding.sentence))}", "good")
        case LedgerHandedOver():
            title, to = desk.act_title(record.act), plain(record.to, 60)
            return _Said(f'{to} takes over what "{title}" left in place, until {stamp(record.due)}.', "person")
        case NoteAdded():
            return _Said(f"Note by {who}: {_stop(_bare(record.text))}", "person" if entry.by.person else "plain")
        case DecisionMade():
            reason = f" Why: {_stop(_bare(record.reason))}" if record.reason.strip() else ""
            return _Said(f"{who} decided: {_stop(_bare(record.text))}{reason}", "person")
        case PostMortemWritten():
            field = plain(record.field, 40).replace("_", " ")
            return _Said(f'{who} wrote "{field}" for the post-mortem.', "person", routine=True)
        case FollowUpAdded():
            owner = plain(record.owner, 60)
            return _Said(f"Follow-up for {owner}, due {record.due:%Y-%m-%d}: {_stop(_bare(record.text))}", "person")
        case IncidentEnded():
            ending = "All clear" if record.ending == "resolved" else "False alarm"
            return _Said(f"{ending}: {_stop(_bare(record.reason))}" if record.reason.strip() else f"{ending}.", "good")
        case RunStarted():
            return _Said(f"Prefect runs {desk.phase(record.phase)} (flow run {plain(record.run)}).", routine=True)


def _opened(record: IncidentOpened) -> _Said:
    detail = [f"The trouble began {stamp(record.began)}."] if record.began else []
    drill = ["Simulated: nothing here happens in production."] if record.simulated else []
    opened = f"Opened as {plain(record.severity, 20)}: {_bare(record.title, SHORT)}"
    return _Said(f"{opened} ({plain(record.reported)}).", "bad", detail=[*drill, *detail])


def _alert(record: AlertJoined) -> _Said:
    source, title = plain(record.source, 40), _stop(_bare(record.title, SHORT))
    detail = [f"Sent {stamp(record.at)}."] if record.at else []
    if record.state == "resolved":
        return _Said(f"{source} says that the alert is over: {title}", "good", detail=detail)
    if record.flapping:
        text = f"An alert from {source} comes and goes; it counts as firing, and nothing acts by itself: {title}"
        return _Said(text, "bad", detail=detail)
    if record.news == FIRES_AGAIN:
        return _Said(f"An alert from {source} fires again: {title}", "bad", detail=detail)
    return _Said(f"Alert from {source}: {title}", "bad", detail=detail)


def _severity(desk: _Desk, record: SeverityChanged) -> _Said:
    ranks = (desk.plan.rank(record.was), desk.plan.rank(record.now)) if desk.plan else (0, 0)
    how = "changed" if ranks[0] == ranks[1] else "raised" if ranks[1] < ranks[0] else "lowered"
    text = f"Severity {how} from {plain(record.was, 20)} to {plain(record.now, 20)}: {_stop(_bare(record.reason))}"
    return _Said(text, "bad" if how == "raised" else "plain")


def _assessed(desk: _Desk, record: Assessed, who: str) -> _Said:
    known = [f"{_facet(desk, name)}: {plain(value, 40)}" for name, value in record.facets.items()]
    if record.incident_kind:
        kind = desk.plan.kinds.get(record.incident_kind) if desk.plan else None
        known.insert(0, f"kind of incident: {plain(kind.title if kind else record.incident_kind, 60)}")
    reason = f" Why: {_stop(_bare(record.reason))}" if record.reason.strip() else ""
    return _Said(f"{who} assessed it: {'; '.join(known)}.{reason}", "person")


def _facet(desk: _Desk, name: str) -> str:
    facet = desk.plan.facets.get(name) if desk.plan else None
    return plain(facet.title if facet else name, 80)


def _step(desk: _Desk, record: StepDone) -> _Said:
    finding, detecting = record.finding, record.phase == Phase.DETECT
    failed = "trouble confirmed" if detecting else "not well"
    end = {Verdict.FAILURE: f": {failed}", Verdict.INCONCLUSIVE: ": cannot tell", Verdict.SUCCESS: ""}[finding.verdict]
    seen_well = finding.verdict is Verdict.SUCCESS and record.phase != Phase.INVESTIGATE
    return _Said(
        f"{_bare(record.title, SHORT)}: {_bare(finding.sentence)}{end}.",
        "bad" if finding.verdict is Verdict.FAILURE else "good" if seen_well else "plain",
        routine=(record.phase, record.step) in desk.covered,
        detail=_facts(finding),
    )


def _facts(finding: Finding) -> list[str]:
    return [f"{plain(key, 40).replace('_', ' ')}: {_value(value)}" for key, value in list(finding.facts.items())[:12]]


def _proposed(desk: _Desk, record: ActProposed) -> _Said:
    title = _bare(record.title, SHORT)
    if record.refusals:
        detail = [refusal.next_step for refusal in record.refusals]
        reasons = " ".join(_stop(_bare(refusal.sentence)) for refusal in record.refusals)
        return _Said(f"Not possible: {title}. {reasons}", "bad", detail=detail)
    act, change = desk.act(record.act), record.change or {}
    detail = [
        *(f"{name}: {was} -> {then}" for name, was, then in _changed(change)),
        *(f"{word.title()}: {change[word]}" for word in ("risk", "undo") if change.get(word)),
    ]
    # What nobody had to allow is told once, by its outcome.
    told_later = bool(act and not act.asks and act.outcome) or record.phase == LIVE_MESSAGE
    return _Said(f"Proposed: {_summary(record.change, title)}.", routine=told_later, detail=detail)


def _changed(change: JsonDict) -> list[tuple[str, str, str]]:
    return differences(change.get("before") or {}, change.get("after") or {}, plain)


def _asked(desk: _Desk, ask: Ask) -> _Said:
    asked, title = asked_words(ask.policy, desk.plan), desk.ask_title(ask)
    text = {
        AskKind.APPROVAL: f"Asked {asked} to approve: {title}",
        AskKind.STEP: f"Asked {asked}: {title}",
        AskKind.FALSE_ALARM: f"Asked {asked} whether this is a false alarm",
        AskKind.AGAIN: f"Asked {asked} what to do. {title}",
        AskKind.CHOICE: f"Asked {asked}: {title}",
    }[ask.kind]
    yes, no = answer_commands(ask, desk.plan)
    return _Said(_stop(text), "ask", detail=[f"Yes: {ask.yes} {yes}", f"No: {ask.no} {no}"])


def _answered(desk: _Desk, record: AskAnswered, by: By) -> _Said:
    who, ask = desk.who(by), desk.ask(record.ask)
    way = _WAYS.get(by.via, f"by {plain(by.via, 30)}")
    title = f'"{desk.ask_title(ask)}"' if ask else plain(record.ask)
    yes, no = {
        None: (f"said yes to {title} {way}", f"said no to {title} {way}"),
        AskKind.APPROVAL: (f"approved {title} {way}", f"refused {title} {way}"),
        AskKind.STEP: (f"has done {title}", f"has not done {title}"),
        AskKind.FALSE_ALARM: (f"called it a false alarm {way}", f"said {way} that it is real"),
        AskKind.CHOICE: (f"chose {plain(record.choice or 'nothing')} {way}", f"chose none {way} ({title})"),
        AskKind.AGAIN: (f"said to try again {way} ({title})", f"went on without {way} ({title})"),
    }[ask.kind if ask else None]
    sure = "The name is claimed, not proven." if record.identity == "claimed" else f"Identity: {record.identity}."
    return _Said(f"{who} {yes if record.yes else no}{_quoted(record.reason)}", "person", detail=[sure])


_ENDS: dict[ActStatus, tuple[str, Tone]] = {
    ActStatus.PLANNED: ("Worked out only, nothing was done", "plain"),
    ActStatus.REFUSED: ("Not done", "bad"),
    ActStatus.REJECTED: ("Not done, for a person said no", "plain"),
    ActStatus.APPLIED: ("Done, not verified yet", "plain"),
    ActStatus.VERIFIED: ("Done and verified", "good"),
    ActStatus.UNVERIFIED: ("Sent, but it does not show", "bad"),
    ActStatus.FAILED: ("Failed", "bad"),
    ActStatus.INDETERMINATE: ("Nobody can tell whether it was done", "bad"),
    ActStatus.UNDONE: ("Undone", "good"),
}


def outcome_words(outcome: Outcome) -> str:
    """Return what became of an act, in a few words: `Done and verified`."""
    if outcome.drifted:
        return "Not done, for the world had moved"
    if outcome.good and not outcome.changed:
        return "Done already"
    return _ENDS[outcome.status][0]


def _finished(desk: _Desk, record: ActFinished) -> _Said:
    act, outcome = desk.act(record.act), record.outcome
    summary = _summary(act.change if act else None, desk.act_title(record.act))
    sentence = "" if outcome.good and outcome.sentence == _AS_INTENDED else f" {_stop(_bare(outcome.sentence))}"
    following = f" Next: {_stop(_bare(outcome.next_step))}" if outcome.next_step and not outcome.good else ""
    # A refusal stands in the proposal already; that a message was brought up to date is seen in the message.
    told = bool(act and (act.refusals or (act.proposed.phase == LIVE_MESSAGE and outcome.good)))
    text = f"{outcome_words(outcome)}: {summary}.{sentence}{following}"
    return _Said(text, _ENDS[outcome.status][1], routine=told)
