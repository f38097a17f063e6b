"""Switches of a company's own system against the simulated one: what is sent, what proves it, and every fault."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from allclear.domain.action import ActStatus, AnyAction, Outcome, Verdict
from allclear.domain.errors import AllclearError, Conflict, Denied, NotFound, Refused, VendorRefused
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.registry import read_params
from allclear.engine.actions.write_retries import Write
from allclear.simulator.apis.own_system import OFF, ON
from allclear.vendors.own_systems import OwnSystems
from tasks.own_switches.actions import RestoreSwitch, SetSwitch, SwitchState
from tasks.own_switches.handle import SwitchesHandle
from tasks.own_switches.preflight import OwnSystemsPreflight
from tests.contract.actions_support import (
    READ_TROUBLES,
    Carried,
    SimulatedContext,
    carried_out,
    dumped,
    each_write_fault,
    production,
    proven,
    undone,
    worked_out,
)
from tests.contract.simulator_support import Simulated, fault, recorded

SERVICE, NAME, FLAG = "storefront", "read-only", "maintenance_mode"
BOTH: list[tuple[type[AnyAction], dict[str, Any]]] = [(SetSwitch, {"to": "on"}), (RestoreSwitch, {})]


def declared(**changes: Any) -> dict[str, Any]:
    """Return the switch as systems.yaml declares it."""
    return {
        "title": "Read-only mode",
        "risk": "Nobody can buy.",
        "positions": {"on": ON, "off": OFF},
        "normal": "off",
        "look": {"path": f"/v1/switches/{FLAG}", "at": "/state/mode"},
        "set": {"method": "PUT", "path": f"/v1/switches/{FLAG}", "json": {"mode": "{value}"}},
        "undo": {"method": "DELETE", "path": f"/v1/switches/{FLAG}"},
        "proof": {"path": f"/v1/effects/{FLAG}", "at": "/users/0/mode", "positions": {"on": True, "off": False}},
        "takes": "10s",
    } | changes


@asynccontextmanager
async def own(**changes: Any) -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run a production with one switch of the company's own."""
    handle = SwitchesHandle.model_validate({NAME: declared(**changes)})
    async with production(switches=handle) as (sim, context):
        yield sim, context


def is_on(sim: Simulated) -> bool:
    """Return whether the switch is on, as the shop obeys it."""
    return any(flag.name == FLAG for flag in sim.world.flags.enabled())


async def issued(action: AnyAction, **raw: Any) -> Outcome:
    """Carry an act out with the executor's own write, and return its outcome."""
    params, change = await worked_out(action, service=SERVICE, switch=NAME, **raw)
    change = change.model_copy(update={"deadline": timedelta(milliseconds=300)})
    return await Write(LoadedAct(action, params, change), change, "VS-1/contain/read-only").issue()


async def test_it_is_set_proven_and_undone_as_systems_yaml_declares_it() -> None:
    """The act is bound to before and after; undo uses the request for it; no key is stored."""
    async with own() as (sim, context):
        action = SetSwitch(context)
        done = await carried_out(action, service=SERVICE, switch=NAME, to="on")
        assert is_on(sim)
        assert done.change.summary == "Set Read-only mode of storefront (read-only) from off to on."
        assert (done.change.before.position, done.change.after.position) == ("off", "on")
        assert done.change.risk == "Nobody can buy."
        assert done.change.deadline == timedelta(seconds=10)
        assert done.finding.sentence == "The switch read-only of storefront is on."
        assert action.review_after(done.params) == timedelta(hours=4)
        back = await undone(action, done)
        assert not is_on(sim)
        assert back.change.summary.endswith("from on to off.")
        writes = [(one["method"], one["mode"]) for one in recorded(sim, "write")]
        assert writes == [("set", ON), ("undo", OFF)]
        assert sim.secrets["http"] not in dumped(done) + dumped(back) + repr(context.clients)


async def test_without_a_request_for_undo_it_is_set_to_where_it_stood() -> None:
    """The value is a part of the request, and keeps its type."""
    async with own(undo=None, proof=None) as (sim, context):
        action = SetSwitch(context)
        await undone(action, await carried_out(action, service=SERVICE, switch=NAME, to="on"))
        assert [(one["method"], one["mode"]) for one in recorded(sim, "write")] == [("set", ON), ("set", OFF)]
        assert recorded(sim, "write")[0]["key"] == "VS-1/contain/one"


