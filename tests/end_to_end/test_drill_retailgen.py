"""RetailGen's drill, run by `make drill`: its incident is contained through Vercel."""

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
