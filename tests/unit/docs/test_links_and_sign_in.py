"""The how-to on links and sign-in: its commands succeed, and its variables are settings."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from allclear.bootstrap import Engine, make_engine
from allclear.cli import tokens
from allclear.cli.root import app
from allclear.domain.errors import NotAllowed
from allclear.engine.people.signed_statements import Purpose
from allclear.settings import Settings
from tests.contract.simulator_support import REPOSITORY
from tests.scenario.response_support import ALERT, installed, new_journal, vintstreet

PAGE = (REPOSITORY / "docs" / "how-to" / "links-and-sign-in.md").read_text(encoding="utf-8")
KEY = "a-key-of-personal-links-of-a-test"
COMMANDS = tokens  # it adds the commands


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with VS-1, on the journal that the command line uses."""
    url = new_journal(tmp_path)
    for name, value in {"COMPANY": "vintstreet", "JOURNAL_URL": url, "LINK_KEY": KEY}.items():
        monkeypatch.setenv(f"ALLCLEAR_{name}", value)
    settings = Settings(company="vintstreet", journal_url=url, link_key=SecretStr(KEY))
    engine = make_engine(settings, environ={}, company=vintstreet(), registry=installed())
    assert engine.intake.take(ALERT, "delivery-1").incident == "VS-1"
    yield engine
    asyncio.run(engine.close())


def run(command: str) -> str:
    """Run a command of `allclear`, and return what it prints or how it fails."""
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    return done.output if done.exit_code == 0 else str(done.exception)


def test_its_commands_make_a_link_and_refuse_it_again(engine: Engine) -> None:
    """The link signs in the person and the role that were named."""
    link, revoke = re.findall(r"^allclear .*$", PAGE, flags=re.MULTILINE)
    token = run(link).strip().rpartition("/l/")[2]
    read = engine.links.read(Purpose.LINK, token)
    assert (read.person, read.role, read.incident) == ("Ana", "on_call", "VS-1")
    assert "All links, sign-ins and tokens of Ana from before now are refused." in run(revoke)
    with pytest.raises(NotAllowed, match="were revoked by Ben"):
        engine.links.read(Purpose.LINK, token)


def test_bad_input_is_said(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without saying whose links, without a reason, for an unknown incident, and without a key."""
    assert engine.links.href
    assert "not clear whose links" in run("allclear revoke-links --reason x --as Ben --role tech_lead")
    assert "reason is missing" in run("allclear revoke-links --person Ana --as Ben --role tech_lead")
    assert "VS-9" in run("allclear revoke-links --incident VS-9 --reason x --as Ben --role tech_lead")
    assert "VS-9" in run("allclear link VS-9 --as Ana --role on_call")
    monkeypatch.delenv("ALLCLEAR_LINK_KEY")
    assert "no key for personal links" in run("allclear link VS-1 --as Ana --role on_call")


def test_its_variables_are_settings() -> None:
    """A variable that no setting reads would be ignored without a word."""
    named = set(re.findall(r"ALLCLEAR_([A-Z_]+)", PAGE))
    assert {name.lower() for name in named} <= set(Settings.model_fields)
    assert len(named) > 5