async def test_restoring_settles_what_is_in_place() -> None:
    """Both change the same resource; `http.request` refuses the normal position and names the action for it."""
    async with own() as (sim, context):
        done = await carried_out(SetSwitch(context), service=SERVICE, switch=NAME, to="on")
        with pytest.raises(Refused) as refused:
            await worked_out(SetSwitch(context), service=SERVICE, switch=NAME, to="off")
        assert "http.restore service=storefront switch=read-only" in refused.value.next_step
        back = await carried_out(RestoreSwitch(context), service=SERVICE, switch=NAME)
        assert back.change.resource == done.change.resource
        assert RestoreSwitch.reverses == SetSwitch.name
        assert back.finding.verdict is Verdict.SUCCESS
        assert not is_on(sim)


@pytest.mark.parametrize(
    ("raw", "sentence", "next_step"),
    [
        (
            {"switch": "read_only", "to": "on"},
            "No switch of storefront is called read_only.",
            "Name one of: read-only.",
        ),
        ({"switch": NAME, "to": "full"}, "The switch read-only has no position full.", "Name one of: to=on."),
    ],
)
async def test_what_is_not_declared_is_refused_with_what_there_is(
    raw: dict[str, str], sentence: str, next_step: str
) -> None:
    """No text of a parameter reaches a request: it only names what systems.yaml declares."""
    async with own() as (sim, context):
        with pytest.raises(Refused) as refused:
            await worked_out(SetSwitch(context), service=SERVICE, **raw)
        assert (refused.value.message, refused.value.next_step) == (sentence, next_step)
        assert recorded(sim, "write") == []


async def test_an_approval_covers_the_declared_requests() -> None:
    """If systems.yaml changes after the proposal, the change is another one."""
    async with own() as (_, context):
        _, first = await worked_out(SetSwitch(context), service=SERVICE, switch=NAME, to="on")
        other = SwitchesHandle.model_validate({NAME: declared(risk="Nobody can pay.")})
        context.services[SERVICE] = context.services[SERVICE].model_copy(update={"switches": other})
        _, second = await worked_out(SetSwitch(context), service=SERVICE, switch=NAME, to="on")
        assert first.digest != second.digest


async def test_a_switch_that_another_person_has_set_is_not_written_again() -> None:
    """Before the write it is read once more; afterwards undo is refused, and people hear of it."""
    async with own(positions={"on": ON, "off": OFF, "half": "half"}, proof=None) as (sim, context):
        action = SetSwitch(context)
        params, change = await worked_out(action, service=SERVICE, switch=NAME, to="half")
        sim.world.flags.update([FLAG], {"enabled": True}, by="ben")
        with pytest.raises(Conflict, match="is on now: another writer has set it"):
            await action.apply(params, change, "key")
        params, change = await worked_out(RestoreSwitch(context), service=SERVICE, switch=NAME)
        sim.world.flags.update([FLAG], {"enabled": False}, by="ben")
        assert (await RestoreSwitch(context).apply(params, change, "key")).facts == {"write": "already"}
        done = await carried_out(action, service=SERVICE, switch=NAME, to="on")
        sim.world.flags.update([FLAG], {"enabled": False}, by="ben")
        now = await action.observe(done.params)
        news = action.news_of(done.change, now)
        assert news is not None
        assert news.sentence == "The switch read-only of storefront was set to off since."
        with pytest.raises(Refused, match="is off since then"):
            action.undo(done.params, done.change, now)


async def test_a_position_that_systems_yaml_has_no_more_cannot_be_returned_to() -> None:
    """The undo is refused with a sentence; before, the write failed in the middle."""
    async with own(positions={"on": ON, "ready": OFF}, normal="ready", proof=None) as (sim, context):
        action = SetSwitch(context)
        done = await carried_out(action, service=SERVICE, switch=NAME, to="on")
        renamed = SwitchesHandle.model_validate({NAME: declared(proof=None)})
        context.services[SERVICE] = context.services[SERVICE].model_copy(update={"switches": renamed})
        with pytest.raises(
            Refused, match=r"read-only was ready before, and systems\.yaml has no such position any more"
        ):
            action.undo(done.params, done.change, await action.observe(done.params))
        assert is_on(sim)


