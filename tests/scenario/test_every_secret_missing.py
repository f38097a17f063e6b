"""Every secret is missing: /readyz, the check and the doctor say so, and a failed page is reported within seconds."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from allclear.bootstrap import Engine, make_engine
from allclear.cli import main
from allclear.company import find_company
from allclear.domain.incident import Incident
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.domain.timeline import line_of
from allclear.engine.people.declare import Declaration
from allclear.journal.rows import OutboxKind
from allclear.responder.app import make_app
from allclear.settings import Settings
from tests.missing_secrets import VARIABLES, without_secrets
from tests.scenario.response_support import ALERT, MACHINE, installed, new_journal
from tests.scenario.scenes import Watch
from tests.unit.responder.responder_support import TOKEN

GOOGLE = {"cloud_run", "cloud_monitoring", "cloud_logging", "cloud_armor"}


@pytest.fixture(autouse=True)
def _no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_secrets(monkeypatch, tmp_path)


def engine_in(folder: Path, watch: Watch) -> Engine:
    """Return the engine of the real company on a machine without secrets."""
    return make_engine(
        Settings(journal_url=new_journal(folder), PREFECT_API_URL="http://127.0.0.1:9/api"),
        environ={},
        clock=watch,
        company=find_company("vintstreet"),
        registry=installed(),
    )


Opening = Callable[[Engine], str]


def by_alert(engine: Engine) -> str:
    """Take in an alert, and return its incident."""
    taken = engine.intake.take(ALERT, "delivery-1")
    assert taken.incident is not None
    return taken.incident


def by_support(engine: Engine) -> str:
    """Let a person declare the incident whom no page would wake."""
    declaration = Declaration("Payments fail", "P0", "storefront", "broken-feature")
    return engine.people.declare(declaration, By(actor="Sue", role="support", via="cli")).incident


both_openings = pytest.mark.parametrize("opening", [by_alert, by_support])


async def opened(engine: Engine, opening: Opening) -> str:
    """Open an incident, detect, and return it: the page has failed."""
    incident_id = opening(engine)
    await engine.conductor.run(incident_id, Phase.DETECT, MACHINE)
    return incident_id


async def one_second(engine: Engine, watch: Watch) -> None:
    """Do what the responder's loop does every second."""
    watch.now += timedelta(seconds=1)
    await engine.reminders.start_due()
    await engine.reminders.wait()


def sentences(engine: Engine, incident: Incident) -> list[str]:
    """Return the incident's timeline."""
    entries = engine.journal.entries(incident.id)
    return [line_of(entry, incident, engine.company.plan).text for entry in entries]


@both_openings
async def test_a_page_that_fails_is_told_within_ten_seconds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, opening: Opening
) -> None:
    """The other way is tried at once. It fails too, so the record, the log and Prefect say that no way is left."""
    watch = Watch()
    engine = engine_in(tmp_path, watch)
    incident_id = await opened(engine, opening)
    failed_at = watch.now
    with caplog.at_level(logging.CRITICAL, "allclear.reminders"):
        while not any(message.kind is OutboxKind.ALARM for message in engine.journal.outbox(incident=incident_id)):
            await one_second(engine, watch)
            assert watch.now - failed_at <= timedelta(seconds=10)
    incident = engine.conductor.incident(incident_id)
    told = sentences(engine, incident)
    assert any("The page did not get through and woke no one: " in line for line in told)
    assert any("NO WAY IS LEFT to tell people" in line for line in told)
    assert any("SLACK_BOT_TOKEN" in line for line in told)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert all(line.startswith(f"{incident_id}: NO WAY IS LEFT") for line in lines)
    (page,) = [line for line in lines if "the page is sent again" in line]
    assert f"allclear ack {incident_id}" in page
    await engine.close()


@both_openings
async def test_no_failure_is_reported_twice(tmp_path: Path, opening: Opening) -> None:
    """For ten minutes the page is tried again with growing pauses, and each failure is reported once."""
    watch = Watch()
    engine = engine_in(tmp_path, watch)
    incident_id = await opened(engine, opening)
    for _ in range(120):
        watch.now += timedelta(seconds=4)
        await one_second(engine, watch)
    incident = engine.conductor.incident(incident_id)
    told = [state.reminder for states in incident.reminders.values() for state in states]
    assert len({(one.topic, one.level) for one in told}) == len(told)
    assert [one.topic for one in told if one.topic.startswith("page-failed:")] == ["page-failed:detect/page"]
    assert [one.level for one in told if one.topic == "acknowledge"] == [1, 2, 3]
    tries = [act for act in incident.acts.values() if act.proposed.step == "page"]
    assert 4 <= len(tries) <= 8
    messages = engine.journal.outbox(incident=incident_id)
    alarms = [message.key for message in messages if message.kind is OutboxKind.ALARM]
    assert len(alarms) == len(set(alarms)) >= 1
    await engine.close()


