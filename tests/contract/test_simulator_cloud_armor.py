"""The simulated Cloud Armor policy: its preflight, and whether it answers as Google describes."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from typing import Any

import httpx
import pytest

from allclear.domain.errors import (
    Denied,
    NotFound,
    Refused,
)
from allclear.simulator.armor_policy import LAST
from tasks.cloud_armor.preflight import CloudArmorPreflight
from tests.contract.cloud_armor_support import OTHER, POLICY, add, armor, guarded
from tests.contract.discovery_support import described_client, description
from tests.contract.simulator_support import recorded


async def test_the_preflight_proves_that_a_rule_may_be_added_and_adds_none() -> None:
    """Google validates a rule on this very policy; then what is missing, each with its sentence."""
    async with guarded() as (sim, context):
        found = [await check.run() for check in CloudArmorPreflight(context).checks(context.services, [])]
        told = [getattr(one, "sentence", "") for one in found]
        assert told == [
            "It can be read: it has 1 rule. A rule at 1000 would be accepted.",
            "It has the policy storefront.",
        ]
        assert recorded(sim, "write") == []
        assert armor(sim).blocked() == []
        sim.world.scenario.permissions.remove("compute.securityPolicies.update")
        policy, backend = CloudArmorPreflight(context).checks(context.services, [])
        with pytest.raises(Denied, match=r"compute\.securityPolicies\.update"):
            await policy.run()
        armor(sim).attached = None
        with pytest.raises(NotFound, match="has no policy, not storefront"):
            await backend.run()
    async with guarded(rules=1) as (sim, context):
        add(sim, 1000, f"{OTHER}/32")
        policy, _ = CloudArmorPreflight(context).checks(context.services, [])
        with pytest.raises(Refused, match="no address could be blocked"):
            await policy.run()


async def test_requests_and_answers_fit_googles_description() -> None:
    """Every path, parameter, body and answer is in the discovery document compute v1."""
    compute = description("compute.v1")
    rule = {
        "priority": 1000,
        "action": "deny(403)",
        "description": "allclear VS-1",
        "match": {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["203.0.113.7/32"]}},
    }
    async with guarded() as (sim, _), described_client(sim.endpoints["cloud_armor"], "compute.v1") as http:
        for path, params, body in (
            (f"{POLICY}/addRule", {"validateOnly": "true"}, rule),
            (f"{POLICY}/addRule", {}, rule),
        ):
            method = compute.method("POST", path)
            assert compute.problems(method["request"]["$ref"], body) == []
            answer = await http.post(path, params=params, json=body)
            assert answer.status_code == 200
        for shown in ("", "/getRule?priority=2147483647"):
            assert (await http.get(f"{POLICY}{shown}")).status_code == 200
        operation = POLICY.replace("securityPolicies/storefront", f"operations/{answer.json()['name']}")
        assert (await http.get(operation)).status_code == 200
        assert (await http.post(f"{operation}/wait")).status_code == 200
        backend = POLICY.replace("securityPolicies/storefront", "backendServices/storefront-backend")
        assert (await http.get(backend)).json()["securityPolicy"].endswith("/global/securityPolicies/storefront")
        add(sim, 1001, f"{OTHER}/32")
        changed = await http.post(f"{POLICY}/patchRule", params={"priority": "1001"}, json={"match": rule["match"]})
        removed = await http.post(f"{POLICY}/removeRule", params={"priority": "1001"})
        assert {changed.status_code, removed.status_code} == {200}


@pytest.mark.parametrize(
    ("path", "params", "body", "status", "words"),
    [
        ("addRule", {}, {"priority": LAST, "action": "allow", "match": {}}, 400, "one expression is required"),
        ("addRule", {}, {"priority": -1, "action": "deny(403)"}, 400, "must be between 0"),
        ("addRule", {}, {"priority": 1, "action": "block"}, 400, "'block'"),
        ("removeRule", {"priority": "328"}, None, 400, "does not contain a rule at priority 328"),
        ("removeRule", {"priority": str(LAST)}, None, 400, "default rule"),
        ("patchRule", {"priority": "x"}, {}, 400, "'x'"),
    ],
)
async def test_the_simulated_policy_refuses_what_google_refuses(
    path: str, params: dict[str, str], body: Any, status: int, words: str
) -> None:
    """Each with an error of Google's shape."""
    async with guarded() as (sim, _), httpx.AsyncClient(base_url=sim.endpoints["cloud_armor"]) as http:
        answer = await http.post(f"{POLICY}/{path}", params=params, json=body)
        assert answer.status_code == status
        assert words in answer.json()["error"]["message"]


async def test_the_simulated_policy_takes_ten_ranges_and_one_rule_at_a_priority() -> None:
    """As Google's interface says."""
    match = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": [f"203.0.113.{n}/32" for n in range(11)]}}
    rule: dict[str, Any] = {"priority": 1000, "action": "deny(403)", "match": match}
    async with guarded() as (sim, _), httpx.AsyncClient(base_url=sim.endpoints["cloud_armor"]) as http:
        add(sim, 1000, f"{OTHER}/32")
        many = await http.post(f"{POLICY}/addRule", json=rule)
        match["config"] = {"srcIpRanges": ["203.0.113.7/32"]}
        second = await http.post(f"{POLICY}/addRule", json=rule)
        assert "from 1 to 10" in many.json()["error"]["message"]
        assert "same priorities" in second.json()["error"]["message"]
