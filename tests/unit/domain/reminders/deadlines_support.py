"""Plans and incidents for the tests of deadlines and reminders."""

# ruff: noqa: ANN401 - parts of a plan as its YAML has them
from __future__ import annotations

from datetime import timedelta
from typing import Any

from allclear.domain.plan import Plan
from allclear.domain.records import By, Contained, IncidentEnded, IncidentOpened, Recovered, SeverityChanged
from allclear.domain.reminders.deadlines import Deadline, deadlines
from tests.unit.domain.stories import ANA, HEALTH, MACHINE, START, Story, plan


def plan_with(**parts: Any) -> Plan:
    """Return a plan with these parts; `p0` to `p2` are fields of its three severities."""
    scale = [
        {"name": name, "title": name, "definition": name} | parts.pop(name.lower(), {}) for name in ("P0", "P1", "P2")
    ]
    facets = {"breach": {"title": "Whether data leaked"}, "users": {"title": "Users", "values": ["few", "all"]}}
    kinds = {"outage": {"title": "Outage"}, "security": {"title": "Security"}}
    whole = plan().model_dump(mode="json", by_alias=True)
    return Plan.model_validate(whole | {"severities": scale, "facets": facets, "kinds": kinds} | parts)


def target(name: str, within: str, start: str = "alert", until: str = "acknowledged") -> dict[str, Any]:
    """Return a target as in YAML."""
    return {"name": name, "within": within, "from": start, "until": until}


def opened(severity: str = "P1", by: By = MACHINE, **more: Any) -> Story:
    """Return the story of an incident that has just been opened."""
    return Story().record(
        IncidentOpened(
            company="VintStreet",
            title="Trouble",
            severity=severity,
            service="shop",
            runbook="outage",
            reported="somehow",
            **more,
        ),
        by=by,
    )


def changed(story: Story, now: str) -> Story:
    """Change the severity to `now`."""
    return story.record(SeverityChanged(was=story.incident.severity, now=now, reason="so"), by=ANA)


def of_kind(company_plan: Plan, story: Story, what: str) -> list[Deadline]:
    """Return the deadlines of one kind."""
    return [deadline for deadline in deadlines(company_plan, story.incident) if deadline.what == what]


def minutes(deadline: Deadline) -> float | None:
    """Return how many minutes after the start it is due, or None if its clock has not started."""
    return None if deadline.due is None else (deadline.due - START) / timedelta(minutes=1)


CONTAINED, RECOVERED = Contained(by="Roll back", finding=HEALTH), Recovered(finding=HEALTH)
RESOLVED, FALSE_ALARM = IncidentEnded(ending="resolved", reason="so"), IncidentEnded(ending="false-alarm", reason="so")
