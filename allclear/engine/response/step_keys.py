"""The step names that the engine itself writes to the journal, beside those of the runbook.

`allclear.domain.runbook` refuses a runbook step that has one of these names.
"""

from __future__ import annotations

MANUAL_CONTAINMENT = "contained-manually"
"""The step in which people contain the incident because no measure of the runbook did."""

STILL_CONTAINED = "contained-still"
"""The check of a contained or recovered incident after an alert or a change of production."""


def choice_key(step: str) -> str:
    """Return the name of the question which candidate a step is about: `roll-back-choice`."""
    return f"{step}-choice"


def proof_key(step: str) -> str:
    """Return the name of the probe that shows whether a measure worked: `roll-back-proof`."""
    return f"{step}-proof"


def second_check_key(step: str) -> str:
    """Return the name of the second health check that automatic approval needs: `roll-back-recheck`."""
    return f"{step}-recheck"


_UNDO = "undo-"


def undo_key(act: str) -> str:
    """Return the step name of an act's undo: `undo-contain-roll-back`."""
    return _UNDO + act.replace("/", "-")


def is_undo_key(step: str) -> bool:
    """Return whether a step name is that of an undo, or of the question about an undo that failed."""
    return step.startswith(_UNDO)


def undo_failed_key(act: str) -> str:
    """Return the name of the question what to do about an undo that failed: `undo-contain-roll-back-left`."""
    return f"{undo_key(act)}-left"


def hold_id(incident: str) -> str:
    """Return what a run waits for that goes on when the hold of the incident is released, in place of a question."""
    return f"{incident}/hold"
