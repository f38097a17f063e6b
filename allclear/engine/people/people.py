"""What a person can say in an incident, whichever way it comes in: the command line, Prefect's UI, a link.

Each function checks that it is theirs to say, writes it down and returns what a person is told back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from allclear.company import Company
from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.approval import Ask, AskKind
from allclear.domain.base import Clock, person_key
from allclear.domain.errors import ConcurrentWrite, NotAllowed, NotFound
from allclear.domain.incident import AskState, Incident
from allclear.domain.plan import UNKNOWN, Assessment, RotaOverride, assess
from allclear.domain.records import (
    Acknowledged,
    ActFinished,
    AskAnswered,
    Assessed,
    By,
    DecisionMade,
    FollowUpAdded,
    IncidentEnded,
    IncidentOpened,
    NoteAdded,
    PostMortemWritten,
    RoleTaken,
    SeverityChanged,
    StepDone,
)
from allclear.domain.runbook import Phase
from allclear.domain.template_values import LEAD
from allclear.engine.incidents import open_under, read_incident, readable
from allclear.engine.response.flow_starts import restart_messages, start_message
from allclear.journal.ports import Journal, OutboxKind, OutboxMessage, world_of

_TRIES = 20
"""How often a word is tried again when the incident has a newer entry by the time it is written."""


@dataclass(frozen=True)
class Declaration:
    """What a person says when there is trouble."""

    title: str
    severity: str | None
    """None: it follows from the facets, by the plan's rules."""
    service: str
    runbook: str
    began: datetime | None = None
    facets: Mapping[str, str] = field(default_factory=dict[str, str])
    kind: str | None = None
    """None: the runbook's."""


