"""One record that cannot be read holds up neither the timers nor other alerts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.action import ActStatus
from allclear.domain.records import IncidentEnded, NoteAdded
from allclear.domain.runbook import Phase
from allclear.engine.actions.known_good import JournalRecord
from allclear.engine.actions.manual import ManualRequest
from allclear.engine.people.declare import Declaration
from allclear.responder.app import make_app
from allclear.responder.deliveries import AUTHENTICATION
from allclear.responder.sources.signatures import AuthenticationLevel
from allclear.responder.workers.inbox_worker import InboxWorker
from tests.scenario.response_support import ALERT, MACHINE, OPENED, engine_on, installed, new_journal, received
from tests.scenario.scenes import Scene, Watch, scene
from tests.scenario.test_approval_timeouts import STREAMS, automatic, streams
from tests.unit.engine.alerts.storm_support import Room, many_services, storm_room
from tests.unit.responder.responder_support import AUTH, PAYMENTS, TOKEN, engine_in, send

LOST = "The record of {}, where this alert belonged, cannot be read."


def damage(url: str, incident: str) -> None:
    """Make the second entry of an incident unreadable, as a broken disk or a newer version would."""
    database = create_engine(url)
    with database.begin() as connection:
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        damaged = text("UPDATE entries SET record = '{}' WHERE incident = :incident AND number = 2")
        connection.execute(damaged, {"incident": incident})
    database.dispose()


def sent(engine: Any, key: str, name: str) -> str:  # noqa: ANN401 - the engine
    """Put an alert into the inbox, and return the delivery's id."""
    body = json.dumps({"key": key, "title": name, "labels": {"alertname": name}}).encode()
    return received(
        engine.journal, "json", {AUTHENTICATION: AuthenticationLevel.AUTHENTICATED.value}, body, f"{key}-{name}"
    )[0]


async def test_a_damaged_record_holds_up_no_timer_and_no_other_alert(tmp_path: Path) -> None:
    """Its incident is left out, and its alerts join another incident with the reason; everything else goes on."""
    url = new_journal(tmp_path)
    engine = engine_on(url, None)
    first = engine.intake.take(replace(ALERT, source="json"), "delivery-1").incident
    opened = OPENED.model_copy(update={"company": "vintstreet"})
    second, _ = engine.journal.open_incident("VS", opened, MACHINE)
    await engine.close()
    assert first is not None
    damage(url, first)
    engine = engine_on(url, None)
    try:
        assert [incident.id for incident in engine.conductor.incidents()] == [second]
        assert engine.approval_timeouts.waiting() == []
        await engine.reminders.start_due()
        await engine.reminders.wait()
        assert await engine.recovery.check() == []
        again, other = sent(engine, ALERT.key, "PaymentProcessingFailures"), sent(engine, "new", "LiveStreamFailures")
        InboxWorker(engine).take_in()
        for one, lost in ((again, True), (other, False)):
            kept = engine.journal.delivery(one)
            assert (kept.state, kept.incident, LOST.format(first) in kept.reason) == ("joined", second, lost)
    finally:
        await engine.close()


def opened_again(engine: Engine, company: Company, watch: Watch) -> Engine:
    """Return the engine of another process on the same journal, which remembers no incident."""
    return make_engine(engine.settings, environ={}, clock=watch, company=company, registry=installed())


@pytest.mark.parametrize("ended", [False, True])
def test_an_alert_whose_record_is_damaged_opens_a_new_incident(tmp_path: Path, *, ended: bool) -> None:
    """A repeat of its alert opens a new incident, with the reason; from then on the alert belongs to the new one."""
    with storm_room(tmp_path) as room:
        first = room.send(at=room.watch.now).incident
        assert first is not None
        if ended:
            room.engine.journal.append(first, [IncidentEnded(ending="resolved", reason="over")], MACHINE)
        damage(room.engine.settings.journal_url, first)
        later = Room(opened_again(room.engine, many_services(), room.watch), room.watch)
        assert LOST.format(first) in later.send(state="resolved").reason
        again = later.send(at=room.watch.now, delivery="again")
        assert (again.state, LOST.format(first) in again.reason) == ("opened", True)
        assert f"{again.incident}/respond" in [message.key for message in later.engine.journal.outbox()]
        assert (later.send(delivery="more").state, later.send(delivery="more").incident) == ("repeat", again.incident)
        later.engine.journal.close()


