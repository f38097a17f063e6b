"""RetailGen's drills, run by `make drill`: their incidents are contained through Vercel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.stack_support import drill

pytestmark = pytest.mark.slow


def test_a_site_that_is_down_is_rolled_back_and_later_gets_the_fix(tmp_path: Path) -> None:
    """Vercel received one rollback and one promotion of the fix, and the public posts have the plan's texts."""
    played = drill("retailgen/site-down", tmp_path / "home")
    assert played["misses"] == []
    event_log = played["event_log"]
    moved = [
        (line["method"], line["name"], line["result"])
        for line in event_log
        if line["kind"] == "write" and line["api"] == "vercel"
    ]
    assert moved == [("rollback", "retailgen-d4e7k1p", "done"), ("promote", "retailgen-k2v9fix", "done")]
    posts = [line for line in event_log if line["kind"] == "status_post"]
    assert [post["status"] for post in posts] == ["investigating", "identified", "resolved"]
    assert posts[0]["name"].endswith("Service Issue - RetailGen AI")
    assert "a release that could not read existing sessions" in posts[1]["body"]
    assert posts[2]["name"].endswith("Resolved - Service Issue - RetailGen AI")
    assert played["post_mortem"].startswith("# Post-Incident Review: ")


def test_a_data_leak_is_contained_on_vercel(tmp_path: Path) -> None:
    """Typed addresses are blocked and unblocked, attack mode goes on and off, a feature off; Google is not called."""
    played = drill("retailgen/data-leak", tmp_path / "home")
    assert played["misses"] == []
    writes = [line for line in played["event_log"] if line["kind"] == "write"]
    on_vercel = [(line["method"], line.get("change") or line.get("on")) for line in writes if line["api"] == "vercel"]
    assert on_vercel == [
        ("update_firewall", "ip.insert"),
        ("update_firewall", "ip.insert"),
        ("attack_mode", True),
        ("update_flag", None),
        ("attack_mode", False),
        ("update_firewall", "ip.remove"),
        ("update_firewall", "ip.remove"),
    ]
    assert not any(line["api"].startswith(("cloud_", "supabase")) for line in writes)


def test_a_feature_that_fails_is_switched_off_by_its_flag(tmp_path: Path) -> None:
    """The feature of the alert's route names the flag; the drill leaves it off, with an owner and a date."""
    played = drill("retailgen/ai-generation-down", tmp_path / "home")
    assert played["misses"] == []
    writes = [line for line in played["event_log"] if line["kind"] == "write" and line["api"] == "vercel"]
    assert [(line["method"], line["flag"]) for line in writes] == [("update_flag", "ai-generation")]
