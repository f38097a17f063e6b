"""Notifies each person of the plan's `notifications`, by the next way as soon as one has failed.

What is due follows from the record, the plan and the rota alone (`allclear.domain.notify.notices`). Each message is an
act and is sent concurrently with the others. Each way has its own slots, so a vendor that hangs delays only its own
messages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

from allclear.company import Company
from allclear.domain.action import LinkedParams
from allclear.domain.base import Clock, digest
from allclear.domain.errors import ConcurrentWrite
from allclear.domain.incident import Incident
from allclear.domain.notify.delivery import MAY_HAVE_IT
from allclear.domain.notify.end_notices import due_end_notices
from allclear.domain.notify.leader_updates import due_leader_updates, leader_update_text
from allclear.domain.notify.notice_tries import Notice, begun_notices
from allclear.domain.notify.notices import audience_states, due_notices, titles_of
from allclear.domain.notify.recipients import Reaches
from allclear.domain.placeholders import render_all
from allclear.domain.plan import RotaOverride
from allclear.domain.privacy import is_private, may_read
from allclear.domain.pseudo_phases import NOTICE
from allclear.domain.records import NoticeOf
from allclear.domain.reminders.reminder import lead_of
from allclear.domain.text import enumerated, plain, with_full_stop
from allclear.engine.actions.message_acts import READS, MessageActs
from allclear.engine.actions.proposals import ActionRequest
from allclear.engine.concurrency import Sweep
from allclear.engine.incidents import overrides_of
from allclear.engine.notify.notice_batches import NoticeBatches
from allclear.engine.notify.refused_contacts import refusal_of
from allclear.engine.notify.task_keys import incident_in, task_key
from allclear.engine.response.conductor import Conductor
from allclear.journal.ports import Journal

log = logging.getLogger("allclear.notices")

_AT_ONCE = 50
"""Messages that are sent at the same time by one way."""


class NoticeSender:
    """Sends the notices of all incidents of a company, each in a task of its own."""

    def __init__(
        self,
        journal: Journal,
        conductor: Conductor,
        acts: MessageActs,
        company: Company,
        clock: Clock,
        on_end: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_end` is called with the incident of each message that was sent or failed."""
        self._journal = journal
        self._conductor = conductor
        self._acts = acts
        self._plan, self._services = company.plan, company.systems.services
        self._clock = clock
        self._sweep = Sweep(log, "send the notice", _AT_ONCE, on_end=lambda key: on_end(incident_in(key)))
        self._batches = NoticeBatches(conductor, acts, self._wanted, clock)
        self._known: tuple[tuple[str, int, list[RotaOverride]], list[Notice]] | None = None
        """For what the due messages were worked out last (incident, length of its record, overrides), and these."""

    @property
    def reaches(self) -> Reaches:
        """Return what each way of the plan reaches, as `MessageActs.reaches` does."""
        return self._acts.reaches(self._plan)

    def due_times(self, incident: Incident) -> Iterator[datetime]:
        """Yield when each message is to be sent, without those that are being sent now."""
        yield from (one.due for one in self._due(incident) if task_key(incident.id, one.step) not in self._sweep)

    def start_due(self, incident_id: str) -> None:
        """Start sending what is due; `wait` waits for it."""
        for notice in self._due_now(self._conductor.incident(incident_id)).values():
            key = task_key(incident_id, notice.step)
            self._sweep.start(key, partial(self._send, incident_id, notice), group=notice.way)

    async def wait(self) -> None:
        """Wait until everything that was started was sent or failed."""
        await self._sweep.wait()

    def _due(self, incident: Incident) -> list[Notice]:
        """Return what is due or will be; worked out again only if the record or the rota's overrides have grown."""
        key = incident.id, incident.length, overrides_of(self._journal, self._plan)
        known = self._known
        if known is None or known[0] != key:
            known = self._known = key, self._work_out(incident, key[2])
        return known[1]

    def _work_out(self, incident: Incident, overrides: Sequence[RotaOverride]) -> list[Notice]:
        if not self._plan.ways:
            return []
        if incident.over:
            due = [one for one in due_end_notices(self._plan, incident, self.reaches) if one.way in self._plan.ways]
        else:
            due = due_notices(audience_states(self._plan, incident, overrides, self.reaches))
            due += due_leader_updates(self._plan, incident, overrides, self.reaches)
        steps = {one.step for one in due}
        return [*due, *(one for one in begun_notices(incident) if one.step not in steps)]

    async def _send(self, incident_id: str, notice: Notice) -> None:
        """Send one message, unless another process does, or it is no longer due."""
        for _ in range(READS):
            incident = self._conductor.incident(incident_id)
            if await self._acts.carry_on(incident, NOTICE, notice.step):
                return
            if notice.way not in self._plan.ways:  # it has its result, and the plan lost the way since
                return
            render = partial(self._request, incident, notice)
            proposal = await self._acts.work_out(incident, render(self._clock()))
            act = await self._batches.journal(incident_id, render, notice.step, proposal)
            if act is not None:
                await self._acts.finish(incident_id, act)
                return
            found = self._due_now(self._conductor.incident(incident_id)).get(notice.step)
            if found is None:
                return
            notice = found
        raise ConcurrentWrite(f"What is to be sent in {incident_id} keeps changing.", "Try again in a moment.")

    def _due_now(self, incident: Incident) -> dict[str, Notice]:
        """Return what is to be sent now, by step."""
        return {one.step: one for one in self._due(incident) if one.due <= self._clock()}

    def _wanted(self, incident: Incident, step: str, now: datetime) -> ActionRequest | None:
        """Return the message that a step is to send now; None if it is not due."""
        due = self._due_now(incident).get(step)
        return self._request(incident, due, now) if due else None

    def _request(self, incident: Incident, notice: Notice, now: datetime) -> ActionRequest:
        call, plan = self._plan.ways[notice.way], self._plan
        kind = self._acts.kind(call.action)
        titles = titles_of(plan, notice.person, notice.audiences, notice.stands_in_for)
        values = self._conductor.values_for(incident, kind, now)
        listed = plan.mailing_list_at(notice.person)
        filled = {
            "audience": titles,
            "name": plain(listed.title if listed else notice.person, 60),
            "notice": self._text(incident, notice, now, linked=issubclass(kind.params, LinkedParams)),
            "number": _number(incident, notice.step),
        }
        params = render_all(call.with_, values.extended(filled))
        person = plan.person(notice.person)
        contact = person.contacts.get(kind.reaches or "") if person else None
        address = listed.address if listed else contact.address if contact else None
        params |= {"people": [address]} if address else {}
        refused = refusal_of(kind, params, self._services)
        about = NoticeOf(
            audiences=list(notice.audiences),
            person=notice.person,
            way=notice.way,
            stands_in_for=list(notice.stands_in_for),
            update=notice.update,
        )
        what = f"Update {titles}" if notice.update else f"Notify {titles}"
        title = f"Tell {titles} how it ended" if notice.ended else what
        told = None if notice.ended else about
        return ActionRequest(
            NOTICE, notice.step, call.action, params, title, authorised=True, notice=told, refused=refused
        )

    def _text(self, incident: Incident, notice: Notice, now: datetime, *, linked: bool) -> str:
        """Return what happened; of a private incident only its id, and where a reader reads on.

        `linked`: the action itself adds the link.
        """
        values = self._conductor.values(incident, now)
        page = str(values["page"])
        where = page if page.startswith("http") else f"allclear show {incident.id}"
        read_on = "" if linked else f" Read on: {where}"
        missing = enumerated([plain(self._plan.role_title(role), 60) for role in notice.stands_in_for], "or")
        instead = f" You are notified because no one with the role {missing} could be reached." if missing else ""
        again = f" {MAY_HAVE_IT}" if notice.repeat else ""
        if is_private(self._plan, incident):
            lead = plain(lead_of(self._plan, incident) or "the incident's lead", 60)
            reader = not notice.person or may_read(self._plan, incident, notice.person)
            what = f"{incident.id} is private." + ("" if reader else f" Ask {lead} what it is about.")
        elif notice.update:
            what = leader_update_text(self._plan, incident, values, notice.audiences[0], now)
        else:
            what = with_full_stop(f"{incident.id} ({values['severity']}): {values['problem']}, {values['status']}")
        return f"{what}{instead}{again}{read_on}"


def _number(incident: Incident, step: str) -> str:
    """Return a number that no other message of the incident has, and that does not depend on who else is notified."""
    return str(int(digest([step, len(incident.tries.get((NOTICE, step), ()))])[:10], 16))