def test_readyz_names_every_missing_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It answers 503 before any incident. The start logs each missing secret with what to do."""
    engine = engine_in(tmp_path, Watch())
    with caplog.at_level(logging.ERROR), TestClient(make_app(engine, SecretStr(TOKEN), drives=False)) as client:
        answer = client.get("/readyz")
        alive = client.get("/healthz")
    assert (answer.status_code, alive.status_code) == (503, 200)
    problems = " ".join(answer.json()["problems"])
    logged = " ".join(record.getMessage() for record in caplog.records)
    for variable in VARIABLES.values():
        assert f"{variable} is not set" in problems
        assert f"Set {variable} in the environment" in logged
    assert "pagerduty.page" in problems
    assert "alerts of sentry are refused" in problems
    engine.journal.close()


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run the command line in this process; return its exit code and all that it printed."""
    monkeypatch.setattr(sys, "argv", ["allclear", *words])
    monkeypatch.setenv("COLUMNS", "300")
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    printed = capsys.readouterr()
    assert isinstance(code, int)
    return code, printed.out + printed.err


def test_the_doctor_names_each_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every system that the plan uses has a line that says what is missing and what to do. The exit code is 1."""
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", new_journal(tmp_path / "own"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    code, printed = run(monkeypatch, capsys, "doctor", "--json")
    assert code == 1
    reports = json.loads(printed)
    missing = {one["system"]: one for one in reports if one["problem"] == "missing" and one["system"] != "way"}
    assert set(missing) == {*VARIABLES, *GOOGLE}
    ways = {one["target"]: one["problem"] for one in reports if one["system"] == "way"}
    assert ways == dict.fromkeys(find_company("vintstreet").plan.ways, "missing")
    for system, variable in VARIABLES.items():
        assert missing[system]["sentence"].startswith(f"{variable} is not set: ")
        assert variable in missing[system]["next_step"]
    for system in GOOGLE - {"cloud_armor"}:
        assert "GOOGLE_APPLICATION_CREDENTIALS" in missing[system]["next_step"]
    assert missing["cloud_armor"]["sentence"].endswith("is still a blank.")  # nothing is asked of Google before
    assert {one["system"]: one["result"] for one in reports if one["system"] in {"journal", "prefect", "web"}} == {
        "journal": "ok",
        "prefect": "unproven",
        "web": "failed",
    }
    code, printed = run(monkeypatch, capsys, "doctor", "slack")
    assert code == 1
    assert printed.splitlines() == [
        "Company: vintstreet (the default, because ALLCLEAR_COMPANY is not set).",
        "failed   slack  SLACK_BOT_TOKEN is not set: slack.post cannot be done.",
        f"{'':16}→ Set SLACK_BOT_TOKEN in the environment of the responder and the runner, and start them again.",
        "0 ok, 0 unproven, 1 failed.",
    ]
    code, printed = run(monkeypatch, capsys, "doctor", "slcak")
    assert code == 4
    assert "uses no slcak" in printed


def test_a_dry_run_needs_what_the_act_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the secret it exits with 3 and names the variable, for one action and for a whole runbook."""
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", new_journal(tmp_path / "own"))
    page = ("act", "vintstreet", "pagerduty.page", "incident=VS-1", "summary=It fails", "--dry-run")
    code, printed = run(monkeypatch, capsys, *page)
    assert (code, "PAGERDUTY_ROUTING_KEY" in printed) == (3, True)
    words = ("respond", "It fails", "--severity", "P0", "--service", "storefront", "--runbook", "bad-deployment")
    code, printed = run(monkeypatch, capsys, *words, "--dry-run")
    assert code == 3
    assert "Dry run: nothing was written, sent or changed." in printed
    for variable in ("PAGERDUTY_ROUTING_KEY", "SLACK_BOT_TOKEN", "STATUSPAGE_API_KEY"):
        assert variable in printed.splitlines()[-2]


def test_the_check_says_which_secrets_are_not_set_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is named with the line of systems.yaml. It is no error, because the machine of the check may need none."""
    code, printed = run(monkeypatch, capsys, "check", "vintstreet")
    assert code == 0
    for system, variable in VARIABLES.items():
        (line,) = [line for line in printed.splitlines() if f"{variable} is not set" in line]
        assert line.startswith("here"), system
        assert "systems.yaml:" in line
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    assert "SLACK_BOT_TOKEN" not in run(monkeypatch, capsys, "check", "vintstreet")[1]
