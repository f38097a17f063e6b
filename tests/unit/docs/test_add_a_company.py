"""The how-to on adding a company: its commands succeed, and its files fit the folder that they are added to."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from allclear.cli import main
from allclear.company import load_company
from allclear.domain.runbook import Phase
from tests.contract.simulator_support import REPOSITORY

PAGE = (REPOSITORY / "docs" / "how-to" / "add-a-company.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(bash|yaml)\n(.*?)```", flags=re.DOTALL)


def run(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Run one command of the page, which must exit with 0."""
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    assert code == 0, command


def test_the_commands_and_files_of_the_page_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are used in order, in an empty folder; the second runbook has the steps that the page explains."""
    for name in [key for key in os.environ if key.startswith(("ALLCLEAR_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "runbooks").mkdir()
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runbooks" / "acme"
    for language, text in BLOCK.findall(PAGE):
        if language == "bash":
            for command in text.splitlines():
                run(monkeypatch, command)
        else:
            file = text.splitlines()[0].removeprefix("# ")
            (folder / file).write_text(text, encoding="utf-8")
    assert "# runbooks/acme/common-steps.yaml:" in capsys.readouterr().out
    runbook = load_company(folder).runbook("slow-checkout")
    assert {phase.value: [step.id for step in runbook.steps(phase)] for phase in Phase} == {
        "detect": ["verify", "page"],
        "contain": ["provider"],
        "investigate": [],
        "resolve": ["fix", "tell", "undo-rest"],
        "review": [],
    }
    assert runbook.step(Phase.RESOLVE, "fix") == runbook.resolve[0]
    assert runbook.resolve[0].person == "on_call"
