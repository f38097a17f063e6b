"""One act that a person starts by hand: through the same executor, in an incident, with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allclear.company import Company
from allclear.domain.action import Outcome
from allclear.domain.errors import NotAllowed, NotFound, Refused
from allclear.domain.incident import Incident
from allclear.domain.records import By, DecisionMade
from allclear.domain.reminders import MANUAL as PHASE
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.incidents import read_incident, readable
from allclear.engine.people.people import Declaration, People
from allclear.engine.response.step_keys import undo_key
from allclear.journal.ports import Journal


@dataclass(frozen=True)
class Order:
    """What a person wants done now."""

    action: str
    params: Mapping[str, Any]
    reason: str
    incident: str | None = None
    severity: str | None = None
    shown: str | None = None
    """The hash of the change that the person saw; another one is refused."""
    key: str | None = None
    """Makes the same order, repeated after a crash, one act."""


@dataclass(frozen=True)
class Result:
    """What became of an order; `outcome` is None while `waiting` must be answered by somebody else."""

    incident: str
    act: str
    outcome: Outcome | None
    waiting: tuple[str, ...] = ()


class ManualActions:
    """Carries out what people order, outside the course of a runbook."""

    def __init__(
        self,
        journal: Journal,
        company: Company,
        executor: Executor,
        proposer: Proposer,
        people: People,
        *,
        simulated: bool,
    ) -> None:
        self._journal = journal
        self._simulated = simulated
        self._company = company
        self._executor = executor
        self._proposer = proposer
        self._people = people

    async def do(self, order: Order, by: By) -> Result:
        """Return what became of the order. Starting it is its own approval where the plan lets one person decide.

        It joins the open incident on its service, or opens one. Raises NotAllowed without a reason, NotFound,
        ConfigError.
        """
        if not order.reason.strip():
            raise NotAllowed("An act by hand needs a reason.", 'Add it: --reason "…".')
        incident = self._incident(order, by)
        for begun in incident.unfinished:
            if begun.proposed.action == order.action:  # interrupted: first learn what became of it
                await self._executor.carry_out(incident.id, begun.id, by)
                incident = self._read(incident.id)
        request = self._wish(order, incident)
        known = incident.act_of(PHASE, request.key) if order.key else None
        if known is None:
            loud = DecisionMade(text=f"BY HAND, outside the runbook: {request.title}", reason=order.reason)
            self._journal.append(incident.id, [loud], by)
            act = await self._proposer.propose(self._read(incident.id), request, by)
        else:
            act = known.id
        return await self.go_on(incident.id, act, by)

    async def undo(self, incident_id: str, act_id: str, reason: str, by: By) -> Result:
        """Undo an act that is still in place. Raises NotFound, Refused where nothing of it is."""
        incident = self._read(incident_id)
        act = incident.acts.get(act_id)
        if act is None:
            there = ", ".join(one.id for one in incident.in_place) or "nothing"
            raise NotFound(f"There is no act {act_id} in {incident_id}.", f"Still in place: {there}.")
        if act.begun:  # interrupted: first learn what became of it
            await self._executor.carry_out(incident_id, act_id, by)
            incident = self._read(incident_id)
            act = incident.acts[act_id]
        if not act.in_place:
            raise Refused(f"Nothing of {act_id} is in place ({act.status.value}).", "There is nothing to undo.")
        request = ActionRequest(
            PHASE,
            undo_key(act_id),
            act.proposed.action,
            act.proposed.params,
            f"Undo: {act.proposed.title}",
            undoes=act,
            confirmed=reason or "undone by hand",
        )
        return await self.go_on(incident_id, await self._proposer.propose(incident, request, by), by)

    async def after_answer(self, ask_id: str, by: By) -> Result | None:
        """Carry out an act by hand that the answer has just allowed: no flow waits to do it. None for other asks."""
        incident = self._read(ask_id.partition("/")[0])
        ask = incident.asks[ask_id]
        if ask.ask.phase != PHASE or ask.ask.act is None or not ask.granted:
            return None
        return await self.go_on(incident.id, ask.ask.act, by)

    async def go_on(self, incident_id: str, act_id: str, by: By) -> Result:
        """Carry the act out, unless somebody else has to say yes first."""
        incident = self._read(incident_id)
        act = incident.acts[act_id]
        waiting = tuple(ask for ask in act.asks if incident.asks[ask].open)
        if waiting and act.outcome is None:
            return Result(incident_id, act_id, None, waiting)
        outcome = act.outcome or await self._executor.carry_out(incident_id, act_id, by)
        return Result(incident_id, act_id, outcome)

    def _wish(self, order: Order, incident: Incident | None) -> ActionRequest:
        kind = self._executor.action(order.action)
        base = order.action.replace(".", "-").replace("_", "-")
        if order.key:
            base = f"{base}-{order.key}"
        elif incident:
            times = sum(act.proposed.step.startswith(base) for act in incident.acts.values())
            base = base if not times else f"{base}-{times + 1}"
        return ActionRequest(
            PHASE, base, order.action, order.params, kind.title, confirmed=order.reason, shown=order.shown
        )

    def _incident(self, order: Order, by: By) -> Incident:
        if order.severity:
            self._people.check_severity(order.severity)
        if order.incident:
            named = self._read(order.incident)
            if named.over:
                raise NotAllowed(f"{order.incident} is over.", "Leave --incident out: the act opens one of its own.")
            return named
        service = self.service_of(order)
        rows = self._journal.incidents(open_only=True, service=service, company=self._company.name)
        for found in readable(self._journal, rows):
            if found.is_of(simulated=self._simulated):
                return found
        runbooks = [book for book in self._company.runbooks.values() if book.service == service]
        runbook = (runbooks or list(self._company.runbooks.values()))[0]
        severity = order.severity or self._company.plan.severities[0].name
        title = f"By hand: {self._executor.action(order.action).title.lower()}"
        said = Declaration(title=title, severity=severity, service=service, runbook=runbook.name)
        return self._read(self._people.declare(said, by, first=None))

    def service_of(self, order: Order) -> str:
        """Return the service that the order is about, as far as its parameters tell."""
        named = order.params.get("service")
        if named:
            self._company.service(str(named))
            return str(named)
        services = self._company.systems.services
        flag = order.params.get("flag")
        return next((name for name, service in services.items() if flag in service.flags), next(iter(services)))

    def _read(self, incident_id: str) -> Incident:
        return read_incident(self._journal, incident_id)
