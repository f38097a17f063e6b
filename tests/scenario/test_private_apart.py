"""A private incident and a public one of the same service stay apart: neither takes in what belongs to the other."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.alert import Alert
from allclear.domain.errors import AllclearError
from allclear.domain.plan import Route, Storm
from allclear.domain.privacy import is_private
from allclear.domain.records import AlertJoined, By, NoteAdded, StormJoined
from allclear.engine.actions.manual import ManualRequest
from allclear.engine.people.declare import Declaration
from allclear.settings import Settings
from tests.scenario.private_support import ON_CALL, READER, private_if_security
from tests.scenario.response_support import installed, new_journal
from tests.unit.engine.alerts.storm_support import many_services

CANARY = "canary-4711"
LEAK, ERRORS = "DataLeak", "HighErrorRate"


def alert(name: str, key: str = "", number: int = 0) -> Alert:
    """Return a firing alert, which the route of that name takes."""
    labels = {"alertname": name, "n": str(number)}
    return Alert("alertmanager", key or name, "firing", f"{name} {CANARY}", labels, authenticated=True)


def with_routes(*, storm: Storm | None = None) -> Company:
    """Return the company whose security incidents are private, with a route of either kind for forty services."""
    company, many = private_if_security(), many_services()
    routes = [
        Route(
            name=f"{name}-{number}".lower(),
            match={"alertname": name, "n": str(number)},
            service=f"shop-{number}",
            severity="P1",
            runbook="bad-deployment",
            kind=kind,
        )
        for number in range(len(many.systems.services))
        for name, kind in ((LEAK, "security"), (ERRORS, "outage"))
    ]
    plan = company.plan.model_copy(update={"routes": routes, "storm": storm or Storm()})
    return replace(company, plan=plan, systems=many.systems)


@contextmanager
def engine_of(folder: Path, company: Company) -> Generator[Engine]:
    """Yield an engine of the company on a new journal."""
    engine = make_engine(Settings(journal_url=new_journal(folder)), environ={}, company=company, registry=installed())
    try:
        yield engine
    finally:
        engine.journal.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine of the company whose security incidents are private."""
    with engine_of(tmp_path, with_routes()) as engine:
        yield engine


def take(engine: Engine, one: Alert) -> tuple[str, str]:
    """Take an alert in. Return what was decided and the incident."""
    taken = engine.intake.take(one, f"delivery-of-{one.key}")
    assert taken.incident is not None
    return taken.state, taken.incident


def private_ids(engine: Engine) -> dict[str, bool]:
    """Return for each incident whether it is private."""
    plan = engine.company.plan
    return {row.id: is_private(plan, engine.conductor.incident(row.id)) for row in engine.journal.incidents()}


def alerts_in(engine: Engine, incident: str) -> list[str]:
    """Return the titles of the alerts that the incident's record has."""
    records = [entry.record for entry in engine.journal.entries(incident)]
    return [record.title for record in records if isinstance(record, AlertJoined)]


@pytest.mark.parametrize(("first", "second"), [(LEAK, ERRORS), (ERRORS, LEAK)])
def test_an_alert_joins_no_incident_that_other_people_read(engine: Engine, first: str, second: str) -> None:
    """Whichever comes first, each has an incident of its own, and a further alert joins the one of its kind."""
    one, other = take(engine, alert(first)), take(engine, alert(second))
    assert (one[0], other[0]) == ("opened", "opened")
    assert private_ids(engine) == {one[1]: first == LEAK, other[1]: second == LEAK}
    (decided,) = engine.journal.decisions(incident=other[1], limit=1)
    assert f"It does not join {one[1]}, which other people may read." in decided.reason
    assert take(engine, alert(first, "again-1")) == ("joined", one[1])
    assert take(engine, alert(second, "again-2")) == ("joined", other[1])
    assert alerts_in(engine, one[1]) == [f"{first} {CANARY}"] * 2
    assert alerts_in(engine, other[1]) == [f"{second} {CANARY}"] * 2


