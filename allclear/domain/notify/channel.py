"""Channels in which a team talks: what a channel must offer, so that questions and turns of an incident appear there.

A channel sends nothing by itself. It says which action sends its messages, and with which parameters, so that each of
its messages is an act: journalled first, sent once, and retried. `allclear.channels` lists the installed ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from allclear.domain.approval import Ask
from allclear.domain.base import Model
from allclear.domain.decisions import Decision, decisions
from allclear.domain.links import LinkTo
from allclear.domain.proof import Proof

MOST_BUTTONS = 12
"""Answers that are offered as buttons; the page offers all of them."""


class CardButton(Model):
    """A button that gives one answer."""

    words: str = Field(description="What it says, as `Approve`.")
    value: str = Field(description="What the channel sends back when it is pressed; see `button_value`.")
    yes: bool = Field(description="Whether it means yes.")


class CardRow(Model):
    """One part of a change, before and after."""

    name: str = Field(default="", description="What it is about; empty if the change has only one part.")
    before: str = Field(description="How it is.")
    after: str = Field(description="How it will be.")


class Card(Model):
    """A question as a channel shows it: with buttons while it is open, and with its end afterwards."""

    ask: str = Field(description="The question's id, as VS-12/contain/roll-back.")
    rows: list[CardRow] = Field(default=[], description="What the change changes.")
    why: str = Field(default="", description="Why it is asked.")
    risk: str = Field(default="", description="What can go wrong.")
    undo: str = Field(default="", description="How the change is undone.")
    who: str = Field(description="Who may answer, and what else an answer needs.")
    commands: str = Field(default="", description="The commands that answer it, for channels whose buttons are off.")
    buttons: list[CardButton] = Field(default=[], description="The answers that can be given.")
    closed: str = Field(default="", description="How it ended: who decided, and how that person was identified.")

    @property
    def link(self) -> LinkTo:
        """Return where its link leads: to the page, which asks who you are, because many people read a channel."""
        return LinkTo(incident=self.ask.partition("/")[0], ask=self.ask)


class Post(Model):
    """One message in the thread of an incident's summary."""

    key: str = Field(description="Identifies it in the thread, as `turn-17`.")
    text: str
    people: list[str] = Field(default=[], description="The addresses of the people whom it mentions.")
    card: Card | None = None


class Channel(ABC):
    """A channel in which a team talks."""

    name: ClassVar[str]
    contact: ClassVar[str]
    """The kind of contact, in the plan, by which the channel mentions a person."""
    receiver: ClassVar[str] = ""
    """What people do there comes in through this class (`module:Class` of an
    `allclear.responder.channels.receiver.Receiver`); empty if nothing does."""
    proof: ClassVar[Proof] = Proof.CHANNEL
    """How the record says that a person who acted there was identified."""
    action: ClassVar[str]
    """The action that sends and updates its messages; a runbook's live step with it is the incident's summary."""

    @abstractmethod
    def params(self, summary: Mapping[str, Any], post: Post) -> dict[str, Any]:
        """Return the parameters with which `action` sends `post`, or updates it if it was sent already.

        `summary` are the parameters of the incident's summary message, under which it stands.
        """


# --- what a button sends back -----------------------------------------------------------------------------


class Pressed(NamedTuple):
    """What a pressed button says. It names a question and the change that was shown, never an action."""

    ask: str
    digest: str
    """The hash of the change that was shown; empty for a question about no change."""
    number: int
    """Which of the answers of `decisions`; 0 for the first."""

    def decision(self, ask: Ask) -> Decision | None:
        """Return the answer that it gives to `ask`, or None if `ask` has no such answer."""
        offered = decisions(ask)
        return offered[self.number] if self.number < len(offered) else None


def button_value(ask: Ask, number: int) -> str:
    """Return what a button for answer `number` of `ask` sends back."""
    return f"{number} {ask.digest or '-'} {ask.id}"


def read_button(value: str) -> Pressed | None:
    """Return what a pressed button says, or None if it is none of ours."""
    number, _, rest = value.partition(" ")
    digest, _, ask = rest.partition(" ")
    if not (number.isascii() and number.isdigit() and len(number) <= 3 and digest and ask):  # noqa: PLR2004 - digits
        return None
    return Pressed(ask, "" if digest == "-" else digest, int(number))
