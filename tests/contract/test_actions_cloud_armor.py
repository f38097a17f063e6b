"""Blocking addresses with Cloud Armor against the simulated policy: what is added, what is refused, and every fault."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from allclear.domain.action import ActStatus, AnyAction, Outcome, Verdict
from allclear.domain.errors import (
    AllclearError,
    AnswerLost,
    ConfigError,
    Conflict,
    Denied,
    NotFound,
    Refused,
    VendorRefused,
)
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.write_retries import Write
from allclear.simulator.armor_policy import LAST
from tasks.addresses import AddressParams
from tasks.cloud_armor.actions import BlockArmorAddresses, UnblockArmorAddresses
from tests.contract.actions_support import (
    READ_TROUBLES,
    Carried,
    carried_out,
    dumped,
    each_write_fault,
    production,
    proven,
    undone,
    worked_out,
)
from tests.contract.cloud_armor_support import ATTACKER, OTHER, RANGE, SERVICE, add, armor, guarded
from tests.contract.simulator_support import fault, recorded

BOTH: list[tuple[type[AnyAction], dict[str, Any]]] = [
    (BlockArmorAddresses, {"addresses": ATTACKER}),
    (UnblockArmorAddresses, {"addresses": ATTACKER}),
]


async def issued(action: AnyAction, **raw: Any) -> Outcome:
    """Carry an act out with the executor's own write, and return its outcome."""
    params, change = await worked_out(action, service=SERVICE, **raw)
    change = change.model_copy(update={"deadline": timedelta(milliseconds=300)})
    return await Write(LoadedAct(action, params, change), change, "VS-1/contain/block").issue()


async def test_addresses_are_one_rule_at_the_first_free_priority_of_ours() -> None:
    """Its operation is followed, the rules are read back, and its description names the act."""
    async with guarded() as (sim, context):
        add(sim, 1000, "192.0.2.99/32")
        done = await carried_out(BlockArmorAddresses(context), service=SERVICE, addresses=f"{ATTACKER}, {RANGE}")
        rule = armor(sim).find(1001)
        assert rule["match"]["config"]["srcIpRanges"] == [f"{ATTACKER}/32", RANGE]
        assert (rule["action"], rule["description"]) == ("deny(403)", "allclear VS-1/contain/one")
        assert done.finding.sentence.startswith(f"{ATTACKER} and {RANGE} are blocked by storefront.")
        assert done.change.summary == f"Block {ATTACKER} and {RANGE} in the Cloud Armor policy storefront."
        assert "192.0.2.0/24 has 256 addresses" in done.change.risk
        assert [write["method"] for write in recorded(sim, "write")] == ["add_rule"]


async def test_a_rule_for_everyone_that_decides_first_lets_an_attacker_through_too() -> None:
    """Cloud Armor writes everyone as `*`, which is no range of ours; a block behind it would have no effect."""
    async with guarded() as (sim, context):
        add(sim, 900, "*", action="allow")
        with pytest.raises(Refused) as refused:
            await worked_out(BlockArmorAddresses(context), service=SERVICE, addresses=ATTACKER)
        assert refused.value.message == (
            "A rule of storefront that decides before ours lets every address through, so a block of 203.0.113.7 would"
            " have no effect."
        )
        assert "cloud_armor.priority" in refused.value.next_step


async def test_a_denial_behind_a_rule_that_lets_through_is_no_block() -> None:
    """The first rule that matches decides, also between other people's rules."""
    async with guarded() as (sim, context):
        add(sim, 5000, "203.0.113.0/24", action="allow")
        add(sim, 6000, "203.0.0.0/16")
        add(sim, 7000, OTHER)
        action = BlockArmorAddresses(context)
        done = await carried_out(action, service=SERVICE, addresses=ATTACKER)
        assert (done.change.before.covered, done.finding.verdict) == ((), Verdict.SUCCESS)
        assert armor(sim).find(1000)["match"]["config"]["srcIpRanges"] == [f"{ATTACKER}/32"]
        with pytest.raises(Refused, match=f"lets {OTHER} through, so a block of {OTHER} would have no effect"):
            await worked_out(action, service=SERVICE, addresses=OTHER)
        add(sim, 20, "*", action="allow")
        now = await action.observe(done.params)
        assert action.verify(done.change, now, done.receipt).verdict is Verdict.FAILURE
        news = action.news_of(done.change, now)
        assert news is not None
        assert news.sentence == f"A rule of storefront that decides before ours lets {ATTACKER} through now."
        back = await undone(action, done)
        assert back.finding.verdict is Verdict.SUCCESS


