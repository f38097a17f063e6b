"""Approvals: who must give them, and the questions that ask for them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from allclear.domain.base import Candidate, Model, Moment, Slug
from allclear.domain.durations import Duration
from allclear.domain.pseudo_phases import FACT


class ApprovalPolicy(Model):
    """Who must approve an act before it is carried out."""

    roles: list[Slug] = Field(min_length=1, description="These roles, and their deputies, may approve.")
    people: int = Field(default=1, ge=1, le=5, description="How many different people must approve.")
    one_of: list[Slug] = Field(default=[], description="At least one approval must come from one of these roles.")
    reason_needed: bool = Field(default=False, description="Whether an approval needs a reason.")
    in_prefect: bool = Field(
        default=True, description="Whether people may approve in Prefect's UI, which does not know who they are."
    )
    proof_needed: bool = Field(
        default=False,
        description="Whether a person who approves must prove who it is; always if two people must approve.",
    )

    @property
    def needs_proof(self) -> bool:
        """Return whether a name that is only claimed is not enough: two claimed names could be one person."""
        return self.proof_needed or self.people > 1

    @property
    def prefect_may(self) -> bool:
        """Return whether people may approve in Prefect's UI, which does not know who they are."""
        return self.in_prefect and not self.needs_proof

    def weaker_than(self, default: ApprovalPolicy | None) -> str | None:
        """Return how this policy is weaker than `default`, or None; a plan may only make it stricter."""
        if default is None:
            return None
        leaders = " or ".join(default.one_of)
        others = [role for role in self.one_of if role not in default.one_of] if default.one_of else []
        differences = {
            f"asks for {self.people} instead of {default.people} people": self.people < default.people,
            "asks for no reason": default.reason_needed and not self.reason_needed,
            f"does not require one of them to be {leaders}": default.one_of and not self.one_of,
            f"accepts {' or '.join(others)} although one of them must be {leaders}": others,
            "asks for no proof of who approves": default.needs_proof and not self.needs_proof,
            "allows approval in Prefect's UI": self.prefect_may and not default.prefect_may,
        }
        return next((difference for difference, weaker in differences.items() if weaker), None)

    def added_roles(self, default: ApprovalPolicy | None) -> list[str]:
        """Return the roles that may approve by this policy but not by `default`."""
        if default is None:
            return []
        named = {*default.roles, *default.one_of}
        return [role for role in dict.fromkeys([*self.roles, *self.one_of]) if role not in named]

    @property
    def extra_requirement(self) -> str | None:
        """Return what it requires beyond one person's approval, or None.

        A veto window can replace the approval only if it is None.
        """
        if self.people > 1:
            return f"{self.people} people"
        if self.reason_needed:
            return "a reason"
        return f"one of {', '.join(self.one_of)}" if self.one_of else None


_RESPONDERS = ["on_call", "incident_commander", "tech_lead", "cto"]
_LEADERS = ["tech_lead", "cto"]

ONE_PERSON = ApprovalPolicy(roles=_RESPONDERS)
"""For traffic rollbacks, feature flags, and every action that declares no other policy."""

ONE_PERSON_WITH_REASON = ApprovalPolicy(roles=_RESPONDERS, reason_needed=True)
"""For changes that users notice, as maintenance mode or blocked addresses."""

SPEAKERS = ApprovalPolicy(roles=["communications_lead", "incident_commander"])
"""For publications: the status page, mail to customers."""

TWO_PEOPLE = ApprovalPolicy(
    roles=_RESPONDERS, people=2, one_of=_LEADERS, reason_needed=True, in_prefect=False, proof_needed=True
)
"""For changes that cannot be undone, as restoring a database."""


def _long_enough(veto_window: timedelta) -> timedelta:
    if veto_window < timedelta(seconds=10):
        msg = "it must be at least 10s, so that people can stop the action"
        raise ValueError(msg)
    return veto_window


