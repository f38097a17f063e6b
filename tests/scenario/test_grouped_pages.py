"""PagerDuty groups our page into another incident, or a person merges it there: what people do there is received."""

# ruff: noqa: ANN401 - fields of PagerDuty's events

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from allclear.company import Company
from allclear.domain.proof import Proof
from allclear.domain.records import Acknowledged, NoteAdded
from allclear.domain.runbook import Phase
from allclear.domain.systems import System
from allclear.responder.workers.inbox_worker import InboxWorker
from allclear.simulator.faults import Fault
from tests.scenario.response_support import ALERT, broken
from tests.scenario.scenes import scene
from tests.scenario.test_messages_reach_people import due, reminders_in_slack
from tests.scenario.test_pagerduty_heard import ANA, BEN, Heard, company, user

THEIR_KEY = "their-key"
OTHER_ALERT: dict[str, Any] = {"service": {"summary": "Other"}, "title": "The database is slow", "urgency": "high"}


def with_rest() -> Company:
    """Return the company with the REST API described, so that the alerts of an incident can be read."""
    plan = company()
    rest = System.model_validate({"endpoint": "https://api.pagerduty.com", "secret": "PAGERDUTY_API_KEY"})
    return replace(
        plan, systems=plan.systems.model_copy(update={"systems": plan.systems.systems | {"pagerduty_rest": rest}})
    )


class Grouped(Heard):
    """A scene whose page PagerDuty has put into another team's incident."""

    page = ""

    async def hear_grouped(self, name: str, agent: dict[str, Any] | None, **more: Any) -> str:
        """Deliver an event about the other incident; return what became of it once PagerDuty was asked."""
        event = self.event(name, agent, key=THEIR_KEY, **more)
        self._about(event)
        first = self.deliver(event)
        await self.it.engine.grouped_pages.ask()
        InboxWorker(self.it.engine, turn=60).take_in()
        again = self.it.engine.journal.deliveries(limit=1)[0]
        assert first in {"new", again.state}
        return again.state

    def _about(self, event: dict[str, Any]) -> None:
        data = event["data"]
        data.get("incident", data)["id"] = self.page


@asynccontextmanager
async def grouped(folder: Path) -> AsyncGenerator[Grouped]:
    """Yield an incident whose page is an alert in an incident that was open before."""
    async with scene(folder, with_rest(), broken(), ALERT) as it:
        pager = it.simulated.world.pagerduty
        other = pager.event("trigger", THEIR_KEY, {"summary": "The database is slow"})
        assert other is not None
        pager.groups = True
        await it.to(Phase.DETECT)
        assert len(pager.pages) == 1
        heard = Grouped(it)
        heard.page = other.id
        yield heard


async def test_an_acknowledgement_of_the_incident_that_holds_our_page_is_heard(tmp_path: Path) -> None:
    """Its key is another one; ours is the key of an alert in it. Then the climb ends."""
    async with grouped(tmp_path) as pager:
        assert await pager.hear_grouped("acknowledged", user(ANA), status="acknowledged") == "heard"
        (taken,) = pager.records(Acknowledged)
        assert (taken.by.actor, taken.by.proof) == ("Ana Ruiz", Proof.PAGERDUTY)
        assert pager.answered


async def test_later_events_are_known_by_the_incident_and_are_not_asked_again(tmp_path: Path) -> None:
    """The acknowledgement expires, a note is written, and the incident is resolved: each is received at once."""
    async with grouped(tmp_path) as pager:
        await pager.hear_grouped("acknowledged", user(ANA), status="acknowledged")
        fault = {"api": "pagerduty_rest", "method": "list_alerts", "kind": "unavailable", "times": 99}
        pager.it.simulated.world.faults.set(Fault.model_validate(fault))
        assert await pager.hear_grouped("unacknowledged", None, minutes=1) == "heard"
        assert not pager.answered
        assert await pager.hear_grouped("annotated", user(ANA), content="The database is fine") == "heard"
        assert len(pager.records(NoteAdded)) == 1
        await pager.hear_grouped("resolved", user(BEN), minutes=2, status="resolved", **OTHER_ALERT)
        await due(pager.it, seconds=1)
        assert [text for text in reminders_in_slack(pager.it) if "resolved by Ben Wu" in text]
        assert not pager.it.incident.over


