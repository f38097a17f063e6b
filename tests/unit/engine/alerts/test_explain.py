"""The explanation of an incident: the rule that decided about each alert, and why actions are automatic or not."""

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


def test_each_alert_has_its_decision_and_the_rule_that_decided(tmp_path: Path) -> None:
    """The decisions are in order of arrival, and the severity and the runbook have their reasons."""
    with storm_room(tmp_path, per_source={"times": 2, "within": "5m"}) as room:
        first = room.send("k", name="Slow")
        room.send("down", name="Down")
        room.send("more")
        room.send("k", name="Slow")
        room.watch.now += timedelta(hours=7)
        room.send("down", name="Down")
        assert first.incident is not None
        explained = explain(room.engine.journal, room.engine.company, first.incident, room.watch.now)
    assert [one.decision for one in explained.decisions] == ["opened", "joined", "collapsed", "repeat", "repeat"]
    assert explained.opened == [
        "Opened as P1, with the runbook bad-deployment: alert from alertmanager.",
        "The route 'Slow-0' matches: P1, with the runbook bad-deployment.",
        "Severity P1 became P0: an alert by the route Down-0.",
    ]
    assert "more than 2 alerts of alertmanager within 5m" in explained.decisions[2].reason
    assert [line.partition(" ")[0] for line in explained.stale] == ["alertmanager:k", "alertmanager:more"]
    assert explained.automatic == ["No step of the runbook bad-deployment is automatic."]


def test_the_command_shows_the_explanation_as_text_and_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`allclear show ID --why` prints aligned text for people, and with `--json` JSON for scripts."""
    for name in [name for name in os.environ if name.startswith("ALLCLEAR_")]:
        monkeypatch.delenv(name)
    url = new_journal(tmp_path)
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", url)
    engine = engine_on(url, None)
    incident = engine.intake.take(ALERT, "d1").incident
    engine.journal.close()
    assert incident is not None
    printed = CliRunner().invoke(app, ["show", incident, "--why"])
    assert printed.exit_code == 0
    assert "Received (UTC)       Source        The alert, and the decision with its rule" in printed.output
    assert "alertmanager  firing: Payment processing fails" in printed.output
    assert (
        f"opened {incident}: The route 'payment-processing' matches: P0, with the runbook bad-deployment."
        in printed.output
    )
    shown = json.loads(CliRunner().invoke(app, ["show", incident, "--why", "--json"]).output)
    assert [one["decision"] for one in shown["decisions"]] == ["opened"]


def test_the_opening_is_shown_even_after_very_many_alerts(tmp_path: Path) -> None:
    """The first decision and the newest ones are kept, with the number of decisions that are left out between them."""
    with storm_room(tmp_path) as room:
        first = room.send("k").incident
        assert first is not None
        (opened,) = room.engine.journal.decisions(incident=first)
        with room.engine.journal.transaction():
            for number in range(1200):
                room.engine.journal.add_decision(replace(opened, delivery=f"m{number}", decision="collapsed"))
        explained = explain(room.engine.journal, room.engine.company, first, room.watch.now)
    assert [explained.decisions[0].decision, explained.decisions[1].delivery, explained.decisions[-1].delivery] == [
        "opened",
        "m201",
        "m1199",
    ]
    assert (len(explained.decisions), explained.left_out, explained.as_json()["left_out"]) == (1000, 201, 201)
    assert explained.opened[1] == "The route 'Down-0' matches: P0, with the runbook bad-deployment."


def test_the_command_shows_how_many_decisions_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is printed after the opening, in place of the decisions that are left out."""
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


def test_an_authenticated_repeat_of_an_unauthenticated_alert_allows_no_automatic_action(tmp_path: Path) -> None:
    """Approvals stay required, and the explanation gives the reason until another authenticated alert joins."""
    with storm_room(tmp_path) as room:
        step = room.engine.company.runbook("bad-deployment").contain[0]
        automatic = step.model_copy(update={"auto_approve": AutoApproval(veto_window=timedelta(seconds=60))})
        book = room.engine.company.runbook("bad-deployment").model_copy(update={"contain": [automatic]})
        company = replace(room.engine.company, runbooks={"bad-deployment": book})
        first = room.send("k", authenticated=False).incident
        assert first is not None
        stays = (
            "The first alert with the key alertmanager:k was not authenticated. A repeat of it cannot change that, so"
            " approvals stay required."
        )
        assert stays not in explain(room.engine.journal, company, first, room.watch.now).automatic
        assert room.send("k").state == "repeat"
        reasons = explain(room.engine.journal, company, first, room.watch.now).automatic
        assert "No action is automatic: no firing alert is authenticated." in reasons
        assert stays in reasons
        room.send("proven")
        assert stays not in explain(room.engine.journal, company, first, room.watch.now).automatic


def test_a_resolved_alert_is_described_as_noted_and_not_as_joined(tmp_path: Path) -> None:
    """The sentence says that its source reports it as resolved, and that a probe decides."""
    with storm_room(tmp_path) as room:
        first = room.send("k").incident
        room.send("k", "resolved")
        assert first is not None
        _, end = explain(room.engine.journal, room.engine.company, first, room.watch.now).decisions
    sentence = decision_text(end.decision, end.state, end.incident, end.reason)
    assert (
        sentence
        == f"noted in {first}: its source reports it as resolved. A probe decides whether the service is healthy."
    )
    assert decision_text("quarantined", "firing", None, "Why.") == "quarantined: Why."
