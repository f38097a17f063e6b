"""Vercel's attack mode against the simulated project: how long, its end, its undo, and every fault."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jsonschema
import pytest

from allclear.domain.action import ActStatus, Outcome, Verdict
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, ConfigError, NotFound, Refused
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.registry import read_params
from allclear.engine.actions.write_retries import Write
from allclear.vendors.vercel import VercelHandle
from tasks.http_probes import Health, SmokeTest
from tasks.service_params import ServiceParams
from tasks.vercel.attack_mode import EndAttackMode, StartAttackMode
from tests.contract.actions_support import carried_out, each_write_fault, undone, worked_out
from tests.contract.simulator_support import Simulated, fault, recorded, specification
from tests.contract.test_actions_vercel import SERVICE, hosted


def attack(sim: Simulated) -> Any:
    """Return the simulated attack mode."""
    assert sim.world.vercel is not None
    return sim.world.vercel.firewall.attack


async def issued(action: StartAttackMode) -> Outcome:
    """Carry an act out with the executor's own write, and return its outcome."""
    params, change = await worked_out(action, service=SERVICE)
    change = change.model_copy(update={"deadline": timedelta(milliseconds=300)})
    return await Write(LoadedAct(action, params, change), change, "RG-1/contain/attack-mode").issue()


@pytest.mark.parametrize("hours", [1, 6, 24])
async def test_every_visitor_is_challenged_until_a_time_that_vercel_keeps(hours: int) -> None:
    """The end counts from the write and not from the proposal, and the approver reads who is turned away."""
    async with hosted() as (sim, context):
        start = utc_now()
        done = await carried_out(StartAttackMode(context), service=SERVICE, hours=hours)
        assert attack(sim).enabled
        assert timedelta(hours=hours) <= attack(sim).until - start <= timedelta(hours=hours, minutes=2)
        assert done.finding.verdict is Verdict.SUCCESS
        assert "attack mode on until" in done.finding.sentence
        for turned_away in ("API clients", "webhooks", "monitoring", "our own probes of retailgen.ai"):
            assert turned_away in done.change.risk
        assert StartAttackMode(context).review_after(done.params) == timedelta(hours=hours)


async def test_the_approval_covers_for_how_long() -> None:
    """One hour and a day are two changes."""
    async with hosted() as (_, context):
        action = StartAttackMode(context)
        _, hour = await worked_out(action, service=SERVICE, hours=1)
        _, day = await worked_out(action, service=SERVICE, hours=24)
        assert hour.digest != day.digest


async def test_a_probe_that_is_challenged_is_inconclusive() -> None:
    """It says neither that the service fails nor that it works."""
    async with hosted() as (_, context):
        await carried_out(StartAttackMode(context), service=SERVICE)
        for probe in (SmokeTest(context), Health(context)):
            found = await probe.check(ServiceParams(service=SERVICE))
            assert found.verdict is Verdict.INCONCLUSIVE
            assert "the firewall's challenge, which only a browser passes" in found.sentence


async def test_it_ends_by_itself_and_that_is_news() -> None:
    """Vercel still shows it as enabled, with an end that has passed."""
    async with hosted() as (sim, context):
        action = StartAttackMode(context)
        done = await carried_out(action, service=SERVICE)
        assert action.news_of(done.change, await action.observe_left(done.params)) is None
        attack(sim).until = utc_now() - timedelta(seconds=1)
        news = action.news_of(done.change, await action.observe_left(done.params))
        assert news is not None
        assert (news.moved, "is off: Vercel has ended it" in news.sentence) == (True, True)
        with pytest.raises(Refused, match="is off already"):
            action.undo(done.params, done.change, await action.observe(done.params))


async def test_undo_and_the_action_that_ends_it_switch_it_off() -> None:
    """Both act on the same resource."""
    async with hosted() as (sim, context):
        action = StartAttackMode(context)
        done = await carried_out(action, service=SERVICE)
        back = await undone(action, done)
        assert (back.finding.verdict, attack(sim).enabled) == (Verdict.SUCCESS, False)
        await carried_out(action, service=SERVICE)
        ended = await carried_out(EndAttackMode(context), service=SERVICE)
        assert (ended.change.resource, attack(sim).enabled) == (done.change.resource, False)
        with pytest.raises(Refused, match="not switched on again by an undo"):
            EndAttackMode(context).undo(ended.params, ended.change, ended.after)


async def test_one_that_a_person_switched_on_is_left_as_it_is() -> None:
    """Nothing is written; without an end, its words say so."""
    async with hosted() as (sim, context):
        attack(sim).enabled = True
        action = StartAttackMode(context)
        params, change = await worked_out(action, service=SERVICE)
        now = await action.observe(params)
        assert action.target_reached(change, now)
        assert now.in_words() == "attack mode on without an end"
        assert recorded(sim, "write") == []


@each_write_fault("switch attack mode on")
async def test_each_fault_of_the_write_has_its_sentence(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal changed nothing; everything else may have taken effect."""
    async with hosted() as (sim, context):
        action = StartAttackMode(context)
        params, change = await worked_out(action, service=SERVICE)
        await fault(sim, "vercel", "attack_mode", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, "key")


@pytest.mark.parametrize(
    ("kind", "status", "on"),
    [
        ("answer_lost", ActStatus.VERIFIED, True),
        ("cut_off", ActStatus.VERIFIED, True),
        ("other_shape", ActStatus.VERIFIED, True),
        ("unavailable", ActStatus.INDETERMINATE, False),
        ("ignored", ActStatus.FAILED, False),
        ("permission_denied", ActStatus.FAILED, False),
    ],
)
async def test_the_outcome_says_what_a_read_has_proven(kind: str, status: ActStatus, on: bool) -> None:  # noqa: FBT001
    """A lost answer is settled by reading; a vendor that accepts and does nothing has challenged no one."""
    async with hosted() as (sim, context):
        await fault(sim, "vercel", "attack_mode", kind)
        outcome = await issued(StartAttackMode(context))
        assert (outcome.status, attack(sim).enabled) == (status, on)


async def test_a_project_that_does_not_exist_is_named() -> None:
    """The next step is systems.yaml."""
    async with hosted(vercel=VercelHandle(project="nowhere", domain="retailgen.ai")) as (_, context):
        with pytest.raises(NotFound, match="read the project nowhere"):
            await worked_out(StartAttackMode(context), service=SERVICE)


@pytest.mark.parametrize("hours", [0, 2, 25, -1, "soon"])
def test_vercels_own_lengths_are_offered_and_no_other(hours: object) -> None:
    """Its command line offers 1, 6 and 24 hours."""
    with pytest.raises(ConfigError, match="hours"):
        read_params(StartAttackMode, {"service": SERVICE, "hours": hours})


def test_the_request_fits_the_published_description() -> None:
    """Project, on or off, and the end in milliseconds."""
    described = specification("vercel-part.openapi.json")["paths"]["/v1/security/attack-mode"]["post"]
    body = described["requestBody"]["content"]["application/json"]["schema"]
    sent = {"projectId": "prj_1", "attackModeEnabled": True, "attackModeActiveUntil": 1_790_000_000_000}
    jsonschema.validate(sent, body)
    answer = described["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate({"attackModeEnabled": True, "attackModeUpdatedAt": 1_790_000_000_000}, answer)
