"""Blocking addresses on Vercel against the simulated project: what is added, what is refused, and every fault."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import jsonschema
import pytest

from allclear.domain.action import ActStatus, Outcome, Verdict
from allclear.domain.address_ranges import NeverBlocked
from allclear.domain.errors import AllclearError, ConfigError, NotFound, Refused
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.registry import read_params
from allclear.engine.actions.write_retries import Write
from allclear.vendors.vercel import VercelHandle
from tasks.addresses import AddressParams
from tasks.vercel.firewall import BlockAddresses, UnblockAddresses
from tests.contract.actions_support import (
    READ_TROUBLES,
    SimulatedContext,
    carried_out,
    dumped,
    each_write_fault,
    proven,
    undone,
    worked_out,
)
from tests.contract.simulator_support import Simulated, fault, recorded, specification
from tests.contract.test_actions_vercel import SERVICE, hosted

ATTACKER, OTHER, RANGE = "203.0.113.7", "203.0.113.9", "192.0.2.0/24"
OFFICE = {"198.51.100.0/28": "our office"}


@asynccontextmanager
async def attacked(**service: Any) -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run RetailGen's production; its office is on the list of what is never blocked."""
    fields: dict[str, Any] = {"never_blocked": NeverBlocked.model_validate(OFFICE)} | service
    async with hosted(None, **fields) as (sim, context):
        yield sim, context


def firewall(sim: Simulated) -> Any:
    """Return the simulated firewall."""
    assert sim.world.vercel is not None
    return sim.world.vercel.firewall


async def issued(action: BlockAddresses, **raw: Any) -> Outcome:
    """Carry an act out with the executor's own write, and return its outcome."""
    params, change = await worked_out(action, service=SERVICE, **raw)
    change = change.model_copy(update={"deadline": timedelta(milliseconds=300)})
    return await Write(LoadedAct(action, params, change), change, "RG-1/contain/block").issue()


async def test_addresses_and_ranges_are_denied_on_every_host_and_read_back() -> None:
    """Each is a rule of its own, with the act in its notes; the approver reads how many addresses a range has."""
    async with attacked() as (sim, context):
        done = await carried_out(BlockAddresses(context), service=SERVICE, addresses=f"{ATTACKER}, {RANGE}")
        assert firewall(sim).blocked() == [ATTACKER, RANGE]
        assert {rule["notes"] for rule in firewall(sim).addresses} == {"allclear VS-1/contain/one"}
        assert done.finding.verdict is Verdict.SUCCESS
        assert done.finding.sentence == f"{ATTACKER} and {RANGE} are blocked by retailgen's firewall."
        assert done.change.summary == f"Block {ATTACKER} and {RANGE} on every domain of retailgen."
        assert "192.0.2.0/24 has 256 addresses" in done.change.risk
        assert "Everyone else behind the same addresses is locked out" in done.change.risk
        assert sim.secrets["vercel"] not in dumped(done)


async def test_the_approval_covers_the_addresses_and_not_what_others_change() -> None:
    """Another address is another change; a rule that another person adds meanwhile is none of its concern."""
    async with attacked() as (sim, context):
        action = BlockAddresses(context)
        _, first = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        _, other = await worked_out(action, service=SERVICE, addresses=OTHER)
        firewall(sim).insert({"action": "deny", "hostname": "*", "ip": "192.0.2.99"})
        _, again = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        assert first.digest == again.digest != other.digest
        assert first.resource != other.resource


async def test_undo_removes_exactly_what_was_added() -> None:
    """An address that a person had blocked before stays blocked, and so does every other rule."""
    async with attacked() as (sim, context):
        firewall(sim).insert({"action": "deny", "hostname": "*", "ip": OTHER, "notes": "scraper"})
        firewall(sim).insert({"action": "challenge", "hostname": "*", "ip": "192.0.2.5", "notes": "suspicious"})
        action = BlockAddresses(context)
        done = await carried_out(action, service=SERVICE, addresses=f"{ATTACKER} {OTHER}")
        assert firewall(sim).blocked() == [OTHER, ATTACKER]
        back = await undone(action, done)
        assert back.finding.verdict is Verdict.SUCCESS
        assert back.finding.sentence == f"{ATTACKER} is no longer blocked by retailgen's firewall."
        assert [rule["ip"] for rule in firewall(sim).addresses] == [OTHER, "192.0.2.5"]


