"""Paging, posting and the status page, against simulated vendors."""

from __future__ import annotations

import pytest

from allclear.domain.action import Verdict
from allclear.domain.errors import AnswerLost, Refused
from tasks.pagerduty import Acknowledge, Page, Resolve
from tasks.slack import PostMessage
from tasks.statuspage import OpenIncident, ResolveIncident, UpdateIncident
from tests.contract.actions_support import applied, carried_out, dumped, production, undone, worked_out
from tests.contract.simulator_support import fault, recorded

OPEN = {
    "incident": "VS-1",
    "service": "storefront",
    "title": "Payments are failing",
    "message": "We are investigating.",
}


async def test_a_page_sent_twice_is_one_page_and_its_undo_resolves_it() -> None:
    """The key is the incident's, so PagerDuty treats the second event as the first."""
    async with production() as (sim, context):
        action = Page(context)
        done = await carried_out(action, incident="VS-1", summary="Payments are failing")
        await action.apply(done.params, done.change, "VS-1/detect/page")
        opened = len(sim.world.pagerduty.pages)
        back = await undone(action, done)
        assert done.finding.verdict is Verdict.SUCCESS
        assert opened == 1
        assert back.finding.verdict is Verdict.SUCCESS
        assert sim.secrets["pagerduty"] not in dumped(done)


async def test_a_page_is_acknowledged_and_resolved() -> None:
    """PagerDuty accepts each event under the same key."""
    async with production() as (sim, context):
        await carried_out(Page(context), incident="VS-1", summary="Payments are failing")
        await carried_out(Acknowledge(context), incident="VS-1")
        await carried_out(Resolve(context), incident="VS-1")
        assert len(recorded(sim, "write", api="pagerduty", result="done")) == 3


async def test_a_page_whose_answer_was_lost_may_be_sent_again() -> None:
    """The vendor knows the key: the second write opens nothing new."""
    async with production() as (sim, context):
        action = Page(context)
        params, change = await worked_out(action, incident="VS-1", summary="Payments are failing")
        await fault(sim, "pagerduty", "enqueue", "answer_lost")
        with pytest.raises(AnswerLost):
            await action.apply(params, change, "key")
        done = await applied(action, params, change)
        assert done.finding.verdict is Verdict.SUCCESS
        assert len(sim.world.pagerduty.pages) == 1


async def test_a_message_is_posted_once_and_then_changed_in_place() -> None:
    """The second post under one key finds the first; the same text again leaves nothing to do."""
    async with production() as (sim, context):
        action = PostMessage(context)
        first = await carried_out(action, message="VS-1", text="Investigating <!here> & https://vintstreet.com")
        second = await carried_out(action, message="VS-1", text="Contained")
        _, third = await worked_out(action, message="VS-1", text="Contained")
        assert first.after.ts == second.after.ts
        assert "<!here>" not in first.after.text
        assert action.target_reached(third, third.before)
        assert not action.target_reached(second.change, first.after)
        assert sim.secrets["slack"] not in dumped(second)


async def test_a_posted_message_cannot_be_undone() -> None:
    """The refusal says how to correct the message."""
    async with production() as (_, context):
        action = PostMessage(context)
        done = await carried_out(action, message="VS-1", text="Investigating")
        with pytest.raises(Refused) as refused:
            action.undo(done.params, done.change, done.after)
        assert "correction" in refused.value.next_step


async def test_a_post_whose_answer_was_lost_is_found_before_a_second_one() -> None:
    """Slack has no idempotency key: the next observation finds ours in the channel."""
    async with production() as (sim, context):
        action = PostMessage(context)
        params, change = await worked_out(action, message="VS-1", text="Investigating")
        await fault(sim, "slack", "chat.postMessage", "answer_lost")
        with pytest.raises(AnswerLost):
            await action.apply(params, change, "key")
        assert action.target_reached(change, await action.observe(params))


async def test_a_rate_limited_post_is_sent_after_the_pause_that_slack_asks_for() -> None:
    """A 429 did nothing, so the write goes out once."""
    async with production() as (sim, context):
        await fault(sim, "slack", "chat.postMessage", "rate_limited")
        done = await carried_out(PostMessage(context), message="VS-1", text="Investigating")
        assert done.finding.verdict is Verdict.SUCCESS
        assert len(recorded(sim, "write", api="slack", result="done")) == 1


async def test_the_status_page_is_opened_updated_and_resolved() -> None:
    """Our incident goes through its statuses and is resolved."""
    async with production() as (sim, context):
        opened = await carried_out(OpenIncident(context), **OPEN)
        await carried_out(UpdateIncident(context), incident="VS-1", message="The cause is known.", status="identified")
        closed = await carried_out(ResolveIncident(context), incident="VS-1", message="It is over.")
        assert opened.change.resource == "status-page:vintstreet/VS-1"
        assert (opened.after.status, closed.after.status) == ("investigating", "resolved")
        assert opened.after.id == closed.after.id
        assert sim.secrets["statuspage"] not in dumped(opened)


async def test_an_update_may_change_the_title_and_leaves_it_otherwise() -> None:
    """An update with a title sets it; without one the page keeps the old title."""
    async with production() as (sim, context):
        await carried_out(OpenIncident(context), **OPEN)
        kept = await carried_out(UpdateIncident(context), incident="VS-1", message="Known.", status="identified")
        closed = await carried_out(
            ResolveIncident(context), incident="VS-1", message="Over.", title="Resolved - Payments"
        )
        assert (kept.after.title, closed.after.title) == (OPEN["title"], "Resolved - Payments")
        assert closed.finding.verdict is Verdict.SUCCESS
        assert len(recorded(sim, "write", api="statuspage", method="create_incident")) == 1


async def test_an_incident_opened_twice_is_on_the_page_once() -> None:
    """The second act finds it open: nothing is left to do."""
    async with production() as (_, context):
        action = OpenIncident(context)
        await carried_out(action, **OPEN)
        _, again = await worked_out(action, **OPEN | {"message": "Other words."})
        assert action.target_reached(again, again.before)


async def test_undo_of_an_opened_incident_resolves_it_once() -> None:
    """The public reads a plain sentence; a second undo is refused."""
    async with production() as (_, context):
        action = OpenIncident(context)
        done = await carried_out(action, **OPEN)
        back = await undone(action, done)
        assert back.after.status == "resolved"
        with pytest.raises(Refused):
            action.undo(done.params, done.change, back.after)


async def test_an_update_without_an_open_incident_is_refused() -> None:
    """The public gets no update of an incident that was never published."""
    async with production() as (_, context):
        with pytest.raises(Refused, match="not open"):
            await worked_out(UpdateIncident(context), incident="VS-1", message="…", status="monitoring")


async def test_an_opening_whose_answer_was_lost_is_found_by_its_key() -> None:
    """Statuspage has no idempotency key: the next observation finds ours in the metadata."""
    async with production() as (sim, context):
        action = OpenIncident(context)
        params, change = await worked_out(action, **OPEN)
        await fault(sim, "statuspage", "create_incident", "answer_lost")
        with pytest.raises(AnswerLost):
            await action.apply(params, change, "key")
        assert action.target_reached(change, await action.observe(params))
