"""Works out what an action would change, and journals it with the approval that it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from allclear.domain.act import Act
from allclear.domain.action import ActStatus, Change, LinkedParams, Outcome, Refusal
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import Clock
from allclear.domain.errors import AllclearError, Refused
from allclear.domain.incident import Incident
from allclear.domain.local_times import named_clock
from allclear.domain.plan import Plan
from allclear.domain.privacy import is_private, is_proven, require_reader
from allclear.domain.pseudo_phases import MESSAGES
from allclear.domain.records import ActFinished, ActProposed, AskAnswered, AskOpened, By, DecisionMade, NoticeOf
from allclear.domain.roles import acting_as
from allclear.domain.runbook import Step
from allclear.domain.text import signature
from allclear.engine.actions.approval_requests import (
    approval_ask,
    as_proposal,
    fallback_for,
    policy_for,
    response_policy,
    with_window,
)
from allclear.engine.actions.auto_approval import acted_recently, reasons_against
from allclear.engine.actions.executor import WHILE_REFUSED, Executor, Preview
from allclear.engine.actions.message_links import MessageLinks
from allclear.engine.actions.reconcile import done_already, failed, refused
from allclear.engine.actions.registry import ActionType
from allclear.engine.concurrency import sleep_without_slot
from allclear.engine.incidents import read_or_none
from allclear.engine.people.incident_writer import is_a_ticket
from allclear.engine.people.leading import lead_taken_by
from allclear.journal.ports import Journal


@dataclass(frozen=True)
class ActionRequest:
    """An action that a runbook or a person wants carried out."""

    phase: str
    key: str
    """The step name under which the act is journalled."""
    action: str
    params: Mapping[str, Any]
    title: str
    step: Step | None = None
    """The runbook's step; None for a manual action, a reminder or a live message."""
    undoes: Act | None = None
    """The act that is to be undone, or None."""
    shown: str | None = None
    """The digest of the change that a person saw before starting the action, or None."""
    authorised: bool = False
    """Whether the plan itself contains this text, so that it needs no approval."""
    needless: str | None = None
    """Why nothing is left to do, so that it is recorded and not carried out; None if it is to be done."""
    confirmed: str | None = None
    """The reason of a person whose starting the action counts as an approval; None if it does not."""
    about: str = ""
    """The question that a message is about, to which its link leads; empty if it is about none."""
    proposal: str | None = None
    """The reason of a program or person that proposes it and does not decide: a person must approve it. None if not."""
    refused: Refused | None = None
    """Why it cannot be proposed, if that is known already; None if it is still to be worked out."""
    notice: NoticeOf | None = None
    """Whom it notifies, for a notice of the plan; None for any other message."""
    decision: DecisionMade | None = None
    """The decision that led to it, written in the same transaction as the proposal; None if there is none."""


@dataclass(frozen=True)
class Proposal:
    """A request, and what it would change. It is not journalled yet."""

    request: ActionRequest
    """With the link of its message, and marked as simulated if it is."""
    kind: ActionType
    by: By
    worked_out: Preview | AllclearError | None
    """What it would change, or why that could not be worked out; None if nothing is left to do."""


SIMULATED = "[SIMULATED]"
"""The prefix of every text that leaves a simulation."""