async def test_undo_leaves_a_rule_that_another_person_has_made_since() -> None:
    """A person replaced our rule: removing it would undo that person's decision."""
    async with attacked() as (sim, context):
        action = BlockAddresses(context)
        done = await carried_out(action, service=SERVICE, addresses=ATTACKER)
        firewall(sim).remove(firewall(sim).addresses[0]["id"])
        with pytest.raises(Refused, match="not blocked any more"):
            action.undo(done.params, done.change, await action.observe(done.params))
        firewall(sim).insert({"action": "deny", "hostname": "*", "ip": ATTACKER, "notes": "court order"})
        with pytest.raises(Refused, match=r"another person's now \(court order\)"):
            action.undo(done.params, done.change, await action.observe(done.params))


async def test_a_draft_of_another_person_is_neither_published_nor_changed() -> None:
    """The approver reads that it stands there; only the published configuration is written."""
    async with attacked() as (sim, context):
        firewall(sim).draft = [{"action": "rules.insert", "value": {"name": "block the world"}}]
        action = BlockAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        [warning] = await action.precheck(params, change)
        assert warning.warning
        assert "prepared 1 change of the firewall and not published: that draft stays" in warning.sentence
        await action.apply(params, change, "key")
        assert firewall(sim).draft == [{"action": "rules.insert", "value": {"name": "block the world"}}]
        assert {write["change"] for write in recorded(sim, "write")} == {"ip.insert"}


async def test_other_rules_that_change_with_the_write_are_told() -> None:
    """If the vendor published more than our rule, people read it."""
    async with attacked() as (sim, context):
        action = BlockAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        receipt = await action.apply(params, change, "key")
        firewall(sim).rules.append({"id": "rule_1", "name": "x", "active": True, "conditionGroup": [], "action": {}})
        _, finding = await proven(action, params, change, receipt)
        assert finding.verdict is Verdict.SUCCESS
        assert "Other rules of retailgen's firewall changed at the same time" in finding.sentence


@pytest.mark.parametrize(
    ("addresses", "sentence", "next_step"),
    [
        (
            "198.51.100.7",
            "198.51.100.7 would block 198.51.100.0/28, which is never blocked here: our office",
            "never_b",
        ),
        ("10.0.0.1", "10.0.0.1 is private (RFC 1918)", "request logs"),
        ("203.0.0.0/12", "wider than Vercel takes: a /12, and at most a /16", "smaller ranges"),
        ("attacker", "`attacker` is no address and no range", "203.0.113.7"),
        ("203.0.113.7/24", "may mean the address 203.0.113.7 or the range 203.0.113.0/24", "203.0.113.0/24"),
        ("192.0.2.1", "would block 192.0.2.1, which is never blocked here: a rule of Vercel's", "never_blocked"),
    ],
)
async def test_what_must_not_be_blocked_is_refused_before_anyone_is_asked(
    addresses: str, sentence: str, next_step: str
) -> None:
    """Our own, private and allow-listed ranges, ranges that are too wide, and what is no address."""
    async with attacked() as (sim, context):
        firewall(sim).insert({"action": "bypass", "hostname": "*", "ip": "192.0.2.1", "notes": "payments"})
        with pytest.raises(Refused) as refused:
            await worked_out(BlockAddresses(context), service=SERVICE, addresses=addresses)
        assert sentence in refused.value.message
        assert next_step in refused.value.next_step
        assert recorded(sim, "write") == []


async def test_without_an_address_people_choose_among_those_that_the_firewall_has_seen() -> None:
    """The one with the most requests comes first."""
    async with attacked() as (sim, context):
        firewall(sim).denied = [(OTHER, "challenge", 12), (ATTACKER, "deny", 4_000)]
        with pytest.raises(Refused) as refused:
            await worked_out(BlockAddresses(context), service=SERVICE)
        assert [one.name for one in refused.value.candidates] == [ATTACKER, OTHER]
        assert "4000 requests" in refused.value.candidates[0].reason