class People:
    """The voice of people in the journal."""

    def __init__(self, journal: Journal, company: Company, clock: Clock, *, simulated: bool = False) -> None:
        self._journal = journal
        self._company = company
        self._clock = clock
        self._simulated = simulated

    def who(self, name: str, role: str | None, via: str) -> By:
        """Return who speaks. Raises NotAllowed where the plan names other people for that role, NotFound for none.

        A name is only claimed, unless the way it came in proves it. Where the plan names nobody for a role (its
        names are still blanks), whoever says so holds it, and the record shows that it was claimed.
        """
        plan = self._company.plan
        if not name.strip():
            raise NotAllowed("Say who you are.", "Give your name (on the command line: --as NAME, or ALLCLEAR_USER).")
        if role is None:
            held = [person for person in plan.people if person.known and person_key(person.name) == person_key(name)]
            if not held:
                raise NotAllowed(
                    f"The plan does not know {name!r}.",
                    f"Say in which role you speak: --role {' | '.join(plan.roles)}.",
                )
            role = held[0].roles[0]
        if role not in plan.roles:
            raise NotFound(f"The plan has no role {role!r}.", f"It has: {', '.join(plan.roles)}.")
        holders = plan.holders(role)
        if holders and person_key(name) not in {person_key(person.name) for person in holders}:
            raise NotAllowed(
                f"{name!r} is not {plan.role_title(role)}.",
                f"The plan names: {', '.join(person.name for person in holders)}.",
            )
        return By(actor=name.strip(), role=role, via=via)

    def declare(self, said: Declaration, by: By, *, first: str | None = "respond") -> str:
        """Open an incident and returns its id; `first` is the flow that is started for it, if any.

        Whoever declares it is on it, and leads until somebody takes over. Where one is open for the same service and
        runbook, the declaration joins it as a note: one trouble, one response. Raises NotFound, NotAllowed.
        """
        opened = self.opening(said, by).model_copy(update={"manual": first is None})
        rows = self._journal.incidents(open_only=True, service=said.service, company=self._company.name)
        for known in readable(self._journal, rows):
            if known.opened.runbook == said.runbook and known.is_of(simulated=self._simulated):
                return self._declare_again(known, said, by, first)
        outbox = [start_message("{incident}", first)] if first else []
        world = world_of(self._company.name, simulated=self._simulated)
        # Of two at one moment, one opens it.
        _, key = open_under(self._journal, f"declared:{world}:{said.service}:{said.runbook}")
        incident, new = self._journal.open_incident(self._company.plan.short, opened, by, key=key, outbox=outbox)
        if not new:
            return self._declare_again(self._read(incident), said, by, first)
        lead = RoleTaken(role=LEAD, person=by.actor)
        self._journal.append(incident, [Acknowledged(), lead], by)
        return incident

    def _declare_again(self, known: Incident, said: Declaration, by: By, first: str | None) -> str:
        """Join an open incident; one that was opened for an act by hand has no flow yet, and gets it now."""
        outbox = [start_message(known.id, first)] if first and not known.entered else []

        def records(incident: Incident) -> list[Any]:
            noted: list[Any] = [NoteAdded(text=f"Declared again: {said.title}")]
            if said.facets:
                noted.append(Assessed(facets=dict(said.facets), reason="Declared again."))
            return [*noted, *self._graver(incident, said.severity, incident.facets | dict(said.facets))]

        self._say(known.id, by, records, outbox=outbox)
        return known.id

    def _graver(self, incident: Incident, named: str | None, facets: Mapping[str, str]) -> list[SeverityChanged]:
        """Return the change to what a person named, or the plan's rules give, where that is graver than it is."""
        found, plan = assess(self._company.plan.assess, facets), self._company.plan
        reasons = {named: "it was declared so"} if named else {found.severity: found.because} if found else {}
        return [
            SeverityChanged(was=incident.severity, now=now, reason=reason)
            for now, reason in reasons.items()
            if plan.rank(now) < plan.rank(incident.severity)
        ]

    def opening(self, said: Declaration, by: By) -> IncidentOpened:
        """Return the record that a declaration opens an incident with. Raises NotFound for what the plan lacks."""
        self._company.service(said.service)
        kind = said.kind or self._company.runbook(said.runbook).kind
        self.check_known(said.facets, kind)
        severity = said.severity or self._assessed(said.facets).severity
        self.check_severity(severity)
        return IncidentOpened(
            company=self._company.name,
            title=said.title,
            severity=severity,
            service=said.service,
            runbook=said.runbook,
            incident_kind=kind,
            facets=dict(said.facets),
            reported=f"declared by {by.actor}",
            began=said.began,
            simulated=self._simulated,
        )

    def acknowledge(self, incident_id: str, by: By) -> str:
        """Record that a person is on it."""
        incident = self._read(incident_id)
        if incident.acknowledged_at and not incident.unacknowledged_pages:
            return f"{incident_id} was acknowledged by {incident.acknowledged_by} already."
        self._say(incident_id, by, lambda it: [Acknowledged(), *self._lead(it, by)])
        return f"{incident_id} is acknowledged by {by.actor}."

    def answer(
        self, ask_id: str, by: By, *, yes: bool, reason: str = "", choice: str | None = None, identity: str = "claimed"
    ) -> str:
        """Answer an ask: approves, denies, ticks a step, chooses. Raises NotAllowed, NotFound."""
        incident_id = ask_id.partition("/")[0]

        def records(incident: Incident) -> list[Any]:
            state = self._open_ask(incident, ask_id)
            self._may_answer(state, by, reason, yes=yes)
            _check_choice(state, choice, yes=yes)
            if state.ask.kind is AskKind.FALSE_ALARM and yes and (incident.blocks_ending or incident.unfinished):
                raise NotAllowed(
                    f"{incident_id} is no false alarm any more: something was done meanwhile.",
                    f"Undo it first, or answer no: allclear show {incident_id}.",
                )
            said = AskAnswered(ask=ask_id, yes=yes, reason=reason.strip(), choice=choice, identity=identity)
            return [said, *_consequence(state.ask, yes=yes, by=by, reason=reason)]

        key = f"resume:{ask_id}:{person_key(by.actor)}:{yes}"
        message = OutboxMessage(OutboxKind.RESUME, incident_id, key, {"ask": ask_id})
        self._say(incident_id, by, records, outbox=[message])
        state = self._read(incident_id).asks[ask_id]
        if state.open:
            return f"Noted. {ask_id} needs {self._missing(state)}."
        return f"{'Yes' if yes else 'No'} to {ask_id}: {state.ask.yes if yes else state.ask.no}"

    def _missing(self, state: AskState) -> str:
        policy, answers = state.ask.policy, state.answers
        more = policy.people - len({person_key(answer.by.actor) for answer in answers})
        if policy.one_of and not any(answer.by.role in policy.one_of for answer in answers):
            who = " or ".join(self._company.plan.role_title(role) for role in policy.one_of)
            return f"{max(more, 1)} more, {who} among them"
        return f"{more} more"

    def note(self, incident_id: str, text: str, by: By) -> str:
        """Record what a person saw."""
        self._say(incident_id, by, lambda _: [NoteAdded(text=_words(text, "note"))])
        return f"Noted in {incident_id}."

    def decide(self, incident_id: str, text: str, reason: str, by: By) -> str:
        """Record a decision and its reason."""
        self._say(incident_id, by, lambda _: [DecisionMade(text=_words(text, "decision"), reason=reason)])
        return f"The decision is written down in {incident_id}."

    def severity(self, incident_id: str, now: str, reason: str, by: By) -> str:
        """Raise or lowers the severity; the plan may say who may lower it. No clock starts anew."""
        self.check_severity(now)
        incident, plan = self._read(incident_id), self._company.plan
        if incident.severity == now:
            return f"{incident_id} is {now} already."
        was = [incident.severity]

        def records(incident: Incident) -> list[Any]:
            lowered = plan.rank(now) > plan.rank(incident.severity)
            if lowered and plan.may_lower is not None and not plan.stands_in(by.role or "", plan.may_lower):
                may = " or ".join(plan.role_title(role) for role in plan.may_lower) or "nobody"
                raise NotAllowed(f"{by.actor} may not lower a severity: {may} may.", "Ask one of them, or raise it.")
            was[:] = [incident.severity]
            return [SeverityChanged(was=incident.severity, now=now, reason=_words(reason, "reason"))]

        self._say(incident_id, by, records, outbox=restart_messages(incident, plan, now))
        return f"{incident_id} is {now} now (was {was[0]})."

    def assess(self, incident_id: str, facets: Mapping[str, str], kind: str | None, reason: str, by: By) -> str:
        """Record what is known of the incident, and raises its severity where the plan's rules say so.

        A severity is never lowered by itself: where the rules give a lesser one, that is said to whoever asked.
        """
        self.check_known(facets, kind)
        if not facets and kind is None:
            raise NotAllowed("Nothing was said about the incident.", f"Say it as {self._facet_words()}.")
        plan, told = self._company.plan, [f"Noted in {incident_id}."]

        def records(incident: Incident) -> list[Any]:
            del told[1:]
            written: list[Any] = [Assessed(facets=dict(facets), incident_kind=kind, reason=reason.strip())]
            known = incident.facets | dict(facets)
            raised, found = self._graver(incident, None, known), assess(plan.assess, known)
            told.extend(f"It is {change.now} now: {change.reason}." for change in raised)
            if found and not raised and found.severity != incident.severity:
                told.append(f"The plan's rules give {found.severity} ({found.because}); lower it if that is right.")
            return [*written, *raised]

        before = self._read(incident_id)
        graver = self._graver(before, None, before.facets | dict(facets))
        outbox = [message for change in graver for message in restart_messages(before, plan, change.now)]
        self._say(incident_id, by, records, outbox=outbox)
        return " ".join(told)

    def take_over(self, role: str, by: By) -> str:
        """Take over the turn of a rota; whoever had it is relieved. Raises NotFound for who has no turn in it."""
        now = self._clock()
        rotas = [rota for rota in self._company.plan.rotas if rota.role == role]
        layers = [layer for rota in rotas for layer in rota.layers if by.actor in layer.people]
        if not layers:
            turns = ", ".join(name for rota in rotas for layer in rota.layers for name in layer.people) or "nobody"
            raise NotFound(f"{by.actor} has no turn as {self._company.plan.role_title(role)}.", f"Turns have: {turns}.")
        for layer in layers:
            self._journal.take_over(RotaOverride(role=role, layer=layer.name, person=by.actor, at=now))
        names = " and ".join(layer.name for layer in layers)
        return f"{by.actor} is on duty as {self._company.plan.role_title(role)} now ({names})."

    def hand_over(self, incident_id: str, role: str, to: str, by: By) -> str:
        """Give a hat to somebody else; refused where the plan forbids that one person has both of two."""
        self.who(to, role, by.via)

        def records(incident: Incident) -> list[Any]:
            self._check_doubles(incident, role, to)
            return [RoleTaken(role=role, person=to, was=incident.roles.get(role))]

        self._say(incident_id, by, records)
        return f"{to} is {self._company.plan.role_title(role)} of {incident_id} now."

    def false_alarm(self, incident_id: str, reason: str, by: By) -> str:
        """End the incident: there was nothing. Refused while something of a containment is in place."""
        self._end(incident_id, "false-alarm", reason, by)
        return f"{incident_id} ended as a false alarm."

    def resolve(self, incident_id: str, reason: str, by: By) -> str:
        """End the incident: all clear. Refused while something of a containment is in place."""
        self._end(incident_id, "resolved", reason, by)
        return f"{incident_id} is resolved."

    def write(self, incident_id: str, field: str, text: str, by: By) -> str:
        """Write one field of the post-mortem; the last one counts."""
        self._say(incident_id, by, lambda _: [PostMortemWritten(field=field, text=_words(text, "text"))], after=True)
        return f"{field} of {incident_id} is written."

    def follow_up(self, incident_id: str, text: str, owner: str, due: datetime, by: By) -> str:
        """Add something to be done so that it does not happen again."""
        record = FollowUpAdded(text=_words(text, "follow-up"), owner=_words(owner, "owner"), due=due)
        self._say(incident_id, by, lambda _: [record], after=True)
        return f"{owner} has a follow-up by {due:%Y-%m-%d}."

    # --- how it is written ---------------------------------------------------------------------------

    def _say(
        self,
        incident_id: str,
        by: By,
        records: Callable[[Incident], list[Any]],
        *,
        outbox: list[OutboxMessage] | None = None,
        after: bool = False,
    ) -> None:
        """Append what `records(incident)` gives, deciding anew whenever somebody else wrote meanwhile."""
        for _ in range(_TRIES):
            incident = self._read(incident_id)
            if incident.over and not after and not _in_review(incident):
                raise NotAllowed(f"{incident_id} is over.", f"Read it: allclear show {incident_id}.")
            try:
                self._journal.append(incident_id, records(incident), by, expect=incident.length, outbox=outbox or [])
            except ConcurrentWrite:
                continue
            return
        raise ConcurrentWrite(f"{incident_id} is being written to all the time.", "Say it again.")

    def _read(self, incident_id: str) -> Incident:
        return read_incident(self._journal, incident_id)

    def _open_ask(self, incident: Incident, ask_id: str) -> AskState:
        state = incident.asks.get(ask_id)
        if state is None:
            open_now = ", ".join(one.ask.id for one in incident.open_asks) or "nothing"
            raise NotFound(f"{ask_id} was never asked.", f"Waiting for people: {open_now}.")
        if not state.open:
            last = state.answers[-1] if state.answers else None
            what = f"{'yes' if last.yes else 'no'}, said {last.by.actor}" if last else state.withdrawn or "void"
            raise NotAllowed(f"{ask_id} is answered already: {what}.", f"Read on: allclear show {incident.id}.")
        return state

    def _may_answer(self, state: AskState, by: By, reason: str, *, yes: bool) -> None:
        policy, plan = state.ask.policy, self._company.plan
        # Who must be among them may answer, too, where they stand there alone: else nobody could ever grant it.
        if not plan.stands_in(by.role or "", policy.roles) and by.role not in policy.one_of:
            may = " or ".join(plan.role_title(role) for role in dict.fromkeys([*policy.roles, *policy.one_of]))
            raise NotAllowed(
                f"{state.ask.id} is for {may}, not for {plan.role_title(by.role or '')}.", "Ask one of them."
            )
        if by.via == "prefect" and yes and not policy.prefect_may:
            raise NotAllowed(
                f"{state.ask.id} cannot be answered in Prefect, which knows no users.",
                f"Answer on the command line: allclear approve {state.ask.id} --as NAME.",
            )
        same = [answer for answer in state.answers if person_key(answer.by.actor) == person_key(by.actor)]
        if same and yes:  # who said yes may still say no
            raise NotAllowed(f"{by.actor} has answered {state.ask.id} already.", "Somebody else must answer too.")
        if policy.reason_needed and not reason.strip():
            raise NotAllowed(f"{state.ask.id} needs a reason.", 'Give one (on the command line: --reason "…").')

    def _lead(self, incident: Incident, by: By) -> list[Any]:
        """The first to acknowledge leads until somebody else takes it over, unless another hat of theirs forbids it."""
        if LEAD in incident.roles or self._double(incident, LEAD, by.actor):
            return []
        return [RoleTaken(role="incident_commander", person=by.actor)]

    def _check_doubles(self, incident: Incident, role: str, person: str) -> None:
        plan, other = self._company.plan, self._double(incident, role, person)
        if other:
            raise NotAllowed(
                f"{person} is {plan.role_title(other)}, and the plan forbids that with {plan.role_title(role)}.",
                "Name somebody else, or hand the other role over first.",
            )

    def _double(self, incident: Incident, role: str, person: str) -> str | None:
        """Return the hat that `person` wears and that must not be worn with `role`, or None."""
        roles, me = self._company.plan.roles, person_key(person)
        never = {name: known.never_with for name, known in roles.items()}
        for other, holder in incident.roles.items():
            forbidden = other in never.get(role, ()) or role in never.get(other, ())
            if other != role and forbidden and person_key(holder) == me:
                return other
        return None

    def check_known(self, facets: Mapping[str, str], kind: str | None) -> None:
        """Raise NotFound for a facet, a value or a kind of incident that the plan lacks."""
        plan = self._company.plan
        if kind is not None and kind not in plan.kinds:
            raise NotFound(f"The plan has no kind of incident {kind!r}.", f"It has: {', '.join(plan.kinds)}.")
        for name, value in facets.items():
            facet = plan.facets.get(name)
            if facet is None:
                raise NotFound(f"The plan has no facet {name!r}.", f"It has: {self._facet_words()}.")
            if value not in (*facet.values, UNKNOWN):
                raise NotFound(f"{name} is never {value!r}.", f"It is: {', '.join((*facet.values, UNKNOWN))}.")

    def _facet_words(self) -> str:
        facets = self._company.plan.facets.items()
        return ", ".join(f"{name}={'|'.join((*facet.values, UNKNOWN))}" for name, facet in facets) or "none"

    def _assessed(self, facets: Mapping[str, str]) -> Assessment:
        found = assess(self._company.plan.assess, facets)
        if found is None:
            names = ", ".join(severity.name for severity in self._company.plan.severities)
            raise NotFound("The plan has no rule that gives a severity for this.", f"Name one: {names}.")
        return found

    def check_severity(self, name: str) -> None:
        """Raise NotFound, with those there are, for a severity that the plan lacks."""
        if self._company.plan.severity(name) is None:
            names = ", ".join(severity.name for severity in self._company.plan.severities)
            raise NotFound(f"The plan has no severity {name!r}.", f"It has: {names}.")

    def _end(self, incident_id: str, ending: str, reason: str, by: By) -> None:
        def records(incident: Incident) -> list[Any]:
            if incident.ended:  # in its review people still speak, but it ends once
                raise NotAllowed(f"{incident_id} is over.", f"Read it: allclear show {incident_id}.")
            if incident.unfinished:
                raise NotAllowed(
                    f"{incident_id} cannot end: {incident.unfinished[0].id} is being carried out.",
                    f"Wait for its outcome: allclear show {incident_id}.",
                )
            if incident.blocks_ending:
                left = ", ".join(act.id for act in incident.blocks_ending)
                raise NotAllowed(
                    f"{incident_id} cannot end: still in place: {left}.",
                    f"Undo it: allclear undo {incident_id} {incident.blocks_ending[0].id}.",
                )
            return [IncidentEnded.model_validate({"ending": ending, "reason": _words(reason, "reason")})]

        self._say(incident_id, by, records, outbox=closing_outbox(self._read(incident_id), ending))


