"""Questions for facts that are not known and decide who is notified, and the reminders of these questions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.notify.notices import unknown_until, verified_at
from allclear.domain.notify.notified import open_lines
from allclear.domain.plan import Facet, Notification, Plan, holds, not_known
from allclear.domain.pseudo_phases import FACT
from allclear.domain.reminders.reminder import Reminder, led_by
from allclear.domain.text import answer_commands, enumerated, plain, with_full_stop


@dataclass(frozen=True)
class FactQuestion:
    """A fact that is not known and decides who is notified now."""

    name: str
    """The facet."""
    facet: Facet
    since: datetime
    until: datetime
    """When it counts as a match if it is not known by then."""
    lines: tuple[Notification, ...]
    """The lines of the plan's `notifications` that depend on it."""

    def consequences(self, plan: Plan) -> str:
        """Return in sentences who is notified by which answer, as `CEO is notified only if the answer is yes`."""
        return " ".join(
            f"{_are_notified(plan, [line])} only if the answer is {enumerated(_values(line, self.name), 'or')}."
            for line in self.lines
        )

    def consequence(self, plan: Plan, value: str) -> str:
        """Return in a sentence who is notified if the fact has this value."""
        lines = [line for line in self.lines if value in _values(line, self.name)]
        return f"{_are_notified(plan, lines)} at once." if lines else "No one is notified because of it."

    def otherwise(self, plan: Plan) -> str:
        """Return who is notified if it is not known in time, and when: `CEO is notified at 2026-11-22 03:12 UTC`."""
        return f"{_are_notified(plan, self.lines)} at {stamp(self.until, plan.zone)}"


def _are_notified(plan: Plan, lines: Sequence[Notification]) -> str:
    titles = list(dict.fromkeys(plain(plan.role_title(line.audience), 60) for line in lines))
    return f"{enumerated(titles)} {'is' if len(titles) == 1 else 'are'} notified"


def _values(line: Notification, name: str) -> list[str]:
    values = line.when[name]
    return [values] if isinstance(values, str) else values


def fact_questions(plan: Plan, incident: Incident) -> list[FactQuestion]:
    """Return what is to be asked now; nothing until the incident is verified, and nothing after its end.

    Nothing is asked about people whom the plan does not name, because no answer notifies them.
    """
    since = verified_at(incident)
    if since is None or incident.over or not incident.responds or not plan.ways:
        return []
    found: dict[str, list[Notification]] = {}
    for line in open_lines(plan, incident):
        if _names_someone(plan, line.audience) and holds(line.when, incident.facets) is None:
            for name in not_known(line.when, incident.facets):
                if name in plan.facets:
                    found.setdefault(name, []).append(line)
    return [
        FactQuestion(
            name,
            plan.facets[name],
            since,
            max(since, min(unknown_until(plan, incident, line) for line in lines)),
            tuple(lines),
        )
        for name, lines in found.items()
    ]


def _names_someone(plan: Plan, audience: str) -> bool:
    """Return whether the plan has a person, or the address of a mailing list, for an audience."""
    listed = plan.mailing_lists.get(audience)
    return listed.known if listed else audience in plan.roles and bool(plan.holders(audience))


def why_not_asked(plan: Plan, incident: Incident, name: str) -> str:
    """Return why the question about a fact is no longer asked; empty if it is."""
    if any(one.name == name for one in fact_questions(plan, incident)):
        return ""
    if not not_known({name: ""}, incident.facets):
        return f"it is known now: {plain(incident.facets[name], 40)}"
    return "no notice depends on it any more"


def fact_reminders(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield a reminder of each open question about a fact when a quarter of the time is left."""
    for question in fact_questions(plan, incident):
        state = incident.ask_of(FACT, question.name)
        if state is None or not state.open:
            continue
        soon = question.until - (question.until - state.opened) / 4
        if soon <= state.opened:
            continue
        title, (answer, _) = plain(state.ask.title).rstrip(". "), answer_commands(state.ask, plan)
        sentence = (
            f"{with_full_stop(title)} {question.consequences(plan)} Without an answer, {question.otherwise(plan)}. "
            f"Answer with: {answer}"
        )
        yield Reminder(f"{FACT}:{state.ask.id}", 1, soon, sentence, led_by(plan, incident))
