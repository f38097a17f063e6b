"""The components of the simulated status page: they go down and up with our incident."""

from __future__ import annotations

import pytest

from allclear.domain.action import Verdict
from allclear.domain.errors import Refused, VendorError
from allclear.simulator.statuspage_board import Report
from tasks.statuspage import OpenIncident, ResolveIncident, UpdateIncident
from tests.contract.actions_support import carried_out, production, undone, worked_out
from tests.contract.simulator_support import Simulated, fault, recorded

OPEN = {
    "incident": "VS-1",
    "service": "storefront",
    "title": "Payments are failing",
    "message": "We are investigating.",
}
OTHER = OPEN | {"incident": "VS-2", "title": "Streams are failing"}


def page(sim: Simulated) -> dict[str, str]:
    """Return the status of each component, as the public sees it."""
    return {one["name"]: one["status"] for one in sim.world.status_board.components.values()}


async def test_a_component_goes_down_and_up_with_the_incident() -> None:
    """The service's components, and no others, go down when it is opened, and up at its end."""
    async with production(status_components=["Payments"]) as (sim, context):
        opened = await carried_out(OpenIncident(context), **OPEN)
        assert opened.change.after.components == {"Payments": "partial_outage"}
        assert page(sim) == {"Website": "operational", "Payments": "partial_outage", "Live streams": "operational"}
        update = {"message": "Some work.", "status": "identified", "components": "degraded_performance"}
        await carried_out(UpdateIncident(context), incident="VS-1", **update)
        assert page(sim)["Payments"] == "degraded_performance"
        await carried_out(UpdateIncident(context), incident="VS-1", message="Still.", status="monitoring")
        assert page(sim)["Payments"] == "degraded_performance"
        await carried_out(ResolveIncident(context), incident="VS-1", message="It is over.")
        assert set(page(sim).values()) == {"operational"}


async def test_a_component_of_another_open_incident_stays_down() -> None:
    """It goes up with the last incident that lists it."""
    async with production(status_components=["Payments"]) as (sim, context):
        await carried_out(OpenIncident(context), **OPEN)
        await carried_out(OpenIncident(context), **OTHER, components="major_outage")
        await carried_out(ResolveIncident(context), incident="VS-1", message="It is over.")
        assert page(sim)["Payments"] == "major_outage"
        await carried_out(ResolveIncident(context), incident="VS-2", message="It is over.")
        assert page(sim)["Payments"] == "operational"


async def test_undoing_the_first_message_brings_the_components_up() -> None:
    """The undo resolves the incident, so nothing of it stays on the page."""
    async with production(status_components=["Payments"]) as (sim, context):
        action = OpenIncident(context)
        await undone(action, await carried_out(action, **OPEN))
        assert set(page(sim).values()) == {"operational"}


async def test_a_component_that_the_page_does_not_have_is_named_and_holds_nothing_up() -> None:
    """It is published all the same; the person who approves reads what to correct."""
    async with production(status_components=["Website", "Checkout"]) as (sim, context):
        opened = await carried_out(OpenIncident(context), **OPEN)
        assert "The page has no component Checkout" in opened.change.risk
        assert "Payments, Live streams" in opened.change.risk
        assert page(sim)["Website"] == "partial_outage"


async def test_a_component_may_be_named_by_its_id() -> None:
    """Statuspage's own ids work as well as the names that people see."""
    async with production() as (sim, context):
        key = next(key for key, one in sim.world.status_board.components.items() if one["name"] == "Payments")
        context.services["storefront"] = context.services["storefront"].model_copy(update={"status_components": [key]})
        await carried_out(OpenIncident(context), **OPEN)
        assert page(sim)["Payments"] == "partial_outage"


async def test_a_title_is_shortened_and_a_message_is_never_cut() -> None:
    """Statuspage takes 255 and 25,000 characters. A longer message is refused before anyone approves it."""
    async with production() as (_, context):
        done = await carried_out(OpenIncident(context), **OPEN | {"title": "x" * 300})
        assert done.after.title == "x" * 254 + "…"
        with pytest.raises(Refused, match="25,000"):
            await worked_out(OpenIncident(context), **OPEN | {"incident": "VS-3", "message": "x" * 25_001})


@pytest.mark.parametrize("reopens", [True, False])
async def test_a_resolved_incident_that_is_back_is_taken_up_again(*, reopens: bool) -> None:
    """The public reads that it is back. A page that refuses this gets a new incident that names the old one."""
    async with production(status_components=["Payments"]) as (sim, context):
        board = sim.world.status_board
        board.reopens = reopens
        await carried_out(OpenIncident(context), **OPEN)
        await carried_out(ResolveIncident(context), incident="VS-1", message="It is over.")
        old = board.incidents[-1]
        back = await carried_out(OpenIncident(context), **OPEN)
        assert back.change.risk.startswith(
            "It is public, and subscribers are notified: the page has none. The page says that it is resolved"
        )
        assert back.finding.verdict is Verdict.SUCCESS
        newest = board.incidents[0]
        assert (newest["status"], page(sim)["Payments"]) == ("investigating", "partial_outage")
        texts = [update["body"] for update in newest["incident_updates"]]
        if reopens:
            assert [update["status"] for update in old["incident_updates"]] == [
                "investigating",
                "resolved",
                "investigating",
            ]
            assert (len(board.incidents), old["resolved_at"]) == (1, None)
        else:
            assert texts == [f"We are investigating.\n\n{old['shortlink']}"]
        await carried_out(ResolveIncident(context), incident="VS-1", message="It is over now.")
        assert {one["status"] for one in board.incidents} == {"resolved"}
        assert set(page(sim).values()) == {"operational"}