def closing_outbox(incident: Incident, ending: str) -> list[OutboxMessage]:
    """Return what is to be told when the incident ends: its review begins, and what waits for an answer learns that.

    A false alarm has no review.
    """
    outbox = [start_message(incident.id, Phase.REVIEW.value)] if ending == "resolved" else []
    for state in incident.open_asks:
        detail = {"ask": state.ask.id}
        outbox.append(OutboxMessage(OutboxKind.RESUME, incident.id, f"over:{state.ask.id}", detail))
    return outbox


def read_facts(said: list[str]) -> dict[str, str]:
    """Return facet -> value of what somebody wrote as `facet=value`. Raises NotAllowed for anything else."""
    for one in said:
        if "=" not in one:
            raise NotAllowed(f"{one!r} says nothing.", "Write it as facet=value, as users=many.")
    return {name.strip(): value.strip() for name, _, value in (one.partition("=") for one in said)}


def _check_choice(state: AskState, choice: str | None, *, yes: bool) -> None:
    ask, names = state.ask, [candidate.name for candidate in state.ask.choices]
    if ask.kind is not AskKind.CHOICE or not yes:
        if choice is not None:
            raise NotAllowed(f"{ask.id} is not about a choice.", "Answer it without one.")
    elif choice not in names:
        said = f"{choice} is none of the candidates" if choice else "Nothing was chosen"
        raise NotAllowed(f"{said}.", f"Choose one (on the command line: --choose): {', '.join(names)}.")
    elif state.chosen not in {None, choice}:  # of two people who want different things, neither has a second
        said = f"{state.answers[-1].by.actor} chose {state.chosen}, not {choice}"
        raise NotAllowed(f"{said}.", "Agree on one, or say no: then it is not done.")


def _consequence(ask: Ask, *, yes: bool, by: By, reason: str) -> list[Any]:
    """What an answer settles at once, in the same transaction."""
    if ask.kind is AskKind.STEP:
        verdict = Verdict.SUCCESS if yes else Verdict.INCONCLUSIVE
        said = f"{'Done' if yes else 'Not done'} by {by.actor}: {reason.strip()}"
        finding = Finding(verdict=verdict, sentence=said)
        return [StepDone(phase=ask.phase, step=ask.step, title=ask.title, finding=finding)]
    if ask.kind is AskKind.APPROVAL and not yes and ask.act:
        sentence = f"{by.actor} said no{': ' + reason.strip() if reason.strip() else ''}."
        outcome = Outcome(status=ActStatus.REJECTED, changed=False, sentence=sentence)
        return [ActFinished(act=ask.act, outcome=outcome)]
    return []


def _in_review(incident: Incident) -> bool:
    return Phase.REVIEW.value in incident.entered and Phase.REVIEW.value not in incident.left


def _words(text: str, what: str) -> str:
    if not text.strip():
        raise NotAllowed(f"The {what} is empty.", "Say it in a few words.")
    return text.strip()
