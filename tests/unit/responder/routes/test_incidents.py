"""The doors to the incidents, and whether /openapi.json says what every door answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from allclear.bootstrap import Engine
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Wait
from allclear.responder.app import make_app
from tests.contract.simulator_support import Simulated
from tests.scenario.response_support import (
    ALERT,
    MACHINE,
    announced,
    broken,
    engine_on,
    new_journal,
    respond,
    run_phase,
)
from tests.unit.responder.responder_support import AUTH, PAYMENTS, TOKEN, engine_in, incidents_beside, send


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a journal of its own; Prefect is away."""
    engine = engine_in(tmp_path)
    yield engine
    engine.journal.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """The responder, with its loops running."""
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False)) as client:
        yield client


@asynccontextmanager
async def asking(engine: Engine) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield a client of the doors, without their loops: the test is the one who drives."""
    app = make_app(engine, SecretStr(TOKEN))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://responder", headers=AUTH
    ) as client:
        yield client


async def test_an_incident_is_shown_as_it_stands(tmp_path: Path) -> None:
    """Who is asked, what is in place, what is due and who leads: from the alert to all clear."""
    async with Simulated(broken()) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path))
        async with asking(engine) as http:
            incident = engine.intake.take(ALERT, "delivery-1").incident
            assert incident is not None
            page = (await http.get(f"/incidents/{incident}")).json()
            assert (page["lead"], page["phase"], page["open_asks"]) == (None, None, [])
            (due,) = [one for one in page["next_deadlines"] if one["what"] == "target"]
            assert (due["title"], due["missed"]) == ("respond", False)
            (line,) = (await http.get("/incidents")).json()
            assert line["next_deadline"] == page["next_deadlines"][0]
            await run_phase(engine, sim.world, incident, Phase.DETECT)
            engine.people.hand_over(incident, "incident_commander", "Ana", engine.people.who("Bo", "on_call", "cli"))
            assert isinstance(await engine.conductor.run(incident, Phase.CONTAIN, MACHINE), Wait)
            page = (await http.get(f"/incidents/{incident}")).json()
            assert (page["phase"], page["severity"], page["service"]) == ("contain", "P0", "storefront")
            assert (page["lead"], page["simulated"], page["contained_at"]) == ("Ana", True, None)
            (ask,) = [one for one in page["open_asks"] if one["kind"] == "approval"]
            assert (bool(ask["title"]), "On-Call" in ask["asked"]) == (True, True)
            assert [left["what"] for left in page["in_place"]] == ["page open"]
            (line,) = (await http.get("/incidents?open=true")).json()
            assert (line["id"], line["open_asks"], line["lead"]) == (incident, len(page["open_asks"]), "Ana")
            await run_phase(engine, sim.world, incident, Phase.CONTAIN)
            page = (await http.get(f"/incidents/{incident}")).json()
            (left,) = [one for one in page["in_place"] if one["act"] == "contain/roll-back"]
            assert (left["act"], left["status"], page["status"]) == ("contain/roll-back", "verified", "CONTAINED")
            await respond(engine, sim.world)
            page = (await http.get(f"/incidents/{incident}")).json()
            assert (page["status"], page["open_asks"], page["in_place"]) == ("RESOLVED", [], [])
            assert page["opened_at"] < page["contained_at"] < page["recovered_at"] <= page["ended_at"]
            assert (await http.get("/incidents?open=true")).json() == []
        await engine.close()


def test_an_incident_of_another_scope_is_not_shown(client: TestClient, engine: Engine) -> None:
    """If two companies and a drill share a journal, each sees its own incidents; without the token none is shown."""
    theirs, drill = incidents_beside(engine)
    ours = send(client, PAYMENTS)["incident"]
    assert [one["id"] for one in client.get("/incidents", headers=AUTH).json()] == [ours]
    for other in (theirs, drill):
        assert client.get(f"/incidents/{other}", headers=AUTH).status_code == 404
    assert client.get("/incidents").status_code == 401
    assert client.get(f"/incidents/{ours}").status_code == 401
    assert client.get("/incidents?limit=0", headers=AUTH).status_code == 422


def test_the_gauge_of_open_incidents_counts_its_own_scope(engine: Engine) -> None:
    """The open incidents of another company and of a drill are in neither the gauge nor its open questions."""
    incidents_beside(engine)
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False), client=("127.0.0.1", 5)) as here:
        assert 'allclear_open_incidents{severity="P0"} 0.0' in here.get("/metrics").text
        send(here, PAYMENTS)
        assert 'allclear_open_incidents{severity="P0"} 1.0' in here.get("/metrics").text


DOORS = {
    ("post", "/alerts/{source}"): {"202", "400", "401", "403", "404", "413", "503"},
    ("options", "/alerts/{source}"): {"200", "404", "405"},
    ("get", "/alerts"): {"200", "401", "422", "503"},
    ("get", "/alerts/{delivery}"): {"200", "401", "404", "503"},
    ("post", "/alerts/{delivery}/retry"): {"202", "401", "404", "409", "503"},
    ("get", "/incidents"): {"200", "401", "422", "503"},
    ("get", "/incidents/{incident_id}"): {"200", "401", "404", "503"},
    ("get", "/healthz"): {"200"},
    ("get", "/readyz"): {"200", "503"},
    ("get", "/metrics"): {"200", "401"},
}


def test_the_description_names_every_door_and_what_it_answers(client: TestClient) -> None:
    """/openapi.json has each door with its statuses, errors included, each in words, and which need the token."""
    described = client.get("/openapi.json").json()
    found = {
        (method, path): set(door["responses"])
        for path, doors in described["paths"].items()
        for method, door in doors.items()
    }
    assert found == DOORS
    guarded = {path for path, doors in described["paths"].items() for door in doors.values() if door.get("security")}
    for path, doors in described["paths"].items():
        for method, door in doors.items():
            assert len(door["summary"].split()) > 2, (method, path)  # the function's name, where nobody wrote one
            assert door["description"].endswith("."), (method, path)
            said = [answer["description"] for answer in door["responses"].values()]
            assert not {"Successful Response", "Validation Error"} & set(said), (method, path)
            assert all(option.get("description") for option in door.get("parameters", [])), (method, path)
    assert guarded == {path for _, path in DOORS} - {"/alerts/cloudevents", "/alerts/{source}", "/healthz", "/readyz"}


def test_the_doors_answer_as_they_are_described(client: TestClient) -> None:
    """Each answer fits the schema that /openapi.json has for its door and status."""
    described = client.get("/openapi.json").json()
    sent = send(client, PAYMENTS)
    client.post("/alerts/json", content=b"{", headers=AUTH)
    incident = sent["incident"]
    calls: list[tuple[str, str, str, dict[str, Any]]] = [
        ("post", "/alerts/{source}", "/alerts/json", {"json": PAYMENTS, "headers": AUTH}),
        ("post", "/alerts/{source}", "/alerts/json", {"json": PAYMENTS}),
        ("post", "/alerts/{source}", "/alerts/sentry", {"json": PAYMENTS}),
        ("post", "/alerts/{source}", "/alerts/pigeon", {"json": PAYMENTS}),
        ("post", "/alerts/{source}", "/alerts/json", {"content": b"x" * (1024 * 1024 + 1), "headers": AUTH}),
        ("get", "/alerts", "/alerts", {"headers": AUTH}),
        ("get", "/alerts", "/alerts?state=x", {"headers": AUTH}),
        ("get", "/alerts/{delivery}", f"/alerts/{sent['id']}", {"headers": AUTH}),
        ("get", "/alerts/{delivery}", "/alerts/x", {"headers": AUTH}),
        ("post", "/alerts/{delivery}/retry", f"/alerts/{sent['id']}/retry", {"headers": AUTH}),
        ("get", "/incidents", "/incidents", {"headers": AUTH}),
        ("get", "/incidents/{incident_id}", f"/incidents/{incident}", {"headers": AUTH}),
        ("get", "/incidents/{incident_id}", "/incidents/x", {"headers": AUTH}),
        ("get", "/healthz", "/healthz", {}),
        ("get", "/readyz", "/readyz", {}),
    ]
    seen: list[int] = []
    for method, door, path, more in calls:
        answer = client.request(method, path, **more)
        seen.append(answer.status_code)
        said = described["paths"][door][method]["responses"][str(answer.status_code)]
        schema = said["content"]["application/json"]["schema"] | {"components": described["components"]}
        jsonschema.validate(answer.json(), schema)
    assert seen == [202, 401, 403, 404, 413, 200, 422, 200, 404, 409, 200, 200, 404, 200, 200]


def test_a_page_of_other_peoples_scripts_is_not_served(client: TestClient) -> None:
    """FastAPI's own pages load theirs from elsewhere: they are off."""
    assert {client.get(path).status_code for path in ("/docs", "/redoc")} == {404}
