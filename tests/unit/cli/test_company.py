"""`allclear check` and `allclear init` as a person reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from allclear.cli import company  # adds its commands
from allclear.cli.root import app

COMMANDS = company


def test_check_groups_what_it_finds_with_the_gravest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each group has a heading with its number, so that 27 assumptions do not hide a blank."""
    monkeypatch.setenv("COLUMNS", "300")
    done = CliRunner().invoke(app, ["check", "vintstreet"])
    lines = done.output.splitlines()
    levels = [line.split()[0] for line in lines if line.startswith(("error ", "warning ", "assumed "))]
    assert levels == sorted(levels, key=["error", "warning", "assumed"].index)
    headings = [line for line in lines if line.startswith(("Errors: ", "Warnings: ", "Assumed: "))]
    assert [int(line.rpartition("(")[2].rstrip(")")) for line in headings] == [
        levels.count(level) for level in dict.fromkeys(levels)
    ]


def test_init_without_input_says_that_nothing_was_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults are written, and the person knows it."""
    monkeypatch.setenv("ALLCLEAR_RUNBOOKS", str(tmp_path / "runbooks"))
    (tmp_path / "runbooks").mkdir()
    done = CliRunner().invoke(app, ["init", "acme"], input="")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "No question was answered: every value is its default" in done.output


def test_check_and_doctor_agree_that_a_simulated_production_has_its_own_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not set here is listed for the real systems alone."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.delenv("ALLCLEAR_SIMULATION", raising=False)
    assert "On this machine: " in CliRunner().invoke(app, ["check", "vintstreet"]).output
    simulation = tmp_path / "simulation.json"
    simulation.write_text('{"endpoints": {}, "control": "http://127.0.0.1:1", "secrets": {}}')
    monkeypatch.setenv("ALLCLEAR_SIMULATION", str(simulation))
    assert "On this machine: " not in CliRunner().invoke(app, ["check", "vintstreet"]).output
