"""What the team learns from an incident, as the message that shares it says it: in the words of people alone."""

from __future__ import annotations

from collections.abc import Callable

from allclear.domain.incident import Incident
from allclear.domain.local_times import day
from allclear.domain.placeholders import Unknown
from allclear.domain.plan import Plan
from allclear.domain.review.post_mortem import said
from allclear.domain.text import LONG, plain

_WRITTEN = ("summary", "went_well", "could_improve", "preventive")


def learned(incident: Incident, plan: Plan) -> dict[str, Callable[[], str]]:
    """Return the placeholders of what people wrote for the post-mortem, each with what computes it; unknown before."""

    def words(field: str) -> str:
        lines = [plain(line, LONG).lstrip("-* ") for line in incident.written.get(field, "").splitlines()]
        return "; ".join(line for line in lines if line) or Unknown()

    def root_cause() -> str:
        answers = said(incident, "root_cause")
        return words("root_cause") or (plain(answers[-1].text, LONG) if answers else Unknown())

    def action_items() -> str:
        items = [
            f"{plain(one.text, LONG).rstrip('. ')} ({plain(one.owner, 60)}, by {day(one.due, plan.zone)})"
            for one in incident.follow_ups
        ]
        return "; ".join(items) or Unknown()

    found: dict[str, Callable[[], str]] = {name: lambda name=name: words(name) for name in _WRITTEN}
    return found | {"root_cause": root_cause, "action_items": action_items}