async def test_the_approval_covers_the_addresses_and_not_what_others_change() -> None:
    """Another address is another change; a rule that another person adds meanwhile takes only a priority."""
    async with guarded() as (sim, context):
        action = BlockArmorAddresses(context)
        params, first = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        _, other = await worked_out(action, service=SERVICE, addresses=OTHER)
        add(sim, 1000, "192.0.2.99/32")
        _, again = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        assert first.digest == again.digest != other.digest
        assert first.resource != other.resource
        await action.apply(params, first, "key")
        assert armor(sim).find(1001)["description"] == "allclear key"


async def test_undo_removes_exactly_the_rule_that_was_added() -> None:
    """An address that a person had blocked before stays blocked."""
    async with guarded() as (sim, context):
        add(sim, 500, f"{OTHER}/32", description="scraper")
        action = BlockArmorAddresses(context)
        done = await carried_out(action, service=SERVICE, addresses=f"{ATTACKER} {OTHER}")
        assert armor(sim).blocked() == [f"{OTHER}/32", f"{ATTACKER}/32"]
        back = await undone(action, done)
        assert back.finding.sentence.startswith(f"{ATTACKER} is no longer blocked by storefront.")
        assert armor(sim).blocked() == [f"{OTHER}/32"]
        assert [one["method"] for one in recorded(sim, "write")] == ["add_rule", "remove_rule"]


async def test_undo_leaves_a_rule_of_another_person() -> None:
    """A person has replaced our rule: removing it would undo that person's decision."""
    async with guarded() as (sim, context):
        action = BlockArmorAddresses(context)
        done = await carried_out(action, service=SERVICE, addresses=ATTACKER)
        armor(sim).rules.pop()
        with pytest.raises(Refused, match="not blocked any more"):
            action.undo(done.params, done.change, await action.observe(done.params))
        news = action.news_of(done.change, await action.observe_left(done.params))
        assert news is not None
        assert (news.moved, news.sentence) == (True, f"{ATTACKER} is no longer blocked in storefront.")
        add(sim, 20, f"{ATTACKER}/32", description="court order")
        with pytest.raises(Refused, match=r"The rule 20 of storefront .* another person's \(court order\)"):
            action.undo(done.params, done.change, await action.observe(done.params))


async def test_unblocking_takes_one_address_out_of_a_rule_and_removes_an_empty_one() -> None:
    """Both actions change the same resource, so that the ledger's entry is settled; undo blocks them again."""
    async with guarded() as (sim, context):
        add(sim, 1000, f"{ATTACKER}/32", f"{OTHER}/32")
        action = UnblockArmorAddresses(context)
        done = await carried_out(action, service=SERVICE, addresses=ATTACKER)
        assert armor(sim).blocked() == [f"{OTHER}/32"]
        await carried_out(action, service=SERVICE, addresses=OTHER)
        assert [rule["priority"] for rule in armor(sim).rules] == [LAST]
        back = await undone(action, done)
        assert back.finding.verdict is Verdict.SUCCESS
        assert armor(sim).blocked() == [f"{ATTACKER}/32"]
        _, blocking = await worked_out(BlockArmorAddresses(context), service=SERVICE, addresses=ATTACKER)
        assert blocking.resource == done.change.resource
        assert UnblockArmorAddresses.reverses == BlockArmorAddresses.name