async def test_a_value_that_is_no_position_is_never_taken_for_one() -> None:
    """It is neither shown nor written over; in the middle of a change it is waited for."""
    async with own(positions={"on": "yes", "off": "no"}, proof=None) as (_, context):
        action = SetSwitch(context)
        with pytest.raises(Refused) as refused:
            await worked_out(action, service=SERVICE, switch=NAME, to="on")
        assert "shows a value that is none of its positions: on, off" in refused.value.message
        assert OFF not in refused.value.message
    async with own() as (_, context):
        action = SetSwitch(context)
        _, change = await worked_out(action, service=SERVICE, switch=NAME, to="on")
        between = SwitchState(service=SERVICE, switch=NAME, position="")
        assert action.verify(change, between, None).verdict is Verdict.INCONCLUSIVE
        shown = change.after.model_copy(update={"proven": "off"})
        finding = action.verify(change, shown, None)
        assert finding.sentence == "The switch read-only is on, and what proves its effect still shows off."
        assert not action.target_reached(change, shown)


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ({"path": f"/v1/switches/{FLAG}", "at": "/state/level"}, "JSON without a value at /state/level"),
        ({"path": f"/v1/text/{FLAG}", "at": "/mode"}, "no JSON"),
        ({"path": f"/v1/old/{FLAG}", "at": "/mode"}, "it redirects to another page, and we follow no redirect"),
        ({"path": f"/v1/large/{FLAG}", "at": "/mode"}, "its answer is too large to be its own"),
        ({"path": "/v1/switches/none", "at": "/state/mode"}, "there is no such switch"),
        ({"path": "/nothing/here", "at": "/state/mode"}, "Not Found"),
    ],
)
async def test_an_answer_that_is_not_the_declared_one_has_its_sentence(look: dict[str, str], words: str) -> None:
    """Another shape, text, a redirect, too many bytes, and a path that does not exist: nothing is written."""
    async with own(look=look) as (sim, context):
        with pytest.raises(AllclearError, match="read the switch read-only") as failed:
            await worked_out(SetSwitch(context), service=SERVICE, switch=NAME, to="on")
        assert words in failed.value.message
        assert failed.value.next_step
        assert recorded(sim, "write") == []


async def test_a_key_that_is_not_known_is_named() -> None:
    """Wrong key, and a position whose value the system refuses."""
    async with own() as (sim, context):
        sim.secrets["http"] = "another"
        with pytest.raises(Denied, match="does not allow our key to read the switch read-only: the key is not known"):
            await worked_out(SetSwitch(context), service=SERVICE, switch=NAME, to="on")
    async with own(set={"method": "PUT", "path": f"/v1/switches/{FLAG}", "json": {"mode": "x{value}"}}) as (_, context):
        action = SetSwitch(context)
        params, change = await worked_out(action, service=SERVICE, switch=NAME, to="on")
        with pytest.raises(VendorRefused, match=r"refused to set the switch read-only to on: mode must be"):
            await action.apply(params, change, "key")


