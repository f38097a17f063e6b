"""Switching feature flags and maintenance by flag, against a simulated Supabase."""

from __future__ import annotations

import pytest

from allclear.domain.action import Verdict
from allclear.domain.errors import AnswerLost, Conflict, NotFound, Refused
from allclear.simulator.scenario_schema import FlagSpec
from allclear.vendors.supabase import SupabaseFlags
from tasks.cloud_run.location import CloudRunParams
from tasks.feature_flags import DisableFlag, EnableFlag
from tasks.http_probes import Health, SmokeTest
from tasks.maintenance import DisableMaintenance, EnableMaintenance
from tests.contract.actions_support import carried_out, dumped, production, proven, undone, worked_out
from tests.contract.simulator_support import control, fault, quick, recorded


async def test_a_disabled_flag_is_off_and_its_undo_switches_it_on() -> None:
    """A read shows that it is off, and on again after the undo."""
    async with production() as (sim, context):
        action = DisableFlag(context)
        done = await carried_out(action, flag="live_streams", service="storefront")
        back = await undone(action, done)
        assert done.change.resource == "flag:live_streams"
        assert (done.after.enabled, done.finding.verdict) == (False, Verdict.SUCCESS)
        assert (back.after.enabled, back.finding.verdict) == (True, Verdict.SUCCESS)
        assert sim.secrets["supabase"] not in dumped(done)


async def test_a_flag_that_is_switched_twice_is_written_once() -> None:
    """The second write does not find the old value, and changes nothing: it conflicts with the first."""
    async with production() as (sim, context):
        action = DisableFlag(context)
        done = await carried_out(action, flag="live_streams")
        with pytest.raises(Conflict, match="switched the flag live_streams off meanwhile"):
            await action.apply(done.params, done.change, "VS-1/contain/one")
        assert len(recorded(sim, "flag_changed")) <= 1
        assert not (await action.observe(done.params)).enabled


async def test_undo_of_a_flag_refuses_after_another_person_switched_it() -> None:
    """The other person's value is not overwritten."""
    async with production() as (sim, context):
        action = DisableFlag(context)
        done = await carried_out(action, flag="live_streams")
        await control(sim, "POST", "/flags", {"name": "live_streams", "enabled": True})
        with pytest.raises(Refused, match="switched on since"):
            action.undo(done.params, done.change, await action.observe(done.params))


TWO_ROWS = [
    FlagSpec(name="checkout", environment="staging", enabled=False),
    FlagSpec(name="checkout", environment="production", enabled=True),
]


async def test_two_rows_of_one_name_are_refused_until_systems_yaml_names_the_key() -> None:
    """Staging is off and production on: "off already" would be wrong, and with the key only production changes."""
    async with production(quick(flags=TWO_ROWS), flags=["checkout"]) as (sim, context):
        with pytest.raises(Refused, match="They differ in: environment, enabled"):
            await worked_out(DisableFlag(context), flag="checkout")
        await context.close()
        context.clients.clear()
        context.options["supabase"] = {"key_columns": {"environment": "production"}}
        action = DisableFlag(context)
        done = await carried_out(action, flag="checkout")
        assert done.finding.verdict is Verdict.SUCCESS
        rows = {row["environment"]: (row["enabled"], row["version"]) for row in sim.world.flags.rows()}
        assert rows == {"staging": (False, 1), "production": (False, 2)}
        back = await undone(action, done)
        assert back.after.enabled is True


@pytest.mark.parametrize("value", ["true", "false"])
async def test_a_text_in_place_of_a_boolean_is_refused_with_its_type(value: str) -> None:
    """Written as text, false would read as on."""
    async with production(quick(flags=[FlagSpec(name="checkout", enabled=value)])) as (sim, context):
        for action in (DisableFlag(context), EnableFlag(context)):
            with pytest.raises(Refused, match=r"feature_flags\.enabled holds text"):
                await worked_out(action, flag="checkout")
        assert recorded(sim, "write", api="supabase") == []