@pytest.mark.parametrize(
    ("addresses", "sentence", "next_step"),
    [
        ("198.51.100.7", "would block 198.51.100.0/28, which is never blocked here: our office", "never_blocked"),
        ("10.0.0.1", "10.0.0.1 is private (RFC 1918)", "request logs"),
        ("203.0.0.0/12", "wider than one change of ours takes: a /12, and at most a /16", "smaller ranges"),
        ("attacker", "`attacker` is no address and no range", "203.0.113.7"),
        ("192.0.2.1", "that decides before ours lets 192.0.2.1 through, so a block of 192.0.2.1", "priority"),
        (" ".join(f"203.0.113.{n}" for n in range(11)), "11 addresses and ranges are more than one rule", "at most 10"),
        ("", "No address was named.", "load balancer's logs"),
    ],
)
async def test_what_must_not_be_blocked_is_refused_before_anyone_is_asked(
    addresses: str, sentence: str, next_step: str
) -> None:
    """Our own, private, allow-listed and too wide ranges, too many, none, and no address; people type others."""
    async with guarded() as (sim, context):
        add(sim, 10, "192.0.2.1/32", action="allow", description="payments")
        with pytest.raises(Refused) as refused:
            await worked_out(BlockArmorAddresses(context), service=SERVICE, addresses=addresses)
        assert sentence in refused.value.message
        assert next_step in refused.value.next_step
        assert refused.value.typed
        assert recorded(sim, "write") == []


async def test_a_rule_that_lets_through_after_ours_and_one_in_preview_do_not_matter() -> None:
    """The rule with the lowest number decides, and a preview only logs."""
    async with guarded() as (sim, context):
        add(sim, 2000, f"{ATTACKER}/32", action="allow")
        add(sim, 5, f"{ATTACKER}/32", action="allow", preview=True)
        add(sim, 6, f"{ATTACKER}/32", preview=True)
        done = await carried_out(BlockArmorAddresses(context), service=SERVICE, addresses=ATTACKER)
        assert done.finding.verdict is Verdict.SUCCESS
        assert done.change.before.blocked == ()


@pytest.mark.parametrize(
    ("setting", "sentence", "next_step"),
    [
        (
            {"attached": False},
            "storefront-backend has no policy: a block in storefront has no effect",
            "--security-policy",
        ),
        ({"ingress": "all"}, "answers requests that pass no load balancer (vintstreet in us-central1)", "--ingress"),
        ({"rules": 1}, "Each of our priorities in storefront has a rule: 1000 to 1000.", "allclear in-place"),
    ],
)
async def test_a_block_without_effect_is_refused_with_what_to_do(
    setting: dict[str, Any], sentence: str, next_step: str
) -> None:
    """The backend service lacks the policy, requests can go around it, or no priority is free."""
    async with guarded(**setting) as (sim, context):
        add(sim, 1000, "192.0.2.99/32")
        action = BlockArmorAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        [refusal] = await action.precheck(params, change)
        assert not refusal.warning
        assert sentence in refusal.sentence
        assert next_step in refusal.next_step


async def test_another_policy_of_the_backend_service_is_named() -> None:
    """A block in this one would have no effect."""
    async with guarded() as (sim, context):
        armor(sim).attached = "other"
        action = BlockArmorAddresses(context)
        [refusal] = await action.precheck(*await worked_out(action, service=SERVICE, addresses=ATTACKER))
        assert "storefront-backend has the policy other" in refusal.sentence


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"ingress": "all", "direct_requests": True}, "can go around the block"),
        ({"never": False}, "systems.yaml names no address of storefront that is never blocked"),
    ],
)
async def test_what_is_accepted_or_unknown_is_read_as_a_part_of_the_risk(setting: dict[str, Any], words: str) -> None:
    """It is a warning, and stops nothing."""
    async with guarded(**setting) as (_, context):
        action = BlockArmorAddresses(context)
        [warning] = await action.precheck(*await worked_out(action, service=SERVICE, addresses=ATTACKER))
        assert warning.warning
        assert words in warning.sentence


