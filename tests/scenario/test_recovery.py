"""When all alerts are resolved, a probe decides; the incident ends automatically only if no person is engaged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from allclear.domain.action import Finding, Verdict
from allclear.domain.incident import Incident
from allclear.domain.pseudo_phases import RECOVERY
from allclear.domain.runbook import Phase
from allclear.engine.actions.manual import ManualRequest
from allclear.engine.alerts.recovery import CLOSE, HEALTH_CHECK, RecoveryWatcher
from allclear.engine.response.conductor import Conductor
from allclear.journal.rows import OutboxKind
from allclear.simulator.scenario_schema import Trouble
from tests.patience import HUNG
from tests.scenario.response_support import ALERT, broken
from tests.scenario.response_support import vintstreet as small_vintstreet
from tests.scenario.scenes import Scene, scene
from tests.unit.engine.alerts.storm_support import many_services, storm_room

BAD = "vintstreet-00042-qoz"
MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def resolved_alerts(folder: Path, *, healthy: bool = True, paged: bool = False) -> AsyncGenerator[Scene]:
    """Yield an incident whose two alerts have just been resolved, and whose service is healthy or not."""
    async with scene(folder, small_vintstreet(), broken(), replace(ALERT, at=None)) as it:
        it.engine.intake.take(replace(ALERT, key="second", at=None), "d2")
        it.engine.intake.take(replace(ALERT, key="second", state="resolved", at=None), "d3")
        if paged:
            await it.to(Phase.DETECT)
        it.watch.now += MINUTE
        if healthy:
            it.simulated.world.service.revisions[BAD].faults.clear()
        it.engine.intake.take(replace(ALERT, state="resolved", at=None), "d4")
        yield it


async def test_an_incident_without_people_ends_when_its_service_is_healthy_after_the_alerts(tmp_path: Path) -> None:
    """Ten minutes after the last alert was resolved, and not earlier, a probe ends it, and its review starts."""
    async with resolved_alerts(tmp_path) as it:
        it.watch.now += 9 * MINUTE
        assert await it.engine.recovery.check() == []
        it.watch.now += MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        incident = it.incident
        assert incident.ended is not None
        assert (incident.ended.ending, "no one was engaged" in incident.ended.reason) == ("resolved", True)
        assert incident.recovered_at is not None
        flows = [one.detail["flow"] for one in it.engine.journal.outbox() if one.kind is OutboxKind.START]
        assert flows.count("review") == 1


async def test_one_alert_that_fires_keeps_it_open(tmp_path: Path) -> None:
    """Every alert counts. An alert that is not received any more still counts as firing."""
    async with resolved_alerts(tmp_path) as it:
        it.engine.intake.take(replace(ALERT, key="third", at=None), "d5")
        it.watch.now += timedelta(days=1)
        assert await it.engine.recovery.check() == []
        assert not it.incident.over


async def test_resolved_alerts_of_a_failing_service_are_no_recovery(tmp_path: Path) -> None:
    """The failed probe is recorded and repeated after five minutes, and the incident stays open."""
    async with resolved_alerts(tmp_path, healthy=False) as it:
        it.watch.now += 11 * MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        assert await it.engine.recovery.check() == []
        it.watch.now += 5 * MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        probed = it.incident.step(RECOVERY, HEALTH_CHECK)
        assert probed is not None
        assert (probed.finding.verdict, probed.times) == (Verdict.FAILURE, 2)
        assert (it.incident.recovered_at, it.incident.over) == (None, False)


async def test_if_a_person_is_engaged_people_are_asked_and_a_yes_ends_the_incident(tmp_path: Path) -> None:
    """Recovery is recorded, and people are asked once whether to close the incident."""
    async with resolved_alerts(tmp_path) as it:
        by = it.engine.people.who("Ana", "on_call", "cli")
        it.engine.people.acknowledge(it.incident_id, by)
        it.watch.now += 11 * MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        assert await it.engine.recovery.check() == []
        ask = it.incident.ask_of(RECOVERY, CLOSE)
        assert ask is not None
        assert ask.ask.id == f"{it.incident_id}/recovery/close"
        assert (it.incident.over, it.incident.recovered_at is not None) == (False, True)
        it.engine.people.answer(ask.ask.id, by, yes=True, reason="Nobody writes to us any more.")
        assert await it.engine.recovery.check() == [it.incident_id]
        assert it.incident.ended is not None
        assert "Ana confirmed the end" in it.incident.ended.reason


async def test_an_alert_that_ended_without_a_recovery_does_not_end_its_incident(tmp_path: Path) -> None:
    """A paused rule resolves its alerts. The service looks healthy and no one is engaged, but people decide."""
    async with scene(tmp_path, small_vintstreet(), broken(), replace(ALERT, at=None)) as it:
        it.simulated.world.service.revisions[BAD].faults.clear()
        it.engine.intake.take(replace(ALERT, state="resolved", at=None, no_recovery="its rule was paused"), "d2")
        it.watch.now += 11 * MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        ask = it.incident.ask_of(RECOVERY, CLOSE)
        assert ask is not None
        assert "- an alert ended, but not because of a recovery: its rule was paused" in ask.ask.text
        assert not it.incident.over


async def test_after_a_no_people_are_asked_again_only_after_new_alerts_are_resolved(tmp_path: Path) -> None:
    """The incident stays open, and an hour later no one is asked; once an alert has fired and ended, people are."""
    async with resolved_alerts(tmp_path) as it:
        by = it.engine.people.who("Ana", "on_call", "cli")
        it.engine.people.acknowledge(it.incident_id, by)
        it.watch.now += 11 * MINUTE
        await it.engine.recovery.check()
        (ask,) = [one for one in it.incident.open_asks if one.ask.phase == RECOVERY]
        it.engine.people.answer(ask.ask.id, by, yes=False, reason="We are still looking into it.")
        it.watch.now += timedelta(hours=1)
        assert await it.engine.recovery.check() == []
        for state in ("firing", "resolved"):
            it.engine.intake.take(replace(ALERT, state=state, at=None), f"again-{state}")
        it.watch.now += 11 * MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        assert [one.ask.id for one in it.incident.open_asks if one.ask.phase == RECOVERY] == [f"{ask.ask.id}~2"]


async def test_an_open_page_does_not_keep_an_incident_open_and_is_closed_at_its_end(tmp_path: Path) -> None:
    """A person was paged, so people are asked. A yes ends the incident, and the page is resolved."""
    async with resolved_alerts(tmp_path, paged=True) as it:
        it.watch.now += 11 * MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        (ask,) = [one for one in it.incident.open_asks if one.ask.phase == RECOVERY]
        assert "still in place" not in ask.ask.text
        by = it.engine.people.who("Ana", "on_call", "cli")
        it.engine.people.answer(ask.ask.id, by, yes=True, reason="It is over.")
        assert await it.engine.recovery.check() == [it.incident_id]
        assert it.incident.over
        await it.engine.reminders.start_due()
        await it.engine.reminders.wait()
        assert [page.status for page in it.simulated.world.pagerduty.pages] == ["resolved"]
        assert it.incident.in_place == []


async def test_after_a_yes_a_change_in_place_keeps_the_incident_open_until_it_is_undone(tmp_path: Path) -> None:
    """A flag is still switched off; the incident ends when the flag is on again."""
    async with resolved_alerts(tmp_path) as it:
        by = it.engine.people.who("Ana", "on_call", "cli")
        request = ManualRequest("feature_flag.disable", {"flag": "live_streams", "service": "storefront"}, "to be safe")
        act = (await it.engine.manual.do(request, by)).act
        it.watch.now += 11 * MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        (ask,) = [one for one in it.incident.open_asks if one.ask.phase == RECOVERY]
        assert "still in place: Switch a feature flag off" in ask.ask.text
        it.engine.people.answer(ask.ask.id, by, yes=True, reason="It is over.")
        assert await it.engine.recovery.check() == []
        await it.engine.manual.undo(it.incident_id, act, "over", by)
        assert (it.incident.recovered, it.incident.recovery.current is None) == (None, False)
        assert await it.engine.recovery.check() == [it.incident_id]
        probed, ended = it.incident.step(RECOVERY, HEALTH_CHECK), it.incident.ended
        assert probed is not None
        assert probed.number > it.incident.service_changed
        assert ended is not None
        assert "Ana confirmed the end" in ended.reason


async def test_after_a_yes_a_service_that_fails_when_the_change_is_undone_ends_nothing(tmp_path: Path) -> None:
    """The undo brings the trouble back. The yes counts no more, and people are asked anew once it is healthy."""
    async with resolved_alerts(tmp_path) as it:
        by = it.engine.people.who("Ana", "on_call", "cli")
        request = ManualRequest("feature_flag.disable", {"flag": "live_streams", "service": "storefront"}, "to be safe")
        act = (await it.engine.manual.do(request, by)).act
        it.watch.now += 11 * MINUTE
        await it.engine.recovery.check()
        (ask,) = [one for one in it.incident.open_asks if one.ask.phase == RECOVERY]
        it.engine.people.answer(ask.ask.id, by, yes=True, reason="It is over.")
        await it.engine.manual.undo(it.incident_id, act, "over", by)
        faults = [revision.faults for revision in it.simulated.world.service.revisions.values()]
        for one in faults:
            one["/"] = Trouble(path="/", error_rate=1.0)
        assert await it.engine.recovery.check() == [it.incident_id]
        assert (it.incident.over, it.incident.recovery.current) == (False, None)
        for one in faults:
            one.clear()
        it.watch.now += 6 * MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        (again,) = [one for one in it.incident.open_asks if one.ask.phase == RECOVERY]
        assert (again.ask.id, it.incident.over) == (f"{ask.ask.id}~2", False)


class HealthChecks:
    """A conductor (by delegation) in which one incident's health check fails and two others wait for each other."""

    def __init__(self, inner: Conductor, broken: str | None) -> None:
        self._inner = inner
        self._broken = broken
        self._both = asyncio.Barrier(2)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - attributes of any type
        """Return the conductor's attribute."""
        return getattr(self._inner, name)

    async def check_health(self, incident: Incident) -> Finding:
        """Return success once both checks have started."""
        if incident.id == self._broken:
            raise ZeroDivisionError
        async with asyncio.timeout(HUNG):
            await self._both.wait()
        return Finding(verdict=Verdict.SUCCESS, sentence="The service is healthy.")


async def test_a_failing_and_a_slow_health_check_hold_up_no_other_incident(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Incidents are checked concurrently, each check counts as progress, and an error is logged."""
    with storm_room(tmp_path) as room:
        opened = [room.send(f"k{number}", service=number).incident for number in range(3)]
        for number in range(3):
            room.send(f"k{number}", "resolved", service=number)
        room.watch.now += 11 * MINUTE
        conductor: Any = HealthChecks(room.engine.conductor, opened[1])
        visits: list[None] = []
        recovery = RecoveryWatcher(room.engine.journal, conductor, many_services(), room.watch)
        with caplog.at_level(logging.ERROR, "allclear.recovery"):
            written = await recovery.check(each=lambda: visits.append(None))
        assert sorted(written) == [opened[0], opened[2]]
        assert len(visits) == 3
        assert [room.incident(one).over for one in opened] == [True, False, True]
        assert f"Could not check the recovery of {opened[1]}; will retry." in caplog.text
