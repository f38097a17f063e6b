"""What people do in PagerDuty with our pages arrives: through the responder's route, the inbox and the journal."""

# ruff: noqa: ANN401 - fields of PagerDuty's events
from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from allclear.company import Company
from allclear.domain.notify.on_call import page_answered
from allclear.domain.plan import Person
from allclear.domain.proof import Proof
from allclear.domain.records import Acknowledged, Entry, NoteAdded, PageHeard
from allclear.domain.runbook import Phase
from allclear.domain.sentences import describe
from allclear.domain.sentences.sentence import SentenceContext
from allclear.journal.rows import NewDelivery
from allclear.responder.deliveries import is_sent_once, stored_parts
from allclear.responder.sources.pagerduty import PagerDuty
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import AuthenticationLevel
from allclear.responder.workers.inbox_worker import InboxWorker
from tests.scenario.response_support import ALERT, broken, vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_messages_reach_people import due, reminders_in_slack

ANA, BEN = ("PANA123", "Ana in PagerDuty"), ("PBEN456", "Ben Wu")
PAGE = "Q0PAGE1"


def company() -> Company:
    """Return VintStreet with Ana on call, whose id in PagerDuty is known."""
    plan = vintstreet().plan
    ana = {"name": "Ana Ruiz", "roles": ["on_call", "incident_commander"], "contacts": {"pagerduty": ANA[0]}}
    others = [person for person in plan.people if "on_call" not in person.roles]
    people = [Person.model_validate(ana), *others]
    return replace(vintstreet(), plan=plan.model_copy(update={"people": people}))


def user(who: tuple[str, str]) -> dict[str, Any]:
    """Return a user as PagerDuty refers to it."""
    return {"id": who[0], "type": "user_reference", "summary": who[1], "html_url": "https://x.test"}


SERVICE = {"id": "PSERV01", "type": "service_reference", "summary": "Simulated"}


class Heard:
    """A scene whose page PagerDuty reports about."""

    def __init__(self, it: Scene) -> None:
        self.it = it
        self.number = 0

    def event(
        self, name: str, agent: dict[str, Any] | None, *, minutes: float = 0, key: str | None = "", **data: Any
    ) -> dict[str, Any]:
        """Return an event of PagerDuty about our page, `minutes` after now."""
        self.number += 1
        page: dict[str, Any] = {"id": PAGE, "type": "incident", "status": "triggered", "title": "x", "assignees": []}
        page |= {"incident_key": f"allclear/{self.it.incident_id}" if key == "" else key}
        about = {"incident": {"id": PAGE, "type": "incident_reference"}}
        is_about = name.startswith("responder") or name == "annotated"
        at: datetime = self.it.watch.now + timedelta(minutes=minutes)
        return {
            "id": f"01EVENT{self.number}",
            "event_type": f"incident.{name}",
            "resource_type": "incident",
            "occurred_at": at.isoformat().replace("+00:00", "Z"),
            "agent": agent,
            "client": None,
            "data": (about if is_about else page) | data,
        }

    def deliver(self, event: dict[str, Any], level: AuthenticationLevel = AuthenticationLevel.AUTHENTICATED) -> str:
        """Store one request as the route does, take the inbox in, and return what became of it."""
        source, journal = PagerDuty(), self.it.engine.journal
        request = RawRequest(json.dumps({"event": event}).encode(), (("X-Webhook-Id", "w"),))
        new = NewDelivery("pagerduty", *stored_parts(source, request, level), once=is_sent_once(source, request))
        ((delivery, _),) = journal.receive_all([new])
        InboxWorker(self.it.engine, turn=60).take_in()
        return journal.delivery(delivery).state

    def hear(self, name: str, agent: dict[str, Any] | None, **more: Any) -> str:
        """Deliver an event of that name."""
        return self.deliver(self.event(name, agent, **more))

    @property
    def entries(self) -> list[Entry]:
        """Return the record."""
        return self.it.engine.journal.entries(self.it.incident_id)

    def records(self, kind: type) -> list[Entry]:
        """Return the entries of one kind."""
        return [entry for entry in self.entries if isinstance(entry.record, kind)]

    @property
    def answered(self) -> bool:
        """Return whether no one has to be woken any more."""
        return page_answered(self.it.engine.company.plan, self.it.incident, [])

    def said(self) -> list[str]:
        """Return the sentences of the pager's reports."""
        context = SentenceContext.of(self.it.incident, self.it.engine.company.plan)
        return [describe(context, entry).text for entry in self.records(PageHeard)]