def test_no_new_alert_joins_a_damaged_alert_storm(tmp_path: Path) -> None:
    """New problems open their own incidents, and if there are many, a new storm incident is opened."""
    with storm_room(tmp_path) as room:
        for number in range(20):
            room.send(f"k{number}", service=number)
        umbrella = room.send("k20", service=20).incident
        assert room.incident(umbrella).opened.umbrella
        damage(room.engine.settings.journal_url, str(umbrella))
        later = Room(opened_again(room.engine, many_services(), room.watch), room.watch)
        assert later.send("k21", service=21).state == "opened"
        following = later.send("k22", service=22)
        assert (following.state, later.incident(following.incident).opened.umbrella) == ("joined", True)
        assert following.incident != umbrella
        later.engine.journal.close()


def test_the_list_and_the_metrics_leave_out_a_damaged_incident(tmp_path: Path) -> None:
    """GET /incidents and /metrics show the others, with any limit; GET of the damaged incident answers 503."""
    engine = engine_in(tmp_path)
    second, _ = engine.journal.open_incident("VS", OPENED.model_copy(update={"company": "vintstreet"}), MACHINE)
    first, _ = engine.journal.open_incident(
        "VS", OPENED.model_copy(update={"company": "vintstreet"}), MACHINE, records=[NoteAdded(text="It is slow, too.")]
    )
    damage(engine.settings.journal_url, first)
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False), client=("127.0.0.1", 5)) as client:
        for most in (1, 50):
            listed = client.get(f"/incidents?limit={most}", headers=AUTH)
            assert (listed.status_code, [one["id"] for one in listed.json()]) == (200, [second])
        metrics = client.get("/metrics", headers=AUTH).text
        assert 'allclear_open_incidents{severity="P0"} 1.0' in metrics
        assert "allclear_journal_up 1.0" in metrics
        assert client.get(f"/incidents/{first}", headers=AUTH).status_code == 503
        assert send(client, PAYMENTS)["incident"] == second
    engine.journal.close()


def test_the_onset_is_that_of_the_newest_incident_that_can_be_read(tmp_path: Path) -> None:
    """A damaged newer incident is left out, so a target can still be chosen."""
    with storm_room(tmp_path, join_within="10m") as room:
        room.send("old")
        room.watch.now += timedelta(hours=1)
        damaged = room.send("new").incident
        assert JournalRecord(room.engine.journal).onset("shop-0") == room.watch.now
        damage(room.engine.settings.journal_url, str(damaged))
        later = opened_again(room.engine, many_services(), room.watch)
        onset = JournalRecord(later.journal).onset("shop-0")
        assert onset == room.watch.now - timedelta(hours=1)
        later.journal.close()


async def test_a_declaration_of_a_damaged_incident_opens_a_new_one(tmp_path: Path) -> None:
    """The first incident cannot be read, so the second declaration opens an incident, which the third one joins."""
    with storm_room(tmp_path) as room:
        declaration = Declaration(title="Payments fail", severity="P0", service="shop-1", runbook="bad-deployment")
        by = room.engine.people.who("Ana", "on_call", "cli")
        first = room.engine.people.declare(declaration, by).incident
        damage(room.engine.settings.journal_url, first)
        later = opened_again(room.engine, many_services(), room.watch)
        second = later.people.declare(declaration, by).incident
        assert (second != first, later.people.declare(declaration, by).incident) == (True, second)
        later.journal.close()


async def test_while_a_record_is_damaged_no_action_is_automatic(tmp_path: Path) -> None:
    """It may hold a recent automatic action, so people are asked, and the question names the damaged record."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        damage(it.engine.settings.journal_url, it.incident_id)
        engine = opened_again(it.engine, automatic(), it.watch)
        taken = engine.intake.take(replace(STREAMS, key="streams-2"), "delivery-2")
        assert (taken.state, taken.incident != it.incident_id) == ("opened", True)
        second = Scene(engine, it.watch, it.simulated, str(taken.incident))
        await second.past_detection()
        ask = second.incident.ask_of(Phase.CONTAIN, "disable-flag")
        assert ask is not None
        assert ask.ask.window is None
        assert f"the record of {it.incident_id} cannot be read" in ask.ask.text
        await engine.close()


async def test_a_manual_action_does_not_need_the_damaged_record_of_its_target(tmp_path: Path) -> None:
    """A manual action on the same flag opens a new incident, and finds that the flag is off already."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        request = ManualRequest("feature_flag.disable", {"flag": "live_streams", "service": "storefront"}, "to be safe")
        by = it.engine.people.who("Ana", "on_call", "cli")
        assert (await it.engine.manual.do(request, by)).incident == it.incident_id
        damage(it.engine.settings.journal_url, it.incident_id)
        engine = opened_again(it.engine, automatic(), it.watch)
        result = await engine.manual.do(request, by)
        assert result.incident != it.incident_id
        assert result.outcome is not None
        assert (result.outcome.status, result.outcome.changed) == (ActStatus.VERIFIED, False)
        await engine.close()
