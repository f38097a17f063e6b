"""Replaying the states that can change back: what checks, changes of production, alerts and people do to them.

Contained and recovered are claims about the present. A bad check ends them. A change of production makes their proof
outdated until the next good check. An alert that fires asks for a new check, and ends nothing by itself. When one of
them ends, so does the acknowledgement: people are paged again, until a person writes an entry.
"""

from __future__ import annotations

from copy import copy
from datetime import datetime

from allclear.domain.act import Act
from allclear.domain.action import ActStatus, Finding, Verdict
from allclear.domain.approval import AskKind
from allclear.domain.base import person_key
from allclear.domain.incident import Incident, RoleNews
from allclear.domain.notify.page_news import RING_AGAIN, PagerState
from allclear.domain.records import (
    Acknowledged,
    ActFinished,
    ActIntended,
    ActProposed,
    AskAnswered,
    AskOpened,
    Contained,
    Entry,
    HoldEnded,
    HoldStarted,
    IncidentOpened,
    PageHeard,
    Recovered,
    RoleOffered,
    RoleTaken,
    StepDone,
)
from allclear.domain.states import Check, Loss, Period, Recheck, StateHistory

REPEATED = "checks"
"""The fact that says how often a probe was run until it succeeded; missing if it was run once."""


def apply_author(incident: Incident, entry: Entry) -> None:
    """Apply that a person wrote the entry: a person who declares the incident or acts in it has acknowledged it.

    That stops a clock. Whether it answers a page is decided by `allclear.domain.notify.on_call`.
    """
    key = person_key(entry.by.actor)
    incident.actors[key] = entry.by
    if not _sends_page(incident, entry):
        incident.last_entries[key, _role(incident, entry)] = entry.number
    match entry.record:
        case Acknowledged():
            incident.last_ack, incident.last_ack_by = entry.number, key
            incident.acks[key] = entry.number, entry.by
        case AskAnswered() if not _answers_step(incident, entry):
            incident.last_answer = entry.number
        case _:
            pass
    if incident.acknowledgement.current is None:
        incident.acknowledgement = incident.acknowledgement.begun(Period(entry.at, entry.number, entry.by.actor))
        if not isinstance(entry.record, IncidentOpened):
            incident.last_change = (entry.number, entry.at)


def _role(incident: Incident, entry: Entry) -> str | None:
    """Return the role in which the person acts; None for a person's step, because its form fills in the step's role."""
    return None if _answers_step(incident, entry) else entry.by.role


def _answers_step(incident: Incident, entry: Entry) -> bool:
    record = entry.record
    return isinstance(record, AskAnswered) and incident.asks[record.ask].ask.kind is AskKind.STEP


def _sends_page(incident: Incident, entry: Entry) -> bool:
    """Return whether the entry is about a page that the person sends: that answers no page."""
    match entry.record:
        case ActProposed(pages=pages):
            return pages
        case ActIntended(act=act) | ActFinished(act=act):
            return act in incident.acts and incident.acts[act].proposed.pages
        case AskOpened(ask=ask):
            return ask.act in incident.acts and incident.acts[ask.act].proposed.pages
        case _:
            return False


def apply_page_heard(incident: Incident, entry: Entry, heard: PageHeard) -> None:
    """Apply what the pager reports. If a page rings again that a person had taken, people are needed anew."""
    before = incident.pager.get(heard.page, PagerState(heard.act))
    if heard.late:
        incident.pager.setdefault(heard.page, before)
        return
    if heard.event == "merged":
        incident.pager.pop(heard.page, None)
        if heard.into:
            incident.pager[heard.into] = before
        return
    after = before.after(heard, entry.number, entry.at)
    incident.pager[heard.page] = after
    if heard.event in RING_AGAIN and heard.rings:
        incident.rung_again = (entry.number, entry.at)
        who = f" of {', '.join(after.ringing)}" if after.ringing else ""
        incident.acknowledgement = incident.acknowledgement.ended(entry.at, entry.number, f"the page{who} rings again")
        incident.last_change = (entry.number, entry.at)


def apply_role(incident: Incident, entry: Entry, taken: RoleOffered | RoleTaken) -> None:
    """Apply that a person has a role from now on, or is asked to take it."""
    if isinstance(taken, RoleOffered):
        offer = RoleNews(taken.role, taken.to, entry.by.actor, taken.holder, entry.at, entry.number)
        incident.offers[taken.role] = offer
        return
    offer, was = incident.offers.pop(taken.role, None), taken.was
    offered = offer is not None and person_key(offer.to) == person_key(taken.person)
    themselves = person_key(entry.by.actor) == person_key(taken.person)
    if was and themselves and not offered and person_key(was) != person_key(taken.person):
        news = RoleNews(taken.role, taken.person, entry.by.actor, was, entry.at, entry.number)
        incident.taken_roles.append(news)
    incident.roles[taken.role] = taken.person
    history = incident.holders.get(taken.role, StateHistory())
    ended = history.ended(entry.at, entry.number, f"{taken.person} took over")
    incident.holders[taken.role] = ended.begun(Period(entry.at, entry.number, taken.person))


def apply_hold(incident: Incident, entry: Entry, record: HoldStarted | HoldEnded) -> None:
    """Apply that a person has stopped everything automatic, or has allowed it again."""
    if isinstance(record, HoldEnded):
        incident.hold = incident.hold.ended(entry.at, entry.number, record.reason)
    else:
        incident.hold = incident.hold.begun(Period(entry.at, entry.number, entry.by.actor, cause=record.reason))