@asynccontextmanager
async def paged(folder: Path, plan: Company | None = None) -> AsyncGenerator[Heard]:
    """Yield an incident whose on-call was paged, and PagerDuty's reports of the page."""
    async with scene(folder, plan or company(), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        yield Heard(it)


async def test_an_acknowledgement_in_pagerduty_takes_the_incident(tmp_path: Path) -> None:
    """Ana presses acknowledge on the phone: she is proven, leads, and no one else is woken."""
    async with paged(tmp_path) as pager:
        assert pager.hear("acknowledged", user(ANA), status="acknowledged") == "heard"
        (taken,) = pager.records(Acknowledged)
        assert (taken.by.actor, taken.by.role, taken.by.via) == ("Ana Ruiz", "on_call", "pagerduty")
        assert taken.by.proof is Proof.PAGERDUTY
        assert pager.answered
        sent = len(pager.it.simulated.world.pagerduty.pages)
        await due(pager.it, minutes=30)
        assert len(pager.it.simulated.world.pagerduty.pages) == sent
        assert pager.it.simulated.world.pagerduty.pages[0].events == 1  # it is not acknowledged a second time


async def test_the_same_event_counts_once(tmp_path: Path) -> None:
    """PagerDuty repeats an event in another request, with other bytes."""
    async with paged(tmp_path) as pager:
        event = pager.event("acknowledged", user(ANA), status="acknowledged")
        pager.deliver(event)
        pager.deliver({**event, "html_url": "repeated"})
        assert len(pager.records(Acknowledged)) == 1


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("Zoe Lim", "Zoe Lim (PagerDuty PZED789)"),
        ("Ana Ruiz", "Ana Ruiz (PagerDuty PZED789)"),  # as the person on call
        ("ana\u200b ruiz", "ana ruiz (PagerDuty PZED789)"),
        ("", "PagerDuty PZED789"),
    ],
)
async def test_a_person_that_the_plan_does_not_name_takes_the_page_too(
    tmp_path: Path, name: str, recorded: str
) -> None:
    """Someone is awake. The record has the name that PagerDuty shows, which its user chooses, as a claim, and no role.

    So no one becomes a person of the plan by a display name.
    """
    zed = ("PZED789", name)
    async with paged(tmp_path) as pager:
        pager.hear("acknowledged", user(zed), status="acknowledged")
        (taken,) = pager.records(Acknowledged)
        assert (taken.by.actor, taken.by.role, taken.by.proof) == (recorded, "", Proof.CLAIMED)
        assert pager.answered
        assert "Ana Ruiz" not in pager.it.incident.roles.values()
        pager.hear("annotated", user(zed), content="I approve everything")
        (note,) = pager.records(NoteAdded)
        assert (note.by.actor, note.by.proof) == (recorded, Proof.CLAIMED)
        pager.hear("reassigned", user(zed), assignees=[user(zed)])
        assert pager.said()[-1] == f"{recorded} gave the page to others in PagerDuty. PagerDuty calls {recorded} now."


async def test_events_without_an_id_are_told_apart_by_what_they_say(tmp_path: Path) -> None:
    """The second one is an acknowledgement, which must not count as a repetition of the first."""
    async with paged(tmp_path) as pager:
        events = [
            pager.event("reassigned", user(ANA), assignees=[user(BEN)]),
            pager.event("acknowledged", user(ANA), status="acknowledged", minutes=1),
        ]
        for event in events:
            del event["id"]
            assert pager.deliver(event) == "heard"
        reports = [entry.record.event for entry in pager.records(PageHeard) if isinstance(entry.record, PageHeard)]
        assert reports == ["reassigned", "acknowledged"]
        assert pager.answered
        pager.deliver(events[1] | {"client": {"name": "other bytes"}})
        assert len(pager.records(PageHeard)) == 2


@pytest.mark.parametrize("agent", [None, SERVICE])
async def test_our_own_acknowledgement_that_comes_back_changes_nothing(
    tmp_path: Path, agent: dict[str, Any] | None
) -> None:
    """No person stands behind it."""
    async with paged(tmp_path) as pager:
        before = len(pager.entries)
        assert pager.hear("acknowledged", agent, status="acknowledged") == "heard"
        assert len(pager.entries) == before
        assert not pager.answered


async def test_an_acknowledgement_that_expires_starts_the_climb_again(tmp_path: Path) -> None:
    """Ana fell asleep again: PagerDuty rings, and after three minutes the next role is paged."""
    async with paged(tmp_path) as pager:
        pager.hear("acknowledged", user(ANA), status="acknowledged")
        pager.hear("unacknowledged", None, minutes=30, assignees=[user(ANA)])
        assert not pager.answered
        assert pager.it.incident.acknowledged is None
        before = len(pager.it.simulated.world.pagerduty.pages)
        await due(pager.it, minutes=4)
        assert len(pager.it.simulated.world.pagerduty.pages) == before + 1
        pager.it.engine.people.acknowledge(pager.it.incident_id, pager.it.engine.people.who("Ana Ruiz", None, "page"))
        await due(pager.it, minutes=1)
        assert pager.it.simulated.world.pagerduty.pages[0].status == "acknowledged"  # PagerDuty shows it, too


