"""Reports about all incidents: the list, what is still in place, and who is on duty."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.act import Act
from allclear.domain.base import utc_now
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.local_times import local, stamp, zone_name
from allclear.domain.notify.failing_messages import failing_messages
from allclear.domain.template_values import PRIVATE_TITLE, left_in_place, status, waiting
from allclear.domain.text import plain, signature
from allclear.engine.incidents import readable
from allclear.reports.base import Page, Reader, Report

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


def row_of(engine: Engine, incident: Incident, reader: Reader) -> dict[str, Any]:
    """Return an incident in a list; of one that is private to the reader, nothing of what it is about."""
    open_to = reader.may_read(engine.company.plan, incident)
    return {
        "id": incident.id,
        "severity": incident.severity,
        "status": status(incident),
        "title": incident.title if open_to else PRIVATE_TITLE,
        "opened_at": incident.opened_at.isoformat(),
        "waiting": [state.ask.id for state in waiting(incident)] if open_to else [],
        "simulated": incident.opened.simulated,
    }


class IncidentList(Report):
    """The incidents, newest first, with the questions that are open."""

    name: ClassVar[str] = "incidents"
    title: ClassVar[str] = "The incidents, newest first"

    @override
    def _write(self, engine: Engine, reader: Reader, page: Page) -> list[dict[str, Any]]:
        zone = engine.company.plan.zone
        incidents = list(readable(engine.journal, engine.journal.incidents()))
        rows = [row_of(engine, incident, reader) for incident in incidents]
        if not rows:
            page.line("This journal has no incidents. Declare one: allclear respond --help.")
            return rows
        opened_at = [datetime.fromisoformat(row["opened_at"]) for row in rows]
        head = f"Opened ({zone_name(zone, *opened_at)})"
        wide = max(len(head), len("2026-11-22 14:30"))
        page.heading(f"{'Incident':9} {'Severity':8} {'Status':13}  {head:{wide}}  Title, and its open questions")
        for row, at in zip(rows, opened_at, strict=True):
            title = f"{'[SIMULATED] ' if row['simulated'] else ''}{plain(row['title'])}"
            opened = f"{local(at, zone):%Y-%m-%d %H:%M}"
            known = f"{row['id']:9} {row['severity']:8} {row['status']:13}"
            page.line(f"{known}  {opened:{wide}}  {title}")
            for ask in row["waiting"]:
                page.line(f"{'':10}{ask}")
        for failing in failing_messages(one for one in incidents if not one.over):
            page.line(f"NOT SENT: {failing.words(zone)}. {failing.next_step} Test it: allclear doctor")
        return rows


class InPlace(Report):
    """The changes that are still in place, in all incidents, and how to undo each."""

    name: ClassVar[str] = "in-place"
    title: ClassVar[str] = "The changes that are still in place"

    @override
    def _write(self, engine: Engine, reader: Reader, page: Page) -> list[dict[str, Any]]:
        plan = engine.company.plan
        rows = [
            _in_place(engine, incident, act)
            for incident in readable(engine.journal, engine.journal.incidents())
            if reader.may_read(plan, incident)
            for act in incident.in_place
        ]
        changes = [row for row in rows if not row["page"]]
        for row in changes:
            page.line(f"{row['incident']:9} {row['summary']}")
            page.line(f"{'':10}{row['change']}")
            page.line(f"{'':10}allclear undo {row['incident']} {row['act']} {signature(plan)}")
        if not changes:
            page.line("Nothing is left in place.")
        if paged := list(dict.fromkeys(row["incident"] for row in rows if row["page"])):
            page.line(f"Besides, pages are open in {', '.join(paged)}. The end of the incident closes them.")
        return rows


def _in_place(engine: Engine, incident: Incident, act: Act) -> dict[str, Any]:
    return {
        "incident": incident.id,
        "act": act.id,
        "page": act.proposed.pages,
        "what": act.proposed.leaves,
        "summary": left_in_place(act, engine.company.plan),
        "change": (act.change or {}).get("summary", ""),
        "since": act.finished_at.isoformat() if act.finished_at else None,
        "owner": act.handed_over.to if act.handed_over else act.proposed.owner,
        "expires": act.proposed.expires.isoformat() if act.proposed.expires else None,
        "due": act.handed_over.due.isoformat() if act.handed_over else None,
    }


class OnCall(Report):
    """Who is on duty by the plan's rotas, until when, and who is next."""

    name: ClassVar[str] = "on-call"
    title: ClassVar[str] = "Who is on duty"

    at: datetime | None = Field(default=None, description="A time in the plan's time zone. Default: now.")

    @override
    def _write(self, engine: Engine, reader: Reader, page: Page) -> list[dict[str, Any]]:
        plan, rows = engine.company.plan, list[dict[str, Any]]()
        moment = self.at.replace(tzinfo=plan.zone) if self.at else utc_now()
        for rota in plan.rotas:
            for shift in rota.on_duty(moment, plan.working_time, engine.journal.overrides(rota.role)):
                page.line(
                    f"{plan.role_title(rota.role)}, {shift.layer}: {shift.person} until "
                    f"{stamp(shift.until, plan.zone)}, then {shift.next_person}; "
                    f"pages are to be acknowledged within {short_duration(shift.acknowledge_within)}"
                )
                until, then = shift.until.isoformat(), shift.next_person
                rows.append(
                    {"role": rota.role, "layer": shift.layer, "person": shift.person, "until": until, "next": then}
                )
        if not plan.rotas:
            page.line(
                f"The plan of {plan.company} has no rota. The holders of its roles are under `people` in plan.yaml."
            )
        return rows
