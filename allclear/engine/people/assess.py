"""What is known of an incident, and the severity that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from allclear.company import Company
from allclear.domain.base import Clock, person_key
from allclear.domain.errors import NotAllowed, NotFound
from allclear.domain.incident import Incident
from allclear.domain.local_times import read_past
from allclear.domain.plan import UNKNOWN, assess
from allclear.domain.records import Assessed, By, SeverityChanged
from allclear.domain.roles import acting_as
from allclear.engine.people.incident_writer import IncidentWriter, required_text
from allclear.engine.response.flow_starts import restart_messages
from allclear.journal.rows import OutboxMessage


class Assessments:
    """Records what people find out about an incident, and changes its severity."""

    def __init__(self, company: Company, writer: IncidentWriter, clock: Clock) -> None:
        self._clock = clock
        self._company = company
        self._writer = writer

    def severity(self, incident_id: str, now: str, reason: str, by: By) -> str:
        """Raise or lower the severity, and return a sentence for the person who did it.

        Deadlines that have started keep their start. Raises NotFound for an unknown severity, NotAllowed without a
        reason, or if the plan does not let this person lower it.
        """
        self.check_severity(now)
        incident, plan = self._writer.read(incident_id), self._company.plan
        if incident.severity == now and by.request not in incident.requests:
            return f"{incident_id} is {now} already."
        by = self._in_fitting_role(incident, by)
        was = [next((one.was for _, one in reversed(incident.severities) if one.now == now), incident.severity)]

        def decide(incident: Incident) -> list[Any]:
            lowered = plan.rank(now) > plan.rank(incident.severity)
            given = acting_as(plan, incident, by, plan.may_lower or []).role or ""
            if lowered and plan.may_lower is not None and not plan.may_act_for(given, plan.may_lower):
                roles = " or ".join(plan.role_title(role) for role in plan.may_lower)
                if not roles:
                    raise NotAllowed("In this plan no role may lower a severity.", "Change `may_lower` in plan.yaml.")
                raise NotAllowed(f"{by.actor} may not lower a severity: {roles} may.", "Ask one of them, or raise it.")
            was[:] = [incident.severity]
            return [SeverityChanged(was=incident.severity, now=now, reason=required_text(reason, "reason"))]

        self._writer.append(incident_id, by, decide, outbox=restart_messages(incident, plan, now))
        return f"{incident_id} is {now} now (was {was[0]})."

    def _in_fitting_role(self, incident: Incident, by: By) -> By:
        """Return the person in a role that may lower a severity, if the one that was given may not and another may.

        A person with several roles need not know which of them the plan asks for.
        """
        plan, key = self._company.plan, person_key(by.actor)
        known = plan.person(by.actor)
        taken = [role for role, person in incident.roles.items() if person_key(person) == key]
        roles = [*([by.role] if by.role else []), *(known.roles if known else []), *taken]
        fitting = next((role for role in roles if plan.may_act_for(role, plan.may_lower or [])), by.role)
        return by.model_copy(update={"role": fitting}) if by.person else by

    def assess(
        self, incident_id: str, facets: Mapping[str, str], kind: str | None, reason: str, by: By, known_since: str = ""
    ) -> str:
        """Record what is known of the incident, and raise its severity if the plan's rules give a higher one.

        `known_since` is when the company became aware of it, as `past` reads it: its clocks count from then.

        The severity is never lowered automatically: if the rules give a lower one, the returned sentence says so.
        Raises NotFound for a facet, value or kind that the plan lacks, NotAllowed if nothing of the three is given.
        """
        self.check_known(facets, kind)
        known_at = self.past(known_since)
        if not facets and kind is None and known_at is None:
            raise NotAllowed(
                "Nothing to record: no facet, no kind and no time was given.", f"Facets: {self._facet_values()}."
            )
        plan, sentences = self._company.plan, [f"Noted in {incident_id}."]

        def decide(incident: Incident) -> list[Any]:
            del sentences[1:]
            known = incident.facets | dict(facets)
            raised, rule = self.raised(incident, None, known), assess(plan.assess, known)
            sentences.extend(f"It is {change.now} now: {change.reason}." for change in raised)
            if rule and not raised and rule.severity != incident.severity:
                then = "it stays as it was at the end" if incident.over else "lower it if that is right"
                sentences.append(f"The plan's rules give {rule.severity} ({rule.because}); {then}.")
            assessed = Assessed(facets=dict(facets), incident_kind=kind, reason=reason.strip(), known_at=known_at)
            return [assessed, *raised]

        self._writer.append(incident_id, by, decide, outbox=self.restarts(incident_id, facets))
        return " ".join(sentences)

    def found(self, incident: Incident, facets: Mapping[str, str], reason: str) -> list[Any]:
        """Return the records of facts that a person has found out: with the higher severity, if the rules give one."""
        return [
            Assessed(facets=dict(facets), reason=reason.strip()),
            *self.raised(incident, None, incident.facets | dict(facets)),
        ]

    def restarts(self, incident_id: str, facets: Mapping[str, str]) -> list[OutboxMessage]:
        """Return the outbox messages that start phases again if these facts raise the severity. Raises JournalError."""
        before = self._writer.read(incident_id)
        raised = self.raised(before, None, before.facets | dict(facets))
        return [one for change in raised for one in restart_messages(before, self._company.plan, change.now)]

    def past(self, text: str) -> datetime | None:
        """Return a time that a person typed, in the company's zone if it has no offset; None for an empty text.

        Raises NotAllowed for a text that is no time, and for a time that has not come yet.
        """
        return read_past(text, self._company.plan.zone, self._clock())

    def raised(self, incident: Incident, named: str | None, facets: Mapping[str, str]) -> list[SeverityChanged]:
        """Return the change to the severity that was named, or else follows from the rules, if it is a higher one.

        After the incident's end there is none.
        """
        rule, plan = assess(self._company.plan.assess, facets), self._company.plan
        reasons = {named: "it was declared so"} if named else {rule.severity: rule.because} if rule else {}
        return [
            SeverityChanged(was=incident.severity, now=now, reason=reason)
            for now, reason in reasons.items()
            if plan.rank(now) < plan.rank(incident.severity) and not incident.over
        ]

    def severity_for(self, facets: Mapping[str, str]) -> str:
        """Return the severity that the plan's rules give for these facets. Raises NotFound if no rule applies."""
        rule = assess(self._company.plan.assess, facets)
        if rule is None:
            names = ", ".join(severity.name for severity in self._company.plan.severities)
            raise NotFound("The plan has no rule that gives a severity for this.", f"Name one: {names}.")
        return rule.severity

    def check_severity(self, name: str) -> None:
        """Raise NotFound, which names the plan's severities, for a severity that the plan lacks."""
        if self._company.plan.severity(name) is None:
            names = ", ".join(severity.name for severity in self._company.plan.severities)
            raise NotFound(f"The plan has no severity {name!r}.", f"It has: {names}.")

    def check_known(self, facets: Mapping[str, str], kind: str | None) -> None:
        """Raise NotFound for a facet, a value or a kind of incident that the plan lacks."""
        plan = self._company.plan
        if kind is not None and kind not in plan.kinds:
            raise NotFound(f"The plan has no kind of incident {kind!r}.", f"It has: {', '.join(plan.kinds)}.")
        for name, value in facets.items():
            facet = plan.facets.get(name)
            if facet is None:
                raise NotFound(f"The plan has no facet {name!r}.", f"It has: {self._facet_values()}.")
            if value not in (*facet.values, UNKNOWN):
                values = ", ".join((*facet.values, UNKNOWN))
                raise NotFound(f"The facet {name} has no value {value!r}.", f"It has: {values}.")

    def _facet_values(self) -> str:
        facets = self._company.plan.facets.items()
        return ", ".join(f"{name}={'|'.join((*facet.values, UNKNOWN))}" for name, facet in facets) or "none"
