"""Manual actions: a person starts one action, outside the runbook, through the same executor and with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from allclear.company import Company
from allclear.domain.act import Act
from allclear.domain.action import Outcome
from allclear.domain.approved_change import Clearance, clearance, missing_approvals
from allclear.domain.base import is_blank
from allclear.domain.errors import ConcurrentWrite, MissingText, NotAllowed, Refused, WrongState
from allclear.domain.incident import Incident
from allclear.domain.privacy import has_same_readers, is_reader, require_proof_to_act, require_reader
from allclear.domain.pseudo_phases import MANUAL as PHASE
from allclear.domain.pseudo_phases import MEETING
from allclear.domain.records import By, DecisionMade, IncidentOpened
from allclear.engine.actions.executor import Executor, Preview
from allclear.engine.actions.ledger import act_in, nothing_in_place
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.actions.registry import read_params
from allclear.engine.incidents import act_of_request, find_open, find_request, read_incident
from allclear.engine.people.declare import Declaration
from allclear.engine.people.facade import People
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.step_keys import undo_key
from allclear.journal.ports import Journal

_MACHINE = By(actor="allclear", via="manual action")

_MOST_ATTEMPTS = 20
"""How often a proposal is attempted while other entries are written to the same incident."""


_MOST_PROPOSALS = 5
"""How many proposals of one author may wait for people in an incident: people must be able to read them all."""


@dataclass(frozen=True)
class ManualRequest:
    """The action that a person wants carried out now."""

    action: str
    params: Mapping[str, Any]
    reason: str
    incident: str | None = None
    """The incident that it belongs to; None for the open incident of its service, or a new one."""
    severity: str | None = None
    """The severity of a new incident; None for the plan's highest."""
    shown: str | None = None
    """The digest of the change that the person saw; another change is refused."""


@dataclass(frozen=True)
class ManualResult:
    """What became of a manual action; `outcome` is None while other people must answer `waiting`."""

    incident: str
    act: str
    outcome: Outcome | None
    waiting: tuple[str, ...] = ()