async def test_a_page_that_is_given_to_another_person_is_not_taken(tmp_path: Path) -> None:
    """Ana gives it to Ben, who has not answered: the climb goes on, and the record says whom PagerDuty calls."""
    async with paged(tmp_path) as pager:
        pager.hear("acknowledged", user(ANA), status="acknowledged")
        pager.hear("reassigned", user(ANA), minutes=1, assignees=[user(BEN)])
        assert not pager.answered
        assert (
            pager.said()[-1]
            == "Ana Ruiz gave the page to others in PagerDuty. PagerDuty calls Ben Wu (PagerDuty PBEN456) now."
        )


async def test_older_news_that_comes_later_changes_nothing(tmp_path: Path) -> None:
    """The expiry arrived before the acknowledgement that it ended."""
    async with paged(tmp_path) as pager:
        pager.hear("unacknowledged", None, minutes=30)
        pager.hear("acknowledged", user(ANA), minutes=1, status="acknowledged")
        assert not pager.answered
        assert pager.records(Acknowledged) == []
        pager.hear("acknowledged", user(ANA), minutes=31, status="acknowledged")
        pager.hear("unacknowledged", None, minutes=29)
        assert pager.answered


async def test_a_page_that_is_resolved_there_leaves_the_incident_open_and_people_are_told(tmp_path: Path) -> None:
    """The end of a page is not the end of the trouble."""
    async with paged(tmp_path) as pager:
        pager.hear("resolved", user(BEN), status="resolved")
        assert not pager.it.incident.over
        assert not pager.answered
        await due(pager.it, seconds=1)
        told = [text for text in reminders_in_slack(pager.it) if "resolved by Ben Wu" in text]
        assert len(told) == 1
        assert "the incident is still open" in told[0]


async def test_our_own_end_of_the_page_is_no_news(tmp_path: Path) -> None:
    """The incident ended, so that we resolved the page; PagerDuty reports it."""
    async with paged(tmp_path) as pager:
        person = pager.it.engine.people.who("Ana Ruiz", None, "page")
        pager.it.engine.people.acknowledge(pager.it.incident_id, person)
        await due(pager.it, seconds=1)
        before = len(pager.entries)
        assert pager.hear("acknowledged", SERVICE, status="acknowledged") == "heard"
        assert len(pager.entries) == before


async def test_a_note_and_a_responder_are_found_by_the_id_that_was_heard_before(tmp_path: Path) -> None:
    """These events do not hold our key."""
    async with paged(tmp_path) as pager:
        assert pager.hear("annotated", user(ANA), content="Too early") == "ignored"
        pager.hear("triggered", SERVICE, assignees=[user(ANA)])
        pager.hear("annotated", user(ANA), content="The database is fine")
        pager.hear("responder.added", user(ANA), user=user(BEN), message="Please help", state="pending")
        pager.hear("responder.replied", user(BEN), user=user(BEN), message="Coming", state="joined")
        (note,) = pager.records(NoteAdded)
        assert isinstance(note.record, NoteAdded)
        assert (note.record.text, note.by.actor) == ("The database is fine", "Ana Ruiz")
        assert pager.said() == [
            "PagerDuty calls Ana Ruiz.",
            "Ana Ruiz asked Ben Wu (PagerDuty PBEN456) in PagerDuty to help: Please help.",
            "Ben Wu (PagerDuty PBEN456) joins, as asked in PagerDuty: Coming.",
        ]
        assert pager.answered


async def test_a_page_of_ours_never_opens_an_incident(tmp_path: Path) -> None:
    """The webhook may cover the service that allclear pages: its pages are no alerts."""
    async with paged(tmp_path) as pager:
        before = len(pager.it.engine.journal.incidents())
        assert pager.hear("triggered", None, assignees=[user(ANA)]) == "heard"
        assert len(pager.it.engine.journal.incidents()) == before


async def test_another_page_is_an_alert_as_before(tmp_path: Path) -> None:
    """An incident of another service, with a key of its own."""
    async with paged(tmp_path) as pager:
        event = pager.event("triggered", None, key="their-key")
        event["data"]["id"] = "Q0OTHER"
        assert pager.deliver(event) != "heard"


async def test_an_event_that_is_not_signed_well_proves_no_person(tmp_path: Path) -> None:
    """A weak sender may report alerts, and never act as a person."""
    async with paged(tmp_path) as pager:
        event = pager.event("acknowledged", user(ANA), status="acknowledged")
        assert pager.deliver(event, AuthenticationLevel.WEAK) == "ignored"
        assert not pager.answered
