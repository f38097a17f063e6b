"""When an answer window ends without an answer, only what the plan allows is done, and only once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.approval import Fallback
from allclear.domain.records import IncidentEnded, StormJoined
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Over, Wait
from allclear.journal.rows import OutboxKind
from tests.scenario.response_support import ALERT, MACHINE, broken, person_for
from tests.scenario.response_support import vintstreet as small_vintstreet
from tests.scenario.scenes import STREAMS, Scene, automatic, scene, streams


async def test_an_automatic_action_is_done_when_no_one_vetoes_it(tmp_path: Path) -> None:
    """The flag is switched off when the veto window of 60 s has ended, and not a second earlier."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        await it.past_detection()
        ask = it.incident.ask_of(Phase.CONTAIN, "disable-flag")
        assert ask is not None
        assert ask.ask.window is not None
        assert ask.ask.window.until - it.watch.now == timedelta(seconds=60)
        assert "unless a person says no" in ask.ask.text
        it.watch.now += timedelta(seconds=59)
        assert await it.engine.approval_timeouts.apply_due() == []
        it.watch.now += timedelta(seconds=1)
        assert await it.engine.approval_timeouts.apply_due() == [ask.ask.id]
        assert await it.engine.approval_timeouts.apply_due() == []
        woken = [message for message in it.engine.journal.outbox() if message.kind is OutboxKind.RESUME]
        assert [message.detail["ask"] for message in woken] == [ask.ask.id]
        await it.to(Phase.CONTAIN)
        act = it.incident.act_of(Phase.CONTAIN, "disable-flag")
        assert act is not None
        assert act.outcome is not None
        assert act.outcome.good
        assert act.proposed.auto_approve


async def test_a_no_within_the_window_stops_it(tmp_path: Path) -> None:
    """A person who may approve may also stop it; when the window ends, nothing is done."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        move = await it.past_detection()
        ask = it.incident.ask_of(Phase.CONTAIN, "disable-flag")
        assert ask is not None
        assert ask.ask.id in move.asks
        it.engine.people.answer(ask.ask.id, person_for(ask.ask), yes=False, reason="The big show is on.")
        it.watch.now += timedelta(minutes=2)
        assert await it.engine.approval_timeouts.apply_due() == []
        act = it.incident.act_of(Phase.CONTAIN, "disable-flag")
        assert act is not None
        assert act.intended is None


async def test_an_unauthenticated_alert_allows_no_automatic_action(tmp_path: Path) -> None:
    """Without an authenticated alert people are asked, and the question gives the reason."""
    async with scene(tmp_path, automatic(), streams(), replace(STREAMS, authenticated=False)) as it:
        await it.past_detection()
        ask = it.incident.ask_of(Phase.CONTAIN, "disable-flag")
        assert ask is not None
        assert ask.ask.window is None
        assert "It is not done automatically: no firing alert is authenticated" in ask.ask.text


async def test_a_flapping_alert_allows_no_automatic_action(tmp_path: Path) -> None:
    """After three changes of its state in a quarter of an hour, people must approve."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        for turn in ("resolved", "firing", "resolved", "firing"):
            it.watch.now += timedelta(seconds=20)
            it.engine.intake.take(replace(STREAMS, state=turn), f"delivery-{turn}-{it.watch.now}")
        await it.past_detection()
        ask = it.incident.ask_of(Phase.CONTAIN, "disable-flag")
        assert ask is not None
        assert ask.ask.window is None
        assert "flapping" in ask.ask.text