class ManualActions:
    """Carries out and undoes actions that people start, outside the phases of a runbook."""

    def __init__(
        self,
        journal: Journal,
        company: Company,
        executor: Executor,
        proposer: Proposer,
        conductor: Conductor,
        people: People,
    ) -> None:
        self._journal = journal
        self._company = company
        self._executor = executor
        self._proposer = proposer
        self._conductor = conductor
        self._people = people

    async def do(self, request: ManualRequest, by: By) -> ManualResult:
        """Propose and carry out the action, and return the result.

        If the plan lets one person approve it, starting it is the approval. It joins the open incident of its service,
        or opens one. A request that is repeated, by its key in `by`, goes on with the act that it proposed before.
        Raises NotAllowed without a reason, for a program, or for who is no proven reader of a private incident;
        NotFound, ConfigError.
        """
        _require_person(by)
        if is_blank(request.reason):
            raise MissingText("A manual action needs a reason.", 'Add it: --reason "…".')
        incident = self._incident(request, by)
        require_reader(self._company.plan, incident, by)
        for begun in incident.unfinished:
            if begun.proposed.action == request.action:  # interrupted: first find out what became of it
                await self._executor.carry_out(incident.id, begun.id, by)
                incident = self._read(incident.id)
        act = await self._propose(incident, lambda now: self._action_request(request, now), by)
        return await self._go_on(incident.id, act, by)

    async def preview_undo(self, incident_id: str, act_id: str, by: By) -> Preview:
        """Return what undoing the act would change now. Raises NotFound, and Refused if it cannot be undone."""
        known = self._read(incident_id).acts.get(act_id)
        if known and known.begun:  # to find out what became of it carries it on
            _require_person(by)
        _, act = await self._left(incident_id, act_id, by)
        return await self._executor.preview_undo(incident_id, act)

    async def undo(self, incident_id: str, act_id: str, reason: str, by: By, shown: str | None = None) -> ManualResult:
        """Undo an act that is still in place, and return the result.

        `shown` is the digest of the change that the person saw. Raises NotFound, Refused if nothing of the act is in
        place or the change would now be another one, NotAllowed for a program. A request that is repeated, by its key
        in `by`, goes on with the undo that it proposed before.
        """
        _require_person(by)
        if known := act_of_request(self._read(incident_id), by):
            return await self._go_on(incident_id, known.id, by)
        incident, act = await self._left(incident_id, act_id, by)
        request = ActionRequest(
            PHASE,
            undo_key(act_id),
            act.proposed.action,
            act.proposed.params,
            f"Undo: {act.proposed.title}",
            undoes=act,
            shown=shown,
            confirmed=reason or "undone by hand",
        )
        return await self._go_on(incident_id, await self._propose(incident, lambda _: request, by), by)

    async def propose(self, request: ManualRequest, by: By) -> str:
        """Put the action to people, and return the id of their question. Nothing is done before they approve it.

        For a program, or a person who wants another one to decide: proposing is never an approval. Raises NotFound for
        an unknown action or incident, ConfigError for parameters that do not fit, NotAllowed without a reason or if the
        incident has ended, Refused if the action is refused now, has nothing to change, or if too many proposals of its
        author wait already.
        """
        if is_blank(request.reason):
            raise NotAllowed("A proposal needs a reason.", "Say why the action should be taken: `reason`.")
        incident = self._read(request.incident or "")
        require_reader(self._company.plan, incident, by)
        if known := act_of_request(incident, by):
            return known.asks[-1]
        if incident.over:
            raise WrongState(f"{incident.id} is over.", f"Read it: allclear show {incident.id}.")
        _require_few(incident, by)
        preview, _ = await self._proposer.preview(ActionRequest(PHASE, "preview", request.action, request.params, ""))
        _require_possible(preview)
        wanted = partial(self._action_request, request)
        act = await self._propose(
            incident, lambda now: replace(wanted(now), confirmed=None, decision=None, proposal=request.reason), by
        )
        proposed = self._read(incident.id).acts[act]
        if not proposed.asks:  # production was changed since the preview
            sentence = proposed.outcome.sentence if proposed.outcome else "It needs no approval."
            raise Refused(f"Nothing was put to people: {sentence}", f"Read on: allclear show {incident.id}.")
        return proposed.asks[-1]

    async def carry_out(self, incident_id: str, request: Callable[[Incident], ActionRequest], by: By) -> ManualResult:
        """Propose and carry out what `request` returns for the incident, in a person's name; return the result.

        A request that is repeated, by its key in `by`, goes on with the act that it proposed before. Raises NotAllowed
        for a program, or for who is no proven reader of a private incident, and what `request` raises.
        """
        _require_person(by)
        incident = self._read(incident_id)
        require_reader(self._company.plan, incident, by)
        known = act_of_request(incident, by)
        return await self._go_on(incident_id, known.id if known else await self._propose(incident, request, by), by)

    async def _propose(self, incident: Incident, request: Callable[[Incident], ActionRequest], by: By) -> str:
        """Propose what `request` returns for the incident, and return the act's id.

        It is worked out anew whenever another entry was written meanwhile: the digest that the person saw keeps the
        change the same. An act that the same request has proposed before, by its key in `by`, is this one. Raises
        ConcurrentWrite, which says that nothing was done, and what `Proposer.propose` raises.
        """
        for _ in range(_MOST_ATTEMPTS):
            wanted = request(incident)
            if known := act_of_request(incident, by):
                return known.id
            try:
                return await self._proposer.propose(incident, wanted, by)
            except ConcurrentWrite:
                incident = self._read(incident.id)
        raise ConcurrentWrite(
            f"NOT done: other entries kept being written to {incident.id}.", "Start it again in a moment."
        )

    async def _left(self, incident_id: str, act_id: str, by: By) -> tuple[Incident, Act]:
        """Return the incident and an act of it that can be undone. Raises NotFound, Refused if nothing of it can be."""
        incident = self._read(incident_id)
        require_reader(self._company.plan, incident, by)
        act = act_in(incident, act_id)
        if act.begun:  # interrupted: first find out what became of it
            await self._executor.carry_out(incident_id, act_id, by)
            incident = self._read(incident_id)
            act = incident.acts[act_id]
        if not act.in_place and not self._undone_on_request(act):
            raise nothing_in_place(act, "undo")
        return incident, act

    def _undone_on_request(self, act: Act) -> bool:
        """Return whether it left nothing that has to be undone, and can be undone all the same, as a restore."""
        done = act.outcome is not None and act.outcome.good and act.outcome.changed
        return (
            done
            and act.proposed.undoes is None
            and act.undone_by is None
            and self._executor.action(act.proposed.action).undone_on_request
        )

    async def after_answer(self, ask_id: str, by: By) -> ManualResult | None:
        """Carry out the manual action that an answer has just approved, because no flow waits for that answer.

        Returns None if the ask is not the approval of a manual action, or if it is not granted.
        """
        incident = self._read(ask_id.partition("/")[0])
        ask = incident.asks[ask_id]
        if ask.ask.phase not in {PHASE, MEETING} or ask.ask.act is None or not ask.granted:
            return None
        return await self._go_on(incident.id, ask.ask.act, by)

    async def _go_on(self, incident_id: str, act_id: str, by: By) -> ManualResult:
        """Carry out the act, unless other people must approve it first."""
        incident = self._read(incident_id)
        require_reader(self._company.plan, incident, by)
        act = incident.acts[act_id]
        if clearance(incident, act) is Clearance.WAITING:
            return ManualResult(incident_id, act_id, None, missing_approvals(incident, act))
        outcome = await self._executor.carry_out(incident_id, act_id, by)
        self._conductor.withdraw_questions(incident_id, _MACHINE)  # others may have asked for the same change
        return ManualResult(incident_id, act_id, outcome)

    def _action_request(self, request: ManualRequest, incident: Incident) -> ActionRequest:
        kind = self._executor.action(request.action)
        key = request.action.replace(".", "-").replace("_", "-")
        if times := sum(act.proposed.step.startswith(key) for act in incident.acts.values()):
            key = f"{key}-{times + 1}"
        return ActionRequest(
            PHASE,
            key,
            request.action,
            request.params,
            kind.title,
            confirmed=request.reason,
            shown=request.shown,
            decision=DecisionMade(text=f"BY HAND, outside the runbook: {kind.title}", reason=request.reason),
        )

    def _incident(self, request: ManualRequest, by: By) -> Incident:
        """Return the incident that the action belongs to, which is opened if there is none."""
        if request.severity:
            self._people.check_severity(request.severity)
        if request.incident:
            named = self._read(request.incident)
            if named.over:
                raise WrongState(
                    f"{request.incident} is over.",
                    "Leave --incident out: the action then opens an incident of its own.",
                )
            return named
        if before := find_request(self._journal, by.request):
            return before
        service = self.service_of(request)
        runbooks = [runbook for runbook in self._company.runbooks.values() if runbook.service == service]
        runbook = (runbooks or list(self._company.runbooks.values()))[0]
        severity = request.severity or self._company.plan.severities[0].name
        title = f"By hand: {self._executor.action(request.action).title.lower()}"
        declaration = Declaration(title=title, severity=severity, service=service, runbook=runbook.name)
        opening = self._people.opening(declaration, by)
        if incident := find_open(self._journal, service, fits=partial(self._belongs_to, opening, by)):
            return incident
        require_proof_to_act(self._company.plan, opening, by)
        return self._read(self._people.declare(declaration, by, first=None).incident)

    def _belongs_to(self, opening: IncidentOpened, by: By, incident: Incident) -> bool:
        """Return whether an action by hand goes into an open incident: a private one of others is left alone."""
        plan = self._company.plan
        return is_reader(plan, incident, by) or has_same_readers(
            plan, incident, opening.incident_kind, opening.severity
        )

    def service_of(self, request: ManualRequest) -> str:
        """Return the service that the action's parameters tell, or else the first service.

        Raises NotFound for an unknown service, and ConfigError for parameters that do not fit the action.
        """
        services = self._company.systems.services
        kind = type(self._executor.action(request.action))
        name = kind.service_of(read_params(kind, request.params), services)
        if name:
            self._company.service(name)
        return name or next(iter(services))

    def _read(self, incident_id: str) -> Incident:
        return read_incident(self._journal, incident_id)


def _require_person(by: By) -> None:
    if by.program:
        raise NotAllowed(
            f"{by.actor} is a program, and only a person may start or undo an action.",
            "Propose it, so that a person approves it: POST /incidents/{id}/proposals.",
        )


def _require_few(incident: Incident, by: By) -> None:
    """Raise Refused if too many proposals of one author wait for people."""
    open_now = [
        act
        for act in incident.acts.values()
        if act.proposed.reason and act.by.actor == by.actor and clearance(incident, act) is Clearance.WAITING
    ]
    if len(open_now) >= _MOST_PROPOSALS:
        raise Refused(
            f"{by.actor} has {len(open_now)} proposals in {incident.id} already that wait for people.",
            "Wait until people have answered one of them.",
        )


def _require_possible(preview: Preview) -> None:
    """Raise Refused if the action cannot be done now, or if nothing is left to change."""
    if preview.done:
        raise Refused(f"There is nothing to change: {preview.change.summary}", "Read the incident again.")
    for refusal in preview.refusals:
        if not refusal.passes:
            raise Refused(refusal.sentence, refusal.next_step, refusal.candidates)
