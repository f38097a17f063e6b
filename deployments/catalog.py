"""Every deployment there is, and what its form offers: choices come from the company's own plan and systems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prefect import Flow
from prefect.schedules import Cron, Schedule

from allclear.company import Company
from allclear.drill.script import scripts
from allclear.postmortem.placeholders import FIELDS
from flows.commands import (
    acknowledge,
    add_follow_up,
    answer,
    assess,
    change_severity,
    decide,
    end_incident,
    hand_over,
    note,
    write_post_mortem,
)
from flows.contain import contain
from flows.detect import detect
from flows.drill import drill
from flows.investigate import investigate
from flows.manual_action import disable_flag, maintenance_mode, roll_back_traffic
from flows.resolve import resolve
from flows.respond import respond
from flows.review import review

EVERY_QUARTER = "0 10 8 1,4,7,10 *"
"""The drill: at ten on the eighth of January, April, July and October, UTC."""


@dataclass(frozen=True)
class Offer:
    """One deployment: its flow, the word it is found by, and its schedule, if it has one."""

    flow: Flow[..., Any]
    kind: str
    schedule: Schedule | None = None
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])


def offers(company: Company) -> list[Offer]:
    """Return the deployments of `company`, the one that people look for first."""
    scenario = next(iter(scripts(company)), "")
    quarterly = Cron(EVERY_QUARTER, timezone="UTC")
    return [
        Offer(respond, "start", parameters=_filled_in(company)),
        *(Offer(one, "phase") for one in (detect, contain, investigate, resolve, review)),
        *(Offer(one, "action") for one in (roll_back_traffic, disable_flag, maintenance_mode)),
        *(
            Offer(one, "say")
            for one in (
                acknowledge,
                answer,
                note,
                decide,
                assess,
                change_severity,
                hand_over,
                end_incident,
                write_post_mortem,
                add_follow_up,
            )
        ),
        Offer(drill, "drill", quarterly if scenario else None, {"scenario": scenario} if scenario else {}),
    ]


def _filled_in(company: Company) -> dict[str, Any]:
    """Return what the form of `respond` begins with, so that a click in the night is a whole declaration."""
    runbook = next(iter(company.runbooks.values()))
    role = "on_call" if "on_call" in company.plan.roles else next(iter(company.plan.roles))
    return {
        "severity": company.plan.severities[0].name,
        "service": runbook.service,
        "runbook": runbook.name,
        "role": role,
    }


def choices(company: Company) -> dict[str, list[str]]:
    """Return what a form offers for a parameter of that name."""
    plan, services = company.plan, company.systems.services
    return {
        "severity": [severity.name for severity in plan.severities],
        "service": list(services),
        "runbook": list(company.runbooks),
        "role": list(plan.roles),
        "hat": list(plan.roles),
        "flag": sorted({flag for service in services.values() for flag in service.flags}),
        "kind": list(plan.kinds),
        "scenario": scripts(company),
        "field": list(FIELDS),
    }


def with_choices(schema: dict[str, Any], offered: dict[str, list[str]]) -> dict[str, Any]:
    """Return a form's JSON Schema with dropdowns for the parameters that have choices."""
    properties = {
        name: {**shape, "enum": offered[name]} if offered.get(name) else shape
        for name, shape in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}
