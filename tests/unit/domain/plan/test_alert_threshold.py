"""A route with a threshold: too few samples do not count, and a figure that is not sent counts as enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.bootstrap import make_engine
from allclear.company.check import check_company
from allclear.domain.plan import Threshold
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.settings import Settings
from tests.scenario.response_support import ALERT, installed, new_journal, vintstreet
from tests.unit.company.company_support import KINDS, company_folder

ERRORS = Threshold(name="errors", words="> 1 %", above=0.01, window=timedelta(minutes=5), samples=100)


@pytest.mark.parametrize(
    ("labels", "objection"),
    [
        ({}, None),
        ({"samples": "100", "window": "5m", "value": "0.011"}, None),
        ({"samples": "many", "window": "long", "value": "high"}, None),
        ({"samples": "99"}, "99 samples are too few: the threshold 'errors' needs 100."),
        ({"window": "60"}, "A window of 1m is too short: the threshold 'errors' needs 5m."),
        ({"window": "4m 59s"}, "A window of 4m 59s is too short: the threshold 'errors' needs 5m."),
        ({"value": "1%"}, "The value 0.01 is not above 0.01, the limit of the threshold 'errors'."),
        ({"value": "12 %"}, None),
        ({"value": "730ms"}, None),
        ({"value": "5ms"}, "The value 0.005 is not above 0.01, the limit of the threshold 'errors'."),
        ({"window": "1e400"}, None),
    ],
)
def test_the_labels_of_an_alert_are_compared_with_the_threshold(labels: dict[str, str], objection: str | None) -> None:
    """Samples, window and value can each be too small; a label that cannot be read counts as missing."""
    assert ERRORS.objection(labels) == objection


def test_too_few_samples_open_no_incident_and_the_reason_is_stored(tmp_path: Path) -> None:
    """The same alert with enough samples opens an incident."""
    company = vintstreet()
    plan = company.plan.model_copy(
        update={
            "thresholds": [ERRORS],
            "routes": [route.model_copy(update={"threshold": "errors"}) for route in company.plan.routes],
        }
    )
    engine = make_engine(
        Settings(journal_url=new_journal(tmp_path)),
        environ={},
        company=replace(company, plan=plan),
        registry=installed(),
    )
    try:
        few = engine.intake.take(replace(ALERT, labels=ALERT.labels | {"samples": "3"}), "d1")
        assert (few.state, few.incident) == ("below", None)
        (decision,) = engine.journal.decisions(delivery="d1")
        assert "3 samples" in decision.reason
        enough = engine.intake.take(replace(ALERT, labels=ALERT.labels | {"samples": "300"}), "d2")
        assert enough.state == "opened"
    finally:
        engine.journal.close()


def test_alertmanagers_annotations_are_read_too() -> None:
    """Labels identify an alert, so figures that change with each evaluation are annotations."""
    body = (
        b'{"alerts": [{"status": "firing", "labels": {"alertname": "A", "value": "label"},'
        b' "annotations": {"samples": "12", "value": "0.2", "summary": "x"}}]}'
    )
    read = SOURCES["alertmanager"].parse(RawRequest(body, (), ""))
    assert isinstance(read, list)
    assert read[0].labels == {"alertname": "A", "value": "label", "samples": "12"}


def test_a_route_with_an_unknown_threshold_is_reported(tmp_path: Path) -> None:
    """With a misspelt name, alerts would not be compared with any threshold."""
    named = "    runbook: outage\n", "    runbook: outage\n    threshold: nope\n"
    folder = company_folder(tmp_path, ("plan.yaml", *named))
    assert any("no threshold `nope`" in str(diagnostic) for diagnostic in check_company(folder, KINDS))


@pytest.mark.parametrize(
    ("holds", "lacks"),
    [("", "`window` and no `samples`"), (", window: 5m", "`samples`"), (", samples: 9", "`window`")],
)
def test_a_rate_without_window_or_samples_is_a_warning(tmp_path: Path, holds: str, lacks: str) -> None:
    """The warning names the line and what to add; a threshold with both, or without figures, gives none."""
    rates = f"thresholds:\n  - {{name: words, words: x}}\n  - {{name: rate, words: x, above: 0.01{holds}}}\n"
    whole = "  - {name: whole, words: x, above: 0.01, window: 5m, samples: 9}\n"
    folder = company_folder(tmp_path, ("plan.yaml", "templates: {", f"{rates}{whole}templates: {{"))
    (warning,) = [diagnostic for diagnostic in check_company(folder, KINDS) if "threshold" in diagnostic.sentence]
    assert warning.level == "warning"
    assert warning.sentence == f"The threshold `rate` has `above` and no {lacks}."
    assert "plan.yaml:30" in str(warning)


def test_each_threshold_of_vintstreet_has_a_route() -> None:
    """Each of the plan's five thresholds is used, and each rate has a window and a number of samples."""
    plan = vintstreet().plan
    names = {threshold.name for threshold in plan.thresholds}
    assert {route.threshold for route in plan.routes if route.threshold} == names
    assert all(threshold.window and threshold.samples for threshold in plan.thresholds if threshold.above is not None)
