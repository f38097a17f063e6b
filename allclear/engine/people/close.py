"""Ending an incident: resolved, or a false alarm."""

from __future__ import annotations

from typing import Any, Literal

from allclear.domain.action import Verdict
from allclear.domain.errors import NotAllowed, StillInPlace
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.records import By, IncidentEnded
from allclear.domain.text import signature, with_full_stop
from allclear.engine.people.incident_writer import IncidentWriter, is_over, required_text
from allclear.engine.response.ending import ending

Ending = Literal["resolved", "false-alarm"]


class Closing:
    """Ends incidents.

    `resolve` and `false_alarm` return a sentence for the person, and raise NotAllowed while an act is being carried out
    or is still in place, if the incident has ended, or without a reason.
    """

    def __init__(self, writer: IncidentWriter) -> None:
        self._writer = writer

    def resolve(self, incident_id: str, reason: str, by: By) -> str:
        """End the incident as resolved."""
        self._end(incident_id, "resolved", reason, by)
        return f"{incident_id} is resolved."

    def false_alarm(self, incident_id: str, reason: str, by: By) -> str:
        """End the incident as a false alarm."""
        self._end(incident_id, "false-alarm", reason, by)
        check = self._writer.read(incident_id).last_check
        bad = check is not None and check.finding.verdict is not Verdict.SUCCESS
        doubt = f" Its last check was not good: {with_full_stop(check.finding.sentence)}" if check and bad else ""
        again = " If it is none after all, declare it again: allclear respond --help" if bad else ""
        return f"{incident_id} ended as a false alarm.{doubt}{again}"

    def check_may_end(self, incident: Incident) -> None:
        """Raise NotAllowed if the incident may not end now; StillInPlace if the reason is a change that is in place."""
        plan = self._writer.plan
        if incident.ended:
            raise is_over(incident, plan)
        if incident.unfinished:
            raise NotAllowed(
                f"{incident.id} cannot end: {incident.unfinished[0].id} is being carried out.",
                f"Wait for its outcome: allclear show {incident.id}.",
            )
        if incident.blocks_ending:
            raise StillInPlace(*_still_in_place(incident, plan))

    def _end(self, incident_id: str, kind: Ending, reason: str, by: By) -> None:
        ended = IncidentEnded(ending=kind, reason=required_text(reason, "reason"))

        def decide(incident: Incident) -> list[Any]:
            self.check_may_end(incident)
            return ending(incident, ended)[0]

        self._writer.append(incident_id, by, decide, outbox=lambda incident: ending(incident, ended)[1])


def _still_in_place(incident: Incident, plan: Plan) -> tuple[str, str]:
    """Return the sentence about the changes that must be undone first, and the next step with a command for each."""
    acts, sign = [act.id for act in incident.blocks_ending], signature(plan)
    undo = [f"allclear undo {incident.id} {act} {sign}" for act in acts]
    leave = [f"allclear supersede {incident.id} {act} --reason WHY {sign}" for act in acts]
    many = len(acts) > 1
    changes = f"{len(acts)} changes are" if many else "a change is"
    problem = f"{incident.id} cannot end while {changes} in place: {', '.join(acts)}."
    stays = f"If the system was changed since, and is to stay as it is: {'; '.join(leave)}"
    return problem, f"Undo {'each' if many else 'it'}: {'; '.join(undo)}. {stays}"
