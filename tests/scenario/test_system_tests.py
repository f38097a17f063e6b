"""The responder's own tests of the systems: what it says on /readyz and in its log when a key is withdrawn."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from allclear.responder.workers.system_tests import SystemTests
from tests.contract.simulator_support import Simulated, fault, quick
from tests.scenario.response_support import announced, engine_on, new_journal


async def test_a_key_that_is_withdrawn_makes_the_responder_not_ready(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has it once with what to do, /readyz without the vendor's words, and both see that it works again."""
    async with Simulated(quick()) as simulation:
        engine = engine_on(new_journal(tmp_path), announced(simulation, tmp_path))
        tests = SystemTests(engine.doctor)
        with caplog.at_level(logging.WARNING, "allclear.responder"):
            await tests.test()
            assert (tests.problems(), tests.warnings()) == ([], [])
            await fault(simulation, "slack", "auth.test", "permission_denied", times=2)
            await tests.test()
            await tests.test()
            refused = tests.problems()
            await fault(simulation, "statuspage", "*", "unavailable", times=100)
            await tests.test()
        await engine.close()
    assert refused == ["slack refuses our key, or the key lacks a permission: allclear doctor slack"]
    assert tests.problems() == []
    assert tests.warnings() == ["statuspage did not answer."]
    lines = [record.getMessage() for record in caplog.records if record.name == "allclear.responder"]
    assert len(lines) == 3
    assert lines[0].startswith("Testing slack (token) failed: Slack does not allow our key to say who we are")
    assert lines[1].startswith("Testing statuspage (page ") or lines[2].startswith("Testing statuspage (page ")
    assert "Testing slack (token) succeeds again." in lines
