"""Rolling back and promoting on Vercel, against a simulated project."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from allclear.domain.action import Verdict
from allclear.domain.errors import AnswerLost, Conflict, Denied, Refused, VendorRefused
from allclear.domain.systems import Smoke, SmokePath
from allclear.simulator.scenario import Production, load_scenario
from allclear.simulator.scenario_schema import RevisionSpec, TrafficSpec, VercelSpec
from allclear.simulator.vercel_project import deployment_id
from allclear.vendors.vercel import Vercel, VercelHandle
from tasks.http_probes import SmokeTest
from tasks.service_params import ServiceParams
from tasks.vercel.actions import Deployments, Promote, RollBack
from tests.contract.actions_support import (
    SimulatedContext,
    carried_out,
    dumped,
    production,
    proven,
    undone,
    worked_out,
)
from tests.contract.simulator_support import REPOSITORY, Simulated, control, end_operations, fault, recorded
from tests.patience import until

GOOD, BAD = "retailgen-d4e7k1p", "retailgen-j9m3qoz"
FIX = {"revision": "retailgen-k2v9fix", "faults": {}, "ready": True}
SERVICE = "storefront"


def site_down(**changes: Any) -> Production:
    """Return RetailGen's production with short times."""
    scenario = load_scenario(REPOSITORY / "runbooks" / "retailgen" / "drills" / "site-down.yaml")
    return scenario.model_copy(update={"operation_takes": timedelta(milliseconds=60)} | changes)


@asynccontextmanager
async def hosted(
    scenario: Production | None = None, **service: Any
) -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run RetailGen's production, and yield it with a context whose clients talk to it."""
    smoke = Smoke.model_validate(
        {"requests": 20, "paths": [SmokePath(path="/"), SmokePath(path="/api/export")], "timeout": "60s", "p95": "60s"}
    )
    fields: dict[str, Any] = {
        "vercel": VercelHandle(project="retailgen", domain="retailgen.ai"),
        "maintenance": None,
        "smoke": smoke,
    }
    async with production(scenario or site_down(), **(fields | service)) as (sim, context):
        yield sim, context


async def test_the_rollback_goes_to_the_deployment_that_served_before() -> None:
    """It skips the newer builds that never served: one failed, one was only staged."""
    async with hosted() as (sim, context):
        before = await SmokeTest(context).check(ServiceParams(service=SERVICE))
        done = await carried_out(RollBack(context), service=SERVICE)
        after = await SmokeTest(context).check(ServiceParams(service=SERVICE))
        assert done.change.after.serving == deployment_id(GOOD)
        for travels in ("environment variables", "cron jobs", "flags whose values were built in", "database"):
            assert travels in done.change.risk
        assert done.finding.verdict is Verdict.SUCCESS
        assert (before.verdict, after.verdict) == (Verdict.FAILURE, Verdict.SUCCESS)
        assert [(line["method"], line["name"]) for line in recorded(sim, "write")] == [("rollback", GOOD)]
        assert sim.secrets["vercel"] not in dumped(done) + repr(context.client(Vercel))


async def test_accepted_is_not_done() -> None:
    """While Vercel is working the result is inconclusive, and a second process need not ask again."""
    async with hosted(site_down(operation_takes=timedelta(hours=1))) as (sim, context):
        action = RollBack(context)
        params, change = await worked_out(action, service=SERVICE)
        receipt = await action.apply(params, change, "RG-1/contain/roll-back")
        now = await action.observe(params)
        assert action.verify(change, now, receipt).verdict is Verdict.INCONCLUSIVE
        assert action.target_reached(change, now)
        end_operations(sim)
        _, finding = await proven(action, params, change, receipt)
        assert finding.verdict is Verdict.SUCCESS