async def test_there_is_one_automatic_action_an_hour(tmp_path: Path) -> None:
    """For a second action on the same flag within the hour, a person is asked."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        await it.past_detection()
        it.watch.now += timedelta(seconds=61)
        await it.engine.approval_timeouts.apply_due()
        await it.to(Phase.CONTAIN)
        _switch_streams(it, on=True)
        again = it.engine.intake.take(replace(STREAMS, key="streams-2"), "delivery-2")
        assert again.incident == it.incident_id  # a new alert joins the open incident of its service
        ended = IncidentEnded(ending="resolved", reason="The flag is off.")
        it.engine.journal.append(it.incident_id, [ended], MACHINE)
        it.watch.now += timedelta(minutes=11)
        later = it.engine.intake.take(replace(STREAMS, key="streams-3"), "delivery-3")
        assert later.state == "opened"
        assert later.incident is not None
        second = Scene(it.engine, it.watch, it.simulated, later.incident)
        await second.past_detection()
        ask = second.incident.ask_of(Phase.CONTAIN, "disable-flag")
        assert ask is not None
        assert ask.ask.window is None
        assert "within the hour" in ask.ask.text


async def test_the_standard_text_is_sent_when_no_one_answers_and_the_service_still_fails(tmp_path: Path) -> None:
    """After 15 minutes without an answer, the standard text is published, and the ask for the own text is withdrawn."""
    async with scene(tmp_path, small_vintstreet(), broken(), replace(ALERT, authenticated=True)) as it:
        await _reach_the_status_page(it)
        first = it.incident.ask_of(Phase.CONTAIN, "status-page")
        assert first is not None
        assert first.ask.window is not None
        it.watch.now += timedelta(minutes=14)
        assert await it.engine.approval_timeouts.apply_due() == []
        it.watch.now += timedelta(minutes=1)
        assert await it.engine.approval_timeouts.apply_due() == [first.ask.id]
        assert it.incident.asks[first.ask.id].withdrawn
        await it.to(Phase.CONTAIN)
        act = it.incident.act_of(Phase.CONTAIN, "status-page")
        assert act is not None
        assert act.outcome is not None
        assert act.outcome.good
        text = str(act.change)
        assert "We are looking into a problem with VintStreet storefront" in text
        assert "Next update: 2026-11-22 03:45 UTC" in text  # 30 minutes after it was written
        assert not any("{" in value for value in act.proposed.params.values() if isinstance(value, str))


async def test_after_an_unauthenticated_alert_no_text_is_sent_without_an_approval(tmp_path: Path) -> None:
    """The ask stays open and is checked again: once an alert is authenticated, the standard text is sent."""
    async with scene(tmp_path, small_vintstreet(), broken(), replace(ALERT, authenticated=False)) as it:
        ask = await _unanswered(it)
        assert it.incident.asks[ask].open
        assert await it.engine.approval_timeouts.apply_due() == []
        for turn in ("resolved", "firing"):
            it.engine.intake.take(replace(ALERT, state=turn, authenticated=True), f"delivery-{turn}")
        it.watch.now += timedelta(minutes=5)
        assert await it.engine.approval_timeouts.apply_due() == [ask]
        assert it.incident.asks[ask].withdrawn


@pytest.mark.parametrize("trouble", ["a storm", "flapping"])
async def test_in_a_storm_and_while_an_alert_flaps_no_text_is_sent_without_an_approval(
    tmp_path: Path, trouble: str
) -> None:
    """People approve every action then, the standard text included."""
    alert = replace(ALERT, authenticated=True, at=None)
    async with scene(tmp_path, small_vintstreet(), broken(), alert) as it:
        await _reach_the_status_page(it)
        it.watch.now += timedelta(minutes=12)
        if trouble == "a storm":
            it.engine.journal.append(it.incident_id, [StormJoined(umbrella="VS-99")], MACHINE)
        else:
            for turn in ("resolved", "firing", "resolved", "firing"):
                it.engine.intake.take(replace(alert, state=turn), f"delivery-{turn}-{it.watch.now}")
                it.watch.now += timedelta(seconds=20)
        ask = it.incident.ask_of(Phase.CONTAIN, "status-page")
        assert ask is not None
        it.watch.now += timedelta(minutes=3)
        assert await it.engine.approval_timeouts.apply_due() == [ask.ask.id]
        assert it.incident.asks[ask.ask.id].open
        act = it.incident.act_of(Phase.CONTAIN, "status-page")
        assert act is not None
        assert act.outcome is None


async def test_nothing_is_sent_when_the_service_is_healthy(tmp_path: Path) -> None:
    """If the service is healthy when the window ends, the ask stays open, and the service is probed once."""
    async with scene(tmp_path, small_vintstreet(), broken(), replace(ALERT, authenticated=True)) as it:
        await _reach_the_status_page(it)
        it.simulated.world.service.revisions["vintstreet-00042-qoz"].faults.clear()
        it.watch.now += timedelta(minutes=15)
        ask = it.incident.ask_of(Phase.CONTAIN, "status-page")
        assert ask is not None
        assert await it.engine.approval_timeouts.apply_due() == [ask.ask.id]
        assert await it.engine.approval_timeouts.apply_due() == []
        assert it.incident.asks[ask.ask.id].open


async def _unanswered(it: Scene) -> str:
    """Let the answer window of the first public message end, and return its ask."""
    await _reach_the_status_page(it)
    ask = it.incident.ask_of(Phase.CONTAIN, "status-page")
    assert ask is not None
    it.watch.now += timedelta(minutes=15)
    assert await it.engine.approval_timeouts.apply_due() == [ask.ask.id]
    return ask.ask.id


def _switch_streams(it: Scene, *, on: bool) -> None:
    it.simulated.world.flags.update(["live_streams"], {"enabled": on}, by="an engineer")


async def _reach_the_status_page(it: Scene) -> None:
    """Deny every measure, so that the trouble stays, and go on to the first public message."""
    assert isinstance(await it.to(Phase.DETECT), Over)
    for _ in range(10):
        move = await it.to(Phase.CONTAIN)
        assert isinstance(move, Wait)
        for state in it.incident.open_asks:
            if state.ask.step == "status-page":
                return
        for ask_id in move.asks:
            state = it.incident.asks[ask_id]
            it.engine.people.answer(ask_id, person_for(state.ask), yes=False, reason="Not now.")
    pytest.fail("The status page was never asked for.")


async def test_a_veto_window_that_ends_on_a_healthy_service_does_nothing(tmp_path: Path) -> None:
    """The service is checked once more; if it is healthy, the ask waits for people like any other."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        await it.past_detection()
        ask = it.incident.ask_of(Phase.CONTAIN, "disable-flag")
        assert ask is not None
        _switch_streams(it, on=False)
        it.watch.now += timedelta(seconds=61)
        assert await it.engine.approval_timeouts.apply_due() == [ask.ask.id]
        assert await it.engine.approval_timeouts.apply_due() == []
        assert it.incident.asks[ask.ask.id].open
        assert not it.incident.asks[ask.ask.id].veto_window_ended