def apply_check(incident: Incident, entry: Entry, done: StepDone) -> None:
    """Apply the finding of a probe, if the probe decides about containment or recovery."""
    if incident.over or not (done.health_check or done.proves):
        return
    begun = done.after_entry or entry.number - 1
    incident.last_check = Check(entry.at, entry.number, begun, done.health_check, done.finding)
    if begun < incident.service_changed:
        return  # production was changed while the probe ran, so its finding is about neither state
    if done.finding.verdict is Verdict.SUCCESS:
        _apply_good_check(incident, entry, done, begun)
    else:
        incident.good_checks = ()
        _apply_bad_check(incident, entry, done)


def ends_state(incident: Incident, done: StepDone, at: datetime) -> bool:
    """Return whether the finding, as the next entry of the incident, would end containment or recovery."""
    after = copy(incident)  # the histories are immutable, so that `incident` stays as it is
    apply_check(after, Entry.model_construct(number=incident.length + 1, at=at, record=done), done)
    return after.loss is not incident.loss


def _apply_good_check(incident: Incident, entry: Entry, done: StepDone, begun: int) -> None:
    contained = incident.containment.current
    decides = contained is None or _concerns(contained, done)
    if decides:
        incident.containment = incident.containment.proven_again(begun)
    if done.health_check or done.proves == "recovery":
        repeated = REPEATED in done.finding.facts  # it failed before, so the row of good checks begins with it
        incident.good_checks = (entry.at,) if repeated else (*incident.good_checks, entry.at)
    if decides and incident.recheck and begun >= incident.recheck.number:
        _confirm(incident, entry)


def _concerns(contained: Period, done: StepDone) -> bool:
    """Return whether the check can prove and disprove this containment.

    The health check cannot in maintenance mode, nor if only people can tell.
    """
    return done.proves == "containment" or contained.by_health_check


def _apply_bad_check(incident: Incident, entry: Entry, done: StepDone) -> None:
    """Apply a check that was not good. One that could not tell makes the states unproven, unless it was to decide."""
    contained, recovered = incident.containment.current, incident.recovery.current
    concerns_containment = contained is not None and _concerns(contained, done)
    if not concerns_containment and not recovered:
        return
    if done.finding.verdict is Verdict.FAILURE or done.proves == "containment":
        _lose(incident, entry, done.finding, containment=concerns_containment)
        return
    incident.recovery = incident.recovery.outdated(entry.number)
    if concerns_containment:
        incident.containment = incident.containment.outdated(entry.number)


def _lose(incident: Incident, entry: Entry, finding: Finding, *, containment: bool) -> None:
    """End recovery, and containment if the check can disprove it. If the incident is not contained, people are needed.

    A security incident that people confirmed as contained stays so when a page of the shop fails.
    """
    reason = finding.sentence
    incident.recovery = incident.recovery.ended(entry.at, entry.number, reason)
    incident.last_change = (entry.number, entry.at)
    if containment:
        incident.containment = incident.containment.ended(entry.at, entry.number, reason)
    if incident.containment.current:
        return
    incident.acknowledgement = incident.acknowledgement.ended(entry.at, entry.number, reason)
    incident.loss = Loss(entry.number, entry.at, reason)
    incident.recheck = None


def apply_contained(incident: Incident, entry: Entry, record: Contained) -> None:
    """Apply that the incident is contained, unless production was changed while the check ran."""
    begun, health_check = _proof(incident, entry, record.finding)
    if incident.over or record.finding.verdict is not Verdict.SUCCESS or begun < incident.service_changed:
        return
    period = Period(entry.at, entry.number, record.by, record.act, record.finding, by_health_check=health_check)
    incident.containment = incident.containment.begun(period)
    incident.loss = None
    if incident.recheck and entry.by.person:
        _confirm(incident, entry)


def apply_recovered(incident: Incident, entry: Entry, record: Recovered) -> None:
    """Apply that the service has recovered, unless production was changed while the check ran."""
    begun, _ = _proof(incident, entry, record.finding)
    if incident.over or record.finding.verdict is not Verdict.SUCCESS or begun < incident.service_changed:
        return
    incident.recovery = incident.recovery.begun(Period(entry.at, entry.number, finding=record.finding))
    incident.loss = None


def _proof(incident: Incident, entry: Entry, finding: Finding) -> tuple[int, bool]:
    """Return where the check behind the record began, and whether the health check can disprove what it says."""
    check = incident.last_check
    if check and check.number == entry.number - 1 and check.finding == finding:
        return check.begun, check.health_check
    return entry.number - 1, not entry.by.person


def apply_change(incident: Incident, entry: Entry, act: Act) -> None:
    """Apply an act's outcome: if production was changed or may have been, the proofs are outdated."""
    undone = incident.acts.get(act.proposed.undoes or "")
    changes = act.proposed.changes_service or bool(undone and undone.proposed.changes_service)
    outcome = act.outcome
    if not changes or outcome is None or not (outcome.changed or outcome.status is ActStatus.INDETERMINATE):
        return
    incident.service_changed, incident.good_checks = entry.number, ()
    incident.containment = incident.containment.outdated(entry.number)
    incident.recovery = incident.recovery.outdated(entry.number)
    ask_for_check(incident, entry.number, entry.at)


def ask_for_check(incident: Incident, number: int, at: datetime) -> bool:
    """Let a contained or recovered incident be probed again because of entry `number`; return whether it is one."""
    holds = not incident.over and bool(incident.containment.current or incident.recovery.current)
    if holds:
        incident.recheck = Recheck(number, at)
    return holds


def _confirm(incident: Incident, entry: Entry) -> None:
    """Apply that the incident was found to be contained or recovered still."""
    incident.recheck = None
    incident.confirmations = (*incident.confirmations, entry.number)
    incident.last_change = (entry.number, entry.at)