async def test_an_address_that_is_blocked_already_is_not_written_again() -> None:
    """By a rule of its own, or by a wider one."""
    async with attacked() as (sim, context):
        firewall(sim).insert({"action": "deny", "hostname": "*", "ip": "203.0.113.0/24"})
        action = BlockAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        assert action.target_reached(change, await action.observe(params))
        assert recorded(sim, "write") == []


async def test_a_firewall_that_is_switched_off_is_refused_with_where_to_switch_it_on() -> None:
    """A block would have no effect."""
    async with attacked() as (sim, context):
        firewall(sim).enabled = False
        action = BlockAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        [refusal] = await action.precheck(params, change)
        assert "is switched off" in refusal.sentence
        assert "vercel.com" in refusal.next_step


async def test_a_company_without_a_list_of_its_own_addresses_reads_that_in_the_risk() -> None:
    """It is a warning, and stops nothing."""
    async with hosted() as (_, context):
        action = BlockAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        [warning] = await action.precheck(params, change)
        assert warning.warning
        assert "names no address of storefront that is never blocked (`never_blocked`)" in warning.sentence


async def test_unblocking_settles_a_block_and_can_be_undone() -> None:
    """Both change the same resource, so that the ledger's entry is settled."""
    async with attacked() as (sim, context):
        blocked = await carried_out(BlockAddresses(context), service=SERVICE, addresses=ATTACKER)
        action = UnblockAddresses(context)
        done = await carried_out(action, service=SERVICE, addresses=ATTACKER)
        assert done.change.resource == blocked.change.resource
        assert firewall(sim).blocked() == []
        back = await undone(action, done)
        assert firewall(sim).blocked() == [ATTACKER]
        assert back.finding.verdict is Verdict.SUCCESS


async def test_an_address_within_a_blocked_range_cannot_be_unblocked_alone() -> None:
    """The rule for the range would go on blocking it."""
    async with attacked() as (sim, context):
        firewall(sim).insert({"action": "deny", "hostname": "*", "ip": "203.0.113.0/24"})
        with pytest.raises(Refused, match="blocked by a rule for a wider range"):
            await worked_out(UnblockAddresses(context), service=SERVICE, addresses=ATTACKER)


async def test_a_block_that_a_person_has_removed_is_news() -> None:
    """As long as the block should be in place."""
    async with attacked() as (sim, context):
        action = BlockAddresses(context)
        done = await carried_out(action, service=SERVICE, addresses=f"{ATTACKER} {OTHER}")
        assert action.news_of(done.change, await action.observe_left(done.params)) is None
        firewall(sim).remove(firewall(sim).addresses[0]["id"])
        news = action.news_of(done.change, await action.observe_left(done.params))
        assert news is not None
        assert (news.moved, news.sentence) == (False, f"{ATTACKER} is no longer blocked in retailgen's firewall.")


async def test_its_owner_is_reminded_after_a_day_if_the_runbook_names_no_time() -> None:
    """An address belongs to another person soon."""
    async with attacked() as (_, context):
        action = BlockAddresses(context)
        assert action.review_after(AddressParams(service=SERVICE)) == timedelta(days=1)


