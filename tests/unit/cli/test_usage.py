"""Words that people type as they read them, and exit codes that a script can tell apart."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allclear.bootstrap import Engine
from allclear.cli import response  # adds its commands
from allclear.cli.alerts import route_hint
from allclear.cli.root import app
from allclear.domain.errors import AllclearError, MissingText, StillInPlace
from allclear.domain.records import By
from tests.scenario.response_support import MACHINE, OPENED, engine_on, new_journal

COMMANDS = response


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on the journal that the command line uses, with an open incident."""
    for name in [name for name in os.environ if name.startswith(("ALLCLEAR_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    url = new_journal(tmp_path)
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", url)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    engine = engine_on(url, None)
    engine.journal.open_incident("VS", OPENED, MACHINE)
    yield engine
    asyncio.run(engine.close())


@pytest.mark.parametrize("role", ["on_call", "on-call", "On-Call", "ON CALL"])
def test_a_role_is_named_by_its_id_or_by_its_title(engine: Engine, role: str) -> None:
    """What `show` prints can be typed."""
    assert engine.people.who("Ana", role, "cli") == By(actor="Ana", role="on_call", via="cli")


def test_the_title_of_a_role_whose_id_differs_names_it(engine: Engine) -> None:
    """`Incident Lead` is `incident_commander`; an unknown role lists both."""
    assert engine.people.who("Ana", "incident lead", "cli").role == "incident_commander"
    with pytest.raises(AllclearError) as refused:
        engine.people.who("Ana", "boss", "cli")
    assert "incident_commander (Incident Lead)" in refused.value.next_step


def test_a_follow_up_has_a_date(engine: Engine) -> None:
    """--due names the day in the plan's zone."""
    words = [
        "follow-up",
        "VS-1",
        "Test more",
        "--owner",
        "Ben",
        "--due",
        "2026-12-24",
        "--as",
        "Ana",
        "--role",
        "on-call",
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (done.output, done.exception)
    [item] = engine.conductor.incident("VS-1").follow_ups
    assert f"{item.due.astimezone(engine.company.plan.zone):%Y-%m-%d}" == "2026-12-24"


def test_an_empty_name_or_reason_is_wrong_usage_and_a_change_in_place_is_a_refusal(engine: Engine) -> None:
    """The exit codes are 2 and 6, as the README has them."""
    with pytest.raises(MissingText):
        engine.people.who(" ", "on_call", "cli")
    ana = By(actor="Ana", role="on_call", via="cli")
    with pytest.raises(MissingText):
        engine.people.resolve("VS-1", " ", ana)
    assert (MissingText.exit_code, StillInPlace.exit_code) == (2, 6)


def test_ctrl_c_s_signal_stops_a_command_that_a_script_started_in_the_background() -> None:
    """A shell's `&` makes its children ignore SIGINT; what starts other processes handles it all the same."""
    script = (
        "import asyncio, sys; from allclear.cli.root import run_until_stopped\n"
        "async def work():\n"
        "    print('up', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "import typer\n"
        "try:\n"
        "    run_until_stopped(work())\n"
        "except typer.Exit as ended:\n"
        "    sys.exit(ended.exit_code)\n"
    )
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by the child
    try:
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    finally:
        signal.signal(signal.SIGINT, before)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        child.send_signal(signal.SIGINT)
        assert child.wait() == 130


def test_an_ignored_sample_says_which_route_would_take_it() -> None:
    """The first of its labels, in the plan's own form."""
    hint = route_hint("runbooks/vintstreet", {"alertname": "HighErrorRate", "severity": "page"})
    assert "`match: {alertname: HighErrorRate}`, in runbooks/vintstreet/plan.yaml" in hint
    assert "add" not in hint  # the decision says so already