async def test_a_check_that_cannot_be_made_stops_no_block() -> None:
    """Cloud Run cannot be read, and an expression that decides first is not evaluated: both are said."""
    async with guarded() as (sim, context):
        match = {"expr": {"expression": "origin.region_code == 'DE'"}}
        armor(sim).rules.append({"priority": 7, "action": "allow", "match": match})
        await fault(sim, "cloud_run", "GetService", "permission_denied", times=9)
        action = BlockArmorAddresses(context)
        warnings = await action.precheck(*await worked_out(action, service=SERVICE, addresses=ATTACKER))
        assert all(one.warning for one in warnings)
        told = " ".join(one.sentence for one in warnings)
        assert "was not read: " in told
        assert "Rules that decide first match by an expression (7) and may let it through." in told


async def test_an_address_that_is_blocked_already_is_not_written_again() -> None:
    """By a rule of its own, or by a wider one; an address within a range cannot be unblocked alone."""
    async with guarded() as (sim, context):
        add(sim, 9, "203.0.113.0/24")
        action = BlockArmorAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        assert action.target_reached(change, await action.observe(params))
        with pytest.raises(Refused, match="blocked by a rule for a wider range"):
            await worked_out(UnblockArmorAddresses(context), service=SERVICE, addresses=ATTACKER)
        assert recorded(sim, "write") == []


async def test_rules_that_another_person_has_changed_are_a_conflict() -> None:
    """An address of ours was taken out of a rule and another put in between the approval and the write."""
    async with guarded() as (sim, context):
        add(sim, 1000, f"{ATTACKER}/32")
        action = UnblockArmorAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=f"{ATTACKER} {OTHER}")
        add(sim, 1001, f"{OTHER}/32")
        with pytest.raises(Conflict, match="The rules of storefront have changed"):
            await action.apply(params, change, "key")
        assert recorded(sim, "write") == []


async def test_its_owner_is_reminded_after_a_day_if_the_runbook_names_no_time() -> None:
    """An address belongs to another person soon."""
    async with guarded() as (_, context):
        assert BlockArmorAddresses(context).review_after(AddressParams(service=SERVICE)) == timedelta(days=1)


# --- faults ----------------------------------------------------------------------------------------------


