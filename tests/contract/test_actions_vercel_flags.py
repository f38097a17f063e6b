"""Vercel's feature flags and Global Config against the simulated project: versions, undo, maintenance, every fault."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import jsonschema
import pytest

from allclear.domain.action import ActStatus, AnyAction, Outcome, Verdict
from allclear.domain.errors import AllclearError, AnswerLost, ConfigError, Conflict, Denied, NotFound, Refused
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.write_retries import Write
from allclear.simulator.scenario_schema import FlagSpec, OutbreakSpec, Trouble, VercelSpec
from tasks.http_probes import SmokeTest
from tasks.service_params import ServiceParams
from tasks.vercel.config import DisableItem, DisableVercelMaintenance, EnableItem, EnableVercelMaintenance
from tasks.vercel.flags import DisableVercelFlag, EnableVercelFlag, VercelFlagParams
from tasks.vercel.handles import VercelConfigHandle, VercelFlagsHandle
from tests.contract.actions_support import SimulatedContext, carried_out, undone, worked_out
from tests.contract.simulator_support import Simulated, control, fault, recorded, specification
from tests.contract.test_actions_vercel import SERVICE, hosted, site_down

FLAG = {"service": SERVICE, "flag": "export"}
ITEM = {"service": SERVICE, "item": "export"}
EITHER: list[tuple[type[AnyAction], dict[str, Any], str, str]] = [
    (DisableVercelFlag, FLAG, "update_flag", "switch the flag export"),
    (DisableItem, ITEM, "update_items", "set the item export"),
]
CONFIG = {"id": "ecfg_simulated", "maintenance": "maintenance", "features": {"export": "Export"}}


@asynccontextmanager
async def broken(**service: Any) -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run RetailGen's production: the flag `export` breaks exports; `maintenance` closes the service."""
    flags = [
        FlagSpec(name="export", enabled=True, faults=[Trouble(path="/api/export", error_rate=1.0)]),
        FlagSpec(name="ai-generation", enabled=True),
        FlagSpec(name="maintenance", enabled=False, maintenance=True),
        FlagSpec(name="banner", enabled=None),
    ]
    vercel = VercelSpec(project="retailgen", domain="retailgen.ai", global_config="ecfg_simulated")
    scenario = site_down(flags=flags, outbreak=OutbreakSpec(enable_flags=["export"]), vercel=vercel)
    fields: dict[str, Any] = {
        "vercel_flags": VercelFlagsHandle.model_validate({"export": "Export", "ai-generation": "AI generation"}),
        "vercel_config": VercelConfigHandle.model_validate(CONFIG),
    }
    async with hosted(scenario, **(fields | service)) as (sim, context):
        yield sim, context


def enabled(sim: Simulated, name: str = "export") -> Any:
    """Return what the application reads."""
    return sim.world.flags.rows(lambda row: row["name"] == name)[0]["enabled"]


async def issued(action: AnyAction, raw: dict[str, Any]) -> Outcome:
    """Carry an act out with the executor's own write, and return its outcome."""
    params, change = await worked_out(action, **raw)
    change = change.model_copy(update={"deadline": timedelta(milliseconds=300)})
    return await Write(LoadedAct(action, params, change), change, "RG-1/contain/flag").issue()


@pytest.mark.parametrize(("kind", "raw", "method", "words"), EITHER)
async def test_a_feature_is_switched_off_and_its_undo_switches_it_on(
    kind: type[AnyAction], raw: dict[str, Any], method: str, words: str
) -> None:
    """The smoke test from outside proves that it helped."""
    del method, words
    async with broken() as (sim, context):
        probe, params = SmokeTest(context), ServiceParams(service=SERVICE)
        assert (await probe.check(params)).verdict is Verdict.FAILURE
        done = await carried_out(kind(context), **raw)
        assert (done.finding.verdict, enabled(sim)) == (Verdict.SUCCESS, False)
        assert (await probe.check(params)).verdict is Verdict.SUCCESS
        await undone(kind(context), done)
        assert enabled(sim) is True


async def test_a_flag_is_found_by_the_feature_that_the_route_names() -> None:
    """`{feature}` of the incident is enough; for one without a flag people choose among those that there are."""
    async with broken() as (sim, context):
        await carried_out(DisableVercelFlag(context), service=SERVICE, feature="AI generation")
        assert (enabled(sim, "ai-generation"), enabled(sim)) == (False, True)
        with pytest.raises(Refused, match="No flag of storefront switches Payments") as refused:
            await worked_out(DisableVercelFlag(context), service=SERVICE, feature="Payments")
        assert [one.name for one in refused.value.candidates] == ["export", "ai-generation"]
        chosen = VercelFlagParams(service=SERVICE, feature="Payments", flag="export")
        assert (await DisableVercelFlag(context).observe(chosen)).flag == "export"


