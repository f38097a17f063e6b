"""Whole drills, run by `make drill` and checked against the simulated production's own log."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.stack_support import OWN, ROOT, allclear, drill, environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of the P0 drill, which is run once for this file."""
    return drill("payment-processing-down", tmp_path_factory.mktemp("drill") / "home")


def entries(played: dict[str, Any], kind: str, **fields: object) -> list[dict[str, Any]]:
    """Return the journal's entries of a kind whose record has these fields."""
    found = [entry for entry in played["entries"] if entry["record"]["kind"] == kind]
    return [entry for entry in found if all(entry["record"].get(key) == value for key, value in fields.items())]


def event_log(played: dict[str, Any], kind: str, **fields: object) -> list[dict[str, Any]]:
    """Return the simulated production's log entries of a kind with these fields."""
    found = [line for line in played["event_log"] if line["kind"] == kind]
    return [line for line in found if all(line.get(key) == value for key, value in fields.items())]


def at(line: dict[str, Any], name: str = "at") -> datetime:
    """Return the time of an entry or of a line of the log."""
    return datetime.fromisoformat(line[name])


def test_the_drill_goes_as_planned(played: dict[str, Any]) -> None:
    """The incident is resolved, the rollback is verified, and nothing is left in place."""
    assert played["misses"] == []


def test_the_incident_begins_with_the_users_first_error(played: dict[str, Any]) -> None:
    """Its beginning is the time of the production's first error, and detection is later."""
    [opened] = entries(played, "incident.opened")
    [started] = event_log(played, "errors_started")
    assert at(opened["record"], "began_at") == at(started)
    assert at(opened) > at(started)


def test_containment_is_recorded_only_after_the_last_error(played: dict[str, Any]) -> None:
    """The traffic moved between intent and outcome, and `contained` is later than the users' last error."""
    [contained] = entries(played, "contained")
    [stopped] = event_log(played, "errors_stopped")
    assert at(stopped, "last_failed_at") < at(contained)
    [intent] = entries(played, "act.intended", act="contain/roll-back")
    [outcome] = entries(played, "act.finished", act="contain/roll-back")
    [first, *_] = event_log(played, "write", api="cloud_run")
    assert at(intent) < at(first) < at(outcome) < at(contained)


def test_each_act_was_issued_once(played: dict[str, Any]) -> None:
    """Production received two traffic changes (rollback and undo), one page, and one public incident."""
    assert [line["result"] for line in event_log(played, "write", api="cloud_run")] == ["done", "done"]
    posts = [line for line in event_log(played, "write", api="slack") if line["method"] == "chat.postMessage"]
    tests = [line for line in posts if "There is no incident" in line["text"]]  # the drill also tests the channels
    summary, learnings = (line["text"] for line in posts if not line.get("thread") and line not in tests)
    assert "VintStreet Incident VS-1" in summary
    assert "The whole post-mortem: " in learnings
    assert len(event_log(played, "write", api="statuspage", method="create_incident")) == 1
    pages = [line["action"] for line in event_log(played, "page")]
    assert pages == [
        "trigger",
        "acknowledge",
        "resolve",
        *("trigger", "resolve"),
    ]  # the last two are the channels' test


def test_the_post_mortem_has_the_facts_of_the_incident(played: dict[str, Any]) -> None:
    """It has the revisions, the approver, the measured times, the record's head, and the mark of a simulation."""
    document, head = played["post_mortem"], played["entries"][-1]["hash"]
    for words in ("vintstreet-00041-wex", "vintstreet-00042-qoz", "Ana Ruiz (On-Call)", "SIMULATED", head):
        assert words in document
    [opened], [contained] = entries(played, "incident.opened"), entries(played, "contained")
    seconds = (at(contained) - at(opened["record"], "began_at")).total_seconds()
    row = next(line for line in document.splitlines() if line.startswith("| Contained |"))
    assert f"{seconds:.1f}".removesuffix(".0") + "s" in row


def test_the_post_mortem_begins_with_what_a_manager_needs(played: dict[str, Any]) -> None:
    """Lead, key times and impact come first, twelve key events at most follow, and users' requests were counted."""
    lines = played["post_mortem"].splitlines()
    first = "\n".join(lines[:30])
    for words in ("**Incident Lead:** Ana Ruiz", "## Summary", "| Contained |", "**Users affected:**", "**Requests:**"):
        assert words in first
    start = lines.index("## Timeline")
    events = [line for line in lines[start : lines.index("## Root Cause")] if line.startswith("- ")]
    assert 8 <= len(events) <= 12
    assert "requests from users to the service failed" in first
    assert "(counted by Cloud Monitoring)" in first
    assert "_Suggested from Ben Okafor (Tech Lead)" in played["post_mortem"]
    page = Path(played["home"]) / f"{played['incident']}-post-mortem.html"
    assert page.read_text().count("<svg") == 1


def test_the_commands_that_a_drill_prints_work(played: dict[str, Any]) -> None:
    """In a terminal that has read the drill's file, `show`, `verify` and the post-mortem's own commands succeed.

    `show` is typed in a shell that has read nothing else. The others are given with the variables of that shell.
    """
    incident, file = played["incident"], Path(played["home"]) / "environment.sh"
    script = f". {file} && allclear show {incident} && env -0 > {file.parent}/variables"
    done = subprocess.run(  # noqa: S603 - our own commands
        ["/bin/sh", "-c", script],
        cwd=ROOT,
        env={**environment(), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    lines = (file.parent / "variables").read_text().rstrip("\0").split("\0")
    variables = {name: value for name, _, value in (line.partition("=") for line in lines) if name.startswith(OWN)}
    assert variables["ALLCLEAR_JOURNAL_URL"]
    author = ("--as", "Ana Ruiz", "--role", "on_call")
    for words in (
        ("verify", incident),
        ("postmortem", incident),
        ("postmortem", incident, "--write", "got_lucky", "It was noon.", *author),
    ):
        given = allclear(*words, **variables)
        assert given.returncode == 0, f"{given.stdout}\n{given.stderr}"


def test_every_text_of_a_drill_is_marked_as_simulated(played: dict[str, Any]) -> None:
    """That holds for messages, pages and public posts."""
    told = [*event_log(played, "message"), *event_log(played, "status_post")]
    assert told
    assert all("SIMULATED" in str(line) for line in told)