@each_write_fault("set the switch read-only to on", any_answer=True)
async def test_each_fault_of_the_write_has_its_sentence(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal changed nothing; everything else may have taken effect."""
    async with own() as (sim, context):
        action = SetSwitch(context)
        params, change = await worked_out(action, service=SERVICE, switch=NAME, to="on")
        await fault(sim, "http", "set", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, "key")


@pytest.mark.parametrize(
    ("kind", "status", "on"),
    [
        ("answer_lost", ActStatus.VERIFIED, True),
        ("cut_off", ActStatus.VERIFIED, True),
        ("other_shape", ActStatus.VERIFIED, True),
        ("unavailable", ActStatus.INDETERMINATE, False),
        ("login_page", ActStatus.INDETERMINATE, False),
        ("ignored", ActStatus.FAILED, False),
        ("permission_denied", ActStatus.FAILED, False),
    ],
)
async def test_the_outcome_says_what_a_read_has_proven(kind: str, status: ActStatus, on: bool) -> None:  # noqa: FBT001
    """A lost answer is settled by reading, and a write is never sent twice."""
    async with own() as (sim, context):
        await fault(sim, "http", "set", kind)
        outcome = await issued(SetSwitch(context), to="on")
        assert (outcome.status, is_on(sim)) == (status, on)
        assert len(recorded(sim, "write")) == 1
        if kind == "ignored":
            assert outcome.sentence == "The switch read-only of storefront is off, not on."


@pytest.mark.parametrize(
    ("path", "status", "on"),
    [
        (f"/v1/forms/{FLAG}", ActStatus.VERIFIED, True),
        (f"/v1/old/{FLAG}", ActStatus.FAILED, False),
    ],
)
async def test_a_redirect_after_a_write_may_follow_what_was_done(path: str, status: ActStatus, on: bool) -> None:  # noqa: FBT001
    """Web applications answer 303 when they have done it; 307 asks to send the request elsewhere, so nothing was."""
    write = {"method": "POST" if "forms" in path else "PUT", "path": path, "json": {"mode": "{value}"}}
    async with own(set=write) as (sim, context):
        outcome = await issued(SetSwitch(context), to="on")
        assert (outcome.status, outcome.changed, is_on(sim)) == (status, on, on)


@pytest.mark.parametrize(("kind", "raw"), BOTH, ids=lambda value: getattr(value, "name", ""))
async def test_a_read_that_fails_has_a_sentence_and_a_next_step_and_nothing_is_written(
    kind: type[AnyAction], raw: dict[str, Any]
) -> None:
    """For the look and for the proof."""
    async with own() as (sim, context):
        for method, trouble in product(["look", "prove"], READ_TROUBLES):
            await fault(sim, "http", method, trouble, times=50)
            with pytest.raises(AllclearError, match=r"read (the switch|what proves the switch) read-only") as failed:
                await worked_out(kind(context), service=SERVICE, switch=NAME, **raw)
            sim.world.faults.clear()
            assert failed.value.message.endswith(".")
            assert failed.value.next_step
        assert recorded(sim, "write") == []


@pytest.mark.parametrize(("kind", "raw"), BOTH, ids=lambda value: getattr(value, "name", ""))
async def test_a_dry_run_writes_nothing_and_the_act_keeps_no_secret(kind: type[AnyAction], raw: dict[str, Any]) -> None:
    """Observing, planning and prechecking write nothing, and what is stored of the act contains no key."""
    async with own() as (sim, context):
        action = kind(context)
        params, change = await worked_out(action, service=SERVICE, switch=NAME, **raw)
        assert await action.precheck(params, change) == []
        assert recorded(sim, "write") == []
        receipt = await action.apply(params, change, "VS-1/contain/one")
        after, finding = await proven(action, params, change, receipt)
        kept = dumped(Carried(params, change, receipt, after, finding)) + repr(context.clients)
        assert [name for name, secret in sim.secrets.items() if secret in kept] == []


async def test_a_rehearsal_reaches_no_host_but_the_simulated_one() -> None:
    """Each of the declared hosts is the simulated system then, with its key."""
    hosts = {"cdn": {"endpoint": "https://cdn.example", "header": "X-Api-Key", "scheme": ""}}
    async with own(set=declared()["set"] | {"host": "cdn"}) as (sim, context):
        context.options["http"] = {"hosts": hosts}
        done = await carried_out(SetSwitch(context), service=SERVICE, switch=NAME, to="on")
        assert done.finding.verdict is Verdict.SUCCESS
        assert is_on(sim)
        assert "cdn.example" not in repr(context.client(OwnSystems))


async def test_the_preflight_reads_each_switch_and_what_proves_it() -> None:
    """A switch that can be read, one that stands elsewhere, and a host that is not declared."""
    async with own() as (sim, context):
        [check] = OwnSystemsPreflight(context).checks(context.services, [])
        result = await check.run()
        assert "It can be read: it is off. Whether our key may set it" in getattr(result, "sentence", "")
        assert recorded(sim, "write") == []
    async with own(positions={"on": "yes", "off": "no"}) as (_, context):
        [check] = OwnSystemsPreflight(context).checks(context.services, [])
        with pytest.raises(NotFound, match="none of its positions: on, off"):
            await check.run()
    async with own(proof={"path": f"/v1/effects/{FLAG}", "at": "/users/3"}) as (_, context):
        [check] = OwnSystemsPreflight(context).checks(context.services, [])
        with pytest.raises(AllclearError, match="read what proves the switch read-only"):
            await check.run()


async def test_a_parameter_of_another_action_is_refused() -> None:
    """`http.restore` has no position, and a switch needs its name."""
    for raw in ({"service": SERVICE, "switch": NAME, "to": "on"}, {"service": SERVICE, "switch": ""}):
        with pytest.raises(AllclearError, match=r"http\.restore"):
            read_params(RestoreSwitch, raw)