async def test_its_undo_waits_for_the_fix_and_promotes_it() -> None:
    """Users are not sent back to the deployment that failed; once a fix is deployed, they get it."""
    async with hosted() as (sim, context):
        action = RollBack(context)
        done = await carried_out(action, service=SERVICE)
        with pytest.raises(Refused, match="still the newest"):
            action.undo(done.params, done.change, await action.observe(done.params))
        await control(sim, "POST", "/deploy", FIX)
        assert sim.world.serving() == {GOOD: 100}
        back = await undone(action, done)
        assert back.after.serving == deployment_id(FIX["revision"])
        assert recorded(sim, "write", method="promote", name=FIX["revision"])
        assert sim.world.serving() == {FIX["revision"]: 100}


async def test_a_second_rollback_is_refused() -> None:
    """Otherwise two people who both say `previous` would go back one deployment too far."""
    async with hosted() as (_, context):
        action = RollBack(context)
        await carried_out(action, service=SERVICE)
        params, change = await worked_out(action, service=SERVICE)
        [refusal] = await action.precheck(params, change)
        assert "seems to be rolled back already" in refusal.sentence


async def test_promoting_the_newest_reverses_a_rollback_and_can_be_undone() -> None:
    """Its undo pins production to the deployment that served."""
    async with hosted() as (sim, context):
        await carried_out(RollBack(context), service=SERVICE)
        await control(sim, "POST", "/deploy", FIX)
        action = Promote(context)
        done = await carried_out(action, service=SERVICE)
        back = await undone(action, done)
        assert done.after.serving == deployment_id(FIX["revision"])
        assert back.after.serving == deployment_id(GOOD)


async def test_an_undo_refuses_after_another_person_moved_the_domain() -> None:
    """The other person's choice is not overwritten."""
    async with hosted() as (sim, context):
        action = RollBack(context)
        done = await carried_out(action, service=SERVICE)
        await control(sim, "POST", "/traffic", {"traffic": [{"revision": "retailgen-a81c0de", "percent": 100}]})
        with pytest.raises(Refused, match="since"):
            action.undo(done.params, done.change, await action.observe(done.params))


async def test_a_domain_that_moved_after_the_check_is_a_conflict() -> None:
    """Vercel offers no version to write against: the action reads once more just before."""
    async with hosted() as (sim, context):
        action = RollBack(context)
        params, change = await worked_out(action, service=SERVICE)
        await control(sim, "POST", "/traffic", {"traffic": [{"revision": "retailgen-a81c0de", "percent": 100}]})
        with pytest.raises(Conflict, match="now points to"):
            await action.apply(params, change, "key")
        assert recorded(sim, "write") == []


async def test_another_change_under_way_is_a_refusal() -> None:
    """The next step is to find out who requested it."""
    async with hosted(site_down(operation_takes=timedelta(hours=1))) as (_, context):
        action = RollBack(context)
        params, change = await worked_out(action, service=SERVICE)
        await action.apply(params, change, "one")
        _, second = await worked_out(action, service=SERVICE, to=deployment_id("retailgen-a81c0de"))
        [refusal] = await action.precheck(params, second)
        assert "another rollback" in refusal.sentence
        with pytest.raises(Conflict, match="in progress"):
            await action.apply(params, second, "two")


@pytest.mark.parametrize("name", ["retailgen-e5f0bad", "retailgen-g6h2stg", "retailgen-nowhere"])
async def test_a_deployment_that_never_served_is_refused_with_the_candidates(name: str) -> None:
    """A build that failed, one that was only staged, and an unknown one."""
    async with hosted() as (_, context):
        with pytest.raises(Refused) as refused:
            await worked_out(RollBack(context), service=SERVICE, to=deployment_id(name))
        assert deployment_id(GOOD) in refused.value.next_step


async def test_a_rollback_of_the_first_deployment_is_refused() -> None:
    """The first deployment has none to roll back to; the probe says so too."""
    only = site_down(revisions=[RevisionSpec(name=GOOD)], outbreak=None)
    async with hosted(only) as (_, context):
        with pytest.raises(Refused, match="No deployment from before"):
            await worked_out(RollBack(context), service=SERVICE)
        check = await Deployments(context).check(ServiceParams(service=SERVICE))
        assert (check.verdict, check.facts["previous"]) == (Verdict.SUCCESS, None)