class AutoApproval(Model):
    """Permission for a step to act without an approval, after a veto window in which any person can stop it.

    It holds only if the alert's source is authenticated, two checks 10 s apart failed, the target is known to be good,
    no alert is flapping, and no action on the same resource was automatic within the last hour. Otherwise an approval
    is needed.
    """

    veto_window: Annotated[Duration, AfterValidator(_long_enough)] = Field(
        default=timedelta(seconds=60), description="How long people can stop it; at least 10s."
    )


class Fallback(Model):
    """The message that is sent instead if no one answers while the service is still failing."""

    after: Duration = Field(default=timedelta(minutes=15), description="How long people have to answer first.")
    with_: dict[Slug, str] = Field(alias="with", min_length=1, description="Parameters that replace the step's own.")


class AskKind(StrEnum):
    """What people are asked for."""

    APPROVAL = "approval"
    """Yes or no to a change."""
    STEP = "step"
    """To do something and confirm it, or to answer that it cannot be done."""
    FALSE_ALARM = "false-alarm"
    """Whether the response should end because the service looks healthy."""
    RETRY = "retry"
    """What to do after a check that did not find the service healthy: yes checks again, no continues without it."""
    CHOICE = "choice"
    """Which of several candidates to use, if the evidence does not decide; no continues without one."""


_WORDS: dict[AskKind, tuple[str, str]] = {
    AskKind.APPROVAL: ("approve", "deny"),
    AskKind.STEP: ("done", "not done"),
    AskKind.FALSE_ALARM: ("false alarm", "real"),
    AskKind.RETRY: ("try again", "go on"),
    AskKind.CHOICE: ("choose", "none of them"),
}


CONTAINED_WORDS = ("contained", "not contained")
"""The words for a question whose yes confirms containment."""

CLOSE_WORDS = ("close", "keep open")
"""The words for a question whose yes ends the incident."""

FACT_WORDS = ("answer", "not known yet")
"""The words for a question about a fact: yes names one of its values."""

ANSWER_WORDS = (*_WORDS.values(), CONTAINED_WORDS, CLOSE_WORDS, FACT_WORDS)
"""The two words of each kind of question; each word is also a command."""


def command_of(word: str) -> str:
    """Return the command that answers with `word`, as `not-done`."""
    return word.replace(" ", "-")


class AnswerWindow(Model):
    """A time after which something happens without an answer."""

    until: Moment
    then: Literal["act", "fallback"] = Field(
        description="`act`: the act is carried out. `fallback`: the standard text is sent."
    )


class Ask(Model):
    """One question to people, open until it is answered or withdrawn.

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
    choices: list[Candidate] = []
    typed: str = Field(default="", description="What a person may type in place of a choice; empty for nothing.")
    window: AnswerWindow | None = None
    post_mortem: str = Field(default="", description="The field of the post-mortem that its note answers.")
    notes: list[str] = Field(
        default=[], description="Sentences of the text beside the change: who proposes it, why it is not automatic."
    )
    contains: bool = Field(default=False, description="Whether a yes confirms that the incident is contained.")
    ends: bool = Field(default=False, description="Whether a yes ends the incident.")

    def reason_needed(self, *, yes: bool) -> bool:
        """Return whether an answer needs a reason. A denial does not, because it stops the act and may be in a hurry.

        A person's step is another matter: its no reports what could not be done.
        """
        return self.policy.reason_needed and (yes or self.kind is AskKind.STEP)

    @property
    def asks_fact(self) -> bool:
        """Return whether it asks for a fact about the incident; its choices are the fact's values."""
        return self.phase == FACT

    @property
    def words(self) -> tuple[str, str]:
        """Return the words that answer it with yes and with no, the same in forms, commands and messages."""
        if self.kind is AskKind.STEP and (self.contains or self.ends):
            return CONTAINED_WORDS if self.contains else CLOSE_WORDS
        if self.asks_fact:
            return FACT_WORDS
        return _WORDS[self.kind]
