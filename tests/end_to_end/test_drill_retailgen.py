"""A drill of RetailGen, run by `make drill`; tests/scenario/test_every_drill.py plays the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.stack_support import drill

pytestmark = pytest.mark.slow


def test_a_feature_that_fails_is_switched_off_by_its_flag(tmp_path: Path) -> None:
    """The feature of the alert's route names the flag; the drill leaves it off, with an owner and a date."""
    played = drill("retailgen/ai-generation-down", tmp_path / "home")
    assert played["misses"] == []
    writes = [line for line in played["event_log"] if line["kind"] == "write" and line["api"] == "vercel"]
    assert [(line["method"], line["flag"]) for line in writes] == [("update_flag", "ai-generation")]
