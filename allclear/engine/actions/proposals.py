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
from allclear.engine.actions.auto_approval import acted_lately, objections
from allclear.engine.actions.approval_requests import approval_of, policy_for, unanswered_for, with_window
from allclear.engine.actions.executor import Executor, Worked, found_done
from allclear.engine.incidents import read_or_none
from allclear.journal.ports import Journal


@dataclass(frozen=True)
class Wish:
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

    def __init__(
        self, journal: Journal, executor: Executor, plan: Plan, clock: Clock, *, simulated: bool = False
    ) -> None:
        self._simulated = simulated
        self._journal = journal
        self._executor = executor
        self._plan = plan
        self._clock = clock

    async def propose(self, incident: Incident, wish: Wish, by: By) -> str:
        """Writes the proposal down and returns the act's id.

        What cannot be worked out, is refused or is done already is finished in the same breath. Raises Moved when
        the incident has a newer entry than `incident` holds: decide again.
        """
        kind = type(self._executor.action(wish.action))
        act = _act_id(incident, wish)
        wish = self._marked(wish, kind.speaks)
        try:
            worked = await (
                self._executor.work_out_undo(wish.undoes)
                if wish.undoes
                else self._executor.work_out(wish.action, wish.params)
            )
        except AllclearError as error:
            records = self._hopeless(wish, act, kind.title, error)
        else:
            records = self._records(incident, wish, act, worked, by)
        self._journal.append(incident.id, records, by, expect=incident.length)
        return act

    def _records(self, incident: Incident, wish: Wish, act: str, worked: Worked, by: By) -> list[Any]:
        action = worked.action
        told = {"was": worked.change.before.say(), "becomes": worked.change.after.say()}
        change = worked.change.model_copy(update=told)
        if wish.shown and not worked.done and change.digest != wish.shown:
            raise Refused(f"It would be another change now: {change.summary}", "Look at it, and start it again.")
        standing = None if wish.undoes else self._standing(incident, change.resource, wish, worked)
        undoes = wish.undoes or _debt(incident, change.resource, action.settles)
        proposed = self._proposed(wish, act, action.title).model_copy(
            update={
                "change": change.model_dump(mode="json"),
                "digest": change.digest,
                "resource": change.resource,
                "refusals": worked.refusals,
                "undoes": undoes.id if undoes else None,
                "leaves": None if wish.undoes else action.leaves,
                "pages": action.pages,
            }
        )
        if standing or worked.done:
            note = f"Done already by {standing[0]}." if standing else "Nothing is left to change."
            outcome = found_done(action, standing[1] if standing else worked.change, worked.now, note)
            return [proposed, ActFinished(act=act, outcome=outcome)]
        if worked.refusals:
            return [proposed, ActFinished(act=act, outcome=_refused(worked.refusals))]
        policy = policy_for(self._plan, type(action), wish.step)
        if policy is None or wish.authorised:
            return [proposed]
        ask = approval_of(incident, wish.phase, wish.key, act, change, policy)
        if wish.step and not wish.undoes:
            against = self._against_acting_alone(incident, wish.step, change)
            ask = with_window(ask, wish.step, unanswered_for(type(action), wish.step), against, self._clock())
            proposed = proposed.model_copy(update={"by_itself": wish.step.by_itself is not None and not against})
        if wish.confirmed is None or not _own_word_counts(policy, by):
            return [proposed, AskOpened(ask=ask)]
        return [proposed, AskOpened(ask=ask), AskAnswered(ask=ask.id, yes=True, reason=wish.confirmed)]

    def _against_acting_alone(self, incident: Incident, step: Step, change: Change[Any]) -> list[str]:
        """Returns why `change` has to be approved, where its step could act by itself."""
        if step.by_itself is None:
            return []
        record = self._journal.entries(incident.id)
        found = objections(incident, record, self._plan.storm, self._clock())
        if not change.known_good:
            found.append("its target is not known to be good")
        lately = acted_lately(self._journal, incident, change.resource, self._clock())
        return [*found, lately] if lately else found

    def _marked(self, wish: Wish, speaks: tuple[str, ...]) -> Wish:
        """In a simulation, everything that people read says so, whatever the template forgot."""
        if not self._simulated or wish.undoes:
            return wish
        params = {
            name: f"{SIMULATED} {text}" if name in speaks and SIMULATED not in str(text) else text
            for name, text in wish.params.items()
        }
        return replace(wish, params=params)

    def _standing(
        self, incident: Incident, resource: str, wish: Wish, worked: Worked
    ) -> tuple[str, Change[Any]] | None:
        """Returns who has done the very same already, if it stands, and what: a second rollback goes one too far."""
        for incident_id in self._journal.incidents_touching(resource):
            other = read_or_none(self._journal, incident_id)
            for act in other.in_place if other and other.shares_a_world_with(incident) else []:
                same = act.proposed.action == wish.action and dict(act.proposed.params) == dict(wish.params)
                if same and act.outcome and act.proposed.resource == resource:
                    done = self._executor.prepared(act)
                    if done.action.settled(done.change, worked.now):
                        summary = done.change.summary.rstrip(".")
                        return f"{incident_id} ({act.proposed.title.lower()}: {summary})", done.change
        return None

    def _proposed(self, wish: Wish, act: str, title: str) -> ActProposed:
        step = wish.step
        return ActProposed(
            act=act, phase=wish.phase, step=wish.key, action=wish.action, title=wish.title or title,
            params=dict(wish.params), change=None,
            owner=step.owner if step else None,
            expires=self._clock() + step.expires if step and step.expires else None,
        )  # fmt: skip

    def _hopeless(self, wish: Wish, act: str, title: str, error: AllclearError) -> list[Any]:
        refusal = Refusal(
            sentence=error.message,
            next_step=error.next_step,
            candidates=error.candidates if isinstance(error, Refused) else (),
        )
        proposed = self._proposed(wish, act, title).model_copy(
            update={"refusals": [refusal], "undoes": wish.undoes.id if wish.undoes else None}
        )
        status = ActStatus.REFUSED if isinstance(error, Refused) else ActStatus.FAILED
        outcome = Outcome(status=status, changed=False, sentence=error.message, next_step=error.next_step)
        return [proposed, ActFinished(act=act, outcome=outcome)]

    async def preview(self, wish: Wish) -> tuple[Worked, ApprovalPolicy | None]:
        """Returns what `wish` would change, and who would be asked. Raises AllclearError where it cannot be done."""
        kind = type(self._executor.action(wish.action))
        worked = await self._executor.work_out(wish.action, self._marked(wish, kind.speaks).params)
        return worked, policy_for(self._plan, kind, wish.step)


def _act_id(incident: Incident, wish: Wish) -> str:
    times = sum((a.proposed.phase, a.proposed.step) == (wish.phase, wish.key) for a in incident.acts.values())
    return f"{wish.phase}/{wish.key}" + (f"~{times + 1}" if times else "")


def _debt(incident: Incident, resource: str, settles: str | None) -> Act | None:
    for act in reversed(list(incident.acts.values())):
        if settles and act.in_place and act.proposed.action == settles and act.proposed.resource == resource:
            return act
    return None


def _own_word_counts(policy: ApprovalPolicy, by: By) -> bool:
    return by.role in policy.roles and policy.people == 1 and (by.via != "prefect" or policy.prefect_may)


def _refused(refusals: list[Refusal]) -> Outcome:
    return Outcome(
        status=ActStatus.REFUSED, changed=False, sentence=" ".join(refusal.sentence for refusal in refusals),
        next_step=refusals[0].next_step,
    )  # fmt: skip