@pytest.mark.parametrize("kinds", [("security", "outage"), ("outage", "security")])
def test_a_declaration_is_added_to_no_incident_that_other_people_read(engine: Engine, kinds: tuple[str, str]) -> None:
    """Neither the note "Declared again" nor the facts of one stand in the other."""
    first, second = (
        engine.people.declare(Declaration(CANARY, "P1", "shop-0", "bad-deployment", kind=kind), READER).incident
        for kind in kinds
    )
    assert first != second
    again = [
        engine.people.declare(Declaration(CANARY, "P1", "shop-0", "bad-deployment", kind=kind), READER).incident
        for kind in kinds
    ]
    assert again == [first, second]
    notes = [entry.record for entry in engine.journal.entries(first) if isinstance(entry.record, NoteAdded)]
    assert [note.text for note in notes] == [f"Declared again: {CANARY}"]


def test_an_outage_is_declared_beside_an_incident_that_became_private(engine: Engine) -> None:
    """The incident keeps the key of a public one, and still takes no public declaration."""
    claimed = By(actor="Mallory", role="scribe", via="cli")
    declared = Declaration("Shop empty", "P1", "shop-0", "bad-deployment", kind="outage")
    first = engine.people.declare(declared, READER).incident
    engine.people.assess(first, {}, "security", "stolen keys", READER)
    second = engine.people.declare(declared, claimed).incident
    assert private_ids(engine) == {first: True, second: False}
    assert engine.people.declare(declared, claimed).incident == second


@pytest.mark.parametrize("private_first", [True, False])
def test_the_umbrella_of_a_storm_has_nothing_private(tmp_path: Path, *, private_first: bool) -> None:
    """A storm gathers public incidents. A private alert during it opens its own incident, and follows none."""
    storm = Storm.model_validate({"umbrella": {"times": 5, "within": "5m"}})
    with engine_of(tmp_path, with_routes(storm=storm)) as engine:
        leaks = [alert(LEAK, f"leak-{number}", number) for number in range(4)]
        errors = [alert(ERRORS, f"errors-{number}", number) for number in range(10)]
        for one in [*leaks, *errors] if private_first else [*errors, *leaks]:
            take(engine, one)
        private = [incident for incident, marked in private_ids(engine).items() if marked]
        assert len(private) == len(leaks)
        (umbrella,) = {
            entry.record.umbrella
            for incident in private_ids(engine)
            for entry in engine.journal.entries(incident)
            if isinstance(entry.record, StormJoined)
        }
        assert umbrella not in private
        assert alerts_in(engine, umbrella) == [f"{ERRORS} {CANARY}"] * 5
        for incident in private:
            assert alerts_in(engine, incident) == [f"{LEAK} {CANARY}"]


def test_an_umbrella_that_became_private_gathers_no_more(tmp_path: Path) -> None:
    """Public alerts have another umbrella then."""
    storm = Storm.model_validate({"umbrella": {"times": 3, "within": "5m"}})
    with engine_of(tmp_path, with_routes(storm=storm)) as engine:
        for number in range(3):
            take(engine, alert(ERRORS, f"errors-{number}", number))
        state, umbrella = take(engine, alert(ERRORS, "errors-3", 3))
        assert state == "joined"
        engine.people.assess(umbrella, {}, "security", "an attack", READER)
        assert take(engine, alert(ERRORS, "errors-5", 5))[1] != umbrella
        _, second = take(engine, alert(ERRORS, "errors-6", 6))
        assert second != umbrella
        assert private_ids(engine)[second] is False


async def test_an_action_by_hand_joins_no_incident_that_its_author_may_not_read(engine: Engine) -> None:
    """A program's proposal goes to the public incident of the service, although the private one is newer."""
    _, public = take(engine, alert(ERRORS))
    _, hidden = take(engine, alert(LEAK))
    assert private_ids(engine) == {public: False, hidden: True}
    before = engine.conductor.incident(hidden).length
    flag = {"flag": "new_checkout", "service": "shop-0"}
    with suppress(AllclearError):  # whether production answers does not matter here
        await engine.manual.do(ManualRequest("feature_flag.disable", flag, "a try"), ON_CALL)
    assert engine.conductor.incident(hidden).length == before
    assert engine.journal.incidents()[0].id == hidden
