"""A company with another language, other severities and other clocks, whose drill runs to its post-mortem.

*Source:* tests/companies/nordwind, which is made up; Art. 33 GDPR for its 72 hours.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from allclear.company import Company, load_company
from allclear.company.check import check_company
from allclear.domain.incident import Incident
from allclear.domain.plan import ClockStart
from allclear.domain.records import Entry
from allclear.domain.reminders.deadlines import deadlines
from allclear.domain.replay import replay
from allclear.drill.check import check_drills
from allclear.engine.actions.registry import Registry
from allclear.postmortem.placeholders import PLACEHOLDERS
from tests.end_to_end.stack_support import PATIENCE, ROOT, allclear, patient_companies

COMPANIES = ROOT / "tests" / "companies"
DUTY = "meldung-art-33"


@pytest.fixture(scope="module")
def nordwind() -> Company:
    """The company, as a response loads it."""
    return load_company(COMPANIES / "nordwind")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of its first drill, which is run once for this file."""
    folder = tmp_path_factory.mktemp("nordwind")
    done = allclear(
        *("drill", "--company", "nordwind", "--json", "--home", str(folder / "home"), "--within", PATIENCE),
        ALLCLEAR_RUNBOOKS=str(patient_companies(folder, COMPANIES)),
    )
    assert done.stdout.startswith("{"), f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def incident(played: dict[str, Any]) -> Incident:
    """The drill's incident, replayed from its journal."""
    return replay([Entry.model_validate(entry) for entry in played["entries"]])


def records(played: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the journal's records of a kind."""
    return [entry["record"] for entry in played["entries"] if entry["record"]["kind"] == kind]


def test_its_folder_has_one_diagnostic(nordwind: Company) -> None:
    """Every kind of line that a plan can have passes the check, with umlauts. Nothing can be sent to the press."""
    found = [str(one) for one in check_company(nordwind.folder, Registry.installed(), PLACEHOLDERS, check_drills)]
    assert len(found) == 1, found
    assert "`die Presse` is no role and no mailing list, so that nothing is sent to it by `notifications`." in found[0]


@pytest.mark.slow
def test_its_drill_goes_as_planned(played: dict[str, Any]) -> None:
    """All five phases were entered, and the rollback was verified and undone."""
    assert played["misses"] == []
    assert [one["phase"] for one in records(played, "phase.left")] == [
        "detect",
        "contain",
        "investigate",
        "resolve",
        "review",
    ]


@pytest.mark.slow
def test_a_switch_of_its_own_is_set_and_set_back(played: dict[str, Any], incident: Incident) -> None:
    """It is declared in systems.yaml alone; a person approved it, its effect was proven, and the end undid it."""
    act = incident.acts["contain/lieferstopp"]
    assert (act.proposed.action, act.status.value) == ("http.request", "undone")
    switched = [line["enabled"] for line in played["event_log"] if line["kind"] == "flag_changed"]
    assert switched == [True, False]


@pytest.mark.slow
def test_questions_and_messages_are_in_its_language(played: dict[str, Any]) -> None:
    """They and the post-mortem have the company's German texts, with all letters."""
    titles = [one["ask"]["title"] for one in records(played, "ask.opened")]
    assert "Geschäftsleitung anrufen" in titles
    told = [line["text"] for line in played["event_log"] if line["kind"] == "message"]
    assert any("Störung NW-1 (Großalarm) \u2013 Nordwind Versand GmbH" in text for text in told)
    for words in ("# Nachbereitung NW-1", "Artikelnamen mit Umlauten", "Käthe Björnsen", "Prüfsumme des letzten"):
        assert words in played["post_mortem"]


@pytest.mark.slow
def test_a_possible_breach_is_treated_as_one_until_it_is_known(played: dict[str, Any]) -> None:
    """Logs are saved before the rollback is proposed, and the data protection officer has the duty to report."""
    asks = [one["ask"] for one in records(played, "ask.opened")]
    order = [f"{ask['phase']}/{ask['step']}" for ask in asks]
    assert order.index("contain/evidence-protokolle") < order.index("contain/zurueckrollen")
    [duty] = [ask for ask in asks if ask["phase"] == "duty"]
    assert duty["id"] == f"NW-1/duty/{DUTY}"
    [answer] = [entry for entry in played["entries"] if entry["record"].get("ask") == duty["id"]]
    assert answer["by"]["actor"] == "Zoë Müller-Lüdenscheidt"
    assert "72 Stunden" in duty["text"]


@pytest.mark.slow
def test_its_clocks_are_its_own(nordwind: Company, incident: Incident) -> None:
    """The 72 hours start with the first sign of a person. Business days are counted in Hamburg."""
    due = {one.name: one for one in deadlines(nordwind.plan, incident)}
    assert incident.aware_at is not None
    assert due[DUTY].starts is ClockStart.AWARENESS
    assert due[DUTY].due == incident.aware_at + timedelta(hours=72)
    assert due[DUTY].met is not None
    assert due["reaktion"].met == incident.aware_at
    meeting = due["treffen"].due
    assert meeting is not None
    local = meeting.astimezone(nordwind.plan.working_time.zone_info)
    assert f"{local:%H:%M}" == "18:00"
    assert nordwind.plan.working_time.works_on(local.date())


def test_its_holidays_stop_its_clock(nordwind: Company) -> None:
    """Two business days from the day before Christmas Eve end on the 29th, because the 24th to the 27th are free."""
    plan = nordwind.plan
    begun = datetime(2026, 12, 23, 15, 0, tzinfo=plan.working_time.zone_info)
    [span] = [target.within for target in plan.severities[1].targets if target.name == "behebung"]
    local = plan.working_time.after(begun, span).astimezone(plan.working_time.zone_info)
    assert f"{local:%Y-%m-%d %H:%M}" == "2026-12-29 18:00"


def test_its_rota_has_two_layers_at_night_on_a_friday(nordwind: Company) -> None:
    """On a Friday evening both layers are on duty, on a Tuesday only the first."""
    plan = nordwind.plan
    [rota] = plan.rotas
    friday, tuesday = (datetime(2026, 11, day, 20, 0, tzinfo=plan.working_time.zone_info) for day in (20, 24))
    assert [one.person for one in rota.on_duty(friday, plan.working_time)] == ["Käthe Björnsen", "Özgür Weiß"]
    assert [one.layer for one in rota.on_duty(tuesday, plan.working_time)] == ["erste"]


def test_the_code_does_not_mention_it() -> None:
    """Neither its name nor a word of its German is in the code."""
    for package in ("allclear", "tasks", "flows", "deployments"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8").lower()
            assert "nordwind" not in text
            assert "eindämmung" not in text


def test_only_the_settings_name_a_company() -> None:
    """Our first company is in the code once, as the default of ALLCLEAR_COMPANY."""
    naming = [
        str(path.relative_to(ROOT))
        for package in ("allclear", "tasks", "flows", "deployments")
        for path in sorted((ROOT / package).rglob("*.py"))
        if "vintstreet" in path.read_text(encoding="utf-8").lower()
    ]
    assert naming == [str(Path("allclear/settings.py"))]