@pytest.mark.parametrize("kind", ["permission_denied", "unavailable", "answer_lost"])
async def test_a_page_that_fails_when_it_is_back_gets_no_second_incident(kind: str) -> None:
    """Only a refusal shows that nothing was published; a lost answer is settled by reading."""
    async with production() as (sim, context):
        await carried_out(OpenIncident(context), **OPEN)
        await carried_out(ResolveIncident(context), incident="VS-1", message="It is over.")
        action = OpenIncident(context)
        params, change = await worked_out(action, **OPEN)
        await fault(sim, "statuspage", "update_incident", kind)
        with pytest.raises(VendorError):
            await action.apply(params, change, "key")
        assert len(sim.world.status_board.incidents) == 1
        assert action.target_reached(change, await action.observe(params)) is (kind == "answer_lost")


async def test_who_is_notified_is_shown_before_and_is_what_happens() -> None:
    """The person who approves reads how many subscribers there are; without `notify` none is notified."""
    async with production() as (sim, context):
        sim.world.status_board.subscribers |= {"email": 1_200, "sms": 3}
        opened = await carried_out(OpenIncident(context), **OPEN)
        assert opened.change.risk.startswith(
            "It is public, and 1,203 subscribers are notified (1,200 by e-mail, 3 by SMS)"
        )
        silent = {"message": "Some work.", "status": "identified", "notify": False}
        quiet = await carried_out(UpdateIncident(context), incident="VS-1", **silent)
        assert quiet.change.risk == "It is public, and no subscriber is notified."
        assert [post["notified"] for post in recorded(sim, "status_post")] == [1_203, 0]
        assert opened.after.subscribers is None


async def test_subscribers_that_cannot_be_counted_stop_no_message() -> None:
    """The message goes out, and the sentence says that the number is not known."""
    async with production() as (sim, context):
        await fault(sim, "statuspage", "count_subscribers", "permission_denied", times=9)
        opened = await carried_out(OpenIncident(context), **OPEN)
        assert "how many there are could not be read" in opened.change.risk
        assert opened.finding.verdict is Verdict.SUCCESS


async def test_the_impact_follows_the_severity() -> None:
    """It is shown instead of the page's own; a severity that has none leaves it to the page."""
    async with production(status_components=["Payments"]) as (sim, context):
        impact = {"P0": "critical", "P1": "major"}
        board = sim.world.status_board
        await carried_out(OpenIncident(context), **OPEN, severity="P0", impact=impact)
        assert board.incidents[0]["impact"] == "critical"
        lower = {"message": "Fewer users.", "status": "identified", "severity": "P1", "impact": impact}
        done = await carried_out(UpdateIncident(context), incident="VS-1", **lower)
        assert (board.incidents[0]["impact"], done.finding.verdict) == ("major", Verdict.SUCCESS)
        await carried_out(OpenIncident(context), **OTHER, severity="P3", impact=impact)
        assert (board.incidents[0]["impact_override"], board.incidents[0]["impact"]) == (None, "major")


async def test_an_incident_that_a_person_resolved_there_is_not_updated() -> None:
    """The sentence says what happened; resolving it has nothing left to do."""
    async with production() as (sim, context):
        await carried_out(OpenIncident(context), **OPEN)
        board = sim.world.status_board
        board.update(board.incidents[0], Report(status="resolved", body="By hand."))
        with pytest.raises(Refused, match="a person may have done it there"):
            await worked_out(UpdateIncident(context), incident="VS-1", message="More.", status="identified")
        action = ResolveIncident(context)
        params, change = await worked_out(action, incident="VS-1", message="It is over.")
        assert action.target_reached(change, await action.observe(params))
        assert len(board.incidents[0]["incident_updates"]) == 2


async def test_what_a_person_edited_there_meanwhile_is_not_overwritten() -> None:
    """An approval is for the page as it was shown: an edit of status, text, title or impact matters."""
    async with production() as (sim, context):
        await carried_out(OpenIncident(context), **OPEN)
        action, board = UpdateIncident(context), sim.world.status_board
        raw = {"incident": "VS-1", "message": "More.", "status": "identified"}
        for edit in (Report(body="Hi."), Report(name="Other"), Report(status="monitoring"), Report(impact="critical")):
            params, change = await worked_out(action, **raw)
            board.update(board.incidents[0], edit)
            assert (await action.observe(params)).matters() != change.before.matters()


async def test_an_incident_that_is_gone_from_the_page_is_opened_anew() -> None:
    """A person may delete it there; an update says that it is not open."""
    async with production() as (sim, context):
        await carried_out(OpenIncident(context), **OPEN)
        sim.world.status_board.incidents.clear()
        with pytest.raises(Refused, match="is not open on the status page"):
            await worked_out(UpdateIncident(context), incident="VS-1", message="More.", status="identified")
        again = await carried_out(OpenIncident(context), **OPEN)
        assert again.finding.verdict is Verdict.SUCCESS