class Proposer:
    """Turns requests into proposals in the journal."""

    def __init__(self, journal: Journal, executor: Executor, plan: Plan, clock: Clock) -> None:
        self._journal = journal
        self._executor = executor
        self._plan = plan
        self._clock = clock
        self._links = MessageLinks(journal, plan, clock)

    async def propose(self, incident: Incident, request: ActionRequest, by: By) -> str:
        """Journal the proposal and its ask, and return the act's id. A person who proposes leads if no one does yet.

        An act that is refused, already done, or cannot be worked out gets its outcome in the same transaction. Raises
        ConcurrentWrite if the incident has changed since it was read: decide again. Raises Refused if `request.shown`
        is the digest of another change, NotAReader if the incident is private and `by` is no proven reader of it.
        """
        return self.journal(incident, [await self.work_out(incident, request, by)])[0]

    async def work_out(self, incident: Incident, request: ActionRequest, by: By) -> Proposal:
        """Return the proposal of a request; nothing is journalled. Raises Refused and NotAReader as `propose` does."""
        require_reader(self._plan, incident, by)
        if incident.opened.ticket and request.phase not in MESSAGES:
            raise is_a_ticket(incident)
        kind = type(self._executor.action(request.action))
        if request.confirmed is not None and (policy := policy_for(self._plan, kind, request.step)):
            by = acting_as(self._plan, incident, by, policy.roles)
        request = self._with_link(incident, self._mark_simulated(request, kind.text_params), kind)
        if request.needless:
            return Proposal(request, kind, by, None)
        try:
            return Proposal(request, kind, by, await self._preview(incident, request))
        except AllclearError as error:
            return Proposal(request, kind, by, error)

    def journal(self, incident: Incident, proposals: Sequence[Proposal]) -> list[str]:
        """Journal proposals of one author for different steps in one transaction. Return their acts' ids.

        `incident` may have grown since they were worked out: the caller knows that they still apply, and the executor
        reads each target again before it writes. Raises ConcurrentWrite and Refused as `propose` does.
        """
        by, acts, records = proposals[0].by, list[str](), list[Any]()
        for one in proposals:
            acts.append(_act_id(incident, one.request))
            records += [one.request.decision] if one.request.decision else []
            records += self._records(incident, one, acts[-1])
        leading = [] if incident.over else lead_taken_by(self._plan, incident, by)
        self._journal.append(incident.id, [*records, *leading], by, expect=incident.length)
        return acts

    def _records(self, incident: Incident, proposal: Proposal, act: str) -> list[Any]:
        """Return the records of a proposal, with its outcome if nothing is to be carried out."""
        request, kind, worked_out = proposal.request, proposal.kind, proposal.worked_out
        if worked_out is None:
            proposed = self._proposed(request, act, kind.title).model_copy(update={"pages": kind.pages})
            outcome = Outcome(status=ActStatus.VERIFIED, changed=False, sentence=request.needless or "")
            return [proposed, ActFinished(act=act, outcome=outcome)]
        if isinstance(worked_out, Preview):
            return self._with_change(incident, request, act, worked_out, proposal.by)
        return self._without_change(request, act, kind, worked_out)

    async def preview(self, request: ActionRequest) -> tuple[Preview, ApprovalPolicy | None]:
        """Return what `request` would change, and who must approve it (None: no approval is needed).

        Raises Refused if no change can be worked out, ConfigError, NotFound, VendorError.
        """
        kind = type(self._executor.action(request.action))
        try:
            params = self._mark_simulated(request, kind.text_params).params
            preview = await self._executor.preview(request.action, params)
        except Refused as error:
            raise self._done_before(request) or error from error
        if preview.refusals and (done := self._done_before(request)):
            raise done
        return preview, policy_for(self._plan, kind, request.step)

    def _done_before(self, request: ActionRequest) -> Refused | None:
        """Return that an open incident has done the same and it is still in place, or None.

        It is asked if no change can be worked out, or if it is refused: after a rollback, what to roll back to is not
        known any more.
        """
        for row in self._journal.incidents(open_only=True):
            incident = read_or_none(self._journal, row.id)
            if incident is None:
                continue
            for act in incident.changes_in_place:
                given = {name: str(value) for name, value in request.params.items()}
                same = given.items() <= {name: str(value) for name, value in act.proposed.params.items()}.items()
                if act.proposed.action == request.action and same and act.finished_at:
                    at = named_clock(act.finished_at, self._plan.zone)
                    if is_private(self._plan, incident):
                        return Refused(
                            f"{row.id} did this at {at}, and it is still in place. There is nothing to do.",
                            f"{row.id} is private: its readers can undo it.",
                        )
                    return Refused(
                        f"{row.id} did this at {at}, and it is still in place ({act.id}). There is nothing to do.",
                        f"To undo it: allclear undo {row.id} {act.id} {signature(self._plan)}",
                    )
        return None

    async def _preview(self, incident: Incident, request: ActionRequest) -> Preview:
        """Return what `request` would change. A refusal that passes is waited for, within the change's deadline.

        Raises Refused if the request itself is refused already.
        """
        if request.refused:
            raise request.refused
        loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        for pause in WHILE_REFUSED.pauses():
            preview = await (
                self._executor.preview_undo(incident.id, request.undoes, request.params)
                if request.undoes
                else self._executor.preview(request.action, request.params)
            )
            passes = bool(preview.refusals) and all(refusal.passes for refusal in preview.refusals)
            if not passes or loop.time() - began + pause > preview.change.deadline.total_seconds():
                return preview
            await sleep_without_slot(pause)
        raise AssertionError  # the pauses have no end

    def _with_change(self, incident: Incident, request: ActionRequest, act: str, preview: Preview, by: By) -> list[Any]:
        """Return the records of a proposal whose change was worked out."""
        action = preview.action
        was, becomes = preview.change.in_words
        change = preview.change.model_copy(update={"was": was, "becomes": becomes})
        if request.shown and not preview.done and change.digest != request.shown:
            raise Refused(
                f"The change would now be another one: {change.summary}", "Read it, and start the action again."
            )
        in_place = None if request.undoes else self._same_in_place(change.resource, request, preview)
        undoes = request.undoes or _reversed_act(incident, change.resource, action.reverses)
        proposed = self._proposed(request, act, action.title)
        reviewed = None if request.undoes else action.review_after(preview.params)
        proposed = proposed.model_copy(
            update={
                "expires": proposed.expires or (self._clock() + reviewed if reviewed else None),
                "change": change.model_dump(mode="json"),
                "digest": change.digest,
                "resource": change.resource,
                "refusals": preview.refusals,
                "undoes": undoes.id if undoes else None,
                "leaves": None if request.undoes else action.leaves_behind(preview.params),
                "pages": action.pages,
                "tells": action.tells,
                "invites": action.invites,
                "changes_service": not action.tells,
                "closes_service": action.closes_service,
            }
        )
        if in_place or preview.done:
            note = f"It was already done by {in_place[0]}." if in_place else "Nothing is left to change."
            outcome = done_already(action, in_place[1] if in_place else preview.change, preview.now, note)
            return [proposed, ActFinished(act=act, outcome=outcome)]
        if preview.refusals:
            return [proposed, ActFinished(act=act, outcome=refused(preview.refusals))]
        policy = policy_for(self._plan, type(action), request.step)
        if policy is None and request.proposal is not None:
            policy = response_policy(self._plan)
        if policy is None or request.authorised:
            return [proposed]
        return self._with_ask(incident, request, proposed, (preview, change), policy, by)

    def _with_ask(
        self,
        incident: Incident,
        request: ActionRequest,
        proposed: ActProposed,
        worked_out: tuple[Preview, Change[Any]],
        policy: ApprovalPolicy,
        by: By,
    ) -> list[Any]:
        """Return the records of a proposal that needs an approval."""
        preview, change = worked_out
        asked = request.phase, request.key, proposed.act
        ask = approval_ask(incident, asked, change, policy, self._plan.zone)
        if request.proposal is not None:
            ask = as_proposal(ask, by, request.proposal)
        if request.step and not request.undoes:
            against = self._reasons_against(incident, request.step, change)
            fallback = fallback_for(type(preview.action), request.step)
            ask = with_window(ask, request.step, fallback, against, self._clock(), self._plan.zone)
            automatic = request.step.auto_approve is not None and not against
            proposed = proposed.model_copy(update={"auto_approve": automatic})
        if request.confirmed is None or not _may_approve_alone(incident, policy, by):
            return [proposed, AskOpened(ask=ask)]
        return [proposed, AskOpened(ask=ask), AskAnswered(ask=ask.id, yes=True, reason=request.confirmed)]

    def _reasons_against(self, incident: Incident, step: Step, change: Change[Any]) -> list[str]:
        """Return the reasons that rule out carrying out `change` automatically, if its step allows that at all."""
        if step.auto_approve is None:
            return []
        entries = self._journal.entries(incident.id)
        reasons = reasons_against(incident, entries, self._plan.storm, self._clock())
        if not change.known_good:
            reasons.append("its target is not known good")
        recent = acted_recently(self._journal, incident, change.resource, self._clock())
        return [*reasons, recent] if recent else reasons

    def _mark_simulated(self, request: ActionRequest, text_params: tuple[str, ...]) -> ActionRequest:
        """In a simulation, put the prefix before every text that people read, whether or not its template has it."""
        if not self._journal.scope.simulated or request.undoes:
            return request
        params = {
            name: f"{SIMULATED} {text}" if name in text_params and SIMULATED not in str(text) else text
            for name, text in request.params.items()
        }
        return replace(request, params=params)

    def _with_link(self, incident: Incident, request: ActionRequest, kind: ActionType) -> ActionRequest:
        """Put in where the link of a message leads, whatever was given: only allclear says whom a link is for."""
        if request.undoes or not issubclass(kind.params, LinkedParams):
            return request
        link = self._links.link(incident, kind, request.params, request.about)
        return replace(request, params=dict(request.params) | {"link": link.model_dump(exclude_defaults=True)})

    def _same_in_place(self, resource: str, request: ActionRequest, preview: Preview) -> tuple[str, Change[Any]] | None:
        """Return an act, in words, that has made the same request and is still in place, and its change; or None.

        Without this check a second rollback to the previous revision would go back one revision too far.
        """
        for incident_id in self._journal.incidents_touching(resource):
            other = read_or_none(self._journal, incident_id)
            if other is None:
                continue
            for act in other.in_place:
                same = act.proposed.action == request.action and dict(act.proposed.params) == dict(request.params)
                if same and act.outcome and act.proposed.resource == resource:
                    loaded = self._executor.load(act)
                    if loaded.action.target_reached(loaded.change, preview.now):
                        summary = loaded.change.summary.rstrip(".")
                        about = (
                            "private" if is_private(self._plan, other) else f"{act.proposed.title.lower()}: {summary}"
                        )
                        return f"{incident_id} ({about})", loaded.change
        return None

    def _proposed(self, request: ActionRequest, act: str, title: str) -> ActProposed:
        step = request.step
        return ActProposed(
            act=act,
            phase=request.phase,
            step=request.key,
            action=request.action,
            title=request.title or title,
            params=dict(request.params),
            change=None,
            reason=request.proposal or "",
            notice=request.notice,
            owner=step.owner if step else None,
            expires=self._clock() + step.expires if step and step.expires else None,
        )

    def _without_change(self, request: ActionRequest, act: str, kind: ActionType, error: AllclearError) -> list[Any]:
        """Return the records of a proposal whose change could not be worked out because of `error`."""
        refusal = Refusal(
            sentence=error.message,
            next_step=error.next_step,
            candidates=error.candidates if isinstance(error, Refused) else (),
            typed=error.typed if isinstance(error, Refused) else "",
        )
        undoes = request.undoes.id if request.undoes else None
        proposed = self._proposed(request, act, kind.title).model_copy(
            update={"refusals": [refusal], "undoes": undoes, "pages": kind.pages}
        )
        return [proposed, ActFinished(act=act, outcome=failed(error))]


def _act_id(incident: Incident, request: ActionRequest) -> str:
    times = len(incident.tries.get((request.phase, request.key), ()))
    return f"{request.phase}/{request.key}" + (f"~{times + 1}" if times else "")


def _reversed_act(incident: Incident, resource: str, reverses: str | None) -> Act | None:
    """Return the newest act in place on `resource` that an action of this kind reverses, or None."""
    for act in reversed(list(incident.acts.values())):
        if reverses and act.in_place and act.proposed.action == reverses and act.proposed.resource == resource:
            return act
    return None


def _may_approve_alone(incident: Incident, policy: ApprovalPolicy, by: By) -> bool:
    """Return whether a person who starts an action approves it by that."""
    if by.program or (policy.needs_proof and not is_proven(incident, by)):
        return False
    return by.role in policy.roles and policy.people == 1 and (by.via != "prefect" or policy.prefect_may)
