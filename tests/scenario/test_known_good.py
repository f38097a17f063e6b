"""Known good: the revision that served all users while a health check succeeded, recorded once and never changed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import create_engine, text
from typing_extensions import override

from allclear.bootstrap import make_engine
from allclear.domain.action import Finding, Verdict
from allclear.domain.base import JsonDict
from allclear.domain.baseline import Baseline, ServingAll
from allclear.domain.errors import JournalError
from allclear.domain.records import IncidentEnded, IncidentOpened
from allclear.domain.runbook import Phase, ProbeCall
from allclear.engine.actions.known_good import (
    JournalRecord,
    record_known_good,
    record_serving,
    with_check_count,
    with_serving,
)
from allclear.engine.actions.registry import Registry
from allclear.journal.sql_journal import SqlJournal
from allclear.settings import Settings
from tasks.cloud_run.failed_revisions import rolled_back_from
from tasks.http_probes import SmokeTest
from tasks.service_params import ServiceParams
from tests.contract.simulator_support import BAD, GOOD, SERVICE, Simulated, control, quick
from tests.patience import HUNG
from tests.scenario.response_support import (
    FIX,
    MACHINE,
    announced,
    broken,
    engine_on,
    new_journal,
    person_for,
    report,
    respond,
    run_phase,
    vintstreet,
)
from tests.scopes import REAL

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
TRAFFIC = f"traffic:{SERVICE}"


def baseline(revision: str, hours: float, resource: str = TRAFFIC) -> Baseline:
    """Return a baseline from `hours` ago."""
    return Baseline(resource=resource, revision=revision, at=NOW - timedelta(hours=hours), noted_by="VS-1, recovered")


def opened(began: datetime | None, service: str = "storefront") -> IncidentOpened:
    """Return the record that opens an incident."""
    return IncidentOpened(
        company="vintstreet",
        title="Trouble",
        severity="P0",
        service=service,
        runbook="bad-deployment",
        reported="by Ana",
        began_at=began,
    )


# --- the journal -------------------------------------------------------------------------------------


def test_baselines_of_a_resource_are_read_newest_first_and_none_after_the_given_time(tmp_path: Path) -> None:
    """The order in which they were written does not matter."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    journal.add_baselines(
        [baseline("old", 90), baseline("new", 2), baseline("late", -1), baseline("other", 1, "traffic:x")]
    )
    journal.add_baselines([baseline("middle", 5)])
    journal.add_baselines([])
    found = journal.baselines(TRAFFIC, NOW, limit=2)
    journal.close()
    assert [one.revision for one in found] == ["new", "middle"]
    assert found[0] == baseline("new", 2)


@pytest.mark.parametrize("change", ["UPDATE baselines SET revision = 'x'", "DELETE FROM baselines"])
def test_a_baseline_cannot_be_changed_or_deleted(tmp_path: Path, change: str) -> None:
    """The database itself refuses it."""
    url = new_journal(tmp_path)
    journal = SqlJournal(url, REAL)
    journal.add_baselines([baseline("good", 1)])
    engine = create_engine(url)
    with pytest.raises(Exception, match="append-only"), engine.begin() as connection:
        connection.execute(text(change))
    engine.dispose()
    kept = journal.baselines(TRAFFIC, NOW)
    journal.close()
    assert [one.revision for one in kept] == ["good"]


# --- what actions read -------------------------------------------------------------------------------


def test_the_onset_is_that_of_the_newest_open_incident_of_the_service(tmp_path: Path) -> None:
    """The source's time counts, or else the time of opening. Ended incidents and other services do not count."""
    journal = SqlJournal(new_journal(tmp_path), REAL, lambda: NOW)
    record = JournalRecord(journal)
    assert record.onset("storefront") is None
    journal.open_incident("VS", opened(NOW, service="other"), MACHINE)
    first, _ = journal.open_incident("VS", opened(None), MACHINE)
    assert record.onset("storefront") == NOW
    began = NOW - timedelta(minutes=7)
    second, _ = journal.open_incident("VS", opened(began), MACHINE)
    assert record.onset("storefront") == began
    for incident in (first, second):
        journal.append(incident, [IncidentEnded(ending="resolved", reason="Well.")], MACHINE)
    assert record.onset("storefront") is None
    journal.close()


