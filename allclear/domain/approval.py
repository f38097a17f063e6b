"""What a person must give first, and what was asked of people."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from allclear.domain.base import Model, Slug


class ApprovalPolicy(Model):
    """Who must say yes before an act."""

    roles: list[Slug] = Field(min_length=1, description="Any of these roles may give it.")
    people: int = Field(default=1, ge=1, le=5, description="How many different people.")
    reason_needed: bool = Field(default=False, description="Whether it takes a reason.")
    in_prefect: bool = Field(default=True, description="Whether Prefect's UI, which knows no users, may give it.")

    @property
    def prefect_may(self) -> bool:
        """Says whether Prefect's UI may give it; what needs two people never comes from there."""
        return self.in_prefect and self.people == 1


ONE_PERSON = ApprovalPolicy(roles=["on_call", "incident_commander", "tech_lead", "cto"])
"""The default for every action that does not declare another."""

ONE_PERSON_WITH_REASON = ApprovalPolicy(roles=["on_call", "incident_commander", "tech_lead", "cto"], reason_needed=True)
"""For acts that users notice: maintenance mode, blocked addresses."""

SPEAKERS = ApprovalPolicy(roles=["communications_lead", "incident_commander"])
"""For what is said in public."""


class AskKind(StrEnum):
    """What people are asked for."""

    APPROVAL = "approval"
    """Yes or no to a change."""
    STEP = "step"
    """To do something themselves and say so, or to say that it cannot be done."""
    FALSE_ALARM = "false-alarm"
    """Whether the response should end here, for the service looks healthy."""
    AGAIN = "again"
    """A look did not show health: yes looks again, no goes on without."""


class Ask(Model):
    """One question to people, open until it is answered or the world has moved on.

    `digest` binds an approval to the change that was shown: it is the hash of the change.
    """

    id: str
    kind: AskKind
    phase: str
    step: str
    title: str
    text: str = Field(description="What is asked, in full; Markdown.")
    yes: str = Field(description="What happens on yes.")
    no: str = Field(description="What happens on no.")
    policy: ApprovalPolicy
    act: str | None = None
    digest: str | None = None
