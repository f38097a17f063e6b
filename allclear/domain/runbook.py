"""A runbook: the procedure for one kind of problem, phase by phase and step by step."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, model_validator

from allclear.domain.approval import ApprovalPolicy, AutoApproval, Fallback
from allclear.domain.base import Model, Slug, wrong_at
from allclear.domain.durations import Duration
from allclear.domain.recovery import RecoveryRule
from allclear.domain.review.post_mortem import PostMortemField


class Phase(StrEnum):
    """The five phases of a response, in order; a plan gives them its own labels."""

    DETECT = "detect"
    CONTAIN = "contain"
    INVESTIGATE = "investigate"
    RESOLVE = "resolve"
    REVIEW = "review"

    @property
    def following(self) -> Phase | None:
        """Return the phase after this one, or None after the review."""
        order = list(Phase)
        place = order.index(self) + 1
        return order[place] if place < len(order) else None


class ProbeCall(Model):
    """A probe with its parameters."""

    probe: str = Field(description="The probe's name, as http.smoke.")
    with_: dict[str, Any] = Field(default={}, alias="with", description="The probe's parameters.")
    within: Duration | None = Field(default=None, description="Check again until healthy, for this long at most.")


class Step(Model):
    """One step of a runbook: an action, a probe, something that a person does, or the undo of what is in place.

    Strings in `with`, `ask` and `title` may hold the placeholders of `allclear.domain.placeholders`.
    """

    id: Slug = Field(description="A short name, once in its phase; its ask is `phase/id`.")
    title: str = Field(default="", description="What people read; the action's or the probe's own title if left out.")
    action: str | None = Field(default=None, description="What is done, as slack.post.")
    probe: str | None = Field(default=None, description="What is checked, as http.smoke.")
    person: Slug | None = Field(default=None, description="The role that is asked.")
    undo: Literal["everything"] | list[str] | None = Field(
        default=None, description="Proposes to undo everything that is in place, or what these actions left."
    )
    with_: dict[str, Any] = Field(default={}, alias="with", description="The parameters of the action or the probe.")
    ask: str = Field(default="", description="What the person is asked to do.")
    within: Duration | None = Field(
        default=None, description="For a probe: check again until healthy, for this long at most."
    )
    severities: list[str] | None = Field(default=None, description="Only for these severities; all when left out.")
    kinds: list[Slug] | None = Field(default=None, description="Only for these kinds of incident; all when left out.")
    if_done: Slug | None = Field(
        default=None,
        description="An earlier step of its phase that a person does: this step is left out if that one was answered "
        '"not done", or is left out for this reason itself.',
    )
    measure: bool = Field(
        default=False,
        description="A containment measure, of an action or a person; they are tried in order until one is proven to "
        "work.",
    )
    meanwhile: bool | None = Field(
        default=None,
        description=(
            "Waits for no other step, and no other step waits for it. If left out: only in `contain`, for an action "
            "that announces the trouble, as a page or the first update of the status page."
        ),
    )
    live: bool = Field(
        default=False,
        description="For a message: it is updated whenever the incident changes, and no step waits for it.",
    )
    expects: Literal["trouble", "health"] | None = Field(
        default=None,
        description="`trouble`: a healthy result suggests a false alarm. `health`: any other result asks a person.",
    )
    proof: ProbeCall | None = Field(
        default=None, description="The check that proves a measure; the runbook's `health` if left out."
    )
    approval: ApprovalPolicy | None = Field(default=None, description="A stricter approval policy than the plan's.")
    auto_approve: AutoApproval | None = Field(
        default=None, description="For a measure: it acts without approval after a veto window, if that is safe."
    )
    if_unanswered: Fallback | Literal["never"] | None = Field(
        default=None,
        description="What is sent if no one answers while the service is failing; the action's own if left out.",
    )
    owner: Slug | None = Field(default=None, description="The role that owns what the act leaves in place.")
    expires: Duration | None = Field(default=None, description="When to remind of what the act leaves in place.")
    post_mortem: PostMortemField | None = Field(
        default=None,
        description="For a person's step: the field of the post-mortem for which the person's note is suggested. "
        "Without it, `root-cause` answers root_cause, `fix` resolution, and `data-statement` customer_data.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Step:
        kinds = [name for name in ("action", "probe", "person", "undo") if getattr(self, name) is not None]
        if len(kinds) != 1:
            msg = "a step must have exactly one of `action`, `probe`, `person` and `undo`"
            raise ValueError(msg)
        if self.person and not self.ask:
            msg = "a step with `person` needs `ask`: what the person is asked to do"
            raise ValueError(msg)
        if self.post_mortem and not self.person:
            msg = "only a step with `person` can have `post_mortem`"
            raise ValueError(msg)
        if self.measure and not (self.action or self.person):
            msg = "only an action or a person's step can be a `measure`"
            raise ValueError(msg)
        if self.measure and self.meanwhile:
            msg = "a `measure` cannot be `meanwhile`, because the measures are tried one after the other"
            raise ValueError(msg)
        if self.auto_approve and not (self.measure and self.action):
            msg = "only an action that is a `measure` can have `auto_approve`"
            raise ValueError(msg)
        if self.live and (self.measure or not self.action):
            msg = "only a message can be `live`"
            raise ValueError(msg)
        if self.if_unanswered and not self.action:
            msg = "only an action can have `if_unanswered`"
            raise ValueError(msg)
        if self.expects and not self.probe:
            msg = "only a probe can have `expects`"
            raise ValueError(msg)
        return self


_RESERVED = re.compile(
    r"contained-manually$|contained-still$|undo-(detect|contain|investigate|resolve|review|manual)-|evidence-"
)
"""How the ids of the engine's own steps begin: a runbook's step with such an id would be skipped."""

_SUFFIXES = ("-proof", "-choice", "-recheck", "-unanswered", "-left", "-window")
"""The suffixes that a step's id gets in the names of its checks and questions."""


