"""A route with a threshold: too few samples say nothing, and what is not told counts as enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.bootstrap import make_engine
from allclear.company import check_company
from allclear.domain.plan import Threshold
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.settings import Settings
from tests.scenario.response_support import ALERT, installed, new_journal, vintstreet
from tests.unit.company.company_support import KINDS, company_folder

ERRORS = Threshold(name="errors", words="> 1 %", above=0.01, window=timedelta(minutes=5), samples=100)


@pytest.mark.parametrize(
    ("told", "said"),
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
def test_what_is_told_is_held_to_the_threshold(told: dict[str, str], said: str | None) -> None:
    """Each of the three can be too little; what cannot be read was not told."""
    assert ERRORS.objection(told) == said


def test_too_few_samples_open_nothing_and_the_reason_is_kept(tmp_path: Path) -> None:
    """The same trouble with enough of them opens its incident."""
    company = vintstreet()
    plan = company.plan.model_copy(
        update={
            "thresholds": [ERRORS],
            "routes": [one.model_copy(update={"threshold": "errors"}) for one in company.plan.routes],
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
        (heard,) = engine.journal.decisions(delivery="d1")
        assert "3 samples" in heard.reason
        enough = engine.intake.take(replace(ALERT, labels=ALERT.labels | {"samples": "300"}), "d2")
        assert enough.state == "opened"
    finally:
        engine.journal.close()


def test_alertmanagers_annotations_tell_it_too() -> None:
    """Labels identify an alert, so what changes with each look stands among the annotations."""
    body = (
        b'{"alerts": [{"status": "firing", "labels": {"alertname": "A", "value": "label"},'
        b' "annotations": {"samples": "12", "value": "0.2", "summary": "x"}}]}'
    )
    read = SOURCES["alertmanager"].parse(RawRequest(body, (), ""))
    assert isinstance(read, list)
    assert read[0].labels == {"alertname": "A", "value": "label", "samples": "12"}


def test_a_route_with_an_unknown_threshold_is_told(tmp_path: Path) -> None:
    """A slip in the name would hold alerts to nothing."""
    named = "    runbook: outage\ntemplates", "    runbook: outage\n    threshold: nope\ntemplates"
    folder = company_folder(tmp_path, ("plan.yaml", *named))
    said = [str(one) for one in check_company(folder, KINDS)]
    assert any("no threshold `nope`" in one for one in said)


@pytest.mark.parametrize(
    ("holds", "lacks"),
    [("", "`window` and no `samples`"), (", window: 5m", "`samples`"), (", samples: 9", "`window`")],
)
def test_a_rate_without_window_or_samples_is_a_warning(tmp_path: Path, holds: str, lacks: str) -> None:
    """It is told where it stands, with what to add; a threshold with both, or in words alone, is not."""
    rates = f"thresholds:\n  - {{name: words, words: x}}\n  - {{name: rate, words: x, above: 0.01{holds}}}\n"
    whole = "  - {name: whole, words: x, above: 0.01, window: 5m, samples: 9}\n"
    folder = company_folder(tmp_path, ("plan.yaml", "templates:\n", f"{rates}{whole}templates:\n"))
    (told,) = [one for one in check_company(folder, KINDS) if "threshold" in one.sentence]
    assert told.level == "warning"
    assert told.sentence == f"The threshold `rate` has `above` and no {lacks}."
    assert "plan.yaml:29" in str(told)


def test_vintstreets_critical_alerts_are_held_to_their_thresholds() -> None:
    """Each of the plan's five lines has its route."""
    plan = vintstreet().plan
    assert {route.threshold for route in plan.routes if route.threshold} == {one.name for one in plan.thresholds}
    assert all(one.window and one.samples for one in plan.thresholds if one.above is not None)
