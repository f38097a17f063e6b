"""Hold: a person stops everything automatic in an incident, until a person releases it."""

from __future__ import annotations

from typing import Any

from allclear.company import Company
from allclear.domain.errors import WrongState
from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.records import By, HoldEnded, HoldStarted
from allclear.domain.text import plain, signature
from allclear.engine.people.incident_writer import IncidentWriter, required_text
from allclear.engine.response.step_keys import hold_id
from allclear.journal.rows import OutboxKind, OutboxMessage


class Hold:
    """Stops and allows automatic action. Each method returns a sentence for the person."""

    def __init__(self, company: Company, writer: IncidentWriter) -> None:
        self._company = company
        self._writer = writer

    def hold(self, incident_id: str, reason: str, by: By) -> str:
        """Stop everything automatic. Raises NotAllowed without a reason, or if it is held already: that says by whom.

        An act that has begun is finished, and what people approve is done.
        """

        def decide(incident: Incident) -> list[Any]:
            if held := incident.held:
                raise WrongState(
                    f"{incident_id} is held already, by {plain(held.by, 60)} since "
                    f"{stamp(held.since, self._company.plan.zone)}: {plain(held.cause)}.",
                    "Nothing automatic happens in it. "
                    f"When it may: allclear release {incident_id} {signature(self._company.plan)}",
                )
            return [HoldStarted(reason=required_text(reason, "reason"))]

        self._writer.append(incident_id, by, decide)
        return (
            f"{incident_id} is held: nothing automatic happens in it. What people approve is still done. "
            f"When automatic action may go on: allclear release {incident_id} {signature(self._company.plan)}"
        )

    def release(self, incident_id: str, reason: str, by: By) -> str:
        """Allow automatic action again. Raises NotAllowed if the incident is not held."""

        def decide(incident: Incident) -> list[Any]:
            if not incident.held:
                raise WrongState(f"{incident_id} is not held.", f"Read it: allclear show {incident_id}.")
            return [HoldEnded(reason=reason.strip())]

        waiting = hold_id(incident_id)
        number = self._writer.read(incident_id).length
        resume = OutboxMessage(OutboxKind.RESUME, incident_id, f"released:{waiting}:{number}", {"ask": waiting})
        self._writer.append(incident_id, by, decide, outbox=[resume])
        return f"{incident_id} is released: automatic action goes on."