async def test_an_incident_that_holds_no_page_of_ours_is_another_teams(tmp_path: Path) -> None:
    """It is asked once, and its acknowledgement takes no incident of ours."""
    async with grouped(tmp_path) as pager:
        foreign = pager.it.simulated.world.pagerduty
        foreign.groups = False
        page = foreign.event("trigger", "a-third-key", {"summary": "Something else"})
        assert page is not None
        pager.page = page.id
        assert await pager.hear_grouped("acknowledged", user(ANA), status="acknowledged") == "ignored"
        assert not pager.answered


async def test_the_other_teams_alert_is_resolved_too(tmp_path: Path) -> None:
    """The incident was an alert here before: its end is news of our page, and the end of that alert."""
    async with grouped(tmp_path) as pager:
        opening = pager.event("triggered", None, key=THEIR_KEY, **OTHER_ALERT)
        opening["data"] |= {"id": pager.page, "html_url": "https://acme.pagerduty.com/incidents/X"}
        pager.deliver(opening)
        end = {"html_url": "https://acme.pagerduty.com/incidents/X", "status": "resolved", **OTHER_ALERT}
        await pager.hear_grouped("resolved", user(BEN), minutes=1, **end)
        reasons = pager.it.engine.journal.deliveries(limit=1)[0].reason
        assert "was resolved at the pager" in reasons
        assert pager.it.engine.journal.decisions(delivery=pager.it.engine.journal.deliveries(limit=1)[0].id, limit=None)


@pytest.mark.parametrize("kind", ["unavailable", "rate_limited", "login_page", "answer_lost"])
async def test_a_report_waits_while_pagerduty_does_not_answer_and_alerts_do_not(tmp_path: Path, kind: str) -> None:
    """Nothing that a person said is lost: it is received as soon as the alerts can be read."""
    async with grouped(tmp_path) as pager:
        fault = {"api": "pagerduty_rest", "method": "list_alerts", "kind": kind, "times": 999}
        pager.it.simulated.world.faults.set(Fault.model_validate(fault))
        assert await pager.hear_grouped("acknowledged", user(ANA), status="acknowledged") == "new"
        other = pager.event("triggered", None, key="another-key", **OTHER_ALERT)
        other["data"]["id"] = "Q0OTHER"
        assert pager.deliver(other) != "new"
        pager.it.simulated.world.faults.clear()
        pager.it.watch.now += timedelta(seconds=4)
        assert await pager.it.engine.grouped_pages.ask()
        InboxWorker(pager.it.engine, turn=60).take_in()
        assert pager.answered


@pytest.mark.parametrize("kind", ["permission_denied", "unavailable"])
async def test_a_report_waits_two_minutes_at_most(tmp_path: Path, kind: str) -> None:
    """A key without the permission to read alerts is not waited for at all."""
    async with grouped(tmp_path) as pager:
        fault = {"api": "pagerduty_rest", "method": "list_alerts", "kind": kind, "times": 999}
        pager.it.simulated.world.faults.set(Fault.model_validate(fault))
        state = await pager.hear_grouped("acknowledged", user(ANA), status="acknowledged")
        assert state == ("ignored" if kind == "permission_denied" else "new")
        pager.it.watch.now += timedelta(seconds=121)
        await pager.it.engine.grouped_pages.ask()
        InboxWorker(pager.it.engine, turn=60).take_in()
        assert pager.it.engine.journal.deliveries(limit=1)[0].state == "ignored"
        assert not pager.answered


async def test_a_page_that_was_merged_into_another_incident_goes_on_there(tmp_path: Path) -> None:
    """PagerDuty reports it as a resolution. No one receives a message that the page ended, and the other one counts."""
    async with scene(tmp_path, with_rest(), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        pager = Heard(it)
        pager.hear("triggered", None, assignees=[user(ANA)])
        reason = {"type": "merge_resolve_reason", "incident": {"id": "Q9OTHER", "type": "incident_reference"}}
        assert pager.hear("resolved", user(BEN), minutes=1, status="resolved", resolve_reason=reason) == "heard"
        assert pager.said()[-1] == "Ben Wu (PagerDuty PBEN456) merged the page into another incident in PagerDuty."
        await due(it, seconds=1)
        assert not [text for text in reminders_in_slack(it) if "was resolved" in text]
        event = pager.event("acknowledged", user(ANA), minutes=2, status="acknowledged", key=THEIR_KEY)
        event["data"]["id"] = "Q9OTHER"
        assert pager.deliver(event) == "heard"
        assert pager.answered
