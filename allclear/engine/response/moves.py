"""The moves of a response: each is one thing that is done next, and is journalled before the next one is computed.

`allclear.engine.response.next_move` chooses a move; `allclear.engine.response.conductor` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from allclear.domain.approval import AskKind
from allclear.domain.runbook import Phase, ProbeCall, Step


@dataclass(frozen=True)
class Enter:
    """The beginning of a phase."""

    phase: Phase


@dataclass(frozen=True)
class RunProbe:
    """A probe to run. Its finding is journalled under the step name `key`."""

    phase: Phase
    step: Step
    key: str
    call: ProbeCall
    contained_by: str | None = None
    """What contained the incident if this probe succeeds; None if the probe does not check containment."""
    contained_act: str = ""
    """The id of the act that contained it then; empty if no act did."""
    proves: Literal["containment", "recovery"] | None = None
    """The state that its finding decides about; None if the finding only informs."""
    not_before: datetime | None = None
    """When it is due; None if at once."""


@dataclass(frozen=True)
class Propose:
    """A step's change to be worked out, journalled, and put to people if it needs an approval."""

    phase: Phase
    step: Step
    chosen: str | None = None
    """The candidate that a person chose; None if there was no choice."""
    fallback: bool = False
    """Whether the plan's standard text is sent because no one answered."""
    again: bool = False
    """Whether it is a measure that is tried again because containment was lost; then a person must approve it."""


@dataclass(frozen=True)
class ProposeUndo:
    """The undo of an act that is still in place, to be worked out and put to people."""

    phase: Phase
    step: Step
    act: str
    title: str


@dataclass(frozen=True)
class CarryOut:
    """An act that is cleared to go ahead."""

    phase: Phase
    act: str
    title: str


@dataclass(frozen=True)
class AskPeople:
    """A question to people. `phase` is `allclear.domain.reminders.deadlines.DUTY` for a duty of the plan."""

    phase: Phase | str
    step: Step
    kind: AskKind
    about: str = ""
    """The finding's sentence or the act's id that the question is about, depending on `kind`."""


@dataclass(frozen=True)
class WithdrawAsk:
    """A question to be withdrawn because it is no longer to be answered."""

    ask: str
    reason: str
    inapplicable: bool = False
    """Whether its step does not apply any more; if not, another act has made the change."""


@dataclass(frozen=True)
class HandOver:
    """An act that could not be undone: the person who answered takes it over until a date."""

    phase: Phase
    act: str
    ask: str


@dataclass(frozen=True)
class FalseAlarm:
    """The end of the incident: a person agreed that it was a false alarm."""

    phase: Phase
    ask: str


@dataclass(frozen=True)
class Wait:
    """Nothing can be done until one of these asks is answered, or the hold is released."""

    asks: tuple[str, ...]
    held: bool = False
    """Whether something is left that allclear does only after the release."""


@dataclass(frozen=True)
class Leave:
    """The end of a phase: all its steps are done."""

    phase: Phase


@dataclass(frozen=True)
class Over:
    """Nothing is left to do in this phase."""


Move = (
    Enter
    | RunProbe
    | Propose
    | ProposeUndo
    | CarryOut
    | AskPeople
    | WithdrawAsk
    | HandOver
    | FalseAlarm
    | Wait
    | Leave
    | Over
)
