"""What people write down: notes, decisions, whom they told, the fields of the post-mortem, follow-ups."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from allclear.company import Company
from allclear.domain.errors import NotAllowed, NotFound
from allclear.domain.incident import Incident
from allclear.domain.local_times import day, stamp
from allclear.domain.records import (
    AudienceTold,
    By,
    DecisionMade,
    FollowUpAdded,
    FollowUpDone,
    NoteAdded,
    PostMortemWritten,
)
from allclear.domain.review.post_mortem import NOTE_FOR
from allclear.domain.text import signature
from allclear.engine.people.incident_writer import IncidentWriter, required_text


class Notes:
    """Records people's texts. Each method returns a sentence for the author; raises NotAllowed for an empty text."""

    def __init__(self, company: Company, writer: IncidentWriter) -> None:
        self._company = company
        self._writer = writer

    def note(self, incident_id: str, text: str, by: By, post_mortem: str = "") -> str:
        """Record a note. `post_mortem` says where the post-mortem shows it: `timeline`, or the field that it answers.

        Raises NotFound for another word.
        """
        if post_mortem not in {"", *NOTE_FOR}:
            raise NotFound(
                f"The post-mortem has no place {post_mortem!r} for a note.", f"It has: {', '.join(NOTE_FOR)}."
            )
        record = NoteAdded(text=required_text(text, "note"), post_mortem=post_mortem)
        self._writer.append(incident_id, by, lambda _: [record])
        return f"Noted in {incident_id}."

    def decide(self, incident_id: str, text: str, reason: str, by: By) -> str:
        """Record a decision and its reason."""
        self._writer.append(
            incident_id, by, lambda _: [DecisionMade(text=required_text(text, "decision"), reason=reason)]
        )
        return f"The decision is recorded in {incident_id}."

    def told(self, incident_id: str, audience: str, text: str, by: By) -> str:
        """Record that a person told an audience, and how. Raises NotFound for one that the plan does not have."""
        plan = self._company.plan
        known = plan.audience(audience)
        if known is None:
            every = dict.fromkeys([*(line.audience for line in (*plan.updates, *plan.notifications)), *plan.roles])
            raise NotFound(f"The plan has no audience {audience!r}.", f"It has: {', '.join(every)}.")
        record = AudienceTold(audience=known, text=text.strip())
        self._writer.append(incident_id, by, lambda _: [record])
        return f"Recorded in {incident_id}: you have told {plan.role_title(known)}."

    def write_post_mortem(self, incident_id: str, field: str, text: str, by: By) -> str:
        """Record the text of one field of the post-mortem; the last text counts."""
        record = PostMortemWritten(field=field, text=required_text(text, "text"))
        self._writer.append(incident_id, by, lambda _: [record])
        return f"{field} of {incident_id} is recorded."

    def follow_up(self, incident_id: str, text: str, owner: str, due: datetime, by: By) -> str:
        """Record a follow-up: what has to be done so that the incident does not happen again."""
        record = FollowUpAdded(text=required_text(text, "follow-up"), owner=required_text(owner, "owner"), due=due)
        number = self._writer.append(incident_id, by, lambda _: [record])
        number = sum(isinstance(entry.record, FollowUpAdded) for entry in self._writer.entries(incident_id, number))
        done = f"When it is done: allclear follow-up-done {incident_id} {number} {signature(self._company.plan)}"
        return f"{owner} has follow-up {number} by {day(due, self._company.plan.zone)}. {done}"

    def follow_up_done(self, incident_id: str, number: int, note: str, by: By) -> str:
        """Record that a follow-up was done. `number` is its place among the incident's follow-ups, 1 for the first.

        Raises NotFound for a number that no follow-up has, NotAllowed for one that was done before.
        """

        def decide(incident: Incident) -> list[Any]:
            count = len(incident.follow_ups)
            if not 1 <= number <= count:
                has = f"It has 1 to {count}." if count else "It has none."
                raise NotFound(f"{incident_id} has no follow-up {number}.", f"{has} allclear postmortem {incident_id}")
            if at := incident.follow_ups_done.get(number):
                raise NotAllowed(
                    f"Follow-up {number} was done {stamp(at, self._company.plan.zone)}.",
                    f"allclear postmortem {incident_id}",
                )
            return [FollowUpDone(number=number, note=note.strip())]

        self._writer.append(incident_id, by, decide)
        return f"Follow-up {number} of {incident_id} is done."
