"""`allclear postmortem` and `allclear note --for`: Markdown, one HTML page, and notes that answer a field."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allclear.bootstrap import Engine
from allclear.cli import incidents, response  # each adds its commands
from allclear.cli.root import app
from tests.scenario.response_support import ALERT, engine_on, new_journal

COMMANDS = (incidents, response)
ANA = ("--as", "Ana", "--role", "tech_lead")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on the journal that the command line uses."""
    for name in [name for name in os.environ if name.startswith("ALLCLEAR_")]:
        monkeypatch.delenv(name)
    url = new_journal(tmp_path)
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", url)
    engine = engine_on(url, None)
    yield engine
    asyncio.run(engine.close())


def printed(*words: str, code: int = 0) -> str:
    """Run a command, which must end with that exit code, and return its output."""
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output
    return done.output


def test_the_post_mortem_is_written_as_markdown_and_as_html(engine: Engine, tmp_path: Path) -> None:
    """The ending of the file decides; `--html` prints the page."""
    incident = engine.intake.take(ALERT, "d1").incident or ""
    page, text = tmp_path / "post-mortem.HTML", tmp_path / "post-mortem.md"
    printed("postmortem", incident, "--to", str(page))
    printed("postmortem", incident, "--to", str(text))
    assert page.read_text().startswith("<!doctype html>")
    assert text.read_text().startswith("# Post-Mortem: ")
    assert printed("postmortem", incident, "--html").startswith("<!doctype html>")


def test_a_note_for_a_field_is_suggested_there(engine: Engine) -> None:
    """An unknown field is refused with those that exist."""
    incident = engine.intake.take(ALERT, "d1").incident or ""
    printed("note", incident, "The key was empty", "--for", "root_cause", *ANA)
    assert "The key was empty\n\n_Suggested from Ana (Tech Lead)" in printed("postmortem", incident)
    done = CliRunner().invoke(app, ["note", incident, "x", "--for", "cause", *ANA])
    assert done.exit_code != 0
    assert "root_cause" in f"{done.exception}{done.output}"