async def test_the_write_names_the_version_that_was_read() -> None:
    """Another person's change meanwhile is a conflict, and is not overwritten."""
    async with broken() as (sim, context):
        action = DisableVercelFlag(context)
        params, change = await worked_out(action, **FLAG)
        sim.world.flags.touch()
        with pytest.raises(Conflict, match="changed in the meantime"):
            await action.apply(params, change, "key")
        assert enabled(sim) is True
        again = change.model_copy(update={"before": await action.observe(params)})
        await action.apply(params, again, "RG-1/contain/flag")
        assert recorded(sim, "write", method="update_flag")[-1]["message"] == "allclear RG-1/contain/flag"


async def test_a_writer_who_comes_first_is_met_again_with_the_new_version() -> None:
    """The executor reads the flag after the conflict, and writes once more."""
    async with broken() as (sim, context):
        await fault(sim, "vercel", "update_flag", "stale_etag")
        outcome = await issued(DisableVercelFlag(context), FLAG)
        assert (outcome.status, enabled(sim)) == (ActStatus.VERIFIED, False)


async def test_rules_that_were_edited_meanwhile_are_kept_by_the_undo() -> None:
    """Undo restores whether the rules decide, and not the rules of last night."""
    async with broken() as (sim, context):
        action = DisableVercelFlag(context)
        done = await carried_out(action, **FLAG)
        assert sim.world.vercel is not None
        rule: dict[str, Any] = {
            "id": "staff",
            "conditions": [],
            "outcome": {"type": "variant", "variantId": "variant_on"},
        }
        sim.world.vercel.environments["export"]["rules"] = [rule]
        await undone(action, done)
        environment = sim.world.vercel.environments["export"]
        assert (environment["active"], environment["rules"]) == (True, [rule])


async def test_an_undo_after_another_persons_change_is_refused() -> None:
    """Both for a flag and for an item; and the change is news."""
    async with broken() as (sim, context):
        pairs: list[tuple[AnyAction, dict[str, Any]]] = [
            (DisableVercelFlag(context), FLAG),
            (DisableItem(context), ITEM),
        ]
        for action, raw in pairs:
            done = await carried_out(action, **raw)
            assert action.news_of(done.change, await action.observe(done.params)) is None
            await control(sim, "POST", "/flags", {"name": "export", "enabled": True})
            now = await action.observe(done.params)
            news = action.news_of(done.change, now)
            assert news is not None
            assert news.moved
            with pytest.raises(Refused, match="since then"):
                action.undo(done.params, done.change, now)


async def test_switching_on_reverses_switching_off() -> None:
    """The pairs act on the same resource."""
    async with broken() as (sim, context):
        for off, on, raw in ((DisableVercelFlag, EnableVercelFlag, FLAG), (DisableItem, EnableItem, ITEM)):
            done = await carried_out(off(context), **raw)
            back = await carried_out(on(context), **raw)
            assert (back.change.resource, enabled(sim)) == (done.change.resource, True)


async def test_maintenance_closes_the_service_and_its_undo_opens_it() -> None:
    """Users get the maintenance page; the post-mortem counts them as affected."""
    async with broken() as (sim, context):
        action = EnableVercelMaintenance(context)
        done = await carried_out(action, service=SERVICE)
        found = await SmokeTest(context).check(ServiceParams(service=SERVICE))
        assert "got the maintenance page" in found.sentence
        assert "Every user gets the maintenance page" in done.change.risk
        assert action.closes_service
        await undone(action, done)
        assert enabled(sim, "maintenance") is False
        await carried_out(action, service=SERVICE)
        await carried_out(DisableVercelMaintenance(context), service=SERVICE)
        assert enabled(sim, "maintenance") is False


async def test_maintenance_without_a_switch_is_a_mistake_in_systems_yaml() -> None:
    """The sentence names the field."""
    handle = VercelConfigHandle(id="ecfg_simulated")
    async with broken(vercel_config=handle) as (_, context):
        with pytest.raises(ConfigError, match="names no switch for maintenance"):
            await worked_out(EnableVercelMaintenance(context), service=SERVICE)


@pytest.mark.parametrize("case", ["archived", "kind", "version", "reuse"])
async def test_a_flag_that_cannot_be_switched_says_why(case: str) -> None:
    """An archived one, one that is no boolean, one without a version, one that follows another environment."""
    words = {
        "archived": "is archived",
        "kind": "is a string and has no value `false`",
        "version": "without a version",
        "reuse": "takes in production what preview has",
    }
    async with broken() as (sim, context):
        project = sim.world.vercel
        assert project is not None
        if case == "archived":
            project.archived_flags.add("export")
        elif case == "kind":
            project.flag_kinds["export"] = "string"
        elif case == "version":
            project.unversioned_flags.add("export")
        else:
            on = {"type": "variant", "variantId": "variant_on"}
            reuse = {"active": True, "environment": "preview"}
            project.environments["export"] = {
                "active": True,
                "rules": [],
                "fallthrough": on,
                "pausedOutcome": on,
                "reuse": reuse,
            }
        with pytest.raises(AllclearError, match=words[case]) as refused:
            await worked_out(DisableVercelFlag(context), **FLAG)
        assert "vercel.com" in refused.value.next_step
        assert recorded(sim, "write") == []


