"""Pausing a deployment on Convex and switching its environment variables: what is proven, undone, and every fault."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from allclear.domain.action import ActStatus, AnyAction, Outcome, Verdict
from allclear.domain.errors import AllclearError, Refused, VendorRefused
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.write_retries import Write
from allclear.simulator.scenario import load_scenario
from allclear.simulator.scenario_schema import ConvexSpec
from allclear.vendors.convex import Convex
from tasks.convex.environment import SetEnvironment
from tasks.convex.handles import ConvexHandle
from tasks.convex.pause import PauseDeployment, UnpauseDeployment
from tests.contract.actions_support import (
    READ_TROUBLES,
    SimulatedContext,
    carried_out,
    dumped,
    each_write_fault,
    production,
    undone,
    worked_out,
)
from tests.contract.described_transport import Described
from tests.contract.simulator_support import REPOSITORY, Simulated, fault, recorded, specification

SERVICE, NAME = "storefront", "happy-animal-123"
SECRET = "sk-never-in-a-record"
SWITCH = {"variable": "AI_GENERATION"}
EVERY: list[tuple[type[AnyAction], dict[str, Any], str]] = [
    (PauseDeployment, {}, "pause"),
    (SetEnvironment, SWITCH, "update_variables"),
]
IDS = [kind.name for kind, _, _ in EVERY]


@asynccontextmanager
async def deployed(**handle: Any) -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run RetailGen's production with a deployment on Convex, whose variable AI_GENERATION switches a flag."""
    folder = REPOSITORY / "runbooks" / "retailgen" / "drills"
    spec = ConvexSpec(environment={"OPENAI_KEY": SECRET}, switches={"AI_GENERATION": "ai-generation"})
    scenario = load_scenario(folder / "data-leak.yaml").model_copy(update={"convex": spec, "breaks_after": None})
    fields = {"deployment": NAME, "switches": {"AI_GENERATION": "AI generation", "OPENAI_KEY": "nothing"}} | handle
    async with production(scenario, convex=ConvexHandle.model_validate(fields)) as (sim, context):
        yield sim, context


def backend(sim: Simulated) -> Any:
    """Return the simulated deployment."""
    assert sim.world.convex is not None
    return sim.world.convex


async def issued(action: AnyAction, **raw: Any) -> Outcome:
    """Carry an act out with the executor's own write, and return its outcome."""
    params, change = await worked_out(action, service=SERVICE, **raw)
    change = change.model_copy(update={"deadline": timedelta(milliseconds=300)})
    return await Write(LoadedAct(action, params, change), change, "RG-1/contain/one").issue()


async def test_a_deployment_is_paused_and_runs_again() -> None:
    """No page that needs it works meanwhile, and the approver reads what waits and what is skipped."""
    async with deployed() as (sim, context):
        action = PauseDeployment(context)
        done = await carried_out(action, service=SERVICE)
        assert (done.finding.verdict, backend(sim).state) == (Verdict.SUCCESS, "paused")
        assert sim.world.shop.visit("GET", "/api/generate").outcome == "failed"
        assert "Scheduled jobs wait, and crons are skipped" in done.change.risk
        back = await undone(action, done)
        assert (back.finding.verdict, backend(sim).state) == (Verdict.SUCCESS, "running")
        assert "All jobs that waited run at once" in back.change.risk
        await carried_out(action, service=SERVICE)
        ended = await carried_out(UnpauseDeployment(context), service=SERVICE)
        assert (ended.change.resource, backend(sim).state) == (done.change.resource, "running")


async def test_unpausing_what_a_person_has_unpaused_is_done_already() -> None:
    """Convex refuses it with 400; a look tells why."""
    async with deployed() as (sim, context):
        action = UnpauseDeployment(context)
        backend(sim).pause()
        params, change = await worked_out(action, service=SERVICE)
        backend(sim).unpause()
        assert (await action.apply(params, change, "key")).facts == {"write": "already"}
        backend(sim).state = "suspended"
        with pytest.raises(VendorRefused, match="Deployment is not paused"):
            await action.apply(params, change, "key")


async def test_without_the_dashboards_query_the_audit_log_tells() -> None:
    """That query is not documented, so it may end; without a pause in the log, it is not known."""
    async with deployed() as (sim, context):
        backend(sim).tells_state = False
        client = context.client(Convex)
        assert await client.state() == "unknown"
        for number in range(120):
            backend(sim).update({"X": str(number)})
        backend(sim).pause()
        assert await client.state() == "paused"
        outcome = await issued(UnpauseDeployment(context))
        assert (outcome.status, backend(sim).state) == (ActStatus.VERIFIED, "running")


@pytest.mark.parametrize("state", ["disabled", "suspended"])
async def test_what_convex_itself_has_stopped_is_left_to_people(state: str) -> None:
    """The refusal names where to read why."""
    async with deployed() as (sim, context):
        backend(sim).state = state
        action = PauseDeployment(context)
        params, change = await worked_out(action, service=SERVICE)
        [refusal] = await action.precheck(params, change)
        assert f"Convex itself has {state} the deployment {NAME}" in refusal.sentence
        assert "dashboard.convex.dev" in refusal.next_step


