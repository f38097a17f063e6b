"""Works out what an act would change, and writes it down with the question to people that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from allclear.domain.action import ActStatus, Change, Outcome, Refusal
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import Clock
from allclear.domain.errors import AllclearError, Refused
from allclear.domain.incident import Act, Incident
from allclear.domain.plan import Plan
from allclear.domain.records import ActFinished, ActProposed, AskAnswered, AskOpened, By
from allclear.domain.runbook import Step
from allclear.engine.actions.approval_requests import approval_of, fallback_for, policy_for, with_window
from allclear.engine.actions.auto_approval import acted_recently, objections
from allclear.engine.actions.executor import Executor, Preview
from allclear.engine.actions.reconcile import done_already
from allclear.engine.incidents import read_or_none
from allclear.journal.ports import Journal


@dataclass(frozen=True)
class ActionRequest:
    """What somebody or a runbook wants done."""

    phase: str
    key: str
    action: str
    params: Mapping[str, Any]
    title: str
    step: Step | None = None
    undoes: Act | None = None
    shown: str | None = None
    """The hash of the change that a person saw before starting this, or None."""
    authorised: bool = False
    """Whether the plan itself holds these very words and lets them out unasked."""
    confirmed: str | None = None
    """A person's reason, where starting it by hand is its own confirmation; None where people are asked."""


SIMULATED = "[SIMULATED]"
"""Stands before every word that leaves a simulation."""


