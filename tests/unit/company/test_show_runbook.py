"""`allclear show-runbook` prints a whole runbook, with the file and line of each step."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

import allclear
from allclear.cli.root import app
from allclear.company import load_company
from allclear.domain.runbook import Phase, Runbook

ROOT = Path(allclear.__file__).resolve().parents[1]
RUNBOOKS = sorted((path.parts[-3], path.stem) for path in ROOT.glob("runbooks/*/runbooks/*.yaml"))


@pytest.fixture(autouse=True)
def _shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    import_module("allclear.cli.company")


def printed(*arguments: str) -> str:
    """Return what the command prints."""
    done = CliRunner().invoke(app, ["show-runbook", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(("company", "name"), RUNBOOKS)
def test_the_command_prints_the_whole_runbook(company: str, name: str) -> None:
    """The output, read as a runbook without a base, equals the runbook that an incident follows."""
    yaml: Any = YAML(typ="safe", pure=True)
    expanded = Runbook.model_validate(yaml.load(printed(company, name)))
    assert expanded == load_company(ROOT / "runbooks" / company).runbook(name)


@pytest.mark.parametrize(("company", "name"), RUNBOOKS)
def test_each_step_names_the_line_that_holds_its_id(company: str, name: str) -> None:
    """The line is in the runbook's own file or in its base. YAML and JSON give the same line."""
    text, data = printed(company, name), json.loads(printed(company, name, "--json"))
    files: set[str] = set()
    for phase in Phase:
        for step in data.get(phase.value, []):
            line = (ROOT / step["file"]).read_text(encoding="utf-8").splitlines()[step["line"] - 1]
            assert line.split("#")[0].strip() == f"- id: {step['id']}"
            assert f"  # {step['file']}:{step['line']}\n  - id: {step['id']}\n" in text
            files.add(Path(step["file"]).name)
    assert files == {"common-steps.yaml", f"{name}.yaml"}


def test_an_unknown_company_or_runbook_is_an_error() -> None:
    """The error repeats the unknown name."""
    for arguments, expected in (
        (["acme", "outage"], "There is no company 'acme'."),
        (["vintstreet", "bad-deploy"], "vintstreet has no runbook 'bad-deploy'."),
    ):
        done = CliRunner().invoke(app, ["show-runbook", *arguments])
        assert done.exit_code != 0
        assert expected in str(done.exception)