class Runbook(Model):
    """The response to one kind of problem with one service."""

    name: Slug = Field(description="As the file is called, without .yaml.")
    title: str = Field(description="What people call it.")
    about: str = Field(description="When to use this runbook, in a sentence.")
    service: Slug = Field(description="The service in systems.yaml that it is about.")
    kind: Slug = Field(default="outage", description="The kind of incident that it opens.")
    health: ProbeCall = Field(description="The check from outside that shows whether the service is healthy.")
    recovery: RecoveryRule | None = Field(
        default=None, description="How many good checks over which time prove recovery; as in the plan if left out."
    )
    detect: list[Step] = Field(default=[], description="Verifies the trouble, and notifies people.")
    contain: list[Step] = Field(
        default=[], description="Stops the harm, with measures in the order in which they are tried."
    )
    investigate: list[Step] = Field(default=[], description="Gathers evidence, and finds the cause.")
    resolve: list[Step] = Field(default=[], description="Fixes the cause, and undoes what containment left in place.")
    review: list[Step] = Field(default=[], description="Records what was learnt.")

    def steps(self, phase: Phase) -> list[Step]:
        """Return the steps of `phase`, in order."""
        return {
            Phase.DETECT: self.detect,
            Phase.CONTAIN: self.contain,
            Phase.INVESTIGATE: self.investigate,
            Phase.RESOLVE: self.resolve,
            Phase.REVIEW: self.review,
        }[phase]

    def step(self, phase: Phase, step_id: str) -> Step | None:
        """Return one step, or None."""
        return next((step for step in self.steps(phase) if step.id == step_id), None)

    @property
    def measures(self) -> list[Step]:
        """Return the containment measures, in the order in which they are tried."""
        return [step for step in self.contain if step.measure]

    @model_validator(mode="after")
    def _ids_once(self) -> Runbook:
        for phase in Phase:
            seen: set[str] = set()
            for step in self.steps(phase):
                if step.id in seen:
                    msg = f"the step `{step.id}` is listed twice in `{phase.value}`"
                    raise ValueError(msg)
                seen.add(step.id)
        return self

    def needs_done(self, phase: Phase, step: Step) -> list[str]:
        """Return the ids of the steps without which `step` is left out: its `if_done`, then that step's, and so on."""
        by_id, needed = {one.id: one for one in self.steps(phase)}, list[str]()
        while step.if_done:
            needed.append(step.if_done)
            step = by_id[step.if_done]
        return needed

    @model_validator(mode="after")
    def _if_done_by_a_person_before(self) -> Runbook:
        for phase in Phase:
            earlier: list[str] = []
            for index, step in enumerate(self.steps(phase)):
                if step.if_done and step.if_done not in earlier:
                    sentence = f"`{phase.value}` has no step `{step.if_done}` before `{step.id}` that a person does"
                    next_step = f"Write one of these: {', '.join(earlier)}." if earlier else "Take `if_done` out."
                    raise wrong_at((phase.value, index, "if_done"), sentence, next_step)
                if step.person and not (step.measure or step.meanwhile):
                    earlier.append(step.id)
        return self

    @model_validator(mode="after")
    def _ids_free(self) -> Runbook:
        ids = [step.id for phase in Phase for step in self.steps(phase)]
        derived = {step_id + suffix: step_id for step_id in ids for suffix in _SUFFIXES}
        for step_id in ids:
            if _RESERVED.match(step_id):
                msg = f"the id `{step_id}` is reserved for a step of allclear's own: choose another id"
                raise ValueError(msg)
            if step_id in derived:
                owner = derived[step_id]
                msg = f"the id `{step_id}` is reserved for a check or question of the step `{owner}`: choose another id"
                raise ValueError(msg)
        return self
