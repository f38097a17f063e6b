"""The messages about roles: one is offered, an offer is not accepted, a role was taken from its holder. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from allclear.domain.durations import in_words
from allclear.domain.incident import Incident, RoleNews
from allclear.domain.plan import Plan
from allclear.domain.reminders.reminder import Reminder
from allclear.domain.text import plain, shell_word

ACCEPT_WITHIN = timedelta(minutes=5)
"""After this time, the person who offered a role and its holder hear that it was not accepted."""


def role_reminders(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield the messages to the person who is asked to take a role, and to the holder whose role was taken."""
    for offer in incident.offers.values():
        yield from _offered(plan, incident, offer)
    for taken in incident.taken_roles:
        title, now, was = plain(plan.role_title(taken.role), 60), plain(taken.to, 60), plain(taken.holder or "", 60)
        back = f"allclear take-role {incident.id} {taken.role} --as {shell_word(was)}"
        sentence = f"{now} has taken the role {title} of {incident.id}, which {was} had. If that is wrong: {back}"
        yield Reminder(f"role:{taken.number}", 1, taken.at, sentence, (taken.role,), (was,))


def _offered(plan: Plan, incident: Incident, offer: RoleNews) -> Iterator[Reminder]:
    title, to, by = plain(plan.role_title(offer.role), 60), plain(offer.to, 60), plain(offer.by, 60)
    keeps = f"{plain(offer.holder, 60)} keeps it" if offer.holder else "no one has it"
    accept = f"allclear take-role {incident.id} {offer.role} --as {shell_word(to)}"
    topic, roles = f"offer:{offer.number}", (offer.role,)
    sentence = f"{by} asks {to} to be {title} of {incident.id}. Until {to} accepts, {keeps}. Accept: {accept}"
    yield Reminder(topic, 1, offer.at, sentence, roles, (to,))
    late = (
        f"{to} has not accepted the role {title} of {incident.id} within {in_words(ACCEPT_WITHIN)}, so {keeps}. "
        f"Accept: {accept}. Or ask another person: allclear hand-over {incident.id} {offer.role} NAME"
    )
    holder = [plain(offer.holder, 60)] if offer.holder else list[str]()
    people = tuple(dict.fromkeys([to, by, *holder]))
    yield Reminder(topic, 2, offer.at + ACCEPT_WITHIN, late, roles, people)