async def test_a_veto_window_that_ended_hours_ago_allows_nothing(tmp_path: Path) -> None:
    """No process was running when the window ended, so people must decide."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        await it.past_detection()
        ask = it.incident.ask_of(Phase.CONTAIN, "disable-flag")
        assert ask is not None
        it.watch.now += timedelta(hours=5)
        await it.engine.approval_timeouts.apply_due()
        assert it.incident.asks[ask.ask.id].open


async def test_an_alert_that_is_resolved_allows_nothing(tmp_path: Path) -> None:
    """Its source resolved it before the window ended."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        await it.past_detection()
        ask = it.incident.ask_of(Phase.CONTAIN, "disable-flag")
        assert ask is not None
        it.engine.intake.take(replace(STREAMS, state="resolved"), "delivery-2")
        it.watch.now += timedelta(seconds=61)
        await it.engine.approval_timeouts.apply_due()
        assert it.incident.asks[ask.ask.id].open


async def test_a_timeout_sends_texts_only(tmp_path: Path) -> None:
    """A runbook may name anything under `if_unanswered`, but a rollback is never done because of it."""
    company = small_vintstreet()
    book = company.runbooks["bad-deployment"]
    fallback = Fallback.model_validate({"after": "1m", "with": {"service": "storefront"}})
    first = book.contain[0].model_copy(update={"if_unanswered": fallback})
    changed = book.model_copy(update={"contain": [first, *book.contain[1:]]})
    company = replace(company, runbooks=company.runbooks | {"bad-deployment": changed})
    async with scene(tmp_path, company, broken(), replace(ALERT, authenticated=True)) as it:
        await it.past_detection()
        ask = it.incident.ask_of(Phase.CONTAIN, "roll-back")
        assert ask is not None
        assert ask.ask.window is None
        it.watch.now += timedelta(minutes=2)
        assert await it.engine.approval_timeouts.apply_due() == []


async def test_two_processes_that_check_at_once_propose_it_once(tmp_path: Path) -> None:
    """Processes on one incident open one window, so that one no is enough to stop it."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        it.watch.now += timedelta(seconds=11)
        await asyncio.gather(*(it.to(Phase.CONTAIN) for _ in range(4)))
        acts = [act.id for act in it.incident.acts.values() if act.proposed.step == "disable-flag"]
        assert acts == ["contain/disable-flag"]


async def test_the_standard_text_is_not_lost_when_the_process_dies_before_it_is_sent(tmp_path: Path) -> None:
    """Withdrawing the ask is one transaction; the process that makes the next move sends the standard text."""
    async with scene(tmp_path, small_vintstreet(), broken(), replace(ALERT, authenticated=True)) as it:
        await _reach_the_status_page(it)
        it.watch.now += timedelta(minutes=15)
        await it.engine.approval_timeouts.apply_due()
        act = it.incident.act_of(Phase.CONTAIN, "status-page")
        assert act is not None
        assert act.outcome is not None
        assert act.outcome.sentence == "No one answered; the standard text is sent."
        woken = [message for message in it.engine.journal.outbox() if message.kind is OutboxKind.RESUME]
        assert "status-page" in str(woken[-1].detail["ask"])
        await it.to(Phase.CONTAIN)
        act = it.incident.act_of(Phase.CONTAIN, "status-page")
        assert act is not None
        assert act.status is ActStatus.VERIFIED