async def test_what_does_not_exist_is_named() -> None:
    """A flag, an item and a Global Config that Vercel does not have; an item that is no switch."""
    flags = VercelFlagsHandle.model_validate({"nowhere": "Nothing"})
    config = VercelConfigHandle.model_validate(CONFIG | {"features": {"nowhere": "Nothing", "banner": "Banner"}})
    async with broken(vercel_flags=flags, vercel_config=config) as (_, context):
        with pytest.raises(NotFound, match="read the flag nowhere"):
            await worked_out(DisableVercelFlag(context), service=SERVICE, flag="nowhere")
        with pytest.raises(NotFound, match="read the item nowhere of ecfg_simulated"):
            await worked_out(DisableItem(context), service=SERVICE, item="nowhere")
        with pytest.raises(Refused, match="neither true nor false"):
            await worked_out(DisableItem(context), service=SERVICE, item="banner")
    async with broken(vercel_config=VercelConfigHandle.model_validate(CONFIG | {"id": "ecfg_gone"})) as (_, context):
        with pytest.raises(NotFound, match="of ecfg_gone"):
            await worked_out(EnableVercelMaintenance(context), service=SERVICE)


async def test_an_item_that_was_switched_after_the_check_is_a_conflict() -> None:
    """A Global Config has no version: it is read once more just before the write."""
    async with broken() as (sim, context):
        action = DisableItem(context)
        params, change = await worked_out(action, **ITEM)
        await control(sim, "POST", "/flags", {"name": "export", "enabled": False})
        with pytest.raises(Conflict, match="switched meanwhile"):
            await action.apply(params, change, "key")
        assert recorded(sim, "write", api="vercel") == []


@pytest.mark.parametrize(("action", "raw", "method", "words"), EITHER)
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("permission_denied", Denied),
        ("unavailable", AnswerLost),
        ("answer_lost", AnswerLost),
        ("cut_off", AnswerLost),
        ("other_shape", AnswerLost),
        ("login_page", AnswerLost),
    ],
)
async def test_each_fault_of_the_write_has_its_sentence(
    action: type[AnyAction], raw: dict[str, Any], method: str, words: str, kind: str, error: type[AllclearError]
) -> None:
    """A refusal changed nothing; everything else may have taken effect."""
    async with broken() as (sim, context):
        made = action(context)
        params, change = await worked_out(made, **raw)
        await fault(sim, "vercel", method, kind, times=10)
        with pytest.raises(error, match=words):
            await made.apply(params, change, "key")


@pytest.mark.parametrize(("action", "raw", "method", "words"), EITHER)
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("answer_lost", (ActStatus.VERIFIED, False)),
        ("cut_off", (ActStatus.VERIFIED, False)),
        ("other_shape", (ActStatus.VERIFIED, False)),
        ("ignored", (ActStatus.FAILED, True)),
        ("permission_denied", (ActStatus.FAILED, True)),
    ],
)
async def test_the_outcome_says_what_a_read_has_proven(
    action: type[AnyAction], raw: dict[str, Any], method: str, words: str, kind: str, expected: tuple[ActStatus, bool]
) -> None:
    """A lost answer is settled by reading; a vendor that accepts and does nothing has switched nothing."""
    del words
    async with broken() as (sim, context):
        await fault(sim, "vercel", method, kind)
        outcome = await issued(action(context), raw)
        assert (outcome.status, enabled(sim)) == expected


async def test_a_write_that_never_arrived_is_sent_again_only_with_a_version() -> None:
    """A flag's second write is refused if the first one landed; an item's would not be, so a person is asked."""
    async with broken() as (sim, context):
        await fault(sim, "vercel", "update_flag", "unavailable")
        assert (await issued(DisableVercelFlag(context), FLAG)).status is ActStatus.VERIFIED
        await control(sim, "POST", "/flags", {"name": "export", "enabled": True})
        await fault(sim, "vercel", "update_items", "unavailable")
        assert (await issued(DisableItem(context), ITEM)).status is ActStatus.INDETERMINATE


async def test_the_requests_fit_the_published_description() -> None:
    """The items of a Global Config, under its old name; flags are not in the description that there is."""
    described = specification("vercel-part.openapi.json")
    patch = described["paths"]["/v1/edge-config/{edgeConfigId}/items"]["patch"]
    body = patch["requestBody"]["content"]["application/json"]["schema"]
    key = body["properties"]["items"]["items"]["oneOf"][0]["properties"]["key"]
    key["pattern"] = key["pattern"].replace("\\\\", "\\")  # the description escapes it twice
    item = {"$ref": "#/components/schemas/EdgeConfigItem", "components": described["components"]}
    async with broken() as (sim, context):
        await carried_out(DisableItem(context), **ITEM)
        [write] = recorded(sim, "write", method="update_items")
        jsonschema.validate({"items": write["items"]}, body)
    shown = {"edgeConfigId": "ecfg_1", "key": "export", "value": True, "createdAt": 1, "updatedAt": 2}
    jsonschema.validate(shown, item)
