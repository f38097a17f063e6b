"""A company whose leaders can be notified by two ways, and what they received."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from allclear.company import Company
from allclear.domain.incident import Incident
from allclear.domain.plan import MessageAction, Notification, Person
from allclear.domain.pseudo_phases import NOTICE
from allclear.domain.systems import System
from allclear.simulator.faults import Fault
from tests.scenario.response_support import vintstreet
from tests.scenario.scenes import Scene

PEOPLE = {
    "Ana": ["on_call", "incident_commander"],
    "Cara": ["cto"],
    "Theo": ["tech_lead"],
    "Eve": ["ceo"],
    "Pia": ["pr_team"],
}


def contacts_of(name: str) -> dict[str, Any]:
    """Return the contacts of a person: Slack first, then the pager."""
    return {"slack": f"U{name.upper()}0001", "pagerduty": f"P{name.upper()}1"}


def line(audience: str, **more: Any) -> Notification:  # noqa: ANN401 - fields of a line
    """Return a line of the plan's notifications, for P0."""
    return Notification.model_validate({"audience": audience, "severities": ["P0"], **more})


LINES = (line("cto"), line("tech_lead"), line("ceo", when={"customer_facing": "yes"}))


def notified(
    *lines: Notification, people: dict[str, dict[str, Any]] | None = None, deputies: tuple[str, ...] = ()
) -> Company:
    """Return VintStreet with these people, their contacts, and two ways: Slack and a page by name."""
    company = vintstreet()
    named = [
        Person.model_validate({"name": name, "roles": roles, "contacts": (people or {}).get(name, contacts_of(name))})
        for name, roles in PEOPLE.items()
    ]
    ways = {
        "slack": ("slack.post", {"message": "{incident}-notice-{number}", "text": "{audience} {name}: {notice}"}),
        "pager": (
            "pagerduty.page_people",
            {"incident": "{incident}-notice-{number}", "summary": "{audience} {name}: {notice}"},
        ),
    }
    calls = {name: MessageAction.model_validate({"action": act, "with": given}) for name, (act, given) in ways.items()}
    cto = company.plan.roles["cto"].model_copy(update={"deputies": list(deputies)})
    parts = {
        "people": named,
        "ways": calls,
        "notifications": list(lines or LINES),
        "roles": company.plan.roles | {"cto": cto},
        "routes": [route.model_copy(update={"facets": {}}) for route in company.plan.routes],
    }
    rest = System.model_validate({"endpoint": "https://api.pagerduty.com", "secret": "PAGERDUTY_API_KEY"})
    systems = company.systems.model_copy(update={"systems": company.systems.systems | {"pagerduty_rest": rest}})
    return replace(company, plan=company.plan.model_copy(update=parts), systems=systems)


async def later(it: Scene, rounds: int = 4, **passed: float) -> None:
    """Let time pass, and send everything that is due, in several rounds."""
    it.watch.now += timedelta(**passed)
    for _ in range(rounds):
        it.watch.now += timedelta(seconds=1)
        await it.engine.reminders.start_due()
        await it.engine.reminders.wait()


def fault(it: Scene, api: str, method: str, kind: str = "permission_denied", times: int = 200) -> None:
    """Break a method of a vendor."""
    it.simulated.world.faults.set(Fault.model_validate({"api": api, "method": method, "kind": kind, "times": times}))


def in_slack(it: Scene) -> list[str]:
    """Return the notices in the team's channel."""
    messages = it.simulated.world.workspace.channels[0].messages
    ours = [
        one for one in messages if "-notice-" in str((one.get("metadata") or {}).get("event_payload", {}).get("key"))
    ]
    return [str(one["text"]) for one in ours]


def to(it: Scene, name: str) -> list[str]:
    """Return the notices in Slack that mention a person."""
    return [text for text in in_slack(it) if contacts_of(name)["slack"] in text]


def paged(it: Scene, name: str) -> list[str]:
    """Return the pages to a person."""
    pages = it.simulated.world.pagerduty.pages
    return [page.payload["summary"] for page in pages if contacts_of(name)["pagerduty"] in page.people]


def sent(incident: Incident) -> list[tuple[str, str]]:
    """Return the person and the way of each notice in the record."""
    notices = [act.proposed.notice for act in incident.acts.values() if act.proposed.phase == NOTICE]
    return [(notice.person, notice.way) for notice in notices if notice]