async def test_the_hobby_plan_goes_back_one_step_only() -> None:
    """Vercel's 402 becomes a refusal with its reason."""
    hobby = VercelSpec(project="retailgen", domain="retailgen.ai", plan="hobby")
    async with hosted(site_down(vercel=hobby)) as (sim, context):
        with pytest.raises(VendorRefused, match="upgrade to pro"):
            await carried_out(RollBack(context), service=SERVICE, to=deployment_id("retailgen-a81c0de"))
        assert sim.world.serving() == {BAD: 100}


async def test_after_a_lost_answer_the_next_read_proves_the_write() -> None:
    """The rollback took effect although its answer never came."""
    async with hosted() as (sim, context):
        action = RollBack(context)
        params, change = await worked_out(action, service=SERVICE)
        await fault(sim, "vercel", "rollback", "answer_lost")
        with pytest.raises(AnswerLost):
            await action.apply(params, change, "key")
        _, finding = await proven(action, params, change, None)
        assert finding.verdict is Verdict.SUCCESS


async def test_a_token_without_the_permission_is_denied() -> None:
    """Nothing was changed, and the sentence says what to do."""
    async with hosted() as (sim, context):
        action = RollBack(context)
        params, change = await worked_out(action, service=SERVICE)
        await fault(sim, "vercel", "rollback", "permission_denied")
        with pytest.raises(Denied, match="does not allow our key"):
            await action.apply(params, change, "key")
        assert sim.world.serving() == {BAD: 100}


async def test_the_probe_names_the_deployment_that_serves_and_the_one_before() -> None:
    """It is evidence for the person who approves."""
    async with hosted() as (_, context):
        check = await Deployments(context).check(ServiceParams(service=SERVICE))
        assert check.facts["previous"] == deployment_id(GOOD)
        assert f"{BAD}.vercel.app" in check.sentence


async def test_a_service_without_a_project_makes_the_probe_inconclusive() -> None:
    """A probe reports the problem and does not stop the response."""
    async with hosted(vercel=None) as (_, context):
        check = await Deployments(context).check(ServiceParams(service=SERVICE))
        assert check.verdict is Verdict.INCONCLUSIVE
        assert "no `vercel` in systems.yaml" in check.sentence


async def test_a_deployment_beyond_the_newest_fifty_serves_and_can_be_named() -> None:
    """What serves, and what a person names, are read by their id."""
    many = [RevisionSpec.model_validate({"name": f"retailgen-n{n}", "age": f"{200 - n}h"}) for n in range(100)]
    old = RevisionSpec.model_validate({"name": GOOD, "age": "400h"})
    traffic = [TrafficSpec(revision="retailgen-n1", percent=100)]
    async with hosted(site_down(revisions=[old, *many], traffic=traffic, outbreak=None)) as (sim, context):
        state = await RollBack(context).observe(ServiceParams(service=SERVICE))
        assert state.find(deployment_id("retailgen-n1")) is not None
        await carried_out(RollBack(context), service=SERVICE, to=deployment_id(GOOD))
        assert sim.world.serving() == {GOOD: 100}


async def test_the_proof_of_a_rollback_does_not_need_the_list_of_deployments() -> None:
    """The list is down after the write: what serves is proven all the same, and a second write goes the right way."""
    async with hosted() as (sim, context):
        action = RollBack(context)
        params, change = await worked_out(action, service=SERVICE)
        receipt = await action.apply(params, change, "key")
        await fault(sim, "vercel", "list_deployments", "server_error", times=100)
        await until(lambda: sim.world.serving() == {GOOD: 100})
        finding = action.verify(change, await action.observe_result(params), receipt)
        assert finding.verdict is Verdict.SUCCESS
        assert finding.sentence == f"retailgen.ai is served by {GOOD}.vercel.app."