@each_write_fault("block 203.0.113.7")
async def test_each_fault_of_the_write_has_its_sentence(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal changed nothing; everything else may have taken effect."""
    async with attacked() as (sim, context):
        action = BlockAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        await fault(sim, "vercel", "update_firewall", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, "key")


@pytest.mark.parametrize("kind", READ_TROUBLES)
async def test_each_fault_of_the_read_has_its_sentence_and_writes_nothing(kind: str) -> None:
    """The firewall is never taken for empty."""
    async with attacked() as (sim, context):
        await fault(sim, "vercel", "get_firewall", kind, times=10)
        with pytest.raises(AllclearError, match=r"read the firewall") as failed:
            await worked_out(BlockAddresses(context), service=SERVICE, addresses=ATTACKER)
        assert failed.value.next_step
        assert recorded(sim, "write") == []


@pytest.mark.parametrize(
    ("kind", "status", "blocked"),
    [
        ("answer_lost", ActStatus.VERIFIED, [ATTACKER]),
        ("cut_off", ActStatus.VERIFIED, [ATTACKER]),
        ("other_shape", ActStatus.VERIFIED, [ATTACKER]),
        ("unavailable", ActStatus.INDETERMINATE, []),
        ("login_page", ActStatus.INDETERMINATE, []),
        ("ignored", ActStatus.FAILED, []),
        ("permission_denied", ActStatus.FAILED, []),
    ],
)
async def test_the_outcome_says_what_a_read_has_proven(kind: str, status: ActStatus, blocked: list[str]) -> None:
    """A lost answer is settled by reading; a vendor that accepts and does nothing has not blocked anything."""
    async with attacked() as (sim, context):
        await fault(sim, "vercel", "update_firewall", kind)
        outcome = await issued(BlockAddresses(context), addresses=ATTACKER)
        assert (outcome.status, firewall(sim).blocked()) == (status, blocked)
        if kind == "ignored":
            assert outcome.sentence == f"{ATTACKER} is not blocked by retailgen's firewall."


async def test_a_block_that_is_refused_half_way_says_what_is_blocked_and_can_be_undone() -> None:
    """The plan's limit is reached with the second address: the first one is in place, and in the ledger."""
    async with attacked() as (sim, context):
        for number in range(99):
            firewall(sim).insert({"action": "log", "hostname": "*", "ip": f"192.0.2.{number}"})
        action = BlockAddresses(context)
        outcome = await issued(action, addresses=f"{ATTACKER} {OTHER}")
        assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
        assert f"{OTHER} is not blocked" in outcome.sentence
        assert "limit of IP rules of your plan" in outcome.sentence
        params, change = await worked_out(action, service=SERVICE, addresses=f"{ATTACKER} {OTHER}")
        planned = change.model_copy(update={"before": change.before.model_copy(update={"blocked": ()})})
        back = action.undo(params, planned, await action.observe(params))
        await action.apply(params, back, "key")
        assert firewall(sim).blocked() == []


async def test_a_project_that_does_not_exist_is_named() -> None:
    """The next step is systems.yaml."""
    gone = VercelHandle(project="nowhere", domain="retailgen.ai")
    async with attacked(vercel=gone) as (_, context):
        with pytest.raises(NotFound, match="read the project nowhere"):
            await worked_out(BlockAddresses(context), service=SERVICE, addresses=ATTACKER)


async def test_requests_and_answers_fit_the_published_description() -> None:
    """What is sent to the firewall, and what the simulator shows of it."""
    described = specification("vercel-part.openapi.json")["paths"]
    config = described["/v1/security/firewall/config"]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    shown = described["/v1/security/firewall/config/{configVersion}"]["get"]["responses"]["200"]["content"]
    insert = {"action": "deny", "hostname": "*", "ip": ATTACKER, "notes": "allclear RG-1"}
    for change in config["oneOf"]:
        change["properties"].get("id", {}).pop("nullable", None)
        change["properties"].get("value", {}).pop("nullable", None)
    jsonschema.validate({"action": "ip.insert", "id": None, "value": insert}, config)
    jsonschema.validate({"action": "ip.remove", "id": "ip_1", "value": None}, config)
    async with attacked() as (sim, context):
        await carried_out(BlockAddresses(context), service=SERVICE, addresses=ATTACKER)
        jsonschema.validate(firewall(sim).shown(), shown["application/json"]["schema"])


def test_a_parameter_that_does_not_exist_is_refused() -> None:
    """Vercel blocks on every host, so a host would have no effect."""
    with pytest.raises(ConfigError, match="host"):
        read_params(BlockAddresses, {"service": SERVICE, "addresses": ATTACKER, "host": "retailgen.ai"})
