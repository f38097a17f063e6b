"""The routes that show incidents: for dashboards, chat bots and other systems."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from allclear.bootstrap import Engine
from allclear.commands.questions import incident_now
from allclear.domain.act import Act
from allclear.domain.base import utc_now
from allclear.domain.incident import Incident
from allclear.domain.notify.notified import notified
from allclear.domain.plan import Plan
from allclear.domain.privacy import is_private, may_read
from allclear.domain.records import Entry
from allclear.domain.reminders.deadlines import deadlines
from allclear.domain.runbook import Phase
from allclear.domain.template_values import PRIVATE_TITLE, held_with_command, lead, status, waiting
from allclear.domain.text import plain
from allclear.engine.incidents import readable
from allclear.responder.callers import Callers
from allclear.responder.routes.lazy_route import LateRoute
from allclear.responder.routes.models import (
    DeadlineView,
    IncidentDetails,
    IncidentListItem,
    InPlaceView,
)
from allclear.responder.routes.problems import INVALID, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE

_MAX_INCIDENTS = 200
"""The largest list, because each of its incidents is replayed from its entries."""


def incident_routes(engine: Engine, callers: Callers) -> APIRouter:
    """Return the routes of the incidents of the engine's company."""
    router = APIRouter(
        route_class=LateRoute,
        dependencies=[Depends(callers.guard)],
        responses=UNAUTHORIZED | UNAVAILABLE,
        tags=["incidents"],
    )
    plan = engine.company.plan

    def listed(limit: int, *, open_only: bool) -> list[IncidentListItem]:
        rows = engine.journal.incidents(open_only=open_only)
        return [_list_item(incident, plan) for incident in islice(readable(engine.journal, rows), limit)]

    def found(incident_id: str, reader: str | None) -> IncidentDetails:
        incident = engine.conductor.incident(incident_id)
        entries, checking = engine.journal.entries(incident_id), engine.conductor.running_check(incident)
        return _details(incident, entries, plan, checking, reader)

    @router.get(
        "/incidents",
        summary="List the incidents",
        responses=INVALID,
        response_description="The incidents, the newest first.",
    )
    async def incidents(
        only_open: Annotated[bool, Query(alias="open", description="Only incidents that have not ended.")] = False,  # noqa: FBT002 - a query has no positions
        limit: Annotated[int, Query(ge=1, le=_MAX_INCIDENTS, description="The largest number of incidents.")] = 50,
    ) -> list[IncidentListItem]:
        """List the incidents of this company: the state of each, who leads, and how many questions wait for people."""
        return await asyncio.to_thread(listed, limit, open_only=only_open)

    @router.get(
        "/incidents/{incident_id}",
        summary="Show one incident",
        responses=NOT_FOUND,
        response_description="Its current state.",
    )
    async def incident(request: Request, incident_id: Annotated[str, Path(description="As VS-12.")]) -> IncidentDetails:
        """Show an incident: questions that wait for people, changes still in place, deadlines, and who has which role.

        `allclear show` shows the same, with the timeline.
        """
        return await asyncio.to_thread(found, incident_id, getattr(request.state, "reader", None))

    return router


def _list_item(incident: Incident, plan: Plan) -> IncidentListItem:
    due = _deadlines(incident, plan)
    return IncidentListItem(
        **_summary(incident, plan),
        open_asks=len(waiting(incident)),
        in_place=len(incident.in_place),
        next_deadline=due[0] if due and not is_private(plan, incident) else None,
    )


def _details(
    incident: Incident, entries: Sequence[Entry], plan: Plan, checking: str, reader: str | None
) -> IncidentDetails:
    """Return the details; of a private incident, only those that say nothing of what it is about.

    `reader` is the person whose own token was sent, who may read all of it if the plan says so.
    """
    if is_private(plan, incident) and not (reader and may_read(plan, incident, reader)):
        return IncidentDetails(
            **_summary(incident, plan),
            began_at=incident.began_at,
            acknowledged_at=incident.acknowledged_at,
            open_asks=[],
            in_place=[],
            next_deadlines=[],
            roles={},
        )
    now = incident_now(incident, entries, plan, checking)
    return IncidentDetails(
        **_summary(incident, plan, hidden=False),
        began_at=incident.began_at,
        acknowledged_at=incident.acknowledged_at,
        checking=now.checking,
        open_asks=now.open_asks,
        in_place=[_in_place(act, plan) for act in incident.in_place],
        acts=now.acts,
        next_deadlines=_deadlines(incident, plan),
        roles={role: plain(person, 60) for role, person in incident.roles.items()},
        notified=notified(plan, incident, utc_now()),
    )


def _summary(incident: Incident, plan: Plan, *, hidden: bool | None = None) -> dict[str, Any]:
    """Return the fields of every response; `hidden`: without what it is about, by default if it is private.

    A private incident has its id, severity, state, phase, lead and times there, as messages about it do.
    """
    phase, hidden = incident.phase, is_private(plan, incident) if hidden is None else hidden
    return {
        "id": incident.id,
        "title": PRIVATE_TITLE if hidden else plain(incident.title),
        "severity": incident.severity,
        "status": status(incident),
        "held": "" if hidden else held_with_command(incident, plan),
        "phase": phase,
        "phase_title": plan.phases[Phase(phase)].label if phase in set(Phase) else phase,
        "service": "" if hidden else incident.opened.service,
        "lead": lead(incident, plan),
        "simulated": incident.opened.simulated,
        "opened_at": incident.opened_at,
        "contained_at": incident.contained_at,
        "recovered_at": incident.recovered_at,
        "ended_at": incident.ended_at,
    }


def _in_place(act: Act, plan: Plan) -> InPlaceView:
    owner = (
        act.handed_over.to if act.handed_over else plan.role_title(act.proposed.owner) if act.proposed.owner else None
    )
    return InPlaceView(
        act=act.id,
        what=plain(act.proposed.leaves or act.proposed.title),
        status=act.status,
        since=act.finished_at,
        owner=plain(owner, 60) if owner else None,
        expires=act.handed_over.due if act.handed_over else act.proposed.expires,
    )


def _deadlines(incident: Incident, plan: Plan) -> list[DeadlineView]:
    now = utc_now()
    return [
        DeadlineView(what=one.what, title=plain(one.title), due=one.due, missed=one.missed(now))
        for one in deadlines(plan, incident)
        if one.due and not (one.met or one.declined)
    ]
