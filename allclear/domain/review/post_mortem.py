"""What people write for the post-mortem, and what they said earlier that answers the same question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from allclear.domain.approval import Ask, AskKind
from allclear.domain.incident import Incident
from allclear.domain.records import By, NoteAdded

PostMortemField = Literal[
    "summary",
    "root_cause",
    "contributing_factors",
    "impact_users",
    "impact_revenue",
    "customer_data",
    "resolution",
    "went_well",
    "could_improve",
    "got_lucky",
    "preventive",
]
"""A part of the post-mortem that a person writes."""

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "summary": "Summary",
        "root_cause": "Root cause",
        "contributing_factors": "Contributing factors",
        "impact_users": "Users affected",
        "impact_revenue": "Cost",
        "customer_data": "Customers' data",
        "resolution": "Resolution",
        "went_well": "What went well",
        "could_improve": "What could be improved",
        "got_lucky": "Where we were lucky",
        "preventive": "Preventing recurrence",
    }
)
"""What people call each part."""

NoteFor = Literal["timeline", PostMortemField]
"""Where the post-mortem shows a note: among its key events, or as the suggestion for a field."""

NOTE_FOR: tuple[str, ...] = get_args(NoteFor)
"""The values of `NoteFor`."""

STEPS: Mapping[str, PostMortemField] = MappingProxyType(
    {"root-cause": "root_cause", "fix": "resolution", "data-statement": "customer_data"}
)
"""The field that the note of a step answers if the runbook does not say it, by the step's id."""


class Said(NamedTuple):
    """What a person said that answers a field of the post-mortem."""

    text: str
    by: By
    at: datetime
    step: str
    """The title of the step that asked for it; empty for a note."""


def field_of(ask: Ask) -> str:
    """Return the field of the post-mortem that an ask's note answers; empty for none."""
    return ask.post_mortem or (STEPS.get(ask.step, "") if ask.kind is AskKind.STEP else "")


def said(incident: Incident, field: str) -> list[Said]:
    """Return what people said about a field while they answered steps and wrote notes, oldest first.

    A step that a person could not do, or that was withdrawn, says nothing.
    """
    return sorted(_said(incident, field), key=lambda one: one.at)


def _said(incident: Incident, field: str) -> Iterator[Said]:
    for state in incident.asks.values():
        if field_of(state.ask) == field and state.withdrawn is None:
            for answer in state.answers:
                if answer.yes and answer.reason.strip():
                    yield Said(answer.reason, answer.by, answer.at, state.ask.title)
    for at, by, note in incident.notes:
        if isinstance(note, NoteAdded) and note.post_mortem == field and note.text.strip():
            yield Said(note.text, by, at, "")
