"""The commands for what an act leaves in place, as a person types them: each refusal names the command that works."""

from __future__ import annotations

import asyncio
from pathlib import Path

from allclear.simulator.scenario_schema import TrafficSpec
from tests.contract.simulator_support import BAD, GOOD, Simulated, quick
from tests.end_to_end.stack_support import allclear_that_reads
from tests.scenario.response_support import announced, new_journal

OLDER = "vintstreet-00040-kip"
ANA = ("--as", "Ana", "--role", "on_call")


class Terminal:
    """A shell on a simulated production."""

    def __init__(self, sim: Simulated, folder: Path) -> None:
        self._answer = folder / "answer"
        self._environment = {
            "ALLCLEAR_JOURNAL_URL": new_journal(folder),
            "ALLCLEAR_SIMULATION": str(announced(sim, folder)),
            "PREFECT_API_URL": "http://127.0.0.1:9/api",
            "COLUMNS": "400",
        }

    async def types(self, *words: str, answer: str = "") -> tuple[int, str]:
        """Run `allclear` with these words and that answer to its question; return the exit code and what it prints."""
        self._answer.write_text(answer)
        done = await asyncio.to_thread(allclear_that_reads, self._answer, *words, **self._environment)
        return done.returncode, done.stdout + done.stderr


async def test_a_refusal_with_candidates_lists_them_with_the_command(tmp_path: Path) -> None:
    """A revision that does not exist: the others, each with its age, and the command that names one."""
    async with Simulated(quick()) as sim:
        code, printed = await Terminal(sim, tmp_path).types(
            "act", "vintstreet", "cloud_run.rollback_traffic", "service=storefront", "to=nowhere", "--dry-run"
        )
    assert code == 6
    assert f"\n  {GOOD}: made at " in printed
    assert f"\n  {OLDER}: made at " in printed
    assert f"allclear act vintstreet cloud_run.rollback_traffic service=storefront to={GOOD} --reason WHY" in printed


async def test_the_circle_of_a_rollback_whose_world_moved_ends_with_a_command(tmp_path: Path) -> None:
    """Undo names the way that works, then the command that closes the debt; resolve names both; then it is over."""
    async with Simulated(quick()) as sim:
        terminal = Terminal(sim, tmp_path)
        act = ("act", "vintstreet", "cloud_run.rollback_traffic", "service=storefront", f"to={GOOD}")
        code, printed = await terminal.types(*act, "--reason", "errors since 42", "--yes", *ANA)
        assert code == 0, printed
        undo = ("undo", "VS-1", "manual/cloud-run-rollback-traffic", *ANA)
        code, printed = await terminal.types(*undo)
        assert (code, sim.world.serving()) == (6, {GOOD: 100})
        assert "allclear act vintstreet cloud_run.restore_latest service=storefront --reason WHY" in printed
        assert BAD in printed
        code, printed = await terminal.types("supersede", *undo[1:], "--reason", "we like it")
        assert code == 6
        assert "allclear undo VS-1 manual/cloud-run-rollback-traffic" in printed
        sim.world.redirect([TrafficSpec(revision=OLDER, percent=100)], by="an engineer")
        command = "allclear supersede VS-1 manual/cloud-run-rollback-traffic --reason WHY"
        code, printed = await terminal.types(*undo)
        assert code == 6
        assert command in printed
        code, printed = await terminal.types("resolve", "VS-1", "--reason", "over", *ANA)
        assert code == 6
        assert command in printed
        code, printed = await terminal.types("supersede", *undo[1:], "--reason", "40 is what we want")
        assert code == 0, printed
        assert (await terminal.types("in-place"))[1].strip() == "Nothing is left in place."
        code, printed = await terminal.types("resolve", "VS-1", "--reason", "over", *ANA)
        assert code == 0, printed
        assert "40 is what we want" in (await terminal.types("show", "VS-1"))[1]
    assert sim.world.serving() == {OLDER: 100}


async def test_undo_shows_its_change_and_asks(tmp_path: Path) -> None:
    """A no changes nothing; a yes undoes it."""
    async with Simulated(quick("healthy")) as sim:
        terminal = Terminal(sim, tmp_path)
        act = ("act", "vintstreet", "feature_flag.disable", "flag=live_streams", "service=storefront")
        code, printed = await terminal.types(*act, "--reason", "it is slow", "--yes", *ANA)
        assert code == 0, printed
        undo = ("undo", "VS-1", "manual/feature-flag-disable", *ANA)
        code, printed = await terminal.types(*undo, answer="n\n")
        assert code == 0
        assert "Switch the flag live_streams of storefront on." in printed
        assert "risk: Users get the feature behind the flag again." in printed
        assert "Nothing was changed." in printed
        flags = {row["name"]: row["enabled"] for row in sim.world.flags.rows()}
        assert flags["live_streams"] is False
        code, printed = await terminal.types(*undo, answer="y\n")
        assert code == 0, printed
        assert "manual/feature-flag-disable is undone." in printed
        assert {row["name"]: row["enabled"] for row in sim.world.flags.rows()}["live_streams"] is True


async def test_a_rollback_that_was_made_says_so_if_it_is_asked_for_again(tmp_path: Path) -> None:
    """One sentence with the incident and the time, instead of why no older revision can be chosen."""
    async with Simulated(quick()) as sim:
        terminal = Terminal(sim, tmp_path)
        act = ("act", "vintstreet", "cloud_run.rollback_traffic", "service=storefront")
        code, printed = await terminal.types(*act, f"to={GOOD}", "--reason", "errors since 42", "--yes", *ANA)
        assert code == 0, printed
        code, printed = await terminal.types(*act, "--reason", "errors since 42", "--yes", *ANA)
    assert code == 6, printed
    assert "VS-1 did this at " in printed
    assert "it is still in place (manual/cloud-run-rollback-traffic). There is nothing to do." in printed
    assert "allclear undo VS-1 manual/cloud-run-rollback-traffic --as NAME --role on_call" in printed
