"""Why an incident is what it is: each alert with the rule that decided, and what keeps anything from acting alone."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allclear.cli.incidents import app
from allclear.engine.why import became_words, explain
from tests.property.response_support import ALERT, engine_on, new_journal
from tests.unit.storm_support import storm_room


def test_each_alert_says_what_became_of_it_and_by_which_rule(tmp_path: Path) -> None:
    """In the order of what was heard first, with the storm's rules, and the reason for severity and runbook."""
    with storm_room(tmp_path, per_source={"times": 2, "within": "5m"}) as room:
        first = room.hear("k", name="Slow")
        room.hear("down", name="Down")
        room.hear("more")
        room.hear("k", name="Slow")
        room.watch.now += timedelta(hours=7)
        room.hear("down", name="Down")
        assert first.incident is not None
        why = explain(room.engine.journal, room.engine.company, first.incident, room.watch.now)
    assert [one.became for one in why.heard] == ["opened", "joined", "collapsed", "repeat", "repeat"]
    assert why.opened == [
        "Opened as P1, with the runbook bad-deployment: alert from alertmanager.",
        "The route 'Slow-0' fits: P1, by the runbook bad-deployment.",
        "Severity P1 became P0: an alert by the route Down-0.",
    ]
    assert "more than 2 alerts of alertmanager within 5m" in why.heard[2].why
    assert [line.partition(" ")[0] for line in why.stale] == ["alertmanager:k", "alertmanager:more"]
    assert why.alone == ["No step of the runbook bad-deployment acts by itself."]


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
    assert f"opened {incident}: The route 'payment-processing' fits: P0, by the runbook bad-deployment." in told.output
    shown = json.loads(CliRunner().invoke(app, ["show", incident, "--why", "--json"]).output)
    assert [one["became"] for one in shown["heard"]] == ["opened"]


def test_what_a_resolve_became_reads_as_an_end(tmp_path: Path) -> None:
    """An alert that ends joins nothing in anybody's eyes: it is noted, and is no recovery."""
    with storm_room(tmp_path) as room:
        first = room.hear("k").incident
        room.hear("k", "resolved")
        assert first is not None
        _, end = explain(room.engine.journal, room.engine.company, first, room.watch.now).heard
    told = became_words(end.became, end.state, end.incident, end.why)
    assert told == f"noted in {first}: its source calls it over. A look decides whether the service is well."
    assert became_words("quarantined", "firing", None, "Why.") == "quarantined: Why."