class Proposer:
    """Turns wishes into proposals in the journal."""

    def __init__(self, journal: Journal, executor: Executor, plan: Plan, clock: Clock) -> None:
        self._journal = journal
        self._executor = executor
        self._plan = plan
        self._clock = clock

    async def propose(self, incident: Incident, request: ActionRequest, by: By) -> str:
        """Write the proposal down and returns the act's id.

        What cannot be worked out, is refused or is done already is finished in the same breath. Raises Moved when
        the incident has a newer entry than `incident` holds: decide again.
        """
        kind = type(self._executor.action(request.action))
        act = _act_id(incident, request)
        request = self._marked(request, kind.speaks)
        try:
            preview = await (
                self._executor.preview_undo(request.undoes)
                if request.undoes
                else self._executor.preview(request.action, request.params)
            )
        except AllclearError as error:
            records = self._hopeless(request, act, kind.title, error)
        else:
            records = self._records(incident, request, act, preview, by)
        self._journal.append(incident.id, records, by, expect=incident.length)
        return act

    def _records(self, incident: Incident, request: ActionRequest, act: str, preview: Preview, by: By) -> list[Any]:
        action = preview.action
        told = {"was": preview.change.before.say(), "becomes": preview.change.after.say()}
        change = preview.change.model_copy(update=told)
        if request.shown and not preview.done and change.digest != request.shown:
            raise Refused(f"It would be another change now: {change.summary}", "Look at it, and start it again.")
        standing = None if request.undoes else self._standing(change.resource, request, preview)
        undoes = request.undoes or _debt(incident, change.resource, action.reverses)
        proposed = self._proposed(request, act, action.title).model_copy(
            update={
                "change": change.model_dump(mode="json"),
                "digest": change.digest,
                "resource": change.resource,
                "refusals": preview.refusals,
                "undoes": undoes.id if undoes else None,
                "leaves": None if request.undoes else action.leaves,
                "pages": action.pages,
            }
        )
        if standing or preview.done:
            note = f"Done already by {standing[0]}." if standing else "Nothing is left to change."
            outcome = done_already(action, standing[1] if standing else preview.change, preview.now, note)
            return [proposed, ActFinished(act=act, outcome=outcome)]
        if preview.refusals:
            return [proposed, ActFinished(act=act, outcome=_refused(preview.refusals))]
        policy = policy_for(self._plan, type(action), request.step)
        if policy is None or request.authorised:
            return [proposed]
        ask = approval_of(incident, request.phase, request.key, act, change, policy)
        if request.step and not request.undoes:
            against = self._against_acting_alone(incident, request.step, change)
            ask = with_window(ask, request.step, fallback_for(type(action), request.step), against, self._clock())
            proposed = proposed.model_copy(
                update={"auto_approve": request.step.auto_approve is not None and not against}
            )
        if request.confirmed is None or not _own_word_counts(policy, by):
            return [proposed, AskOpened(ask=ask)]
        return [proposed, AskOpened(ask=ask), AskAnswered(ask=ask.id, yes=True, reason=request.confirmed)]

    def _against_acting_alone(self, incident: Incident, step: Step, change: Change[Any]) -> list[str]:
        """Return why `change` has to be approved, where its step could act by itself."""
        if step.auto_approve is None:
            return []
        record = self._journal.entries(incident.id)
        found = objections(incident, record, self._plan.storm, self._clock())
        if not change.known_good:
            found.append("its target is not known to be good")
        lately = acted_recently(self._journal, incident, change.resource, self._clock())
        return [*found, lately] if lately else found

    def _marked(self, request: ActionRequest, speaks: tuple[str, ...]) -> ActionRequest:
        """In a simulation, everything that people read says so, whatever the template forgot."""
        if not self._journal.scope.simulated or request.undoes:
            return request
        params = {
            name: f"{SIMULATED} {text}" if name in speaks and SIMULATED not in str(text) else text
            for name, text in request.params.items()
        }
        return replace(request, params=params)

    def _standing(self, resource: str, request: ActionRequest, preview: Preview) -> tuple[str, Change[Any]] | None:
        """Return who has done the very same already, if it stands, and what: a second rollback goes one too far."""
        for incident_id in self._journal.incidents_touching(resource):
            other = read_or_none(self._journal, incident_id)
            for act in other.in_place if other else []:
                same = act.proposed.action == request.action and dict(act.proposed.params) == dict(request.params)
                if same and act.outcome and act.proposed.resource == resource:
                    done = self._executor.load(act)
                    if done.action.target_reached(done.change, preview.now):
                        summary = done.change.summary.rstrip(".")
                        return f"{incident_id} ({act.proposed.title.lower()}: {summary})", done.change
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
            owner=step.owner if step else None,
            expires=self._clock() + step.expires if step and step.expires else None,
        )

    def _hopeless(self, request: ActionRequest, act: str, title: str, error: AllclearError) -> list[Any]:
        refusal = Refusal(
            sentence=error.message,
            next_step=error.next_step,
            candidates=error.candidates if isinstance(error, Refused) else (),
        )
        proposed = self._proposed(request, act, title).model_copy(
            update={"refusals": [refusal], "undoes": request.undoes.id if request.undoes else None}
        )
        status = ActStatus.REFUSED if isinstance(error, Refused) else ActStatus.FAILED
        outcome = Outcome(status=status, changed=False, sentence=error.message, next_step=error.next_step)
        return [proposed, ActFinished(act=act, outcome=outcome)]

    async def preview(self, request: ActionRequest) -> tuple[Preview, ApprovalPolicy | None]:
        """Return what `request` would change, and who would be asked. Raises AllclearError where it cannot be done."""
        kind = type(self._executor.action(request.action))
        preview = await self._executor.preview(request.action, self._marked(request, kind.speaks).params)
        return preview, policy_for(self._plan, kind, request.step)


def _act_id(incident: Incident, request: ActionRequest) -> str:
    times = sum((a.proposed.phase, a.proposed.step) == (request.phase, request.key) for a in incident.acts.values())
    return f"{request.phase}/{request.key}" + (f"~{times + 1}" if times else "")


def _debt(incident: Incident, resource: str, reverses: str | None) -> Act | None:
    for act in reversed(list(incident.acts.values())):
        if reverses and act.in_place and act.proposed.action == reverses and act.proposed.resource == resource:
            return act
    return None


def _own_word_counts(policy: ApprovalPolicy, by: By) -> bool:
    return by.role in policy.roles and policy.people == 1 and (by.via != "prefect" or policy.prefect_may)


def _refused(refusals: list[Refusal]) -> Outcome:
    return Outcome(
        status=ActStatus.REFUSED,
        changed=False,
        sentence=" ".join(refusal.sentence for refusal in refusals),
        next_step=refusals[0].next_step,
    )