def test_a_journal_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """An unreadable journal does not look like an empty one."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    engine = create_engine(f"sqlite:///{tmp_path / 'journal.db'}")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE baselines"))
        connection.execute(text("DROP TABLE overrides"))
    engine.dispose()
    with pytest.raises(JournalError):
        JournalRecord(journal).baselines(TRAFFIC, NOW)
    journal.close()


# --- where it is written -----------------------------------------------------------------------------


async def test_a_false_alarm_records_what_served_once_people_have_agreed(tmp_path: Path) -> None:
    """The successful check alone records nothing, because a person may know better."""
    async with Simulated(quick("healthy")) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path), company=vintstreet(20))
        try:
            incident_id = report(engine)
            await engine.conductor.run(incident_id, Phase.DETECT, MACHINE)
            later = datetime.now(UTC) + timedelta(hours=1)
            assert engine.journal.baselines(TRAFFIC, later) == []
            [ask] = engine.conductor.incident(incident_id).open_asks
            engine.people.answer(ask.ask.id, person_for(ask.ask), yes=True, reason="A flapping check.")
            await engine.conductor.run(incident_id, Phase.DETECT, MACHINE)
            [noted] = engine.journal.baselines(TRAFFIC, later)
            verified = engine.conductor.incident(incident_id).steps["detect", "verify"]
        finally:
            await engine.close()
    assert (noted.revision, noted.at) == (GOOD, verified.at)
    assert noted.noted_by == f"{incident_id}, a false alarm"


@pytest.mark.parametrize(
    ("verdict", "facts", "checks", "noted"),
    [
        (Verdict.SUCCESS, {"requests": 20}, 1, [GOOD]),
        (Verdict.SUCCESS, {"requests": 500}, 1, [GOOD]),
        (Verdict.SUCCESS, {"requests": 19}, 1, []),
        (Verdict.SUCCESS, {"requests": 500}, 2, []),
        (Verdict.SUCCESS, {}, 1, []),
        (Verdict.SUCCESS, {"requests": True}, 1, []),
        (Verdict.FAILURE, {"requests": 500}, 1, []),
    ],
)
def test_a_check_that_may_be_chance_makes_no_revision_known_good(
    tmp_path: Path, verdict: Verdict, facts: JsonDict, checks: int, noted: list[str]
) -> None:
    """A check with few requests, or repeated until it succeeded, proves little of a revision that fails sometimes."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    finding = with_serving(
        Finding(verdict=verdict, sentence="Checked.", facts=facts), [ServingAll(resource=TRAFFIC, revision=GOOD)]
    )
    record_known_good(journal, with_check_count(finding, checks), NOW, "VS-1, recovered")
    kept = journal.baselines(TRAFFIC, NOW)
    journal.close()
    assert [one.revision for one in kept] == noted


async def test_a_response_with_a_small_smoke_test_records_nothing(tmp_path: Path) -> None:
    """Four successful requests can end an incident that people watch, but make no revision known good."""
    async with Simulated(broken()) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path))
        try:
            incident_id = await respond(engine, sim.world)
            noted = engine.journal.baselines(TRAFFIC, datetime.now(UTC))
            incident = engine.conductor.incident(incident_id)
        finally:
            await engine.close()
    assert incident.recovered_at is not None
    assert noted == []


class ObservedSmokeTest(SmokeTest):
    """The smoke test, which sets an event after each run."""

    finished: ClassVar[asyncio.Event]

    @override
    async def check(self, params: ServiceParams) -> Finding:
        finding = await super().check(params)
        self.finished.set()
        return finding


async def test_a_repeated_check_has_the_number_of_checks_in_its_finding(tmp_path: Path) -> None:
    """With `within`, the finding has the number of checks; if the first one succeeds, it has none."""
    async with Simulated(broken()) as sim:
        settings = Settings(
            company="vintstreet", journal_url=new_journal(tmp_path), simulation=announced(sim, tmp_path)
        )
        engine = make_engine(settings, environ={}, company=vintstreet(20), registry=Registry.of([ObservedSmokeTest]))
        call = ProbeCall.model_validate({"probe": "http.smoke", "with": {"service": "storefront"}, "within": "2m"})
        try:
            ObservedSmokeTest.finished = asyncio.Event()
            check = asyncio.create_task(engine.conductor.check(call, {}))
            async with asyncio.timeout(HUNG):
                await ObservedSmokeTest.finished.wait()
            await control(sim, "POST", "/traffic", {"traffic": [{"revision": GOOD, "percent": 100}]})
            repeated, once = await check, await engine.conductor.check(call, {})
        finally:
            await engine.close()
    assert (repeated.verdict, once.verdict) == (Verdict.SUCCESS, Verdict.SUCCESS)
    assert repeated.facts["checks"] > 1
    assert "checks" not in once.facts


