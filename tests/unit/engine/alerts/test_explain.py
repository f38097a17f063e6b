"""Why an incident is what it is: each alert with the rule that decided, and what keeps anything from acting alone."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allclear.cli.incidents import app
from allclear.domain.runbook import AutoApproval
from allclear.engine.alerts.explain import decision_text, explain
from tests.scenario.response_support import ALERT, engine_on, new_journal
from tests.unit.engine.alerts.storm_support import storm_room


def test_each_alert_says_what_became_of_it_and_by_which_rule(tmp_path: Path) -> None:
    """In the order of what was heard first, with the storm's rules, and the reason for severity and runbook."""
    with storm_room(tmp_path, per_source={"times": 2, "within": "5m"}) as room:
        first = room.send("k", name="Slow")
        room.send("down", name="Down")
        room.send("more")
        room.send("k", name="Slow")
        room.watch.now += timedelta(hours=7)
        room.send("down", name="Down")
        assert first.incident is not None
        reason = explain(room.engine.journal, room.engine.company, first.incident, room.watch.now)
    assert [one.decision for one in reason.decisions] == ["opened", "joined", "collapsed", "repeat", "repeat"]
    assert reason.opened == [
        "Opened as P1, with the runbook bad-deployment: alert from alertmanager.",
        "The route 'Slow-0' matches: P1, with the runbook bad-deployment.",
        "Severity P1 became P0: an alert by the route Down-0.",
    ]
    assert "more than 2 alerts of alertmanager within 5m" in reason.decisions[2].reason
    assert [line.partition(" ")[0] for line in reason.stale] == ["alertmanager:k", "alertmanager:more"]
    assert reason.automatic == ["No step of the runbook bad-deployment is automatic."]


def test_the_command_tells_it_and_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`allclear show ID --why` is aligned text for people, and JSON for scripts."""
    for name in [name for name in os.environ if name.startswith("ALLCLEAR_")]:
        monkeypatch.delenv(name)
    url = new_journal(tmp_path)
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", url)
    engine = engine_on(url, None)
    incident = engine.intake.take(ALERT, "d1").incident
    engine.journal.close()
    assert incident is not None
    told = CliRunner().invoke(app, ["show", incident, "--why"])
    assert told.exit_code == 0
    assert "Heard (UTC)          Source        What the alert said" in told.output
    assert "alertmanager  firing: Payment processing fails" in told.output
    assert (
        f"opened {incident}: The route 'payment-processing' matches: P0, with the runbook bad-deployment."
        in told.output
    )
    shown = json.loads(CliRunner().invoke(app, ["show", incident, "--why", "--json"]).output)
    assert [one["decision"] for one in shown["decisions"]] == ["opened"]


def test_the_opening_is_shown_however_much_was_heard(tmp_path: Path) -> None:
    """Of more lines than anybody reads the first stays, and the newest; how many are between them is said."""
    with storm_room(tmp_path) as room:
        first = room.send("k").incident
        assert first is not None
        (opened,) = room.engine.journal.decisions(incident=first)
        with room.engine.journal.transaction():
            for number in range(1200):
                room.engine.journal.add_decision(replace(opened, delivery=f"m{number}", decision="collapsed"))
        reason = explain(room.engine.journal, room.engine.company, first, room.watch.now)
    assert [reason.decisions[0].decision, reason.decisions[1].delivery, reason.decisions[-1].delivery] == [
        "opened",
        "m201",
        "m1199",
    ]
    assert (len(reason.decisions), reason.left_out, reason.as_json()["left_out"]) == (1000, 201, 201)
    assert reason.opened[1] == "The route 'Down-0' matches: P0, with the runbook bad-deployment."


def test_the_command_says_how_many_lines_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are missing where they would stand: behind how it began."""
    for name in [name for name in os.environ if name.startswith("ALLCLEAR_")]:
        monkeypatch.delenv(name)
    url = new_journal(tmp_path)
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", url)
    engine = engine_on(url, None)
    incident = engine.intake.take(ALERT, "d1").incident
    assert incident is not None
    (opened,) = engine.journal.decisions(incident=incident)
    with engine.journal.transaction():
        for number in range(1006):
            engine.journal.add_decision(
                replace(opened, delivery=f"m{number}", decision="collapsed", title=f"T{number}")
            )
    engine.journal.close()
    lines = CliRunner().invoke(app, ["show", incident, "--why"]).output.splitlines()
    (place,) = [number for number, line in enumerate(lines) if "(7 more, which are not shown)" in line]
    assert f"opened {incident}" in lines[place - 1]
    assert "firing: T7" in lines[place + 1]


def test_a_weak_proof_is_told_when_the_alert_comes_again(tmp_path: Path) -> None:
    """The same alert with its proof is a repeat: the incident stays with approvals, and people are told why."""
    with storm_room(tmp_path) as room:
        step = room.engine.company.runbook("bad-deployment").contain[0]
        alone = step.model_copy(update={"auto_approve": AutoApproval(veto_window=timedelta(seconds=60))})
        book = room.engine.company.runbook("bad-deployment").model_copy(update={"contain": [alone]})
        company = replace(room.engine.company, runbooks={"bad-deployment": book})
        first = room.send("k", authenticated=False).incident
        assert first is not None
        stays = "Approvals stay required: alertmanager:k was not authenticated at first, and a repeat proves nothing."
        assert stays not in explain(room.engine.journal, company, first, room.watch.now).automatic
        assert room.send("k").state == "repeat"
        told = explain(room.engine.journal, company, first, room.watch.now).automatic
        assert "No action is automatic: no firing alert is authenticated." in told
        assert stays in told
        room.send("proven")
        assert stays not in explain(room.engine.journal, company, first, room.watch.now).automatic


def test_what_a_resolve_became_reads_as_an_end(tmp_path: Path) -> None:
    """An alert that ends joins nothing in anybody's eyes: it is noted, and is no recovery."""
    with storm_room(tmp_path) as room:
        first = room.send("k").incident
        room.send("k", "resolved")
        assert first is not None
        _, end = explain(room.engine.journal, room.engine.company, first, room.watch.now).decisions
    told = decision_text(end.decision, end.state, end.incident, end.reason)
    assert (
        told == f"noted in {first}: its source reports it as resolved. A probe decides whether the service is healthy."
    )
    assert decision_text("quarantined", "firing", None, "Why.") == "quarantined: Why."