async def test_a_null_is_off_and_can_be_switched_on() -> None:
    """Disabling it changes nothing; enabling it is proven; row security is not blamed."""
    async with production(quick(flags=[FlagSpec(name="checkout", enabled=None)])) as (_, context):
        disable = DisableFlag(context)
        params, change = await worked_out(disable, flag="checkout")
        assert disable.target_reached(change, await disable.observe(params))
        done = await carried_out(EnableFlag(context), flag="checkout")
        assert (done.after.enabled, done.finding.verdict) == (True, Verdict.SUCCESS)


async def test_maintenance_by_a_flag_that_is_null_can_be_switched_on() -> None:
    """Maintenance reads its flag in the same way."""
    flags = [FlagSpec(name="maintenance_mode", enabled=None, maintenance=True)]
    async with production(quick("healthy", flags=flags)) as (_, context):
        done = await carried_out(EnableMaintenance(context), service="storefront")
        assert done.after.on


async def test_a_flag_that_another_person_switched_back_is_news() -> None:
    """People learn that what containment left in place is gone."""
    async with production() as (sim, context):
        action = DisableFlag(context)
        done = await carried_out(action, flag="live_streams")
        assert action.news_of(done.change, await action.observe_left(done.params)) is None
        await control(sim, "POST", "/flags", {"name": "live_streams", "enabled": True})
        news = action.news_of(done.change, await action.observe_left(done.params))
        assert news is not None
        assert news.sentence == "The flag live_streams was switched on since."


async def test_an_unknown_flag_is_not_found() -> None:
    """Supabase answers with zero rows, and the client raises an error."""
    async with production() as (_, context):
        with pytest.raises(NotFound, match="no flag nowhere"):
            await worked_out(DisableFlag(context), flag="nowhere")


async def test_a_flag_of_another_service_is_refused() -> None:
    """The next step lists the flags that the service has."""
    async with production() as (_, context):
        with pytest.raises(Refused) as refused:
            await worked_out(EnableFlag(context), flag="maintenance_mode", service="storefront")
        assert "live_streams" in refused.value.next_step


async def test_after_a_lost_answer_the_next_read_proves_the_write() -> None:
    """The write took effect although its answer never came."""
    async with production() as (sim, context):
        action = DisableFlag(context)
        params, change = await worked_out(action, flag="live_streams")
        await fault(sim, "supabase", "update", "answer_lost")
        with pytest.raises(AnswerLost):
            await action.apply(params, change, "key")
        _, finding = await proven(action, params, change, None)
        assert finding.verdict is Verdict.SUCCESS


async def test_maintenance_by_flag_closes_the_shop_and_opens_it_again() -> None:
    """The pages show maintenance, which is inconclusive; the health check behind them succeeds."""
    async with production(quick("healthy")) as (sim, context):
        service = CloudRunParams(service="storefront")
        done = await carried_out(EnableMaintenance(context), service="storefront")
        closed = await SmokeTest(context).check(service)
        behind = await Health(context).check(service)
        await carried_out(DisableMaintenance(context), service="storefront")
        opened = await SmokeTest(context).check(service)
        assert done.change.resource == "flag:maintenance_mode"
        assert done.finding.verdict is Verdict.SUCCESS
        assert (closed.verdict, behind.verdict) == (Verdict.INCONCLUSIVE, Verdict.SUCCESS)
        assert opened.verdict is Verdict.SUCCESS
        assert sim.secrets["supabase"] not in repr(context.client(SupabaseFlags))


async def test_undo_of_maintenance_by_flag_switches_it_off() -> None:
    """The flag has its old value again."""
    async with production(quick("healthy")) as (_, context):
        action = EnableMaintenance(context)
        done = await carried_out(action, service="storefront")
        back = await undone(action, done)
        assert back.after.on is False
