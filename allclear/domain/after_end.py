"""What may still be done after an incident has ended: the one rule for questions, acts and entries of people.

The record is still written: notes, facts, whom people told, follow-ups and the post-mortem. The questions of the review
and of the duties are answered. What was left in place is undone, or closed as superseded, and the review's meeting is
moved or cancelled. Nothing else is done: for other trouble a new incident is opened.
"""

from __future__ import annotations

from typing import Any

from allclear.domain.act import Act
from allclear.domain.ask_state import AskState
from allclear.domain.incident import Incident
from allclear.domain.pseudo_phases import DUTY, MANUAL, MESSAGES, NOTICE
from allclear.domain.records import (
    Acknowledged,
    Contained,
    HoldEnded,
    HoldStarted,
    IncidentEnded,
    Recovered,
    RoleOffered,
    RoleTaken,
    SeverityChanged,
)
from allclear.domain.runbook import Phase

_REVIEWED = frozenset({Phase.REVIEW.value, DUTY})
"""The phases whose questions the review of a resolved incident waits for."""

_NOT_AFTER_END = (
    Acknowledged,
    HoldStarted,
    HoldEnded,
    RoleOffered,
    RoleTaken,
    SeverityChanged,
    Contained,
    Recovered,
    IncidentEnded,
)
"""Records of the response itself, which the end closes."""


def is_still_asked(incident: Incident, state: AskState) -> bool:
    """Return whether an open question still waits for people, although the incident may have ended."""
    act = incident.acts.get(state.ask.act or "")
    if incident.ended is None or act is not None:
        return act is None or may_still_begin(incident, act)
    return incident.ended.ending == "resolved" and state.ask.phase in _REVIEWED


def may_still_begin(incident: Incident, act: Act) -> bool:
    """Return whether an act that has not begun may still be carried out, although the incident may have ended."""
    if incident.ended is None:
        return True
    proposed = act.proposed
    if proposed.phase == MANUAL:  # a person may undo what was left in place
        undone = incident.acts.get(proposed.undoes or "")
        return undone is not None and (undone.in_place or undone.proposed.invites)
    if proposed.phase == Phase.REVIEW.value:
        return incident.ended.ending == "resolved"
    return proposed.phase in MESSAGES


def is_too_late(incident: Incident, act: Act) -> bool:
    """Return whether an act is a notice that was begun before the incident ended: it tells of what is over."""
    return act.proposed.phase == NOTICE and 0 < act.issued < incident.ended_number


def may_still_be_written(record: Any) -> bool:  # noqa: ANN401 - a record of any kind
    """Return whether a person's record may follow the end. Answers are checked by their question."""
    return not isinstance(record, _NOT_AFTER_END)
