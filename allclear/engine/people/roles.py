"""Who has which role in an incident, and who is on duty: acknowledge, hand over, take over."""

from __future__ import annotations

from typing import Any

from allclear.company import Company
from allclear.domain.base import Clock, person_key
from allclear.domain.errors import NotAllowed, NotFound
from allclear.domain.incident import Incident
from allclear.domain.plan import RotaOverride
from allclear.domain.privacy import is_proven, is_reader, reading_roles
from allclear.domain.records import Acknowledged, By, RoleOffered, RoleTaken
from allclear.domain.reminders.reminder import lead_of
from allclear.engine.people.identity import Identity
from allclear.engine.people.incident_writer import IncidentWriter, required_text
from allclear.engine.people.leading import conflicting_role
from allclear.journal.ports import Journal


class Roles:
    """The roles that people take in an incident, and their turns in a rota."""

    def __init__(
        self, journal: Journal, company: Company, clock: Clock, writer: IncidentWriter, identity: Identity
    ) -> None:
        self._journal = journal
        self._company = company
        self._clock = clock
        self._writer = writer
        self._identity = identity

    def acknowledge(self, incident_id: str, by: By) -> str:
        """Record that a person is working on the incident, and return a sentence for that person.

        It always counts, also if another person was first, and also from a person who may not read a private incident:
        then the page of that person ends, and its readers are still called. The first person to act leads the incident,
        unless the plan forbids it because of that person's other roles.
        """
        self._writer.append(incident_id, by, lambda _: [Acknowledged()], needs_reader=False)
        incident, plan = self._writer.read(incident_id), self._company.plan
        if not is_reader(plan, incident, by):
            readers = " or ".join(plan.role_title(role) for role in reading_roles(plan, incident))
            why = f"not for {by.actor}" if is_proven(incident, by) else "your name is only claimed"
            return (
                f"{incident_id} is acknowledged by {by.actor}. It is private, and {why}: "
                f"people are called until a reader acknowledges it, with proof: {readers}."
            )
        leader = lead_of(plan, incident)
        leads = "No one leads it yet" if leader is None else f"{leader} leads it"
        return f"{incident_id} is acknowledged by {by.actor}. {leads}."

    def hand_over(self, incident_id: str, role: str, to: str, by: By) -> str:
        """Ask a person to take a role. It changes hands when that person accepts. If you name yourself, you take it.

        Raises NotAllowed if the plan names people and not this one, or if it forbids one person to have both of two
        roles.
        """
        plan = self._company.plan
        to = self._identity.holder(required_text(to, "name of the new holder"), role)
        if person_key(to) == person_key(by.actor):
            return self.take_role(incident_id, role, by)
        if known := self._has_it(incident_id, role, to, by):
            return known

        before = self._writer.read(incident_id).offers.get(role)

        def decide(incident: Incident) -> list[Any]:
            self._check(incident, role, to)
            return [RoleOffered(role=role, to=to, holder=incident.roles.get(role))]

        self._writer.append(incident_id, by, decide)
        holder = self._writer.read(incident_id).roles.get(role)
        keeps = f"{holder} keeps it" if holder else "no one has it"
        gone = f" {before.to} is not asked any more." if before and person_key(before.to) != person_key(to) else ""
        return f"{to} is asked to be {plan.role_title(role)} of {incident_id}. Until {to} accepts, {keeps}.{gone}"

    def take_role(self, incident_id: str, role: str, by: By) -> str:
        """Give a role to the person who acts: offered to that person, free, or another's, who receives a message.

        Raises NotAllowed as `hand_over` does.
        """
        plan = self._company.plan
        to = self._identity.who(by.actor, role, by.via, by.proof).actor
        if known := self._has_it(incident_id, role, to, by):
            return known

        def decide(incident: Incident) -> list[Any]:
            self._check(incident, role, to)
            return [RoleTaken(role=role, person=to, was=incident.roles.get(role))]

        self._writer.append(incident_id, by, decide)
        return f"{to} is {plan.role_title(role)} of {incident_id} now."

    def _has_it(self, incident_id: str, role: str, person: str, by: By) -> str:
        """Return the sentence that the person has the role already; empty if not, or by this request, or at the end."""
        incident = self._writer.read(incident_id)
        holder = incident.roles.get(role, "")
        if incident.over or by.request in incident.requests or person_key(holder) != person_key(person):
            return ""
        return f"{holder} is {self._company.plan.role_title(role)} of {incident_id} already."

    def _check(self, incident: Incident, role: str, to: str) -> None:
        """Raise NotAllowed if the person has a role that the plan forbids together with this one."""
        plan = self._company.plan
        if other := conflicting_role(plan, incident, role, to):
            raise NotAllowed(
                f"{to} is {plan.role_title(other)}, and the plan forbids that with {plan.role_title(role)}.",
                "Name another person, or hand the other role over first.",
            )

    def take_over(self, role: str, by: By) -> str:
        """Put a person on duty in every layer of the role's rotas in which that person takes turns.

        A request that is sent again changes nothing. Raises NotFound if the person takes no turns as `role`, Refused
        for the idempotency key of another request.
        """
        plan = self._company.plan
        rotas = [rota for rota in plan.rotas if rota.role == role]
        layers = [(layer, person) for rota in rotas for layer in rota.layers if (person := layer.named(by.actor))]
        if not layers:
            people = ", ".join(name for rota in rotas for layer in rota.layers for name in layer.people) or "no one"
            raise NotFound(f"{by.actor} takes no turns as {plan.role_title(role)}.", f"Turns are taken by: {people}.")
        now = self._clock()
        with self._journal.transaction():
            if self._journal.claim_request(by.request):  # else a later shift would be taken back
                for layer, person in layers:
                    self._journal.add_override(RotaOverride(role=role, layer=layer.name, person=person, at=now))
        names = " and ".join(layer.name for layer, _ in layers)
        return f"{by.actor} is on duty as {plan.role_title(role)} now ({names})."