@each_write_fault("block 203.0.113.7/32 in storefront")
async def test_each_fault_of_the_write_has_its_sentence(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal changed nothing; everything else may have taken effect."""
    async with guarded() as (sim, context):
        action = BlockArmorAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        await fault(sim, "cloud_armor", "add_rule", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, "key")


@pytest.mark.parametrize("kind", READ_TROUBLES)
async def test_an_accepted_write_whose_operation_cannot_be_followed_may_have_taken_effect(kind: str) -> None:
    """It is never taken for refused: the rules are read instead."""
    async with guarded() as (sim, context):
        action = BlockArmorAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        await fault(sim, "cloud_armor", "get_operation", kind, times=10)
        with pytest.raises(AnswerLost, match="it was accepted; "):
            await action.apply(params, change, "key")


async def test_an_operation_that_fails_is_a_refusal() -> None:
    """Google accepted the change and did not make it: its reason is said."""
    async with guarded() as (sim, context):
        action = BlockArmorAddresses(context)
        params, change = await worked_out(action, service=SERVICE, addresses=ATTACKER)
        armor(sim).fails_with = "Quota 'SECURITY_POLICY_RULES' exceeded."
        with pytest.raises(VendorRefused, match=r"refused to block .* in storefront: Quota 'SECURITY_POLICY_RULES'"):
            await action.apply(params, change, "key")
        assert armor(sim).blocked() == []


@pytest.mark.parametrize(
    ("kind", "status", "blocked"),
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
async def test_the_outcome_says_what_a_read_has_proven(kind: str, status: ActStatus, blocked: bool) -> None:  # noqa: FBT001
    """A lost answer is settled by reading; a vendor that accepts and does nothing has not blocked anything."""
    async with guarded() as (sim, context):
        await fault(sim, "cloud_armor", "add_rule", kind)
        outcome = await issued(BlockArmorAddresses(context), addresses=ATTACKER)
        assert (outcome.status, armor(sim).blocked()) == (status, [f"{ATTACKER}/32"] if blocked else [])
        assert len(recorded(sim, "write")) == 1
        if kind == "ignored":
            assert outcome.sentence == f"{ATTACKER} is not blocked by storefront."


async def test_an_unblock_that_is_refused_half_way_says_what_is_blocked_and_can_be_undone() -> None:
    """Two rules hold the addresses; the second one cannot be changed."""
    async with guarded() as (sim, context):
        add(sim, 1000, f"{ATTACKER}/32")
        add(sim, 1001, f"{OTHER}/32", "192.0.2.77/32")
        await fault(sim, "cloud_armor", "patch_rule", "permission_denied")
        action = UnblockArmorAddresses(context)
        outcome = await issued(action, addresses=f"{ATTACKER} {OTHER}")
        assert outcome.status is ActStatus.UNVERIFIED
        assert outcome.sentence.startswith(
            f"{OTHER} is still blocked by storefront. Cloud Armor does not allow our key"
        )
        assert armor(sim).blocked() == [f"{OTHER}/32", "192.0.2.77/32"]


@pytest.mark.parametrize(("kind", "raw"), BOTH, ids=lambda value: getattr(value, "name", ""))
async def test_a_read_that_fails_has_a_sentence_and_a_next_step_and_nothing_is_written(
    kind: type[AnyAction], raw: dict[str, Any]
) -> None:
    """An answer that is cut off or of another shape is never taken for an empty policy."""
    async with guarded() as (sim, context):
        for method, trouble in product(["get_policy", "get_backend"], READ_TROUBLES):
            await fault(sim, "cloud_armor", method, trouble, times=50)
            with pytest.raises(AllclearError, match=r"read the (policy|backend service) storefront") as failed:
                await worked_out(kind(context), service=SERVICE, **raw)
            sim.world.faults.clear()
            assert failed.value.message.endswith(".")
            assert failed.value.next_step
        assert recorded(sim, "write") == []


@pytest.mark.parametrize(
    ("handle", "words"),
    [
        ({"policy": "stores"}, "asked to read the policy stores: The resource 'projects/vintstreet-prod/global/sec"),
        ({"backend_service": "stores"}, "asked to read the backend service stores: The resource"),
    ],
)
async def test_a_policy_or_backend_service_that_does_not_exist_is_named(handle: dict[str, Any], words: str) -> None:
    """With what to correct."""
    async with guarded(**handle) as (_, context):
        with pytest.raises(NotFound) as missing:
            await worked_out(BlockArmorAddresses(context), service=SERVICE, addresses=ATTACKER)
        assert words in missing.value.message
        assert "systems.yaml" in missing.value.next_step


async def test_another_project_and_a_service_without_a_policy_are_mistakes_in_systems_yaml() -> None:
    """Google refuses a project in the words of a missing permission."""
    async with guarded() as (_, context):
        context.options["cloud_armor"] = {"project": "another-project"}
        with pytest.raises(Denied, match=r"compute\.securityPolicies\.get"):
            await worked_out(BlockArmorAddresses(context), service=SERVICE, addresses=ATTACKER)
    async with production() as (_, context):
        with pytest.raises(ConfigError, match=r"has no `cloud_armor` in systems\.yaml"):
            await worked_out(BlockArmorAddresses(context), service=SERVICE, addresses=ATTACKER)


@pytest.mark.parametrize(("kind", "raw"), BOTH, ids=lambda value: getattr(value, "name", ""))
async def test_a_dry_run_writes_nothing_and_the_act_keeps_no_secret(kind: type[AnyAction], raw: dict[str, Any]) -> None:
    """Observing, planning and prechecking write nothing, and what is stored of the act contains no key."""
    async with guarded() as (sim, context):
        if kind is UnblockArmorAddresses:
            add(sim, 1000, f"{ATTACKER}/32")
        action = kind(context)
        params, change = await worked_out(action, service=SERVICE, **raw)
        assert await action.precheck(params, change) == []
        assert recorded(sim, "write") == []
        receipt = await action.apply(params, change, "VS-1/contain/one")
        after, finding = await proven(action, params, change, receipt)
        kept = dumped(Carried(params, change, receipt, after, finding)) + repr(context.clients)
        assert [name for name, secret in sim.secrets.items() if secret in kept] == []
