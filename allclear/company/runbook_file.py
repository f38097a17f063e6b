"""How a runbook is written: what it takes from its base, and where its own steps are put among the base's.

`expand_runbook` turns it into the runbook that the engine uses.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import Field, model_validator

from allclear.domain.base import Model, Slug
from allclear.domain.recovery import RecoveryRule
from allclear.domain.runbook import ProbeCall, Runbook, Step

PLACEMENT = ("before", "after", "replaces")
"""The fields of a written step that give its place in the phase; the engine's step has none of them."""


def _as_in_runbook(field: str, **more: Any) -> Any:  # noqa: ANN401 - what pydantic's Field takes and returns
    return Field(description=Runbook.model_fields[field].description, **more)


class WrittenStep(Step):
    """One step as a runbook's file holds it.

    Without `before`, `after` and `replaces`, it follows the step that is written before it. The first one of a phase
    follows the base's steps.
    """

    before: Slug | None = Field(default=None, description="The id of the step that this one comes right before.")
    after: Slug | None = Field(default=None, description="The id of the step that this one comes right after.")
    replaces: bool = Field(default=False, description="Take the place of the base's step with the same id.")

    @model_validator(mode="after")
    def _one_place(self) -> WrittenStep:
        if sum((self.before is not None, self.after is not None, self.replaces)) > 1:
            msg = "a step has only one of `before`, `after` and `replaces`"
            raise ValueError(msg)
        return self


class WrittenRunbook(Model):
    """A file under `runbooks/`."""

    name: Slug = _as_in_runbook("name")
    title: str = _as_in_runbook("title")
    about: str = _as_in_runbook("about")
    service: Slug = _as_in_runbook("service")
    kind: Slug = _as_in_runbook("kind", default="outage")
    base: str | None = Field(
        default=None,
        description="The file in the company's folder with the shared steps, for example common-steps.yaml.",
    )
    leave_out: list[str] = Field(
        default=[], description="The base's steps that this runbook leaves out, for example contain/ticket."
    )
    health: ProbeCall | None = Field(
        default=None, description=f"{Runbook.model_fields['health'].description} The base's if left out."
    )
    recovery: RecoveryRule | None = Field(
        default=None, description=f"{Runbook.model_fields['recovery'].description} The base's comes before the plan's."
    )
    detect: list[WrittenStep] = _as_in_runbook("detect", default=[])
    contain: list[WrittenStep] = _as_in_runbook("contain", default=[])
    investigate: list[WrittenStep] = _as_in_runbook("investigate", default=[])
    resolve: list[WrittenStep] = _as_in_runbook("resolve", default=[])
    review: list[WrittenStep] = _as_in_runbook("review", default=[])

    def steps(self, phase: str) -> list[WrittenStep]:
        """Return the steps that the file itself holds for `phase`, in order."""
        return cast("list[WrittenStep]", getattr(self, phase))


class CommonSteps(Model):
    """A file with the steps that several runbooks of a company share: their `base`."""

    health: ProbeCall | None = _as_in_runbook("health", default=None)
    recovery: RecoveryRule | None = _as_in_runbook("recovery", default=None)
    detect: list[Step] = _as_in_runbook("detect", default=[])
    contain: list[Step] = _as_in_runbook("contain", default=[])
    investigate: list[Step] = _as_in_runbook("investigate", default=[])
    resolve: list[Step] = _as_in_runbook("resolve", default=[])
    review: list[Step] = _as_in_runbook("review", default=[])
