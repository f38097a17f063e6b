"""`allclear check` and `allclear init` as a person reads them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allclear.cli import company  # adds its commands
from allclear.cli.root import app

COMMANDS = company


def test_check_groups_what_it_finds_with_the_gravest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each group has a heading with its number. The assumptions are counted, and listed only if they are asked for."""
    monkeypatch.setenv("COLUMNS", "300")
    found = json.loads(CliRunner().invoke(app, ["check", "vintstreet", "--json"]).output)
    for listed in (False, True):
        done = CliRunner().invoke(app, ["check", "vintstreet", *(["--assumed"] if listed else [])])
        lines = done.output.splitlines()
        levels = [line.split()[0] for line in lines if line.startswith(("error ", "warning ", "here ", "assumed "))]
        order = ["error", "warning", "here", "assumed"]
        assert levels == sorted(levels, key=order.index)
        assert Counter(levels) == Counter(one["level"] for one in found if listed or one["level"] != "assumed")
        headings = [line for line in lines if line.startswith(("Errors: ", "Warnings: ", "On this ", "Assumed: "))]
        count = Counter(one["level"] for one in found)
        assert [int(line.rpartition("(")[2].partition(")")[0]) for line in headings] == [
            count[level] for level in order if count[level]
        ]
        assert headings[-1].endswith(". List them: allclear check vintstreet --assumed") is not listed


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