async def test_a_readiness_check_can_record_the_serving_revision(tmp_path: Path) -> None:
    """One call records the revision without an incident; if the traffic is split, nothing is recorded."""
    async with Simulated(quick("healthy")) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path))
        try:
            noted = await record_serving(
                engine.journal, engine.registry, engine.context, "storefront", NOW, "readiness"
            )
            halves = [{"revision": name, "percent": 50} for name in (GOOD, "vintstreet-00040-kip")]
            await control(sim, "POST", "/traffic", {"traffic": halves})
            shared = await record_serving(
                engine.journal, engine.registry, engine.context, "storefront", NOW, "readiness"
            )
            kept = engine.journal.baselines(TRAFFIC, NOW)
        finally:
            await engine.close()
    assert kept == noted == [Baseline(resource=TRAFFIC, revision=GOOD, at=NOW, noted_by="readiness")]
    assert shared == []


async def test_if_the_traffic_cannot_be_read_nothing_is_recorded(tmp_path: Path) -> None:
    """A service without Cloud Run, or a Cloud Run that refuses, is not an error."""
    async with Simulated(quick("healthy", permissions=[])) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path))
        try:
            assert await record_serving(engine.journal, engine.registry, engine.context, "storefront", NOW, "x") == []
            assert await record_serving(engine.journal, engine.registry, engine.context, "nothing", NOW, "x") == []
        finally:
            await engine.close()


async def test_a_response_records_what_contained_and_what_recovered_for_the_next_rollback(
    tmp_path: Path,
) -> None:
    """Revision 41 contained the trouble and 43 ended it; when 44 breaks the shop again, 43 is known good."""
    async with Simulated(broken()) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path), company=vintstreet(20))
        try:
            incident_id = await respond(engine, sim.world)
            noted = engine.journal.baselines(TRAFFIC, datetime.now(UTC))
            await control(sim, "POST", "/deploy", {"revision": "vintstreet-00044-bad"})
            preview = await engine.executor.preview("cloud_run.rollback_traffic", {"service": "storefront"})
        finally:
            await engine.close()
    assert [(one.revision, one.noted_by) for one in noted] == [
        (FIX, f"{incident_id}, recovered"),
        (GOOD, f"{incident_id}, contained"),
    ]
    assert FIX in preview.change.summary
    assert f"{FIX} was chosen because it served 100 % and was healthy at {noted[0].at:%H:%M} UTC" in preview.change.risk


async def test_without_evidence_the_proposal_is_refused_with_the_candidates(tmp_path: Path) -> None:
    """The journal has the candidates as data, so that a person can be asked to choose; the response goes on."""
    few = [one for one in quick().permissions if one.startswith("run.")]
    async with Simulated(broken().model_copy(update={"permissions": few})) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path))
        try:
            incident_id = report(engine)
            await run_phase(engine, sim.world, incident_id, Phase.DETECT)
            await engine.conductor.run(incident_id, Phase.CONTAIN, MACHINE)
            incident = engine.conductor.incident(incident_id)
        finally:
            await engine.close()
    act = incident.acts["contain/roll-back"]
    [refusal] = act.proposed.refusals
    reasons = {one.name: one.reason for one in refusal.candidates}
    assert list(reasons) == [GOOD, "vintstreet-00040-kip", "vintstreet-00039-dex"]  # and not the maintenance page
    assert reasons[GOOD].endswith(" d before the incident, ready")
    assert "is not known" in refusal.sentence
    assert refusal.next_step == "Choose one of them, and name it in `to`."
    assert sim.world.serving() == {BAD: 100}


async def test_the_record_knows_the_revision_that_failed_and_the_one_that_was_healthy_after_it(tmp_path: Path) -> None:
    """The next incident's rollback reads both: what was rolled back from, and what recovered."""
    async with Simulated(broken()) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path), company=vintstreet(20))
        try:
            incident = await respond(engine, sim.world)
            (change,) = JournalRecord(engine.journal).containing(TRAFFIC)
            healthy = engine.journal.baselines(TRAFFIC, datetime.now(UTC) + timedelta(hours=1))
        finally:
            await engine.close()
    (failed,) = rolled_back_from([change], healthy, datetime.now(UTC))
    assert (failed.revision, change.incident) == (BAD, incident)
    assert healthy[0].revision == FIX