async def test_a_feature_is_switched_off_by_its_variable_and_no_value_is_stored() -> None:
    """The feature of the incident names it; what is stored says on or off."""
    async with deployed() as (sim, context):
        action = SetEnvironment(context)
        done = await carried_out(action, service=SERVICE, feature="AI generation", to="off")
        assert done.finding.sentence == "The variable AI_GENERATION is off."
        assert backend(sim).variables()["AI_GENERATION"] == "false"
        assert SECRET not in dumped(done)
        assert [one for one in recorded(sim, "write") if SECRET in str(one)] == []
        back = await undone(action, done)
        assert (back.finding.verdict, backend(sim).variables()["AI_GENERATION"]) == (Verdict.SUCCESS, "true")


async def test_a_variable_that_another_person_switched_is_left() -> None:
    """Before the write it is done already; after it, it is news, and the undo is refused."""
    async with deployed() as (sim, context):
        action = SetEnvironment(context)
        params, change = await worked_out(action, service=SERVICE, **SWITCH)
        backend(sim).update({"AI_GENERATION": "false"}, by="another person")
        assert (await action.apply(params, change, "key")).facts == {"write": "already"}
        backend(sim).update({"AI_GENERATION": "true"}, by="another person")
        news = action.news_of(change, await action.observe_left(params))
        assert news is not None
        assert (news.moved, "was switched on since" in news.sentence) == (True, True)
        with pytest.raises(Refused, match="was switched on since then"):
            action.undo(params, change, await action.observe(params))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"variable": "OPENAI_KEY"}, "Neither `true` nor `false` is the value"),
        ({"variable": "MISSING"}, "No switch of storefront is called MISSING"),
        ({}, "No switch was named"),
        ({"feature": "Export"}, "No switch of storefront switches Export"),
    ],
)
async def test_what_is_no_switch_is_refused_and_its_value_is_not_shown(raw: dict[str, str], words: str) -> None:
    """The sentence names the variable, and the next step those that there are."""
    async with deployed() as (sim, context):
        with pytest.raises(Refused, match=words) as refused:
            await worked_out(SetEnvironment(context), service=SERVICE, **raw)
        assert SECRET not in str(refused.value)
        assert refused.value.next_step
        assert recorded(sim, "write") == []


@each_write_fault("", any_answer=True)
@pytest.mark.parametrize(("action", "raw", "method"), EVERY, ids=IDS)
async def test_each_fault_of_the_write_has_its_sentence(
    action: type[AnyAction], raw: dict[str, Any], method: str, kind: str, error: type[AllclearError], words: str
) -> None:
    """A refusal changed nothing; everything else may have taken effect."""
    async with deployed() as (sim, context):
        one = action(context)
        params, change = await worked_out(one, service=SERVICE, **raw)
        await fault(sim, "convex", method, kind, times=10)
        with pytest.raises(error, match=words):
            await one.apply(params, change, "key")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("answer_lost", ActStatus.VERIFIED),
        ("cut_off", ActStatus.VERIFIED),
        ("unavailable", ActStatus.INDETERMINATE),
        ("ignored", ActStatus.FAILED),
        ("permission_denied", ActStatus.FAILED),
    ],
)
@pytest.mark.parametrize(("action", "raw", "method"), EVERY, ids=IDS)
async def test_the_outcome_says_what_a_read_has_proven(
    action: type[AnyAction], raw: dict[str, Any], method: str, kind: str, status: ActStatus
) -> None:
    """A lost answer is settled by reading; a vendor that accepts and does nothing has changed nothing."""
    async with deployed() as (sim, context):
        await fault(sim, "convex", method, kind)
        assert (await issued(action(context), **raw)).status is status


@pytest.mark.parametrize("trouble", READ_TROUBLES)
@pytest.mark.parametrize(("action", "raw", "method"), EVERY, ids=IDS)
async def test_a_read_that_fails_has_a_sentence_and_nothing_is_written(
    action: type[AnyAction], raw: dict[str, Any], method: str, trouble: str
) -> None:
    """An answer that is cut off or of another shape is never taken for an empty one."""
    async with deployed() as (sim, context):
        await fault(sim, "convex", "*", trouble, times=50)
        with pytest.raises(AllclearError) as failed:
            await worked_out(action(context), service=SERVICE, **raw)
        assert "Convex" in failed.value.message
        assert failed.value.next_step
        assert recorded(sim, "write", method=method) == []


async def test_every_request_and_answer_fits_the_description() -> None:
    """All that the client can do, but for the query of the dashboard, which the vendor does not describe."""
    described = Described(specification("convex-deployment.openapi.json"), "/api/v1")
    async with deployed() as (sim, _):
        backend(sim).tells_state = False
        client = Convex(sim.endpoints["convex"], sim.secrets["convex"], transport=described)
        await client.pause()
        assert await client.state() == "paused"
        await client.unpause()
        await client.set_variable("AI_GENERATION", "false")
        assert (await client.variables())["AI_GENERATION"] == "false"
        await client.close()
    assert len(set(described.calls)) == 5