async def test_a_write_after_a_short_read_still_goes_back_and_not_forward() -> None:
    """After an interruption only what serves was read again: the ages of the deployments are read before the write."""
    async with hosted() as (sim, context):
        action = RollBack(context)
        params, change = await worked_out(action, service=SERVICE)
        fresh = change.model_copy(update={"before": await action.observe_result(params)})
        await action.apply(params, fresh, "key")
        assert [write["method"] for write in recorded(sim, "write", api="vercel")] == ["rollback"]


async def test_a_deployment_that_gets_no_users_because_of_the_rollback_is_news() -> None:
    """Production is pinned: the newer deployment is named; so is a change by another person."""
    async with hosted() as (sim, context):
        action = RollBack(context)
        done = await carried_out(action, service=SERVICE)
        assert action.news_of(done.change, await action.observe_left(done.params)) is None
        await control(sim, "POST", "/deploy", FIX)
        news = action.news_of(done.change, await action.observe_left(done.params))
        assert news is not None
        assert f"{FIX['revision']}.vercel.app" in news.sentence
        assert "gets no users, because retailgen.ai is pinned" in news.sentence
        await control(sim, "POST", "/traffic", {"traffic": [{"revision": "retailgen-a81c0de", "percent": 100}]})
        moved = action.news_of(done.change, await action.observe_left(done.params))
        assert moved is not None
        assert "was pointed to retailgen-a81c0de.vercel.app" in moved.sentence


async def test_a_second_rollback_names_who_made_the_first() -> None:
    """Vercel knows whose rollback it was."""
    async with hosted() as (_, context):
        action = RollBack(context)
        await carried_out(action, service=SERVICE)
        params, change = await worked_out(action, service=SERVICE)
        [refusal] = await action.precheck(params, change)
        assert "seems to be rolled back already (by allclear)" in refusal.sentence
        assert "allclear act COMPANY vercel.rollback service=storefront to=DEPLOYMENT" in refusal.next_step


async def test_another_change_under_way_passes_and_undo_names_the_way_that_works() -> None:
    """The first is waited for; the second is a command."""
    async with hosted(site_down(operation_takes=timedelta(hours=1))) as (_, context):
        action = RollBack(context)
        params, change = await worked_out(action, service=SERVICE)
        await action.apply(params, change, "one")
        _, second = await worked_out(action, service=SERVICE, to=deployment_id("retailgen-a81c0de"))
        assert [refusal.passes for refusal in await action.precheck(params, second)] == [True]
    async with hosted() as (_, context):
        action = RollBack(context)
        done = await carried_out(action, service=SERVICE)
        with pytest.raises(Refused) as refused:
            action.undo(done.params, done.change, await action.observe(done.params))
        assert f"vercel.promote service={SERVICE} to={deployment_id(BAD)}" in refused.value.next_step


async def test_candidates_come_with_their_age_and_whether_they_served() -> None:
    """A person can choose among them."""
    async with hosted() as (_, context):
        with pytest.raises(Refused) as refused:
            await worked_out(RollBack(context), service=SERVICE, to=deployment_id("retailgen-nowhere"))
        told = {candidate.name: candidate.reason for candidate in refused.value.candidates}
        assert "has served users" in told[deployment_id(GOOD)]
        assert "made at" in told[deployment_id(GOOD)]


async def test_a_staged_deployment_can_be_promoted() -> None:
    """A rollback never chooses it, because it never served; promoting it by its id works."""
    async with hosted() as (sim, context):
        staged = deployment_id("retailgen-g6h2stg")
        await carried_out(RollBack(context), service=SERVICE)
        done = await carried_out(Promote(context), service=SERVICE, to=staged)
        assert done.after.serving == staged
        assert sim.world.serving() == {"retailgen-g6h2stg": 100}
