"""The public post-mortem on the simulated status page: published as approved, after the end, and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.action import Verdict
from allclear.domain.approval import SPEAKERS
from allclear.domain.errors import AllclearError, AnswerLost, Refused, VendorRefused
from tasks.statuspage import OpenIncident, ResolveIncident
from tasks.statuspage_post_mortem import PublishPostMortem
from tests.contract.actions_support import (
    SimulatedContext,
    carried_out,
    each_write_fault,
    production,
    undone,
    worked_out,
)
from tests.contract.simulator_support import Simulated, fault, recorded
from tests.contract.test_actions_status_page import OPEN

TEXT = "# What happened\n\nPayments failed for 20 minutes."
RAW = {"incident": "VS-1", "text": TEXT}


async def resolved(context: SimulatedContext) -> None:
    """Publish an incident, and resolve it."""
    await carried_out(OpenIncident(context), **OPEN)
    await carried_out(ResolveIncident(context), incident="VS-1", message="It is over.")


def shown(sim: Simulated) -> list[Any]:
    """Return the post-mortems that the public reads."""
    return [one["body"] for one in sim.world.status_board.post_mortems.values()]


async def test_it_is_published_as_approved_and_made_a_draft_again() -> None:
    """The text in the change is the text on the page; the undo keeps the draft."""
    async with production() as (sim, context):
        await resolved(context)
        sim.world.status_board.subscribers |= {"email": 40, "sms": 7}
        action = PublishPostMortem(context)
        assert action.approval == SPEAKERS
        done = await carried_out(action, **RAW, notify=True)
        assert done.change.risk == "It is public, and 40 subscribers are notified (40 by e-mail)."
        assert (done.change.after.text, shown(sim), done.finding.verdict) == (TEXT, [TEXT], Verdict.SUCCESS)
        assert [one["notified"] for one in recorded(sim, "post_mortem_published")] == [40]
        back = await undone(action, done)
        assert (shown(sim), back.finding.sentence) == ([None], "The post-mortem is a draft again.")
        assert [one["body_draft"] for one in sim.world.status_board.post_mortems.values()] == [TEXT]


async def test_the_same_is_done_already_and_another_replaces_it() -> None:
    """No one is notified twice of the same text."""
    async with production() as (sim, context):
        await resolved(context)
        action = PublishPostMortem(context)
        first = await carried_out(action, **RAW)
        params, change = await worked_out(action, **RAW)
        assert action.target_reached(change, await action.observe(params))
        second = await carried_out(action, incident="VS-1", text="Corrected.")
        assert "It replaces the one that the public reads now." in second.change.risk
        assert shown(sim) == ["Corrected."]
        with pytest.raises(Refused, match="was changed since"):
            action.undo(params, first.change, await action.observe(params))


async def test_it_has_no_place_before_the_end() -> None:
    """Each refusal says what to do first."""
    async with production() as (_, context):
        action = PublishPostMortem(context)
        with pytest.raises(Refused, match="is not on the status page"):
            await worked_out(action, **RAW)
        await carried_out(OpenIncident(context), **OPEN)
        with pytest.raises(Refused, match="is not resolved") as refused:
            await worked_out(action, **RAW)
        assert "status_page.resolve" in refused.value.next_step
        await carried_out(ResolveIncident(context), incident="VS-1", message="It is over.")
        with pytest.raises(Refused, match="25,000"):
            await worked_out(action, incident="VS-1", text="x" * 25_001)


async def test_an_incident_that_is_back_has_no_post_mortem_until_it_ends_again() -> None:
    """The approval was for a resolved incident, so that the change is refused as drifted."""
    async with production() as (_, context):
        await resolved(context)
        action = PublishPostMortem(context)
        params, change = await worked_out(action, **RAW)
        await carried_out(OpenIncident(context), **OPEN)
        assert (await action.observe(params)).matters() != change.before.matters()


@each_write_fault("write the post-mortem of")
async def test_each_fault_publishes_nothing(kind: str, error: type[AllclearError], words: str) -> None:
    """The draft is written first, so that no fault of it is public."""
    async with production() as (sim, context):
        await resolved(context)
        action = PublishPostMortem(context)
        params, change = await worked_out(action, **RAW)
        await fault(sim, "statuspage", "draft_post_mortem", kind, times=3 if kind == "rate_limited" else 1, seconds=1)
        with pytest.raises(error, match=words):
            await action.apply(params, change, "key")
        assert recorded(sim, "post_mortem_published") == []
        assert not action.target_reached(change, await action.observe(params))


@pytest.mark.parametrize("kind", ["answer_lost", "cut_off", "other_shape"])
async def test_a_lost_answer_is_settled_by_reading(kind: str) -> None:
    """It was published, and the page says so."""
    async with production() as (sim, context):
        await resolved(context)
        action = PublishPostMortem(context)
        params, change = await worked_out(action, **RAW)
        await fault(sim, "statuspage", "publish_post_mortem", kind)
        with pytest.raises(AnswerLost):
            await action.apply(params, change, "key")
        assert action.verify(change, await action.observe(params), None).verdict is Verdict.SUCCESS


@pytest.mark.parametrize("method", ["draft_post_mortem", "publish_post_mortem"])
async def test_a_page_that_says_yes_and_does_nothing_is_no_success(method: str) -> None:
    """A 200 is no proof: the page is read."""
    async with production() as (sim, context):
        await resolved(context)
        action = PublishPostMortem(context)
        params, change = await worked_out(action, **RAW)
        await fault(sim, "statuspage", method, "ignored")
        try:
            receipt = await action.apply(params, change, "key")
        except AllclearError:
            receipt = None
        assert action.verify(change, await action.observe(params), receipt).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("kind", ["permission_denied", "unavailable", "cut_off", "other_shape", "login_page"])
async def test_a_read_that_fails_is_not_taken_for_no_post_mortem(kind: str) -> None:
    """Otherwise one that is there would be replaced without a word."""
    async with production() as (sim, context):
        await resolved(context)
        action = PublishPostMortem(context)
        await carried_out(action, **RAW)
        await fault(sim, "statuspage", "get_post_mortem", kind, times=9)
        with pytest.raises(AllclearError):
            await worked_out(action, incident="VS-1", text="Another.")


async def test_a_draft_of_another_person_is_never_published() -> None:
    """Publishing takes whatever the draft holds: if the page did not keep ours, nothing is published."""
    async with production() as (sim, context):
        await resolved(context)
        board = sim.world.status_board
        board.draft_post_mortem(board.incidents[0], "It was Ben.")
        action = PublishPostMortem(context)
        params, change = await worked_out(action, **RAW)
        await fault(sim, "statuspage", "draft_post_mortem", "ignored")
        with pytest.raises(VendorRefused, match="another text, which no one has approved"):
            await action.apply(params, change, "key")
        assert shown(sim) == [None]
        assert recorded(sim, "post_mortem_published") == []
